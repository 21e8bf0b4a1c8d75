//! Passwords: Argon2id in PHC strings, checked on a bounded queue of blocking threads.
//!
//! Never logs a password or a hash, and never answers faster for an address that does not exist.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{Output, ParamsString, PasswordHash, SaltString},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::{
    IdentityError, random,
    strength::{self, MAX_BYTES, OwnWords},
};

/// The cost of one hash, and how many may run and wait. `[passwords]` in the configuration.
///
/// What runs at once bounds the memory: `concurrent` times `memory_kib`, however many people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes within one hash.
    pub lanes: u32,
    /// Hashes computed at the same time; the number of processors when nothing is said.
    pub concurrent: usize,
    /// Hashes that may wait; one more is refused.
    pub waiting: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            // What RFC 9106 recommends where memory is limited, in one lane.
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
            concurrent: processors,
            // A few seconds of work.
            waiting: processors * 32,
        }
    }
}

impl PasswordPolicy {
    /// The least memory for so many passes: ASVS 5.0, appendix C. `None` when no memory makes up for them.
    pub const fn floor_kib(passes: u32) -> Option<u32> {
        match passes {
            0 => None,
            1 => Some(46 * 1024),
            2 => Some(19 * 1024),
            _ => Some(12 * 1024),
        }
    }

    /// Refuses costs that are too low for today's hardware.
    pub fn check(&self) -> Result<(), IdentityError> {
        let is_enough = Self::floor_kib(self.passes).is_some_and(|floor| self.memory_kib >= floor);
        if is_enough && self.lanes >= 1 && self.concurrent >= 1 {
            return Ok(());
        }
        Err(IdentityError::Unacceptable(
            "password hashing needs at least 47104 KiB at 1 pass, 19456 KiB at 2, or 12288 KiB at 3 and more, 1 lane, and 1 at a time",
        ))
    }
}

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
    memory: Memory,
}

/// What hashes are computed in, kept from one to the next, so that not each has to get so much anew from the system, and given back when
/// nobody has signed in for a while. There are never more than run at once.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    blocks: Vec<Vec<Block>>,
    /// Hashes so far: by it a pause is told from work.
    hashes: u64,
}

/// How long memory is kept for the next hash.
const KEPT: Duration = Duration::from_mins(1);

