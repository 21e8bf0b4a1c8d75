//! Conflicts as people settle them: edits that met another change and wait, on whichever store they are.

use fieldstone_model::{RecordId, Value, Values};
use jiff::Timestamp;

use crate::{ChangeError, Store, StoreError};

/// Most conflicts that a store answers at once: with fewer there are no more.
pub const PAGE: usize = 50;

/// What met what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictKind {
    /// Both sides changed the same fields.
    Edit,
    /// A record was edited that had been deleted.
    EditOfDeleted,
    /// A record was deleted that had been edited.
    DeleteOfEdited,
}

/// One field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictField {
    /// API name of the field.
    pub field: String,
    /// What its author saw before.
    pub seen: Value,
    /// What the other side had when they met.
    pub current: Value,
    /// What its author wanted.
    pub wanted: Value,
}

/// A conflict that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConflict {
    /// Its id.
    pub id: RecordId,
    /// Whose it is.
    pub user: RecordId,
    /// What they are called, where that is known.
    pub person: Option<String>,
    /// API name of the record's object.
    pub object: String,
    /// The record.
    pub record: RecordId,
    /// What met what.
    pub kind: ConflictKind,
    /// The fields, as far as whoever asks may see them.
    pub fields: Vec<ConflictField>,
    /// When they met.
    pub created_at: Timestamp,
    /// What the device is called that the edit came from, where that is known.
    pub device: Option<String>,
}

/// A change that could not be applied and waits for its author to make it anew, or to give it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// Names it to [`ConflictStore::give_up`].
    pub key: String,
    /// API name of the record's object.
    pub object: String,
    /// The record.
    pub record: RecordId,
    /// What it wanted, as far as whoever asks may see it.
    pub wanted: Values,
    /// Why it could not be applied, in English.
    pub message: String,
    /// When it arrived.
    pub at: Timestamp,
    /// What the device is called that it comes from, where that is known.
    pub device: Option<String>,
}

/// How a conflict is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// What its author wanted is written after all.
    Mine,
    /// What the other side has stays.
    Theirs,
    /// These fields are written, all others stay.
    Each(Values),
}

/// What became of settling a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is settled.
    Done,
    /// It had been already, or isn't there.
    Gone,
    /// What was chosen can't be written.
    Refused(ChangeError),
}

/// Where conflicts wait. A store without any has nothing to do.
pub trait ConflictStore: Store {
    /// Open conflicts, the newest first, at most [`PAGE`] of them before `before`: the person's own, or everybody's for those who manage people.
    fn conflicts(
        &self,
        everybodys: bool,
        before: Option<RecordId>,
    ) -> impl Future<Output = Result<Vec<OpenConflict>, StoreError>> + Send {
        let _ = (everybodys, before);
        async { Ok(Vec::new()) }
    }

    /// One open conflict that the person may settle.
    fn conflict(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<OpenConflict>, StoreError>> + Send {
        let _ = id;
        async { Ok(None) }
    }

    /// The person's open conflict about a record, if there is one.
    fn conflict_of(
        &self,
        record: RecordId,
    ) -> impl Future<Output = Result<Option<RecordId>, StoreError>> + Send {
        let _ = record;
        async { Ok(None) }
    }

    /// The person's changes that could not be applied, the oldest first.
    fn refused_changes(
        &self,
    ) -> impl Future<Output = Result<Vec<RefusedChange>, StoreError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Gives up one of them; false when it doesn't wait.
    fn give_up(&self, key: &str) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let _ = key;
        async { Ok(false) }
    }

    /// How many of the person's own wait: conflicts, and changes that could not be applied.
    fn conflict_count(&self) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async { Ok(0) }
    }

    /// Settles one, with the rights of whoever does.
    fn settle(
        &self,
        id: RecordId,
        settlement: Settlement,
    ) -> impl Future<Output = Result<Settled, StoreError>> + Send {
        let _ = (id, settlement);
        async { Ok(Settled::Gone) }
    }
}
