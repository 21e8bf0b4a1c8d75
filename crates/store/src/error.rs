//! What a store can answer instead of data.

use fieldstone_model::{FieldError, RecordId, query::QueryError};

/// Why a store didn't do what it was asked. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The query can't be run.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// No such object.
    #[error("There is no object called “{0}”.")]
    UnknownObject(String),
    /// No such record, or one that this user can't see: the two are never told apart.
    #[error("This record doesn't exist, or you can't see it.")]
    NotFound(RecordId),
    /// A change was refused, and with it all changes of the call.
    #[error("{1}")]
    Change(usize, #[source] ChangeError),
    /// The user may not do this.
    #[error("Your role doesn't allow this. Ask an administrator of your workspace.")]
    Denied,
    /// The user's access or the session ended while the request was under way.
    #[error("Your session has ended. Sign in again.")]
    SessionEnded,
    /// The tenant's objects changed while the request was under way; asking again works.
    #[error("The workspace's fields have just changed. Try again.")]
    SchemaChanged,
    /// The database is out of reach or too busy.
    #[error("The database is busy. Try again in a moment.")]
    Busy,
    /// The disk has no room for anything new.
    #[error(
        "The disk of this installation is full. Nothing was saved. Ask whoever runs it to make room, then try again."
    )]
    NoRoom,
    /// Something that shouldn't happen; the cause is for the log, not for people.
    #[error("Something went wrong on our side. Nothing was changed.")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why one change was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Fields with values that can't be stored.
    #[error("{}", first_advice(.0))]
    Invalid(Vec<FieldError>),
    /// The record has moved on since the caller saw it.
    #[error("Somebody else changed this record meanwhile.")]
    Stale {
        /// Its version now.
        current: i64,
    },
    /// The record doesn't exist or can't be seen.
    #[error("This record doesn't exist, or you can't see it.")]
    NotFound,
    /// The record is deleted.
    #[error("This record is deleted. Restore it to change it.")]
    Deleted,
    /// Its deletion was sent and can't be taken back from here.
    #[error("Its deletion is on its way. Sync first, then restore it on the platform.")]
    DeletionUnderway,
    /// The id of a new record is taken.
    #[error("This id is taken. Make a new one.")]
    IdTaken,
    /// The id doesn't belong to this object.
    #[error("This id belongs to another kind of record.")]
    WrongObject,
    /// The workspace has no room for more.
    #[error(
        "The workspace is full. Remove what isn't needed, or ask whoever runs this installation for more room."
    )]
    Full,
    /// Records of this object aren't written this way.
    #[error("Records of this kind can't be changed here.")]
    ReadOnlyObject,
}

/// The first problem in words, naming its field.
fn first_advice(errors: &[FieldError]) -> String {
    errors.first().map_or_else(
        || "Some values can't be stored.".to_owned(),
        |error| format!("{}: {}", error.field, error.problem),
    )
}

impl StoreError {
    /// Wraps a cause that people needn't see.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// Field errors of the change at `index`.
    pub fn invalid(index: usize, errors: Vec<FieldError>) -> Self {
        Self::Change(index, ChangeError::Invalid(errors))
    }
}
