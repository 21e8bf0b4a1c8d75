//! The base layer: what the platform last sent of records that have unconfirmed changes, and the view made of base and changes.

use fieldstone_model::{
    Object, RecordId, Registry, Value, Values,
    objects::{self, Draft},
};
use fieldstone_store::Action;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{
    error::DatabaseError,
    meta::Numbers,
    outbox::{self, Mutation},
    read::object,
    row::{self, Table, Unknown, ViewRow},
    write::{put, take_out},
};

/// What the platform is known to have of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it was made here.
    Not,
    /// The version in the base.
    Yes,
    /// A version that this user may no longer see.
    Withdrawn,
}

impl Known {
    fn number(self) -> i64 {
        match self {
            Self::Not => 0,
            Self::Yes => 1,
            Self::Withdrawn => 2,
        }
    }

    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Not,
            1 => Self::Yes,
            _ => Self::Withdrawn,
        }
    }
}

/// One record's base.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) object: String,
    pub(super) known: Known,
    pub(super) row: ViewRow,
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
    /// When it was deleted there.
    pub deleted_at: Option<Timestamp>,
    /// Its fields, `created_at` and the like included.
    pub values: Values,
    /// Fields that this version of the app doesn't know.
    pub unknown: Unknown,
}

impl PlatformRow {
    fn into_view(self, rid: i64) -> ViewRow {
        let values = self.values.iter().filter(|(name, value)| {
            !value.is_null() && !matches!(*name, "id" | "version" | "deleted_at")
        });
        ViewRow {
            rid,
            version: self.version,
            deleted_at: self.deleted_at.map(Timestamp::as_microsecond),
            values: values
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            unknown: self.unknown,
            row_tag: Some(self.row_tag.cast_signed()),
        }
    }
}

/// Sets the view's row aside as the base, before the first change to it. Does nothing at later ones.
pub(super) fn keep(
    connection: &Connection,
    object: &Object,
    id: RecordId,
    row: Option<&ViewRow>,
) -> Result<(), DatabaseError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM base WHERE id = ?1")?;
    if statement.exists([id.as_str()])? {
        return Ok(());
    }
    let known = if row.is_some() {
        Known::Yes
    } else {
        Known::Not
    };
    let empty = ViewRow::default();
    write(connection, object, id, known, row.unwrap_or(&empty))
}

fn write(
    connection: &Connection,
    object: &Object,
    id: RecordId,
    known: Known,
    row: &ViewRow,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO base (id, object, known, version, row_tag, deleted_at, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.as_str(),
            object.name,
            known.number(),
            row.version,
            row.row_tag,
            row.deleted_at,
            row::values_to_json(object, &row.values, &row.unknown)
        ])?;
    Ok(())
}

/// The base of a record that has unconfirmed changes.
pub(super) fn read(
    connection: &Connection,
    registry: &Registry,
    id: RecordId,
) -> Result<Option<Base>, DatabaseError> {
    type Raw = (String, i64, i64, Option<i64>, Option<i64>, String);
    let raw: Option<Raw> = connection
        .prepare_cached("SELECT object, known, version, row_tag, deleted_at, document FROM base WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((name, known, version, row_tag, deleted_at, document)) = raw else {
        return Ok(None);
    };
    let (values, unknown) = row::values_from_json(object(registry, &name)?, &document)?;
    Ok(Some(Base {
        object: name,
        known: Known::from_number(known),
        row: ViewRow {
            rid: 0,
            version,
            deleted_at,
            values,
            unknown,
            row_tag,
        },
    }))
}

