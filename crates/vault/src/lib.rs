//! Envelope encryption: a root key, a random key for each tenant, and data keys by purpose and version under it.
//!
//! ```text
//! root key (secrets source) ──wraps──▶ tenant key (secrets source, random) ──HKDF──▶ data key (purpose, version) ──HKDF──▶ one value
//! ```
//!
//! Tenant keys never go into the database: destroying one makes everything sealed under it unreadable, in every backup too, and no restore
//! of a database brings it back. No key and no opened value is ever written to a log or an error; keys are wiped when they are let go.
//! This crate knows nothing of what it seals.

mod blind;
mod file;
mod key;
mod managed;
mod memory;
mod place;
mod ring;
mod seal;
mod source;
pub mod stream;
mod vault;

pub use self::file::FileKeys;
pub use self::key::SecretKey;
pub use self::managed::{ManagedKeys, SecretSession, SecretStore};
pub use self::memory::MemoryKeys;
pub use self::place::{Place, Purpose};
pub use self::ring::{KeyRing, RingState};
pub use self::source::{Consent, KeySource, Progress, Witness};
pub use self::stream::Stream;
pub use self::vault::{Sealed, Vault};

/// Why a value could not be sealed, opened or indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// It was changed, sealed for another place, or sealed with another key: which of these can't be told.
    #[error("the sealed value does not open here")]
    DoesNotOpen,
    /// It isn't anything this crate has sealed.
    #[error("this is not a sealed value")]
    NotSealed,
    /// The tenant's key was destroyed, or never made: nothing of theirs can be read.
    #[error("there is no key for this tenant")]
    NoKey,
    /// There is no key for the tenant any more, nobody has destroyed it here, and there are things that were sealed under it.
    #[error(
        "the keys of this workspace are gone from where keys are kept, and what was sealed under them is still here; bring them back there (docs/runbooks/lost-keys.md)"
    )]
    KeysLost,
    /// There have been as many changes of keys as can be told apart.
    #[error("this tenant's keys have been changed as often as they can be")]
    WornOut,
    /// The root key is the secrets manager's own.
    #[error("the root key is the secrets manager's own; change it there (`bao operator rotate`)")]
    NotOurs,
    /// A name that can't stand for a tenant.
    #[error("this is not a tenant's name")]
    BadTenant,
    /// The secrets source can't be read or written.
    #[error("the secrets source can't be used: {path}")]
    Source {
        /// Which file.
        path: std::path::PathBuf,
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// A key could be read by others.
    #[error("the key file {0} can be read by other users; make it private (chmod 600)")]
    Exposed(std::path::PathBuf),
    /// A key file doesn't hold a key.
    #[error("the key file {0} is damaged")]
    Damaged(std::path::PathBuf),
    /// The operating system gave no randomness, or a key could not be derived.
    #[error("a key could not be made")]
    Crypto,
}
