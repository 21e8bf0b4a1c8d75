//! Writing what the user does: validated by the same code as on the platform, laid over the base, put into the outbox, in one transaction.

use fieldstone_model::{
    Change, FieldError, Object, Problem, RecordId, Registry, Value, value::Key,
};
use fieldstone_store::{
    Action, Applied, ChangeError, StoreError, User,
    write::{self, Write},
};
use jiff::Timestamp;
use rusqlite::{Transaction, params, types::Value as Sql};

use super::{
    base, cell,
    error::DatabaseError,
    history,
    meta::Numbers,
    outbox,
    read::object,
    row::{self, Table, ViewRow, table_of},
};

/// Applies all changes in order. An error leaves the transaction to be rolled back.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    registry: &Registry,
    user: User,
    now: Timestamp,
    changes: &[Change],
) -> Result<Vec<Applied>, DatabaseError> {
    for change in changes {
        if !write::may_write(user, object(registry, change.object())?, change) {
            return Err(StoreError::Denied.into());
        }
    }
    let mut writer = Writer {
        transaction,
        registry,
        user,
        now,
        numbers: Numbers::begin(transaction)?,
        table: None,
    };
    let mut applied = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        applied.push(writer.apply(index, change)?);
    }
    writer.numbers.finish(transaction)?;
    Ok(applied)
}

struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    registry: &'a Registry,
    user: User,
    now: Timestamp,
    numbers: Numbers,
    /// The table of the last change: batches are mostly of one object.
    table: Option<Table<'a>>,
}

impl<'a> Writer<'a> {
    fn apply(&mut self, index: usize, change: &Change) -> Result<Applied, DatabaseError> {
        let object = object(self.registry, change.object())?;
        let table = match self.table.take() {
            Some(table) if table.object.name == object.name => table,
            _ => Table::of(object),
        };
        let applied = self.apply_to(&table, index, change);
        self.table = Some(table);
        applied
    }

    fn apply_to(
        &mut self,
        table: &Table<'a>,
        index: usize,
        change: &Change,
    ) -> Result<Applied, DatabaseError> {
        let object = table.object;
        let refuse = |error| DatabaseError::Store(StoreError::Change(index, error));
        let id = change.id();
        let before = table.read(self.transaction, id)?;
        let stored = before.as_ref().map(|row| row.stored(object));
        let mut gone = Vec::new();
        for (_, to) in write::default_references(object, change) {
            if !self.lives(to)? {
                gone.push(to);
            }
        }
        let kept = write::without_gone_defaults(object, change, |to| !gone.contains(&to));
        let change = kept.as_ref().unwrap_or(change);
        let prepared = write::prepare(
            self.registry,
            object,
            self.user,
            self.now,
            change,
            stored.as_ref(),
        )
        .map_err(refuse)?;
        let Some(write) = prepared else {
            return Ok(Applied {
                id,
                version: stored.map_or(0, |stored| stored.version),
            });
        };
        let mut errors = self.missing_references(&write)?;
        errors.extend(self.duplicates(object, &write, before.as_ref())?);
        if !errors.is_empty() {
            return Err(refuse(ChangeError::Invalid(errors)));
        }
        base::keep(self.transaction, object, id, before.as_ref())?;
        let added = outbox::add(
            self.transaction,
            object,
            &write,
            before.as_ref(),
            self.user.id,
            self.now,
        )?;
        if !added {
            return Err(refuse(ChangeError::DeletionUnderway));
        }
        self.write(table, &write, before)?;
        if write.action == Action::Restored {
            base::drop_if_clean(self.transaction, id)?;
        }
        history::add(self.transaction, object, &write, self.user.id, self.now)?;
        Ok(Applied {
            id,
            version: write.version,
        })
    }

    fn write(
        &mut self,
        table: &Table<'_>,
        write: &Write,
        before: Option<ViewRow>,
    ) -> Result<(), DatabaseError> {
        let is_new = before.is_none();
        let mut row = before.unwrap_or_default();
        for (name, value) in write.values.iter() {
            if value.is_null() {
                row.values.remove(name);
            } else {
                row.values.set(name, value.clone());
            }
        }
        let (by, at) = (Value::Id(self.user.id), Value::DateTime(self.now));
        if is_new {
            row.rid = self.numbers.rid();
            row.values.set("created_at", at.clone());
            row.values.set("created_by_id", by.clone());
        }
        row.values.set("updated_at", at);
        row.values.set("updated_by_id", by);
        row.version = write.version;
        match write.action {
            Action::Deleted => row.deleted_at = Some(self.now.as_microsecond()),
            Action::Restored => row.deleted_at = None,
            Action::Created | Action::Updated => {}
        }
        if is_new {
            table.insert(self.transaction, write.id, &row, self.numbers.revision)?;
        } else {
            table.replace(self.transaction, write.id, &row, self.numbers.revision)?;
        }
        if let Some(tokens) = &write.tokens {
            row::write_tokens(self.transaction, table.object, row.rid, tokens, !is_new)?;
        }
        row::write_keys(
            self.transaction,
            table.object,
            write.id,
            &write.keys,
            !is_new,
        )
    }

