//! Requests of each workspace's programs, counted by all servers together.
//!
//! Each server decides by what it knows and asks nobody while a request waits. What it has let through it tells the database within a second,
//! and sooner when it is a tenth of what a workspace may; the answer is what all servers have let through. So servers let pass what was
//! asked for between two answers at most, and that counts afterwards. While the database can't be asked, each goes by its own count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::sync::Notify;

use crate::identity::{AuthPool, IdentityError};

/// Workspaces whose requests are counted at a time; the least used are forgotten first.
const COUNTED: u64 = 100_000;
const MINUTE_MS: f64 = 60_000.0;
/// How often servers tell each other.
const EVERY: Duration = Duration::from_secs(1);
/// No more often than this, however much is asked.
const SOONEST: Duration = Duration::from_millis(50);
/// Workspaces told of in one statement.
const AT_ONCE: usize = 1_000;

const SETTLE: &str = "SELECT s.tenant_id, s.taken FROM app.settle_requests($1, $2) s";

/// How many requests each workspace has made of late. Cheap to clone.
#[derive(Clone)]
pub struct Requests(Arc<Shared>);

struct Shared {
    known: Cache<RecordId, Arc<Mutex<Taken>>>,
    /// How it is settled with the other servers; with nobody until that is said.
    others: OnceLock<(AuthPool, Arc<dyn Clock>)>,
    /// Told when much has been let through.
    much: Notify,
    settling: AtomicBool,
}

/// Requests that count, fewer with the time that passes.
#[derive(Debug)]
struct Taken {
    count: f64,
    at: Timestamp,
    /// Those among them that the other servers don't know of yet.
    unsettled: f64,
}

impl Taken {
    fn pass(&mut self, per_minute: f64, now: Timestamp) {
        let elapsed = now.duration_since(self.at).as_millis_f64().max(0.0);
        self.count = (self.count - elapsed * per_minute / MINUTE_MS).max(0.0);
        self.at = self.at.max(now);
        // What counts no more isn't told any more either, however long nobody could be told.
        self.unsettled = self.unsettled.min(self.count);
    }

    /// The others know of `told`, and answered as of `now` what counts of all servers.
    fn settle(&mut self, told: f64, count: Option<f64>, now: Timestamp) {
        // Some of it may have stopped counting meanwhile.
        self.unsettled = (self.unsettled - told).max(0.0);
        // Its quota may have been taken away.
        if let Some(count) = count {
            self.count = count + self.unsettled;
            self.at = now;
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Requests")
    }
}

impl Default for Requests {
    /// Counted here alone.
    fn default() -> Self {
        let known = Cache::builder()
            .max_capacity(COUNTED)
            .time_to_idle(Duration::from_mins(2))
            .build();
        Self(Arc::new(Shared {
            known,
            others: OnceLock::new(),
            much: Notify::new(),
            settling: AtomicBool::new(false),
        }))
    }
}

impl Requests {
    /// From here on they count with those of all other servers of this database.
    pub fn settle_through(&self, auth: AuthPool, clock: Arc<dyn Clock>) {
        let _ = self.0.others.set((auth, clock));
    }

    /// Counts one request of a workspace that may make so many in a minute, or answers after how many seconds the next one is taken.
    pub fn take(&self, tenant: RecordId, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        let shared = &self.0;
        let mut is_new = false;
        let taken = shared.known.get_with(tenant, || {
            is_new = true;
            Arc::new(Mutex::new(Taken {
                count: 0.0,
                at: now,
                unsettled: 0.0,
            }))
        });
        let mut taken = lock(&taken);
        let most = f64::from(per_minute.max(1));
        taken.pass(most, now);
        if taken.count + 1.0 > most {
            let wait = Duration::from_secs_f64((taken.count + 1.0 - most) * 60.0 / most);
            return Err(wait.as_secs() + 1);
        }
        taken.count += 1.0;
        taken.unsettled += 1.0;
        let is_much = is_new || taken.unsettled * 10.0 >= most;
        drop(taken);
        self.begin();
        if is_much {
            shared.much.notify_one();
        }
        Ok(())
    }

