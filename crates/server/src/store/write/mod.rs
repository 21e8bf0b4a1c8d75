//! Writing: any number of changes as one transaction of two flights.
//!
//! The first flight locks and reads what the changes build on; what they write is then worked out by `fieldstone_store::write`, the same
//! code as on a device; the second flight writes it in bulk, with history, search tokens and keys, and commits.

mod look_up;
mod statements;
mod tells;
mod tokens;

use std::collections::{HashMap, HashSet};

use fieldstone_model::{
    Change, FieldError, Object, Problem, RecordId, Registry, Value, value::Key,
};
use fieldstone_store::{
    Action, Applied, ChangeError, StoreError,
    once::Once,
    write::{self, Stored, Write},
};

use super::{
    PgStore,
    error::{is_missing_reference, is_repeated_key, is_unique_violation, store_error},
};
use look_up::{Found, LookUp};
use statements::Statements;

use crate::sync::Extra;

/// Most changes in one call; larger jobs are cut by their caller.
pub(super) const CHANGES_MAX: usize = 5_000;

impl PgStore {
    pub(super) async fn write(
        &self,
        registry: &Registry,
        changes: &[Change],
    ) -> Result<Vec<Applied>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let written = self.write_once(registry, changes, None).await?;
        Ok(written.unwrap_or_default())
    }

    /// Writes the changes and what a device is told about them; `None` when that was told before, and nothing was written.
    pub(crate) async fn write_with(
        &self,
        registry: &Registry,
        changes: &[Change],
        extras: Vec<Extra>,
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        self.write_beside(registry, changes, None, &extras).await
    }

    /// Writes the changes and `once` with them; `None` when its key was there already, and nothing was written.
    pub(super) async fn write_once(
        &self,
        registry: &Registry,
        changes: &[Change],
        once: Option<&Once>,
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        self.write_beside(registry, changes, once, &[]).await
    }

    async fn write_beside(
        &self,
        registry: &Registry,
        changes: &[Change],
        once: Option<&Once>,
        extras: &[Extra],
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        if changes.len() > CHANGES_MAX {
            return Err(StoreError::Query(
                fieldstone_model::query::QueryError::TooLarge,
            ));
        }
        // Whoever removes something may be making room.
        let is_removal = |change: &Change| matches!(change, Change::Delete { .. });
        if !changes.iter().all(is_removal) {
            self.check_room()?;
        }
        let user = fieldstone_store::Store::user(self);
        // What may be set is the role's; what follows from it is worked out with all of the record.
        let (seen, whole) = (registry, registry.whole());
        let registry = &whole;
        let mut objects = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let unknown = || StoreError::UnknownObject(change.object().to_owned());
            let object = registry.object(change.object()).ok_or_else(unknown)?;
            if !write::may_write(user, object, change) {
                return Err(StoreError::Denied);
            }
            let shown = seen.object(change.object()).ok_or_else(unknown)?;
            write::check_rights(shown, change).map_err(|error| StoreError::Change(index, error))?;
            objects.push(object.as_ref());
        }
        let mut outcome = self
            .try_write(registry, &objects, changes, once, extras)
            .await;
        if matches!(outcome, Err(Attempt::Raced)) {
            // Another transaction took a key or removed a record between the flights: the second look sees it and says which change it was.
            outcome = self
                .try_write(registry, &objects, changes, once, extras)
                .await;
        }
        match outcome {
            Ok(applied) => Ok(Some(applied)),
            Err(Attempt::Repeated) => Ok(None),
            Err(Attempt::Raced) => Err(StoreError::Busy),
            Err(Attempt::Failed(StoreError::Change(index, error))) => {
                let change = changes.get(index);
                let shown = change.and_then(|change| seen.object(change.object()));
                Err(StoreError::Change(
                    index,
                    match shown {
                        Some(shown) => write::without_hidden(shown, error),
                        None => error,
                    },
                ))
            }
            Err(Attempt::Failed(error)) => Err(error),
        }
    }

    async fn try_write(
        &self,
        registry: &Registry,
        objects: &[&Object],
        changes: &[Change],
        once: Option<&Once>,
        extras: &[Extra],
    ) -> Result<Vec<Applied>, Attempt> {
        let mut transaction = self
            .pool()
            .transaction(self.actor(), Some(registry.version()))
            .await
            .map_err(store_error)?;
        let look_up = LookUp::of(registry, &self.scope, objects, changes);
        let found = look_up.run(&mut transaction, registry).await?;
        self.note_flight();
        let now = self.shared.clock.now();
        let (writes, applied) = plan(self, registry, objects, changes, found, now)?;
        let mut statements = Statements::new(self.actor().user, now);
        if self.quiet {
            statements.quietly();
        }
        for planned in &writes {
            statements.add(planned.object, &planned.write, &planned.after);
        }
        if let Some(once) = once {
            statements.keep(once, &self.sight(registry));
        }
        statements.beside(extras);
        match statements.run(&mut transaction).await {
            Ok(()) => {
                self.note_written();
                Ok(applied)
            }
            Err(error) if is_repeated_key(&error) => Err(Attempt::Repeated),
            Err(error) if is_unique_violation(&error) || is_missing_reference(&error) => {
                Err(Attempt::Raced)
            }
            Err(error) => Err(match store_error(error) {
                StoreError::Change(_, ChangeError::Full) => {
                    let first = changes
                        .iter()
                        .position(|change| matches!(change, Change::Create { .. }));
                    StoreError::Change(first.unwrap_or_default(), ChangeError::Full)
                }
                error => error,
            }
            .into()),
        }
    }
}