    /// Relations that lead to no living record on this device.
    fn missing_references(&self, write: &Write) -> Result<Vec<FieldError>, DatabaseError> {
        let mut errors = Vec::new();
        for (field, to) in &write.references {
            if *to != self.user.id && !self.lives(*to)? {
                errors.push(FieldError::new(field.clone(), Problem::MissingReference));
            }
        }
        Ok(errors)
    }

    fn lives(&self, id: RecordId) -> Result<bool, DatabaseError> {
        let Some(object) = self.registry.object_of(id) else {
            return Ok(false);
        };
        let sql = format!(
            "SELECT 1 FROM \"{}\" WHERE id = ?1 AND deleted_at IS NULL",
            table_of(object)
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        Ok(statement.exists([id.as_str()])?)
    }

    /// Unique fields whose new value a living record on this device has already. The platform looks again, at all records.
    fn duplicates(
        &self,
        object: &Object,
        write: &Write,
        before: Option<&ViewRow>,
    ) -> Result<Vec<FieldError>, DatabaseError> {
        let values = match (write.action, before) {
            (Action::Restored, Some(row)) => &row.values,
            (Action::Deleted, _) => return Ok(Vec::new()),
            _ => &write.values,
        };
        let mut errors = Vec::new();
        for field in object.fields.iter().filter(|field| field.unique) {
            let Some(value) = values.get(&field.name).filter(|value| !value.is_null()) else {
                continue;
            };
            let key = match value.key(&field.kind) {
                Some(Key::Int(number)) => Sql::Integer(number),
                Some(Key::Text(text)) => Sql::Text(text),
                None => continue,
            };
            let table = table_of(object);
            let taken = if field.custom {
                let column = if matches!(key, Sql::Integer(_)) {
                    "key_int"
                } else {
                    "key_text"
                };
                let sql = format!(
                    "SELECT 1 FROM field_value v JOIN \"{table}\" t ON t.id = v.record_id WHERE v.object = ?1 AND v.field = ?2 \
                     AND v.{column} = ?3 AND v.record_id <> ?4 AND t.deleted_at IS NULL"
                );
                let mut statement = self.transaction.prepare_cached(&sql)?;
                statement.exists(params![object.name, field.id, key, write.id.as_str()])?
            } else {
                let column = if field.kind.is_folded() {
                    format!("{}_key", field.name)
                } else {
                    field.name.to_string()
                };
                let of_object = if object.custom {
                    " AND object = ?3"
                } else {
                    " AND ?3 <> ''"
                };
                let sql = format!(
                    "SELECT 1 FROM \"{table}\" WHERE \"{column}\" = ?1 AND id <> ?2 AND deleted_at IS NULL{of_object}"
                );
                let mut statement = self.transaction.prepare_cached(&sql)?;
                statement.exists(params![key, write.id.as_str(), object.name])?
            };
            if taken {
                errors.push(FieldError::new(field.name.clone(), Problem::Duplicate));
            }
        }
        Ok(errors)
    }
}

/// Writes a row of the view with its tokens and keys, whatever was there before.
pub(super) fn put(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    id: RecordId,
    row: &ViewRow,
    is_new: bool,
    revision: i64,
) -> Result<(), DatabaseError> {
    if is_new {
        table.insert(transaction, id, row, revision)?;
    } else {
        table.replace(transaction, id, row, revision)?;
        row::delete_keys(transaction, id)?;
    }
    let tokens = write::tokens(table.object, &row.values);
    row::write_tokens(transaction, table.object, row.rid, &tokens, !is_new)?;
    let keys = write::keys(table.object, &row.values);
    row::write_keys(transaction, table.object, id, &keys, false)
}

/// Takes a record out of the view.
pub(super) fn take_out(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    id: RecordId,
    rid: i64,
) -> Result<(), DatabaseError> {
    table.delete(transaction, id)?;
    row::delete_tokens(transaction, rid)?;
    row::delete_keys(transaction, id)
}

/// A moment as its column has it.
pub(super) fn moment(at: Timestamp) -> Sql {
    cell::store(&Value::DateTime(at))
}
