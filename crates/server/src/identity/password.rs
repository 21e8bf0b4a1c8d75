//! Passwords: Argon2id in PHC strings, checked on a bounded queue of blocking threads.
//!
//! Never logs a password or a hash, and never answers faster for an address that does not exist.

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::{IdentityError, random};

/// The cost of one hash, and how many may run and wait.
///
/// The floor is ASVS 5.0 appendix C: 19 MiB at two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes within one hash.
    pub lanes: u32,
    /// Hashes computed at the same time.
    pub concurrent: usize,
    /// Hashes that may wait; one more is refused.
    pub waiting: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            concurrent: 2,
            waiting: 32,
        }
    }
}

/// Fewest characters of a new password.
pub const MIN_CHARS: usize = 12;
/// Most bytes of a password that is looked at at all.
const MAX_BYTES: usize = 1024;

/// The answer to a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It fits. When the stored hash is weaker than the policy, a stronger one comes along.
    Right {
        /// The hash to store instead.
        rehash: Option<String>,
    },
    /// It does not fit.
    Wrong,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    /// Checked in place of the hash of a person who does not exist.
    dummy: Arc<str>,
    /// Everybody in here, running or waiting.
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher")
            .field("argon2", self.argon2.params())
            .finish_non_exhaustive()
    }
}

impl PasswordHasher {
    /// A hasher by `policy`; refuses one below the floor.
    pub fn new(policy: &PasswordPolicy) -> Result<Self, IdentityError> {
        let floor = PasswordPolicy::default();
        if policy.memory_kib < floor.memory_kib
            || policy.passes < floor.passes
            || policy.lanes == 0
            || policy.concurrent == 0
        {
            return Err(IdentityError::Unacceptable(
                "password hashing needs at least 19456 KiB, 2 passes, 1 lane and 1 at a time",
            ));
        }
        Self::unchecked(policy)
    }

    fn unchecked(policy: &PasswordPolicy) -> Result<Self, IdentityError> {
        let params = Params::new(policy.memory_kib, policy.passes, policy.lanes, None)
            .map_err(|_| IdentityError::Crypto)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash_with(&argon2, &random::secret()?)?.into();
        let admitted = Arc::new(Semaphore::new(
            policy.concurrent.saturating_add(policy.waiting),
        ));
        Ok(Self {
            argon2,
            dummy,
            admitted,
            running: Arc::new(Semaphore::new(policy.concurrent)),
        })
    }

    /// Hashes a new password; refuses one that is too short or too long.
    pub async fn hash(&self, password: &SecretString) -> Result<String, IdentityError> {
        let text = password.expose_secret();
        if text.chars().count() < MIN_CHARS {
            return Err(IdentityError::Unacceptable(
                "a password has at least 12 characters",
            ));
        }
        if text.len() > MAX_BYTES {
            return Err(IdentityError::Unacceptable(
                "a password has at most 1024 bytes",
            ));
        }
        let (hasher, password) = (self.clone(), password.clone());
        self.run(move || hash_with(&hasher.argon2, password.expose_secret()))
            .await
    }

    /// Checks a password against a stored PHC string, or, for somebody who does not exist, against one of the same cost.
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<Verdict, IdentityError> {
        let (hasher, password, known) = (self.clone(), password.clone(), stored.is_some());
        let stored = stored.unwrap_or(&self.dummy).to_owned();
        self.run(move || {
            let password = password.expose_secret();
            let parsed = PasswordHash::new(&stored).map_err(|_| IdentityError::Crypto)?;
            let fits = password.len() <= MAX_BYTES
                && hasher
                    .argon2
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok();
            if !(fits && known) {
                return Ok(Verdict::Wrong);
            }
            let rehash = if hasher.is_weaker(&parsed) {
                Some(hash_with(&hasher.argon2, password)?)
            } else {
                None
            };
            Ok(Verdict::Right { rehash })
        })
        .await
    }

