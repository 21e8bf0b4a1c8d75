//! Where secrets come from: files that were mounted, or a secrets manager (KV v2 of Vault and OpenBao).
//!
//! A secret is never an argument and never stands in a configuration. None is ever written to a log or an error. Without an answer nothing
//! starts; what is running goes on with what it holds.

mod client;
mod login;
mod place;
mod settings;

use std::io;
use std::path::{Path, PathBuf};

use fieldstone_vault::VaultError;

pub use self::login::{Manager, Standing};
pub(crate) use self::place::check_private;
pub use self::place::{Place, Secret};
pub use self::settings::{AppRole, Kubernetes, LoginSettings, SecretSettings};

/// Why a secret can't be had. Each message is a whole sentence for an operator, and quotes none.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A file can't be used.
    #[error("The file {path} can't be used: {reason}.")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system answered.
        reason: String,
    },
    /// A file with a secret in it is open to others.
    #[error(
        "The file {0} holds a secret and can be read by other users; make it private (chmod 600)."
    )]
    Exposed(PathBuf),
    /// There is none at this place.
    #[error("There is no secret at {0}.")]
    Missing(String),
    /// A place in a manager that isn't named.
    #[error("The configuration names {0}, and no secrets manager: it needs a part [secrets].")]
    NoManager(String),
    /// The settings can't be used.
    #[error("The settings under [secrets] can't be used: {0}.")]
    Settings(&'static str),
    /// The manager doesn't answer.
    #[error("The secrets manager can't be reached: {0}.")]
    Unreachable(String),
    /// The manager is sealed.
    #[error("The secrets manager is sealed or not set up; unseal it first.")]
    Sealed,
    /// The login was refused.
    #[error("The secrets manager refuses the login by {login}: {reason}.")]
    Login {
        /// Which way.
        login: &'static str,
        /// What it said, which is no secret.
        reason: String,
    },
    /// What was asked for isn't allowed.
    #[error("The secrets manager does not allow {0}; see docs/secrets.md for the policy it needs.")]
    Denied(String),
    /// An answer that isn't understood.
    #[error("The secrets manager's answer about {0} is not that of KV version 2.")]
    NotUnderstood(String),
    /// Somebody else is changing the same secret.
    #[error("Somebody else is changing {0} at the same time; try again.")]
    Contended(String),
}

impl SecretError {
    pub(crate) fn file(path: &Path, source: &io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: source.to_string(),
        }
    }

    /// Whether asking somebody else, or later, may help.
    fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Sealed)
    }
}

/// For the vault the manager is one of its sources.
fn as_vault_error(path: &str, error: SecretError) -> VaultError {
    VaultError::Source {
        path: path.into(),
        source: io::Error::other(error),
    }
}
