//! The base layer: what the platform last sent of records that have mutations, and the view made of base and mutations.

use fieldstone_model::{
    Object, RecordId, Registry, Value, Values,
    objects::{self, Draft},
};
use fieldstone_protocol::push::{Kind, Outcome};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{
    error::DatabaseError,
    meta::Numbers,
    outbox::{self, Pending, State},
    read::object,
    row::{self, Table, Unknown, ViewRow},
    write::{put, take_out},
};

/// One record's base.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) object: String,
    /// The platform's version; none when the platform hasn't sent it, or has taken it back.
    pub(super) row: Option<ViewRow>,
}

/// A record as the platform sends it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformRow {
    /// The record.
    pub id: RecordId,
    /// Its version there.
    pub version: i64,
    /// The tag of this version.
    pub row_tag: u64,
    /// Its fields, `created_at` and the like included.
    pub values: Values,
    /// Fields that this version of the app doesn't know.
    pub unknown: Unknown,
}

impl PlatformRow {
    /// The row as the view has it when nothing lies over it.
    pub(super) fn into_view(self, rid: i64) -> ViewRow {
        let mut values = self.values;
        for apart in ["id", "version", "deleted_at"] {
            values.remove(apart);
        }
        ViewRow {
            rid,
            version: self.version,
            deleted_at: None,
            values,
            unknown: self.unknown,
            row_tag: Some(self.row_tag.cast_signed()),
        }
    }
}

/// Sets the view's row aside as the base, before the first mutation of it. Does nothing at later ones.
pub(super) fn keep(
    connection: &Connection,
    object: &Object,
    id: RecordId,
    row: Option<&ViewRow>,
) -> Result<(), DatabaseError> {
    if exists(connection, id)? {
        return Ok(());
    }
    write(connection, object, id, row)
}

pub(super) fn exists(connection: &Connection, id: RecordId) -> Result<bool, DatabaseError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM base WHERE id = ?1")?;
    Ok(statement.exists([id.as_str()])?)
}

fn write(
    connection: &Connection,
    object: &Object,
    id: RecordId,
    row: Option<&ViewRow>,
) -> Result<(), DatabaseError> {
    let empty = ViewRow::default();
    let known = row.is_some();
    let row = row.unwrap_or(&empty);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO base (id, object, known, version, row_tag, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            id.as_str(),
            object.name,
            known,
            row.version,
            row.row_tag,
            row::values_to_json(object, &row.values, &row.unknown)
        ])?;
    Ok(())
}

/// The base of a record that has mutations.
pub(super) fn read(
    connection: &Connection,
    registry: &Registry,
    id: RecordId,
) -> Result<Option<Base>, DatabaseError> {
    type Raw = (String, bool, i64, Option<i64>, String);
    let raw: Option<Raw> = connection
        .prepare_cached("SELECT object, known, version, row_tag, document FROM base WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    let Some((name, known, version, row_tag, document)) = raw else {
        return Ok(None);
    };
    let (values, unknown) = row::values_from_json(object(registry, &name)?, &document)?;
    let row = ViewRow {
        rid: 0,
        version,
        deleted_at: None,
        values,
        unknown,
        row_tag,
    };
    Ok(Some(Base {
        object: name,
        row: known.then_some(row),
    }))
}

fn remove(connection: &Connection, id: RecordId) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("DELETE FROM base WHERE id = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

/// Drops the base of a record whose view is the base again.
pub(super) fn drop_if_clean(connection: &Connection, id: RecordId) -> Result<(), DatabaseError> {
    if outbox::of_record(connection, id)?.is_empty() {
        remove(connection, id)?;
    }
    Ok(())
}

/// Takes in what the platform has of a record now. Mutations stay over it.
pub(super) fn adopt(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    object: &Object,
    platform: PlatformRow,
) -> Result<(), DatabaseError> {
    let id = platform.id;
    if exists(transaction, id)? {
        write(transaction, object, id, Some(&platform.into_view(0)))?;
        return rebuild(transaction, registry, numbers, id);
    }
    let table = Table::of(object);
    let before = table.read(transaction, id)?;
    let is_new = before.is_none();
    let rid = before.as_ref().map_or_else(|| numbers.rid(), |row| row.rid);
    let mut row = platform.into_view(rid);
    // A version never names two contents on this device, also after changes here were undone.
    if let Some(before) = before
        && row.version <= before.version
    {
        let is_same = row.values == before.values;
        row.version = before.version + i64::from(!is_same);
    }
    put(transaction, &table, id, &row, is_new, numbers.revision)
}

/// Takes out a record that left the scope of this user, or was deleted. The user's own mutations of it stay.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: RecordId,
) -> Result<(), DatabaseError> {
    transaction
        .prepare_cached("DELETE FROM history WHERE record_id = ?1")?
        .execute([id.as_str()])?;
    // A row of an object without a table, whatever its id looks like.
    transaction
        .prepare_cached("DELETE FROM other_row WHERE id = ?1")?
        .execute([id.as_str()])?;
    let Some(object) = registry.object_of(id) else {
        return Ok(());
    };
    if exists(transaction, id)? {
        write(transaction, object, id, None)?;
        return rebuild(transaction, registry, numbers, id);
    }
    let table = Table::of(object);
    match table.read(transaction, id)? {
        Some(row) => take_out(transaction, &table, id, row.rid),
        None => Ok(()),
    }
}

