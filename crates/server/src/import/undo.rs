//! Takes an import back: deletes what it made, sets what it changed to what was there before, and leaves alone whatever anybody has
//! touched or built on since.
//!
//! Running it again does no harm: what is taken back already is passed over. So it can stop anywhere and begin anew.

use std::collections::{HashMap, HashSet};

use fieldstone_model::{
    Change, Filter, Query, Record, RecordId, Value, Values,
    query::{Path, Presence},
};
use fieldstone_store::{Action, Aggregate, ChangeError, Store, StoreError, entry_of_version};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Batch;

/// Records looked at together; a filter has at most a hundred values.
const TOGETHER: usize = 100;
/// Records whose history is read at the same time.
const PARALLEL: usize = 8;

/// The import to take back.
#[derive(Debug, Clone)]
pub struct Undoing {
    /// Who ran it.
    pub by: RecordId,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Everything it announced, in order.
    pub batches: Vec<Batch>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Undone {
    /// Records deleted.
    pub deleted: u64,
    /// Records whose fields were set back.
    pub reverted: u64,
    /// Records and fields left as they are.
    pub kept: u64,
    /// Records that are dealt with.
    pub settled: u64,
    /// Records that the import touched.
    pub total: u64,
}

/// Something that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The record.
    pub record: RecordId,
    /// The field; none for the record itself.
    pub field: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// Why something was left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody has changed it since.
    Changed,
    /// Other records refer to it.
    Referred,
    /// It has been deleted since, and was changed by the import before.
    Gone,
    /// It isn't allowed to be changed back, for example since what it referred to is gone.
    Refused,
}

impl Reason {
    /// The stored value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Referred => "referred",
            Self::Gone => "gone",
            Self::Refused => "refused",
        }
    }
}

/// Hears of what was done; answers whether to go on.
pub trait Listener: Send {
    /// After some records.
    fn heard(
        &mut self,
        undone: &Undone,
        kept: &[Kept],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Takes an import back; false when the listener wanted no more. `before` is what earlier tries have done.
pub async fn undo<S: Store>(
    store: &S,
    undoing: &Undoing,
    before: Undone,
    listener: &mut impl Listener,
) -> Result<bool, StoreError> {
    let created: HashSet<RecordId> = undoing
        .batches
        .iter()
        .flat_map(|batch| batch.created.iter().copied())
        .collect();
    let mut last: HashMap<RecordId, i64> = HashMap::new();
    for (id, version) in undoing.batches.iter().flat_map(|batch| &batch.updated) {
        let known = last.entry(*id).or_insert(1);
        *known = (*known).max(*version);
    }
    let updates = last.keys().filter(|id| !created.contains(id)).count();
    let mut work = Work {
        store,
        undoing,
        created: &created,
        last: &last,
        undone: Undone {
            total: (created.len() + updates) as u64,
            settled: 0,
            kept: 0,
            ..before
        },
        referred: Vec::new(),
    };
    for batch in undoing.batches.iter().rev() {
        let mut kept = work.revert(batch).await?;
        // The last one made goes first: what it refers to was there before it.
        let ids: Vec<RecordId> = batch.created.iter().rev().copied().collect();
        for ids in ids.chunks(TOGETHER) {
            kept.extend(work.delete(ids).await?);
        }
        if !listener.heard(&work.undone, &kept).await? {
            return Ok(false);
        }
    }
    // What rows further up refer to can go once those are gone.
    loop {
        let waiting = std::mem::take(&mut work.referred);
        let (count, mut kept) = (waiting.len(), Vec::new());
        for ids in waiting.chunks(TOGETHER) {
            kept.extend(work.delete(ids).await?);
        }
        if work.referred.is_empty() || work.referred.len() == count {
            kept.extend(work.referred.iter().map(|id| keep(*id, Reason::Referred)));
            work.undone.kept += work.referred.len() as u64;
            work.undone.settled = work.undone.total;
            return listener.heard(&work.undone, &kept).await;
        }
        if !listener.heard(&work.undone, &kept).await? {
            return Ok(false);
        }
    }
}

fn keep(record: RecordId, reason: Reason) -> Kept {
    Kept {
        record,
        field: None,
        reason,
    }
}

struct Work<'a, S> {
    store: &'a S,
    undoing: &'a Undoing,
    created: &'a HashSet<RecordId>,
    last: &'a HashMap<RecordId, i64>,
    undone: Undone,
    /// Made by the import and still referred to.
    referred: Vec<RecordId>,
}

impl<S: Store> Work<'_, S> {
    /// Deletes records that the import made, unless they were changed since or are referred to.
    async fn delete(&mut self, ids: &[RecordId]) -> Result<Vec<Kept>, StoreError> {
        let (mut kept, mut going) = (Vec::new(), Vec::new());
        let found = self.read(ids).await?;
        let referred = self.referred_to(&found).await?;
        for record in found {
            // What is deleted already needs nothing more.
            if record.deleted {
                continue;
            }
            if record.version != self.last.get(&record.id).copied().unwrap_or(1) {
                kept.push(keep(record.id, Reason::Changed));
            } else if referred.contains(&record.id) {
                self.referred.push(record.id);
            } else {
                going.push(record);
            }
        }
        // In the order that was asked for.
        let place = |record: &Record| ids.iter().position(|id| *id == record.id);
        going.sort_by_key(place);
        while !going.is_empty() {
            let changes: Vec<Change> = going
                .iter()
                .filter_map(|record| self.deletion(record))
                .collect();
            match self.store.apply(&changes).await {
                Ok(applied) => {
                    self.undone.deleted += applied.len() as u64;
                    break;
                }
                Err(StoreError::Change(at, error)) if at < going.len() => {
                    let reason = match error {
                        ChangeError::Stale { .. } => Reason::Changed,
                        _ => Reason::Refused,
                    };
                    kept.push(keep(going.remove(at).id, reason));
                }
                Err(error) => return Err(error),
            }
        }
        self.undone.settled = (self.undone.settled + ids.len() as u64).min(self.undone.total);
        self.undone.kept += kept.len() as u64;
        Ok(kept)
    }