/// How one try ended when it didn't succeed.
enum Attempt {
    /// Another transaction came between the flights.
    Raced,
    /// The same request was applied before.
    Repeated,
    Failed(StoreError),
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A write and the records whose earlier writes have to reach the database first, because it takes a unique key that they gave up.
struct Planned<'a> {
    object: &'a Object,
    write: Write,
    after: Vec<RecordId>,
}

/// Works out all writes in order; each change builds on what the changes before it made.
fn plan<'a>(
    store: &PgStore,
    registry: &Registry,
    objects: &[&'a Object],
    changes: &[Change],
    found: Found,
    now: jiff::Timestamp,
) -> Result<(Vec<Planned<'a>>, Vec<Applied>), StoreError> {
    let user = fieldstone_store::Store::user(store);
    let Found {
        mut stored,
        mut references,
        keys,
    } = found;
    let mut keys = UniqueKeys {
        held: keys,
        freed: HashMap::new(),
    };
    // The transaction began at the registry's version: its stages and pipelines live.
    for stage in registry.stages() {
        references.extend([stage.id, stage.pipeline_id]);
    }
    let mut writes = Vec::with_capacity(changes.len());
    let mut applied = Vec::with_capacity(changes.len());
    for (index, (change, object)) in changes.iter().zip(objects).enumerate() {
        let id = change.id();
        let before = stored.get(&id);
        let is_there = |to: RecordId| to == user.id || references.contains(&to);
        let kept = write::without_gone_defaults(object, change, is_there);
        let change = kept.as_ref().unwrap_or(change);
        let prepared = write::prepare(registry, object, user, now, change, before)
            .map_err(|error| StoreError::Change(index, error))?;
        let Some(write) = prepared else {
            applied.push(Applied {
                id,
                version: before.map_or(0, |stored| stored.version),
            });
            continue;
        };
        let mut errors: Vec<FieldError> = write
            .references
            .iter()
            .filter(|(_, to)| *to != user.id && !references.contains(to))
            .map(|(field, _)| FieldError::new(field.clone(), Problem::MissingReference))
            .collect();
        let (duplicates, after) = keys.claim(object, &write, before);
        errors.extend(duplicates);
        errors.extend(write::check_owner(object, store.scope(), &write));
        if !errors.is_empty() {
            return Err(StoreError::Change(index, ChangeError::Invalid(errors)));
        }
        let successor = write::successor(registry, object, now, before, &write, || {
            fieldstone_store::Store::new_id(store, &object.name)
        });
        follow(&mut stored, &mut references, &write);
        applied.push(Applied {
            id,
            version: write.version,
        });
        writes.push(Planned {
            object,
            write,
            after,
        });
        if let Some(successor) = successor {
            follow(&mut stored, &mut references, &successor);
            writes.push(Planned {
                object,
                write: successor,
                after: Vec::new(),
            });
        }
    }
    Ok((writes, applied))
}

/// Unique keys by object, field and key, with the living record that has each.
type Keys = HashMap<(String, u16, Key), RecordId>;

/// Who has which unique key at this point of the batch.
struct UniqueKeys {
    held: Keys,
    /// Keys given up in this batch, with the record that last had each.
    freed: Keys,
}

impl UniqueKeys {
    /// Takes the keys that `write` needs and frees those it gives up. Names the fields whose key another record has, and the
    /// records that had a key taken here until an earlier change of the batch.
    fn claim(
        &mut self,
        object: &Object,
        write: &Write,
        before: Option<&Stored>,
    ) -> (Vec<FieldError>, Vec<RecordId>) {
        let mut errors = Vec::new();
        let mut after = Vec::new();
        for field in object.fields.iter().filter(|field| field.unique) {
            let key_of = |value: &Value| {
                value
                    .key(&field.kind)
                    .map(|key| (object.name.to_string(), field.id, key))
            };
            let old = before
                .and_then(|stored| stored.values.get(&field.name))
                .and_then(key_of);
            let new = match write.action {
                Action::Created | Action::Updated => write.values.get(&field.name).map(key_of),
                Action::Restored => Some(old.clone()),
                Action::Deleted => Some(None),
            };
            // The field stays as it is.
            let Some(new) = new else { continue };
            if let Some(old) = old
                && self.held.get(&old) == Some(&write.id)
            {
                self.held.remove(&old);
                self.freed.insert(old, write.id);
            }
            let Some(new) = new else { continue };
            match self.held.get(&new) {
                Some(holder) if *holder != write.id => {
                    errors.push(FieldError::new(field.name.clone(), Problem::Duplicate));
                }
                _ => {
                    after.extend(self.freed.get(&new).filter(|former| **former != write.id));
                    self.held.insert(new, write.id);
                }
            }
        }
        (errors, after)
    }
}

/// Makes the records in memory what the write makes them in the database.
fn follow(
    stored: &mut HashMap<RecordId, Stored>,
    references: &mut HashSet<RecordId>,
    write: &Write,
) {
    let record = stored.entry(write.id).or_insert_with(|| Stored {
        version: 0,
        deleted: false,
        values: fieldstone_model::Values::new(),
    });
    record.version = write.version;
    for (name, value) in write.values.iter() {
        record.values.set(name, value.clone());
    }
    match write.action {
        Action::Deleted => {
            record.deleted = true;
            references.remove(&write.id);
        }
        Action::Restored | Action::Created => {
            record.deleted = false;
            references.insert(write.id);
        }
        Action::Updated => {}
    }
}