/// Makes the view of a record anew: its base under all its mutations. Without mutations the base itself becomes the view.
pub(super) fn rebuild(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: RecordId,
) -> Result<(), DatabaseError> {
    if registry.object_of(id).is_none() {
        return Ok(());
    }
    let Some(base) = read(transaction, registry, id)? else {
        return Ok(());
    };
    let object = object(registry, &base.object)?;
    let table = Table::of(object);
    let mutations = outbox::of_record(transaction, id)?;
    if mutations.is_empty() {
        remove(transaction, id)?;
    }
    let before = table.read(transaction, id)?;
    let Some(mut row) = lay_over(registry, object, base.row, &mutations) else {
        return match before {
            Some(row) => take_out(transaction, &table, id, row.rid),
            None => Ok(()),
        };
    };
    row.version = match &before {
        Some(before) => row.version.max(before.version + 1),
        None => row.version.max(1),
    };
    let is_new = before.is_none();
    row.rid = before.map_or_else(|| numbers.rid(), |row| row.rid);
    put(transaction, &table, id, &row, is_new, numbers.revision)
}

/// The base under mutations, with what follows from them by the object's rules. None when there is nothing to show.
fn lay_over(
    registry: &Registry,
    object: &Object,
    base: Option<ViewRow>,
    mutations: &[Pending],
) -> Option<ViewRow> {
    let mut row = base;
    for pending in mutations {
        let mutation = &pending.mutation;
        let waits = |field: &str| match &pending.state {
            State::Acknowledged {
                outcome: Outcome::Conflict { fields, .. },
                ..
            } => fields.is_empty() || fields.iter().any(|waiting| waiting == field),
            _ => false,
        };
        let at = pending.made_at;
        match (mutation.kind, &mut row) {
            (Kind::Delete, Some(row)) if !waits("") => {
                row.deleted_at = Some(at.as_microsecond());
                stamp(row, at, pending.by);
            }
            (Kind::Delete, _) | (Kind::Update, None) => {}
            (Kind::Create, none @ None) => {
                let mut made = ViewRow::default();
                made.values.set("created_at", Value::DateTime(at));
                made.values.set("created_by_id", Value::Id(pending.by));
                write_over(registry, object, &mut made, pending, waits);
                *none = Some(made);
            }
            (Kind::Create | Kind::Update, Some(row)) => {
                write_over(registry, object, row, pending, waits);
            }
        }
    }
    row
}

fn write_over(
    registry: &Registry,
    object: &Object,
    row: &mut ViewRow,
    pending: &Pending,
    waits: impl Fn(&str) -> bool,
) {
    let written: Values = pending
        .mutation
        .fields
        .iter()
        .filter(|(name, _)| !waits(name))
        .filter_map(|(name, edit)| {
            let value = Value::from_json(object.field(name)?, &edit.wanted).ok()?;
            Some((name.clone(), value))
        })
        .collect();
    let before = row.values.clone();
    let draft = Draft {
        before: (pending.mutation.kind != Kind::Create).then_some(&before),
        written: &written,
        registry,
        now: pending.made_at,
    };
    let derived = objects::derived(&object.name, &draft);
    for (name, value) in written.iter().chain(derived.iter()) {
        if value.is_null() {
            row.values.remove(name);
        } else {
            row.values.set(name, value.clone());
        }
    }
    stamp(row, pending.made_at, pending.by);
}

fn stamp(row: &mut ViewRow, at: Timestamp, by: RecordId) {
    row.values.set("updated_at", Value::DateTime(at));
    row.values.set("updated_by_id", Value::Id(by));
}
