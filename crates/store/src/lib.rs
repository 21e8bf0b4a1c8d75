//! The `Store` trait: records of declared objects behind one small interface.
//!
//! The platform implements it on PostgreSQL, the device on SQLCipher, tests on memory. An implementation is already bound to one tenant
//! and one user when a caller gets it, so a caller cannot name another tenant's record. Nothing here knows HTTP or HTML.

mod aggregate;
pub mod compile;
pub mod conflict;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cursor;
mod error;
mod memory;
pub mod once;
pub mod roll_up;
mod scope;
mod version;
pub mod write;

use std::collections::HashMap;

use fieldstone_model::{Change, Query, Record, RecordId, Registry, Role, Value, query::Path};
use jiff::Timestamp;

pub use aggregate::{Aggregate, AggregateRow, Bucket, Function, Group, Measure, sum_figure};
pub use cursor::{CursorError, decode_cursor, encode_cursor};
pub use error::{ChangeError, StoreError};
pub use memory::{MemoryStore, Workspace};
pub use scope::Scope;
pub use version::entry_of_version;

/// Records of one tenant as one user may see and change them.
///
/// Every method is one transaction of its own: what it answers is committed, or nothing happened.
pub trait Store: Send + Sync {
    /// The tenant's objects.
    fn registry(&self) -> &Registry;

    /// Who asks.
    fn user(&self) -> User;

    /// A fresh id for a record of `object`; `None` when there is no such object.
    fn new_id(&self, object: &str) -> Option<RecordId>;

    /// One record, deleted or not, with `columns`, or with all its fields when none are named.
    fn get(
        &self,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> impl Future<Output = Result<Record, StoreError>> + Send;

    /// One page of records.
    fn list(&self, query: &Query) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// How many records match; order, page and columns of the query play no part.
    fn count(&self, query: &Query) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Figures over groups of records.
    fn aggregate(
        &self,
        aggregate: &Aggregate,
    ) -> impl Future<Output = Result<Vec<AggregateRow>, StoreError>> + Send;

    /// Applies all changes in order, or none of them.
    fn apply(
        &self,
        changes: &[Change],
    ) -> impl Future<Output = Result<Vec<Applied>, StoreError>> + Send;

    /// What happened to a record, newest first, at most `limit` entries that are older than `before`.
    fn history(
        &self,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<HistoryEntry>, StoreError>> + Send;

    /// The names of records of any objects, for labels. Records that can't be seen are absent.
    fn names(
        &self,
        ids: &[RecordId],
    ) -> impl Future<Output = Result<HashMap<RecordId, String>, StoreError>> + Send;

    /// Records of `object` that changed since `mark`, deleted ones included, in order of id; no mark means all of them.
    fn changes_since(
        &self,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// Whether the store holds all records or only some, so that a page labels its totals.
    fn coverage(&self) -> Coverage;
}

/// The user a store is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: RecordId,
    /// The user's role.
    pub role: Role,
}

/// One page of records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records, in the query's order.
    pub records: Vec<Record>,
    /// Where the next page starts, if there is one.
    pub next: Option<fieldstone_model::query::Cursor>,
    /// Where the page before starts, if there is one.
    pub previous: Option<fieldstone_model::query::Cursor>,
}

/// A change that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The record.
    pub id: RecordId,
    /// Its version after the change.
    pub version: i64,
}

/// What a change did, for the history of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Place in the order of all changes; pass it as `before` for older ones.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: RecordId,
    /// What was done.
    pub action: Action,
    /// Fields changed, with the value before and after. Empty for a creation.
    pub fields: Vec<FieldChange>,
}

/// One field of a history entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// API name of the field.
    pub field: String,
    /// Before.
    pub old: Value,
    /// After.
    pub new: Value,
}

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Made.
    Created,
    /// Changed.
    Updated,
    /// Deleted.
    Deleted,
    /// Brought back.
    Restored,
}

impl Action {
    /// The stored value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
        }
    }

    /// Reads the stored value.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Deleted, Self::Restored]
            .into_iter()
            .find(|action| action.name() == name)
    }
}

/// A point in the stream of changes. Opaque: made by a store, given back to the same store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMark(pub String);

/// Records that changed, with the mark to ask from next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Current versions, deleted records included, all fields.
    pub records: Vec<Record>,
    /// Where to go on.
    pub mark: ChangeMark,
}

/// How much of the tenant's data a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of it.
    Whole,
    /// What is in scope for this device.
    Scope,
}
