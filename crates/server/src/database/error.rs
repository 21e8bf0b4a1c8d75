//! What can go wrong between the server and its database before it serves.

use std::io;

use tokio_postgres::error::SqlState;

/// Why the database could not be prepared, migrated or entered. Each message is one sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// No connection.
    #[error(
        "the database cannot be reached; check that it runs and that address, user and password are right"
    )]
    Unreachable(#[source] tokio_postgres::Error),
    /// Only databases that follow another one.
    #[error(
        "the database only follows another one and takes no changes; name the primary in the configuration, or all of them"
    )]
    Standby(#[source] tokio_postgres::Error),
    /// The database was written by a later version.
    #[error(
        "the database belongs to a newer Fieldstone (schema {found}, this program knows {known}); start that version or a later one"
    )]
    Newer {
        /// The last migration the database has seen.
        found: i32,
        /// The last migration this program has.
        known: i32,
    },
    /// A migration of the database is not the one this program has under the same number.
    #[error(
        "migration {0} of the database is not this program's migration {0}; the database belongs to another build"
    )]
    Diverged(i32),
    /// The roles are missing and the credentials cannot make them.
    #[error(
        "the role {0} is missing; let a database superuser run `fieldstone migrate` once, or create the roles by hand"
    )]
    RoleMissing(String),
    /// A migration failed; the database is as it was before that migration.
    #[error("a database migration failed and was rolled back")]
    Migration(#[source] Box<refinery::Error>),
    /// The cryptography of this build can't speak TLS.
    #[error("no encrypted connection to the database can be made with this program")]
    NoTls,
    /// A password has characters that would need normalisation.
    #[error("a database password has to be plain printable ASCII, 16 to 256 characters")]
    UnusablePassword,
    /// The key file of the tenant context cannot be read.
    #[error("the tenant context's key file is damaged: {0}")]
    ContextKey(&'static str),
    /// Any other refusal.
    #[error("the database refused a command")]
    Refused(#[from] tokio_postgres::Error),
}

impl DatabaseError {
    pub(crate) fn connect(error: tokio_postgres::Error) -> Self {
        if error
            .code()
            .is_some_and(|code| *code == SqlState::INVALID_CATALOG_NAME)
        {
            Self::Refused(error)
        } else if is_read_only(&error) {
            Self::Standby(error)
        } else {
            Self::Unreachable(error)
        }
    }

    /// Whether the database named in the configuration does not exist.
    pub(crate) fn is_missing_database(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME))
    }
}

/// Whether a connection was given up because the database takes no changes.
fn is_read_only(error: &tokio_postgres::Error) -> bool {
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    // The driver's own, not the operating system's about a socket.
    source.is_some_and(|source| {
        source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none()
    })
}
