//! How often somebody may try on this server: one token bucket per account and one per network address, in memory.
//!
//! Each server process counts for itself; what all of them count together is in the database. The slow hash is what bounds guessing; this bounds
//! what it may cost.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use super::{IdentityError, network, random};

/// A bucket: how many attempts at once, and how often another comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) burst: f64,
    pub(super) refill: SignedDuration,
}

pub(super) const PER_ACCOUNT: Rule = Rule {
    burst: 10.0,
    refill: SignedDuration::from_secs(60),
};
pub(super) const PER_NETWORK: Rule = Rule {
    burst: 60.0,
    refill: SignedDuration::from_secs(5),
};
/// What programs may ask of the token endpoint: a whole office of devices can be behind one address.
const PER_PROGRAM_NETWORK: Rule = Rule {
    burst: 300.0,
    refill: SignedDuration::from_millis(200),
};
/// Most buckets remembered of each kind; the least used go first.
const REMEMBERED: u64 = 100_000;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

/// By the SHA-256 of what is counted: a caller chooses the text, and must not choose how much memory it takes.
type Buckets = Cache<[u8; 32], Arc<Mutex<Bucket>>>;

/// Counts attempts to sign in.
#[derive(Debug, Clone)]
pub struct Throttle {
    accounts: Buckets,
    networks: Buckets,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            accounts: Cache::new(REMEMBERED),
            networks: Cache::new(REMEMBERED),
        }
    }
}

impl Throttle {
    /// Takes one attempt for the account (its folded e-mail address) and for the network, or says how long to wait.
    pub fn admit(
        &self,
        email_key: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        take(&self.networks, &network(address), PER_NETWORK, now)?;
        take(&self.accounts, email_key, PER_ACCOUNT, now)
    }

    /// Takes one request of a program for the network, or says how long to wait.
    pub(super) fn admit_program(
        &self,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        take(&self.networks, &network(address), PER_PROGRAM_NETWORK, now)
    }

    /// Gives account and network an attempt back after a right password.
    pub fn succeeded(&self, email_key: &str, address: IpAddr) {
        give_back(&self.networks, &network(address), PER_NETWORK);
        give_back(&self.accounts, email_key, PER_ACCOUNT);
    }
}

fn give_back(buckets: &Buckets, key: &str, rule: Rule) {
    if let Some(bucket) = buckets.get(&random::hash(key)) {
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.tokens = (bucket.tokens + 1.0).min(rule.burst);
    }
}

fn take(buckets: &Buckets, key: &str, rule: Rule, now: Timestamp) -> Result<(), IdentityError> {
    let bucket = buckets.get_with(random::hash(key), || {
        Arc::new(Mutex::new(Bucket {
            tokens: rule.burst,
            filled_at: now,
        }))
    });
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
    bucket.tokens = (bucket.tokens + elapsed / rule.refill.as_secs_f64()).min(rule.burst);
    bucket.filled_at = now.max(bucket.filled_at);
    if bucket.tokens >= 1.0 {
        bucket.tokens -= 1.0;
        return Ok(());
    }
    let wait = SignedDuration::from_secs_f64((1.0 - bucket.tokens) * rule.refill.as_secs_f64());
    Err(IdentityError::Throttled {
        retry_after_s: wait.as_secs().unsigned_abs() + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_account_runs_dry_and_fills_again() {
        let throttle = Throttle::default();
        // From a different network each time, so only the account counts.
        let address = |n: u8| IpAddr::from([198, 51, 100, n]);
        for n in 0..10 {
            assert!(throttle.admit("ann@example.com", address(n), at(0)).is_ok());
        }
        let Err(IdentityError::Throttled { retry_after_s }) =
            throttle.admit("ann@example.com", address(11), at(0))
        else {
            panic!("the eleventh attempt was let in");
        };
        assert!((59..=61).contains(&retry_after_s));
        assert!(
            throttle
                .admit("bob@example.com", address(12), at(0))
                .is_ok(),
            "another account is not affected"
        );
        assert!(
            throttle
                .admit("ann@example.com", address(13), at(61))
                .is_ok()
        );
        assert!(
            throttle
                .admit("ann@example.com", address(14), at(61))
                .is_err()
        );
        throttle.succeeded("ann@example.com", address(13));
        assert!(
            throttle
                .admit("ann@example.com", address(15), at(61))
                .is_ok()
        );
    }

    #[test]
    fn signing_in_elsewhere_gives_no_guesses_back() {
        let throttle = Throttle::default();
        let address = |n: u8| IpAddr::from([198, 51, 100, n]);
        let mut guesses = 0;
        for n in 0..100 {
            if throttle.admit("ann@example.com", address(n), at(0)).is_ok() {
                // Every other one is right, in a workspace of the guesser's own.
                if n % 2 == 0 {
                    throttle.succeeded("ann@example.com", address(n));
                } else {
                    guesses += 1;
                }
            }
        }
        assert_eq!(guesses, 10);
    }

    #[test]
    fn a_network_that_tries_many_accounts_runs_dry() {
        let throttle = Throttle::default();
        let address = IpAddr::from([203, 0, 113, 9]);
        let admitted = (0..100)
            .filter(|n| {
                throttle
                    .admit(&format!("{n}@example.com"), address, at(0))
                    .is_ok()
            })
            .count();
        assert_eq!(admitted, 60);
    }

    #[test]
    fn an_office_behind_one_address_begins_its_day() {
        let throttle = Throttle::default();
        let address = IpAddr::from([203, 0, 113, 9]);
        for n in 0..500 {
            let email = format!("{n}@example.com");
            assert!(throttle.admit(&email, address, at(0)).is_ok(), "{n}");
            throttle.succeeded(&email, address);
        }
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let throttle = Throttle::default();
        let address = IpAddr::from([203, 0, 113, 9]);
        for second in [0, -3600, 0, -3600, 0, -3600, 0, -3600, 0, -3600] {
            assert!(
                throttle
                    .admit("ann@example.com", address, at(second))
                    .is_ok()
            );
        }
        assert!(throttle.admit("ann@example.com", address, at(0)).is_err());
    }
}