    fn is_weaker(&self, stored: &PasswordHash<'_>) -> bool {
        let wanted = self.argon2.params();
        stored.algorithm.as_str() != "argon2id"
            || Params::try_from(stored).map_or(true, |found| {
                found.m_cost() < wanted.m_cost() || found.t_cost() < wanted.t_cost()
            })
    }

    /// Runs one hash on a blocking thread, or refuses when too many wait already.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let _admitted = self
            .admitted
            .clone()
            .try_acquire_owned()
            .map_err(|_| IdentityError::Busy)?;
        let running = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| IdentityError::Busy)?;
        tokio::task::spawn_blocking(move || {
            // A caller who has gone away does not free the place before the work is done.
            let _running = running;
            work()
        })
        .await
        .map_err(|_| IdentityError::Crypto)?
    }
}

fn hash_with(argon2: &Argon2<'_>, password: &str) -> Result<String, IdentityError> {
    let salt =
        SaltString::encode_b64(&random::bytes::<16>()?).map_err(|_| IdentityError::Crypto)?;
    let hash = argon2
        .hash_password(password.as_bytes(), &salt)
        .map_err(|_| IdentityError::Crypto)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(&PasswordPolicy::default()).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = hasher();
        let right = SecretString::from("correct horse battery");
        let stored = hasher.hash(&right).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(
            stored,
            hasher.hash(&right).await.unwrap(),
            "a salt of its own"
        );
        assert_eq!(
            hasher.verify(&right, Some(&stored)).await.unwrap(),
            Verdict::Right { rehash: None }
        );
        assert_eq!(
            hasher
                .verify(&SecretString::from("Correct horse battery"), Some(&stored))
                .await
                .unwrap(),
            Verdict::Wrong
        );
        assert_eq!(hasher.verify(&right, None).await.unwrap(), Verdict::Wrong);
        assert!(matches!(
            hasher.verify(&right, Some("not a hash")).await,
            Err(IdentityError::Crypto)
        ));
    }

    #[tokio::test]
    async fn a_weaker_hash_comes_back_stronger() {
        let weak = PasswordHasher::unchecked(&PasswordPolicy {
            memory_kib: 64,
            passes: 1,
            ..PasswordPolicy::default()
        })
        .unwrap();
        let password = SecretString::from("correct horse battery");
        let stored = weak.hash(&password).await.unwrap();
        let Verdict::Right {
            rehash: Some(stronger),
        } = hasher().verify(&password, Some(&stored)).await.unwrap()
        else {
            panic!("a stronger hash was expected");
        };
        assert_eq!(
            hasher().verify(&password, Some(&stronger)).await.unwrap(),
            Verdict::Right { rehash: None }
        );
    }

    #[tokio::test]
    async fn short_passwords_and_weak_policies_are_refused() {
        assert!(matches!(
            hasher().hash(&SecretString::from("elevenchars")).await,
            Err(IdentityError::Unacceptable(_))
        ));
        assert!(matches!(
            hasher().hash(&SecretString::from("x".repeat(1025))).await,
            Err(IdentityError::Unacceptable(_))
        ));
        for policy in [
            PasswordPolicy {
                memory_kib: 19_455,
                ..PasswordPolicy::default()
            },
            PasswordPolicy {
                passes: 1,
                ..PasswordPolicy::default()
            },
        ] {
            assert!(matches!(
                PasswordHasher::new(&policy),
                Err(IdentityError::Unacceptable(_))
            ));
        }
    }

    #[tokio::test]
    async fn one_too_many_is_turned_away_at_once() {
        let hasher = PasswordHasher::new(&PasswordPolicy {
            concurrent: 1,
            waiting: 1,
            ..PasswordPolicy::default()
        })
        .unwrap();
        let password = SecretString::from("correct horse battery");
        let (a, b, c) = tokio::join!(
            hasher.verify(&password, None),
            hasher.verify(&password, None),
            hasher.verify(&password, None)
        );
        assert!(a.is_ok() && b.is_ok());
        assert!(matches!(c, Err(IdentityError::Busy)));
        assert!(
            hasher.verify(&password, None).await.is_ok(),
            "the queue drains"
        );
    }
}
