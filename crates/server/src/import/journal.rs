//! What an import did, written down so that it can be undone.
//!
//! A batch is announced before it is applied, so nothing that happened can be missing; what the records' history doesn't confirm, by the
//! run's person and within its time, did not happen. Undoing deletes a created record only while it is unchanged and nothing refers to
//! it, and reverts a field only while it still has the imported value; the values before stand in the history, at the versions kept here.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;

use super::{Progress, Report};

/// What one chunk of an import is about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The first and the last row of the file in it.
    pub rows: (u64, u64),
    /// Records made, related ones included. They get version 1.
    pub created: Vec<RecordId>,
    /// The rows that make them, in the same order; 0 for a related one.
    pub created_rows: Vec<u64>,
    /// Records changed, with the version that the change gives them.
    pub updated: Vec<(RecordId, i64)>,
    /// The rows that change them, in the same order.
    pub updated_rows: Vec<u64>,
}

/// How far an import is after some rows: enough to go on from there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Every row up to this one is settled, or waits for a row further down.
    pub up_to_row: u64,
    /// Rows that wait since this checkpoint.
    pub waits: Vec<u64>,
    /// Rows that had waited until this checkpoint.
    pub settled: Vec<u64>,
    /// The figures.
    pub progress: Progress,
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
    /// Opens a run and answers with its id.
    fn begin<'a>(&'a self, run: &'a Run) -> Written<'a, RecordId>;

    /// Announces a batch of a run.
    fn batch<'a>(&'a self, run: RecordId, batch: &'a Batch) -> Written<'a, ()>;

    /// Notes how far a run is, with what was written of failed rows since the last time.
    fn checkpoint<'a>(&'a self, checkpoint: &'a Checkpoint, failed: Bytes) -> Written<'a, ()> {
        let _ = (checkpoint, failed);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Keeps what was written of failed rows since the last time, of a run that ends early. What goes on from the last checkpoint all the same
    /// writes them anew.
    fn failed(&self, failed: Bytes) -> Written<'_, ()> {
        let _ = failed;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether checkpoints are kept, so that an import that can't go on now goes on later.
    fn keeps_checkpoints(&self) -> bool {
        false
    }

    /// Closes a run.
    fn end<'a>(&'a self, run: RecordId, report: &'a Report) -> Written<'a, ()>;
}
