//! Backups of the embedded database: pgBackRest with an encrypted repository, every change archived as it is made, restored to any second.
//!
//! ```text
//! DIR/backups/                       the repository, or wherever --backup-repository says; every file in it is encrypted with AES-256
//! DIR/backup.json                    where the repository is
//! DIR/secrets/backup                 its passphrase
//! DIR/…/pgbackrest/pgbackrest.conf   what the database's own archiving reads, in the encrypted storage
//! ```
//!
//! The keys of the vault are never part of a backup: a restore can't bring back what was destroyed.

mod drill;
mod info;
mod operation;
mod pgbackrest;
mod repository;
mod restore;
mod schedule;

use std::io;
use std::path::{Path, PathBuf};

pub use self::drill::{Drilled, drill};
pub use self::info::{Backup, BackupKind, Inventory};
pub use self::operation::{Operation, latest, record, worker_record};
pub use self::pgbackrest::Backups;
pub use self::repository::{Repository, RepositoryOptions};
pub use self::restore::{Restored, Until, restore};
pub use self::schedule::{BackupJob, Due, due};
use crate::cluster::ClusterError;
use crate::data_dir::DataDirError;
use crate::database::DatabaseError;

/// Why there is no backup, or no restore. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The program is missing.
    #[error(
        "pgBackRest is not installed on this machine (Debian and Ubuntu: apt-get install pgbackrest), so no backup can be made or restored."
    )]
    NotInstalled,
    /// There are no backups here.
    #[error("No backups are made of the data folder {0}.")]
    None(PathBuf),
    /// The passphrase is gone, and there are backups made with it.
    #[error(
        "The passphrase of the backups in {repository} is missing: put the file {file} back, from wherever its copy is kept."
    )]
    PassphraseMissing {
        /// The repository.
        repository: PathBuf,
        /// Where it should be.
        file: PathBuf,
    },
    /// The passphrase is another one.
    #[error("The backups in {0} were made with another passphrase.")]
    WrongPassphrase(PathBuf),
    /// The database's log doesn't arrive.
    #[error("The database's changes don't arrive in the repository {repository}: {reason}.")]
    NotArchiving {
        /// The repository.
        repository: PathBuf,
        /// What the database or pgBackRest says.
        reason: String,
    },
    /// Another one is at it.
    #[error("A backup or a drill is under way already; try again when it is done.")]
    Busy,
    /// The repository can't be written or read.
    #[error("The repository {repository} can't be used: {reason}.")]
    Unusable {
        /// The repository.
        repository: PathBuf,
        /// What pgBackRest says.
        reason: String,
    },
    /// The time lies before the first backup.
    #[error(
        "There is no backup from before that time; the oldest that can be restored is from {0}."
    )]
    TooEarly(String),
    /// The time lies after the last archived change.
    #[error(
        "The backups end before that time; leave out --to to restore everything that they hold."
    )]
    TooLate,
    /// The target is in use.
    #[error("The folder {0} holds data already; restore into a new one.")]
    Occupied(PathBuf),
    /// pgBackRest failed in a way nobody has foreseen.
    #[error("pgBackRest failed ({code}): {reason}.")]
    Failed {
        /// Its status.
        code: i32,
        /// What it said.
        reason: String,
    },
    /// The drill found something wrong.
    #[error("The restored database is not what it should be: {0}.")]
    Drill(String),
    /// A file or folder can't be used.
    #[error("{path} can't be used for backups: {source}.")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The database's answers.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

/// What backups are made of a data folder, in words, or why there are none. Changes nothing.
pub fn examine(folder: &Path) -> Result<String, BackupError> {
    let program = pgbackrest::program().ok_or(BackupError::NotInstalled)?;
    let told = match std::fs::read(folder.join(repository::RECORD)) {
        Ok(bytes) => serde_json::from_slice::<RepositoryOptions>(&bytes).ok(),
        Err(_) => None,
    };
    match told {
        Some(options) => Ok(format!(
            "{} into {}, {} days",
            program.display(),
            options.repository.display(),
            options.days
        )),
        None if folder.join("url").exists() => Err(BackupError::None(folder.to_owned())),
        None => Ok(format!("{} would make them", program.display())),
    }
}

impl BackupError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<tokio_postgres::Error> for BackupError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}