/// Takes in what the platform has of a record now. Changes that it doesn't have yet stay over it.
pub(super) fn adopt(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    platform: PlatformRow,
) -> Result<(), DatabaseError> {
    let id = platform.id;
    let object = registry
        .object_of(id)
        .ok_or(DatabaseError::Content("a record of an unknown kind"))?;
    let table = Table::of(object);
    let mut statement = transaction.prepare_cached("SELECT 1 FROM base WHERE id = ?1")?;
    if statement.exists([id.as_str()])? {
        write(transaction, object, id, Known::Yes, &platform.into_view(0))?;
        return rebuild(transaction, registry, numbers, id);
    }
    let before = table.read(transaction, id)?;
    if platform.deleted_at.is_some() {
        return match before {
            Some(row) => take_out(transaction, &table, id, row.rid),
            None => Ok(()),
        };
    }
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

/// Takes out a record that left the scope of this user. Only the user's own changes to it stay.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    registry: &Registry,
    id: RecordId,
) -> Result<(), DatabaseError> {
    let object = registry
        .object_of(id)
        .ok_or(DatabaseError::Content("a record of an unknown kind"))?;
    let table = Table::of(object);
    if let Some(row) = table.read(transaction, id)? {
        take_out(transaction, &table, id, row.rid)?;
    }
    transaction
        .prepare_cached("DELETE FROM history WHERE record_id = ?1")?
        .execute([id.as_str()])?;
    if read(transaction, registry, id)?.is_some() {
        write(transaction, object, id, Known::Withdrawn, &ViewRow::default())?;
    }
    Ok(())
}

/// Makes the view of a record anew: its base with all its mutations over it. Without mutations the base itself becomes the view.
pub(super) fn rebuild(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: RecordId,
) -> Result<(), DatabaseError> {
    let Some(base) = read(transaction, registry, id)? else {
        return Ok(());
    };
    let object = object(registry, &base.object)?;
    let table = Table::of(object);
    let mutations = outbox::of_record(transaction, registry, id)?;
    if mutations.is_empty() {
        transaction
            .prepare_cached("DELETE FROM base WHERE id = ?1")?
            .execute([id.as_str()])?;
    }
    let before = table.read(transaction, id)?;
    let created_here = mutations
        .first()
        .is_some_and(|mutation| mutation.action == Action::Created);
    let is_there = match base.known {
        Known::Withdrawn => false,
        Known::Not => created_here,
        Known::Yes => base.row.deleted_at.is_none() || !mutations.is_empty(),
    };
    if !is_there {
        return match before {
            Some(row) => take_out(transaction, &table, id, row.rid),
            None => Ok(()),
        };
    }
    let mut row = lay_over(registry, object, base.row, &mutations);
    row.version = match &before {
        Some(before) => row.version.max(before.version + 1),
        None => row.version.max(1),
    };
    let is_new = before.is_none();
    row.rid = before.map_or_else(|| numbers.rid(), |row| row.rid);
    put(transaction, &table, id, &row, is_new, numbers.revision)
}

/// The base with mutations over it, and what follows from them by the object's rules.
fn lay_over(
    registry: &Registry,
    object: &Object,
    base: ViewRow,
    mutations: &[Mutation],
) -> ViewRow {
    let mut row = base;
    for mutation in mutations {
        let before = row.values.clone();
        let mut written = Values::new();
        for change in &mutation.fields {
            written.set(change.field.clone(), change.new.clone());
        }
        let draft = Draft {
            before: (mutation.action != Action::Created).then_some(&before),
            written: &written,
            registry,
            now: mutation.made_at,
        };
        let derived = objects::derived(&object.name, &draft);
        for (name, value) in written.iter().chain(derived.iter()) {
            if value.is_null() {
                row.values.remove(name);
            } else {
                row.values.set(name, value.clone());
            }
        }
        let (at, by) = (Value::DateTime(mutation.made_at), Value::Id(mutation.by));
        match mutation.action {
            Action::Created => {
                row.values.set("created_at", at.clone());
                row.values.set("created_by_id", by.clone());
            }
            Action::Deleted => row.deleted_at = Some(mutation.made_at.as_microsecond()),
            Action::Restored => row.deleted_at = None,
            Action::Updated => {}
        }
        row.values.set("updated_at", at);
        row.values.set("updated_by_id", by);
    }
    row
}

/// Folds a confirmed mutation into the base, so that the view keeps showing it until the platform's own version arrives.
pub(super) fn confirm(
    connection: &Connection,
    registry: &Registry,
    mutation: &Mutation,
) -> Result<(), DatabaseError> {
    let Some(base) = read(connection, registry, mutation.record)? else {
        return Ok(());
    };
    if base.known == Known::Withdrawn {
        return Ok(());
    }
    let object = object(registry, &base.object)?;
    let row = lay_over(registry, object, base.row, std::slice::from_ref(mutation));
    write(connection, object, mutation.record, Known::Yes, &row)
}