    /// Settles from the first request on, for as long as anybody counts.
    fn begin(&self) {
        let shared = &self.0;
        if shared.others.get().is_some() && !shared.settling.swap(true, Ordering::Relaxed) {
            tokio::spawn(settle_on(Arc::downgrade(shared)));
        }
    }
}

/// Ends with the last server that counts.
async fn settle_on(shared: Weak<Shared>) {
    let mut complained = false;
    while let Some(shared) = shared.upgrade() {
        if let Err(error) = shared.settle().await {
            if !complained {
                tracing::warn!(%error, "requests are counted by this server alone for now");
            }
            complained = true;
            // It stays much until somebody can be told, which is no reason to ask more often.
            tokio::time::sleep(EVERY).await;
            continue;
        }
        complained = false;
        tokio::time::sleep(SOONEST).await;
        let _ = tokio::time::timeout(EVERY, shared.much.notified()).await;
    }
}

impl Shared {
    /// Tells what was let through, and learns what counts.
    async fn settle(&self) -> Result<(), IdentityError> {
        let Some((auth, clock)) = self.others.get() else {
            return Ok(());
        };
        let known: Vec<(RecordId, Arc<Mutex<Taken>>)> = self
            .known
            .iter()
            .map(|(tenant, taken)| (*tenant, taken))
            .filter(|(_, taken)| {
                let taken = lock(taken);
                taken.unsettled > 0.0 || taken.count > 0.0
            })
            .collect();
        for known in known.chunks(AT_ONCE) {
            let told: Vec<f64> = known
                .iter()
                .map(|(_, taken)| lock(taken).unsettled)
                .collect();
            let settled = tell(auth, known, &told).await?;
            for ((tenant, taken), told) in known.iter().zip(told) {
                let count = settled.get(tenant.as_str()).copied();
                lock(taken).settle(told, count, clock.now());
            }
        }
        Ok(())
    }
}

/// Tells the database what was let through, and answers what counts of each.
async fn tell(
    auth: &AuthPool,
    known: &[(RecordId, Arc<Mutex<Taken>>)],
    told: &[f64],
) -> Result<HashMap<String, f64>, IdentityError> {
    let tenants: Vec<&str> = known.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let client = auth.get().await?;
    let settle = client.prepare_cached(SETTLE).await?;
    let rows = client.query(&settle, &[&tenants, &told]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn requests_of_one_workspace_are_bounded_and_come_back_with_time() {
        let requests = Requests::default();
        let (one, other): (RecordId, RecordId) = (
            "00D000000000001".parse().unwrap(),
            "00D000000000002".parse().unwrap(),
        );
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        for _ in 0..30 {
            requests.take(one, 30, now).unwrap();
        }
        assert_eq!(requests.take(one, 30, now), Err(3));
        requests.take(other, 30, now).unwrap();
        let later = now + SignedDuration::from_secs(4);
        requests.take(one, 30, later).unwrap();
        requests.take(one, 30, later).unwrap();
        assert!(requests.take(one, 30, later).is_err());
        // A clock that goes back gives nothing away.
        assert!(requests.take(one, 30, now).is_err());
        // A larger quota counts at once.
        requests.take(one, 31, later).unwrap();
    }

    #[test]
    fn what_nobody_could_be_told_of_stops_counting_all_the_same() {
        let begun: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        let mut taken = Taken {
            count: 0.0,
            at: begun,
            unsettled: 0.0,
        };
        // An hour without the database, with as many requests as there may be.
        let mut now = begun;
        for _ in 0..600 {
            now += SignedDuration::from_secs(6);
            taken.pass(30.0, now);
            taken.count += 3.0;
            taken.unsettled += 3.0;
        }
        assert!(taken.unsettled <= taken.count, "{taken:?}");
        assert!(taken.count <= 30.0, "{taken:?}");
        // Told of, and more has stopped counting until the answer came.
        let told = taken.unsettled;
        now += SignedDuration::from_secs(60);
        taken.pass(30.0, now);
        taken.settle(told, Some(12.0), now);
        assert!((taken.count - 12.0).abs() < 1e-9, "{taken:?}");
        assert!(taken.unsettled.abs() < 1e-9, "{taken:?}");
        taken.settle(5.0, None, now);
        assert!(taken.unsettled >= 0.0, "{taken:?}");
    }
}
