//! What an import did, written down so that it can be undone.
//!
//! Undoing deletes a created record only while it is unchanged and nothing refers to it, and reverts a field only while it still has
//! the imported value; the values before stand in the records' history, at the versions kept here.

use std::{future::Future, pin::Pin};

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;

use super::Report;

/// What one chunk of an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The first and the last row of the file in it.
    pub rows: (u64, u64),
    /// Records made, related ones included. They have version 1.
    pub created: Vec<RecordId>,
    /// Records changed, with the version that the change gave them.
    pub updated: Vec<(RecordId, i64)>,
}

/// An import that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// API name of the object.
    pub object: String,
    /// Name of the file, without its folder.
    pub file: String,
}

/// A journal method's answer.
pub type Written<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps what imports did.
pub trait Journal: Send + Sync {
    /// Opens a run and answers with its number.
    fn begin<'a>(&'a self, run: &'a Run) -> Written<'a, i64>;

    /// Announces what a chunk is about to do. Written before the chunk, so that nothing applied can be missing.
    fn batch<'a>(&'a self, run: i64, batch: &'a Batch) -> Written<'a, ()>;

    /// Closes a run.
    fn end<'a>(&'a self, run: i64, report: &'a Report) -> Written<'a, ()>;
}
