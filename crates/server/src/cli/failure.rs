//! Why a command ends with status 1: one sentence for a person.

use std::error::Error;
use std::process::ExitCode;

use fieldstone_vault::VaultError;

use crate::backup::BackupError;
use crate::cluster::ClusterError;
use crate::config::ConfigError;
use crate::data_dir::DataDirError;
use crate::database::DatabaseError;
use crate::identity::IdentityError;
use crate::platform::ContextKeyError;
use crate::storage::StorageError;
use crate::telemetry::traces::TraceError;
use crate::tls::TlsError;
use crate::verify::VerifyKeyError;

/// One sentence.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(as_sentence(&sentence.into()))
    }

    /// Says it, and answers the status to exit with.
    #[expect(clippy::print_stderr, reason = "this is the edge where a person reads")]
    pub(super) fn report(&self) -> ExitCode {
        eprintln!("fieldstone: {}", self.0);
        ExitCode::FAILURE
    }
}

/// The sentence of the error, and of its causes when nobody could have expected it.
fn with_causes(error: &dyn Error) -> Failure {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        cause = error.source();
    }
    Failure::new(sentence)
}

/// A capital at the beginning and a full stop at the end, whoever wrote it.
fn as_sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let mut sentence = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(chars)
        .collect::<String>();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Migration(_)
            | DatabaseError::Refused(_)
            | DatabaseError::Unreachable(_) => with_causes(&error),
            expected => Self::new(expected.to_string()),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Store(_) | IdentityError::Pool(_) => with_causes(&error),
            expected => Self::new(expected.to_string()),
        }
    }
}

impl From<ContextKeyError> for Failure {
    fn from(error: ContextKeyError) -> Self {
        match error {
            ContextKeyError::Database(error) => error.into(),
            expected => Self::new(expected.to_string()),
        }
    }
}

/// Errors whose message says it all.
macro_rules! sentences {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        })*
    };
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Keys(error) => error.into(),
            expected => Self::new(expected.to_string()),
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        with_causes(&error)
    }
}

sentences!(
    BackupError,
    VerifyKeyError,
    DataDirError,
    ClusterError,
    StorageError,
    TlsError,
    TraceError
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_error_is_its_sentence_alone() {
        let failure = Failure::from(DatabaseError::Newer { found: 9, known: 7 });
        assert!(failure.0.contains("newer Fieldstone"), "{}", failure.0);
        assert!(!failure.0.contains('\n'));
        assert!(
            failure.0.starts_with("The database") && failure.0.ends_with('.'),
            "{}",
            failure.0
        );
    }
}
