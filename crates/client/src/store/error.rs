//! What can go wrong with the local database, in words for the person who holds the device.

use fieldstone_store::StoreError;

use crate::journal::JournalError;

/// Why the database didn't do what it was asked. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// No room.
    #[error("The disk is full. Free some space and try again; everything entered so far is safe.")]
    DiskFull,
    /// The folder or its files can't be written.
    #[error(
        "The device's folder can't be written. Give this user write access to it; nothing was changed."
    )]
    NotWritable,
    /// The file doesn't open under the key.
    #[error(
        "The local database can't be opened: its beginning is damaged, or it was made with another key. Nothing was deleted. \
         Changes that weren't sent yet are also in the sealed journal; log out with --keep-sealed to deliver them at the next login."
    )]
    Unreadable,
    /// Pages fail their authentication, or the structure is broken.
    #[error(
        "The local database is damaged: some of it isn't what was written. Nothing was deleted. Changes that weren't sent yet are also \
         in the sealed journal; log out with --keep-sealed to deliver them at the next login."
    )]
    Damaged,
    /// Another program's database.
    #[error(
        "The file in the device's folder is another program's database. Choose another folder."
    )]
    Foreign,
    /// Made by a newer version.
    #[error(
        "The local database was made by a newer version of Fieldstone (format {found}, this one knows {known}). Update the app."
    )]
    Newer {
        /// The file's format.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Reading or writing the disk failed.
    #[error(
        "The disk can't be read or written just now. Nothing was changed; try again, and check the disk if it happens again."
    )]
    Disk(#[source] rusqlite::Error),
    /// The database was closed.
    #[error("The local database is closed. Log in again.")]
    Closed,
    /// A statement failed for a reason of its own.
    #[error("The local database refused a statement.")]
    Sql(#[source] rusqlite::Error),
    /// A stored document can't be read.
    #[error("The local database holds something that can't be read: {0}.")]
    Content(&'static str),
    /// The sealed journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store refused.
    #[error(transparent)]
    Store(StoreError),
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Store(error) => error,
            error => Self::internal(error),
        }
    }
}

impl From<StoreError> for DatabaseError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<fieldstone_model::query::QueryError> for DatabaseError {
    fn from(error: fieldstone_model::query::QueryError) -> Self {
        Self::Store(StoreError::Query(error))
    }
}