    fn deletion(&self, record: &Record) -> Option<Change> {
        let object = self.store.registry().object_of(record.id)?;
        Some(Change::Delete {
            object: object.name.to_string(),
            id: record.id,
            expected: Some(record.version),
        })
    }

    /// The records of these ids that there are, deleted or not.
    async fn read(&self, ids: &[RecordId]) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        for (object, ids) in self.by_object(ids.iter().copied()) {
            let mut query = Query::new(object).filter(is_in("id", &ids)).limit(200);
            query.presence = Presence::All;
            found.extend(self.store.list(&query).await?.records);
        }
        Ok(found)
    }

    fn by_object(&self, ids: impl Iterator<Item = RecordId>) -> HashMap<String, Vec<RecordId>> {
        let mut by: HashMap<String, Vec<RecordId>> = HashMap::new();
        for id in ids {
            if let Some(object) = self.store.registry().object_of(id) {
                by.entry(object.name.to_string()).or_default().push(id);
            }
        }
        by
    }

    /// Those of the records that living records refer to.
    async fn referred_to(&self, records: &[Record]) -> Result<HashSet<RecordId>, StoreError> {
        let mut referred = HashSet::new();
        let living = records
            .iter()
            .filter(|record| !record.deleted)
            .map(|record| record.id);
        for (object, ids) in self.by_object(living) {
            for (from, field) in self.store.registry().relations_to(&object) {
                if !field.is_filterable() {
                    continue;
                }
                let asked = Aggregate::new(from.name.to_string())
                    .filter(is_in(&field.name, &ids))
                    .group(&field.name, None)
                    .count();
                let rows = self.store.aggregate(&asked).await?;
                referred.extend(
                    rows.iter()
                        .filter_map(|row| row.keys.first().and_then(Value::as_id)),
                );
            }
        }
        Ok(referred)
    }

    /// Sets back what the batch changed, field by field where the field still has the imported value.
    async fn revert(&mut self, batch: &Batch) -> Result<Vec<Kept>, StoreError> {
        let mut seen = HashSet::new();
        let updated: Vec<(RecordId, i64)> = batch
            .updated
            .iter()
            .rev()
            .filter(|change| !self.created.contains(&change.0) && seen.insert(**change))
            .copied()
            .collect();
        let this: &Self = self;
        let outcomes: Vec<(bool, Vec<Kept>)> = stream::iter(updated)
            .map(|(id, version)| async move { this.revert_one(id, version).await })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        let mut kept = Vec::new();
        for (reverted, left) in outcomes {
            self.undone.reverted += u64::from(reverted);
            self.undone.settled = (self.undone.settled + 1).min(self.undone.total);
            kept.extend(left);
        }
        self.undone.kept += kept.len() as u64;
        Ok(kept)
    }

    async fn revert_one(
        &self,
        id: RecordId,
        version: i64,
    ) -> Result<(bool, Vec<Kept>), StoreError> {
        let Some(object) = self.store.registry().object_of(id) else {
            return Ok((false, Vec::new()));
        };
        let current = match self.store.get(&object.name, id, &[]).await {
            Ok(record) => record.version,
            Err(StoreError::NotFound(_)) => return Ok((false, Vec::new())),
            Err(error) => return Err(error),
        };
        // What was announced and never came to be has no such entry.
        let entry = entry_of_version(self.store, id, current, version).await?;
        let Some(entry) = entry.filter(|entry| {
            entry.action == Action::Updated
                && entry.by == self.undoing.by
                && (self.undoing.began..=self.undoing.ended).contains(&entry.at)
        }) else {
            return Ok((false, Vec::new()));
        };
        let columns: Vec<Path> = entry
            .fields
            .iter()
            .map(|change| Path::from_text(&change.field))
            .collect();
        for _ in 0..3 {
            let record = match self.store.get(&object.name, id, &columns).await {
                Ok(record) => record,
                Err(StoreError::NotFound(_)) => return Ok((false, Vec::new())),
                Err(error) => return Err(error),
            };
            if record.deleted {
                return Ok((false, vec![keep(id, Reason::Gone)]));
            }
            let (mut values, mut kept) = (Values::new(), Vec::new());
            for change in &entry.fields {
                let writable = object
                    .field(&change.field)
                    .is_some_and(fieldstone_model::Field::is_writable);
                let now = record.get(&change.field);
                if !writable || *now == change.old {
                    continue;
                }
                if *now == change.new {
                    values.set(change.field.clone(), change.old.clone());
                } else {
                    kept.push(Kept {
                        record: id,
                        field: Some(change.field.clone()),
                        reason: Reason::Changed,
                    });
                }
            }
            if values.is_empty() {
                return Ok((false, kept));
            }
            let update = Change::Update {
                object: object.name.to_string(),
                id,
                expected: Some(record.version),
                values,
            };
            match self.store.apply(&[update]).await {
                Ok(_) => return Ok((true, kept)),
                Err(StoreError::Change(_, ChangeError::Stale { .. })) => {}
                Err(StoreError::Change(..)) => {
                    kept.push(keep(id, Reason::Refused));
                    return Ok((false, kept));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((false, vec![keep(id, Reason::Changed)]))
    }
}

fn is_in(field: &str, ids: &[RecordId]) -> Filter {
    Filter::In {
        path: Path::from_text(field),
        values: ids.iter().copied().map(Value::Id).collect(),
    }
}