impl Memory {
    /// Runs one hash.
    fn hash(
        &self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), IdentityError> {
        let mut blocks = self.kept().blocks.pop().unwrap_or_default();
        blocks.resize(argon2.params().block_count(), Block::default());
        let outcome = argon2.hash_password_into_with_memory(password, salt, output, &mut blocks);
        let mut kept = self.kept();
        kept.blocks.push(blocks);
        kept.hashes += 1;
        outcome.map_err(|_| IdentityError::Crypto)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives everything back once nothing was hashed for so long.
    fn give_back_after(&self, pause: Duration) {
        let (memory, hashes) = (self.clone(), self.kept().hashes);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let mut kept = memory.kept();
            if kept.hashes == hashes {
                kept.blocks = Vec::new();
            }
        });
    }

    /// A new password as a PHC string.
    fn new_hash(&self, argon2: &Argon2<'_>, password: &str) -> Result<String, IdentityError> {
        let salt = random::bytes::<16>()?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.hash(argon2, password.as_bytes(), &salt, &mut output)?;
        let salt = SaltString::encode_b64(&salt).map_err(|_| IdentityError::Crypto)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(argon2.params()).map_err(|_| IdentityError::Crypto)?,
            salt: Some(salt.as_salt()),
            hash: Some(Output::new(&output).map_err(|_| IdentityError::Crypto)?),
        };
        Ok(hash.to_string())
    }

    /// Whether a password is that of a stored hash; takes the same time wherever they differ.
    fn fits(&self, password: &str, stored: &PasswordHash<'_>) -> Result<bool, IdentityError> {
        let crypto = |_| IdentityError::Crypto;
        let algorithm = Algorithm::try_from(stored.algorithm).map_err(crypto)?;
        let version = stored.version.unwrap_or(Version::V0x13.into());
        let version = Version::try_from(version).map_err(|_| IdentityError::Crypto)?;
        let params = Params::try_from(stored).map_err(crypto)?;
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
            return Err(IdentityError::Crypto);
        };
        let mut bytes = [0; 64];
        let salt = salt.decode_b64(&mut bytes).map_err(crypto)?;
        let mut output = [0; Output::MAX_LENGTH];
        let output = output
            .get_mut(..expected.len())
            .ok_or(IdentityError::Crypto)?;
        let argon2 = Argon2::new(algorithm, version, params);
        self.hash(&argon2, password.as_bytes(), salt, output)?;
        Ok(Output::new(output).map_err(crypto)? == expected)
    }
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
        policy.check()?;
        Self::unchecked(policy)
    }

    fn unchecked(policy: &PasswordPolicy) -> Result<Self, IdentityError> {
        let params = Params::new(policy.memory_kib, policy.passes, policy.lanes, None)
            .map_err(|_| IdentityError::Crypto)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let memory = Memory::default();
        let dummy = memory.new_hash(&argon2, &random::secret()?)?.into();
        let admitted = Arc::new(Semaphore::new(
            policy.concurrent.saturating_add(policy.waiting),
        ));
        Ok(Self {
            argon2,
            dummy,
            admitted,
            running: Arc::new(Semaphore::new(policy.concurrent)),
            memory,
        })
    }

    /// Hashes a new password; refuses one that is not good enough for whose it is.
    pub async fn hash_for(
        &self,
        password: &SecretString,
        own: &OwnWords,
    ) -> Result<String, IdentityError> {
        strength::check_size(password.expose_secret())?;
        let (hasher, password, own) = (self.clone(), password.clone(), own.clone());
        self.run(move || {
            let text = password.expose_secret();
            strength::check(text, &own)?;
            hasher.memory.new_hash(&hasher.argon2, text)
        })
        .await
    }

    /// Hashes a password that was drawn at random and so says nothing about anybody. People's own go through [`Self::hash_for`].
    pub async fn hash(&self, password: &SecretString) -> Result<String, IdentityError> {
        self.hash_for(password, &OwnWords::default()).await
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
            // One that is too long costs a hash like any other, of no text.
            let text = if password.len() <= MAX_BYTES {
                password
            } else {
                ""
            };
            // A hash that can't be computed fits nothing, and takes no other answer.
            let fits =
                hasher.memory.fits(text, &parsed).unwrap_or(false) && text.len() == password.len();
            if !(fits && known) {
                hasher.make_up_for(&parsed);
                return Ok(Verdict::Wrong);
            }
            let rehash = if hasher.is_weaker(&parsed) {
                Some(hasher.memory.new_hash(&hasher.argon2, password)?)
            } else {
                None
            };
            Ok(Verdict::Right { rehash })
        })
        .await
    }

    /// Spends what a hash of today costs more than this stored one, so that a wrong password takes as long for an account whose hash was
    /// made more cheaply as for one that doesn't exist.
    fn make_up_for(&self, stored: &PasswordHash<'_>) {
        let rest = Params::try_from(stored)
            .ok()
            .and_then(|stored| self.dearer_by(&stored));
        if let Some(rest) = rest {
            let rest = Argon2::new(Algorithm::Argon2id, Version::V0x13, rest);
            let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
            // Nobody looks at what comes out.
            let _ = self.memory.hash(&rest, b"", &[0; 16], &mut output);
        }
    }

    /// By how much a hash of today costs more, in memory times passes; nothing when it doesn't.
    fn dearer_by(&self, stored: &Params) -> Option<Params> {
        let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        let wanted = self.argon2.params();
        let rest = cost(wanted).checked_sub(cost(stored))?;
        let memory = u32::try_from(rest / u64::from(wanted.t_cost())).ok()?;
        // Less than this is no hash, and takes no time that could be told.
        Params::new(memory, wanted.t_cost(), wanted.p_cost(), None).ok()
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
        let answer = tokio::task::spawn_blocking(move || {
            // A caller who has gone away does not free the place before the work is done.
            let _running = running;
            work()
        })
        .await
        .map_err(|_| IdentityError::Crypto)?;
        self.memory.give_back_after(KEPT);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::{super::strength::Weakness, *};

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(&PasswordPolicy::default()).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = hasher();
        let right = SecretString::from("correct horse battery");
        let stored = hasher.hash(&right).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
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
            Err(IdentityError::Weak(Weakness::TooShort))
        ));
        assert!(matches!(
            hasher().hash(&SecretString::from("x".repeat(1025))).await,
            Err(IdentityError::Weak(Weakness::TooLong))
        ));
        for (passes, memory_kib, is_enough) in [
            (0, 1_000_000, false),
            (1, 47_103, false),
            (1, 47_104, true),
            (2, 19_455, false),
            (2, 19_456, true),
            (3, 12_287, false),
            (3, 12_288, true),
            (9, 12_288, true),
        ] {
            let policy = PasswordPolicy {
                memory_kib,
                passes,
                ..PasswordPolicy::default()
            };
            assert_eq!(policy.check().is_ok(), is_enough, "{passes} {memory_kib}");
        }
        for policy in [
            PasswordPolicy {
                lanes: 0,
                ..PasswordPolicy::default()
            },
            PasswordPolicy {
                concurrent: 0,
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
    async fn memory_is_given_back_when_nobody_signs_in() {
        let hasher = hasher();
        let password = SecretString::from("correct horse battery");
        let pause = Duration::from_millis(20);
        hasher.verify(&password, None).await.unwrap();
        hasher.memory.give_back_after(pause);
        // Somebody has signed in since.
        hasher.verify(&password, None).await.unwrap();
        tokio::time::sleep(4 * pause).await;
        assert!(!hasher.memory.kept().blocks.is_empty());
        hasher.memory.give_back_after(pause);
        tokio::time::sleep(4 * pause).await;
        assert!(hasher.memory.kept().blocks.is_empty());
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

    #[test]
    fn a_wrong_password_costs_as_much_whenever_its_hash_was_made() {
        let hasher = hasher();
        let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        let today = cost(hasher.argon2.params());
        for (memory, passes) in [
            (19 * 1024, 2),
            (46 * 1024, 1),
            (12 * 1024, 3),
            (64 * 1024, 2),
        ] {
            let stored = Params::new(memory, passes, 1, None).unwrap();
            let rest = hasher.dearer_by(&stored).unwrap();
            let both = cost(&stored) + cost(&rest);
            assert!(
                both <= today && today - both < 4,
                "{memory} {passes}: {both}"
            );
        }
        // Of the same cost, or dearer: there is nothing to make up for.
        for (memory, passes) in [(64 * 1024, 3), (128 * 1024, 3)] {
            let stored = Params::new(memory, passes, 1, None).unwrap();
            assert!(hasher.dearer_by(&stored).is_none());
        }
    }
}
