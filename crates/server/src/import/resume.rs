//! Going on with an import that was interrupted: what its checkpoints and its journal say has happened.
//!
//! A checkpoint says what is settled. Of batches announced after it, those that made records that are there were applied, as a whole: their rows
//! count as what they became. The rows of the others are imported again with the ids announced for them, so that whoever still holds such a batch
//! can't apply it beside.

use std::collections::{HashMap, HashSet};

use fieldstone_model::RecordId;
use fieldstone_store::{Action, Store, StoreError, entry_of_version};
use jiff::Timestamp;

use super::{Batch, Checkpoint, Progress, Spans};

/// What became of a row after the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Its record was made.
    Created,
    /// Its record was changed.
    Updated,
    /// Its record was what the row says.
    Nothing,
}

/// Where to go on.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The run.
    pub run: RecordId,
    /// Every row up to this one is settled, but for those that wait.
    pub up_to_row: u64,
    /// Rows that wait for a row further down.
    pub waiting: Spans,
    /// The figures.
    pub progress: Progress,
    /// What has become of further rows.
    pub happened: HashMap<u64, Happened>,
    /// Ids announced for rows that did not arrive.
    pub promised: HashMap<u64, RecordId>,
}

/// Who ran the import, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct By {
    pub(super) person: RecordId,
    pub(super) since: Timestamp,
}

impl Resume {
    /// At the beginning of a run.
    pub(super) fn new(run: RecordId) -> Self {
        Self {
            run,
            up_to_row: 0,
            waiting: Spans::default(),
            progress: Progress::default(),
            happened: HashMap::new(),
            promised: HashMap::new(),
        }
    }

    /// Adds the next checkpoint.
    pub(super) fn replay(&mut self, checkpoint: &Checkpoint) {
        for row in &checkpoint.waits {
            self.waiting.insert(*row);
        }
        for row in &checkpoint.settled {
            self.waiting.remove(*row);
        }
        self.up_to_row = checkpoint.up_to_row;
        self.progress = checkpoint.progress;
    }

    /// Adds a batch announced after the last checkpoint. `there` are those of its records that exist, whoever sees them.
    pub(super) async fn add<S: Store>(
        &mut self,
        batch: &Batch,
        there: &HashSet<RecordId>,
        store: &S,
        by: By,
    ) -> Result<(), StoreError> {
        let mut updated = Vec::new();
        for ((id, version), row) in batch.updated.iter().zip(&batch.updated_rows) {
            updated.push((*row, was_updated(store, *id, *version, by).await?));
        }
        // Applied as a whole or not at all: one record made tells of all. A change doesn't: somebody may have made one by hand meanwhile.
        let is_applied = batch.created.iter().any(|id| there.contains(id));
        for (id, row) in batch.created.iter().zip(&batch.created_rows) {
            if *row == 0 {
                self.progress.related += u64::from(is_applied);
            } else if is_applied {
                self.happened.insert(*row, Happened::Created);
                self.promised.remove(row);
            } else if !self.happened.contains_key(row) {
                self.promised.insert(*row, *id);
            }
        }
        for (row, was_updated) in updated.into_iter().filter(|(row, _)| *row > 0) {
            let happened = match (was_updated, is_applied) {
                (true, _) => Happened::Updated,
                (false, true) => Happened::Nothing,
                // Imported again, which changes nothing where it was applied.
                (false, false) => continue,
            };
            self.happened.insert(row, happened);
        }
        Ok(())
    }
}

/// Whether the history has this change of the import.
async fn was_updated<S: Store>(
    store: &S,
    id: RecordId,
    version: i64,
    by: By,
) -> Result<bool, StoreError> {
    let Some(object) = store.registry().object_of(id) else {
        return Ok(false);
    };
    let current = match store.get(&object.name, id, &[]).await {
        Ok(record) => record.version,
        Err(StoreError::NotFound(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let entry = entry_of_version(store, id, current, version).await?;
    Ok(entry.is_some_and(|entry| {
        entry.action == Action::Updated && entry.by == by.person && entry.at >= by.since
    }))
}
