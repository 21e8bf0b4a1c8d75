//! The tables of the local database, made from the registry of objects, and how an older file becomes one of this version.
//!
//! **A table for each standard object** (`account`, `deal`, …) holds what pages show: the *view*. Its columns are the object's fields as
//! `fieldstone_store::compile` expects them: texts that compare folded have a second column `…_key`, dates and instants are integers,
//! custom fields are members of the JSON column `custom`, by number. Besides:
//!
//! - `rid` is the row's number, given once and never again. The full-text index knows records by it.
//! - `row_tag` is the platform's tag of the version in this row; null where the platform doesn't have the record.
//! - `changed` is the number of the transaction that last wrote the row.
//! - `extra` keeps fields that this version of the app doesn't know (JSON, by name), so that they aren't lost on the way back.
//!
//! Indexes hold living records only: a filter or an order never meets the others. Their second column is the id, which ends every order.
//!
//! **`custom_record`** is the same for all custom objects together, with the object's name in `object`.
//!
//! **`field_value`** has the keys of indexed custom fields, one row each, several for a multiple choice.
//!
//! **`search`** is the full-text index of all objects; see `fieldstone_store::compile::words`.
//!
//! **`other_row`** keeps rows of objects that aren't in the registry, as they came: conflicts, and what a newer platform has.
//!
//! **`base`** is the second layer: for each record with mutations, the last version the platform sent, whole, as JSON. A record without
//! mutations has no row here: its view *is* its base, and is stored once. `known = 0` says that the platform hasn't sent the record, or has
//! taken it back.
//!
//! **`mutation`** is the third layer, the *patch*, and the outbox in one: what the user changed, in order, each with the fields changed and
//! for each the value the user saw and the value wanted. The view is the base under all mutations of the record. `state`: 0 new, 1 taken
//! (it may be on its way), 2 set aside (`outcome` says why), 3 acknowledged at `counter` (`outcome` says how). `sealed` is the number of its
//! entry in the sealed journal.
//!
//! **`stage_row`** and **`stage_gone`** hold what an unfinished pull has brought. A whole new generation is staged in
//! tables of its own instead, named like those above with `__next` behind; publishing it renames them, so that no row is written twice.
//!
//! **`history`** remembers what was done on this device, for the history of a record.
//!
//! **`meta`** has single values: the registry document, the user, the next `rid`, the number of the last transaction, and what the engine
//! keeps (cursor, epoch, resume point, acknowledgement counter), written in the transactions of the rows they speak of.

use fieldstone_model::{Field, FieldType, Object, Registry};
use fieldstone_store::compile::words;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::error::DatabaseError;

/// The format this version writes, kept in `PRAGMA user_version`.
pub(crate) const FORMAT: i64 = 2;

/// Makes one format from the one before.
type Step = fn(&Transaction<'_>) -> Result<(), DatabaseError>;

/// What makes each format, from the first on. A step never changes once it has been released.
const STEPS: [Step; 2] = [format_1, format_2];

/// The table of all custom objects.
pub(super) const CUSTOM_TABLE: &str = "custom_record";

/// Brings the file to [`FORMAT`] and its tables to the standard objects of this version.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), DatabaseError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > FORMAT {
        return Err(DatabaseError::Newer {
            found,
            known: FORMAT,
        });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        step(&transaction)?;
    }
    if found != FORMAT {
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    for object in Registry::standard().objects() {
        fit(&transaction, object)?;
    }
    fit_table(&transaction, CUSTOM_TABLE, &any_custom_object())?;
    transaction.commit()?;
    Ok(())
}

fn format_1(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    transaction.execute_batch(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE base (
             id TEXT PRIMARY KEY, object TEXT NOT NULL, known INTEGER NOT NULL, version INTEGER NOT NULL, row_tag INTEGER,
             document TEXT NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE mutation (
             sequence INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, object TEXT NOT NULL, record_id TEXT NOT NULL,
             kind TEXT NOT NULL, fields TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0, counter INTEGER, outcome TEXT,
             attempts INTEGER NOT NULL DEFAULT 0, made_at INTEGER NOT NULL, by_id TEXT NOT NULL
         ) STRICT;
         CREATE INDEX mutation_record ON mutation (record_id, sequence);
         CREATE INDEX mutation_state ON mutation (state, sequence);
         CREATE TABLE history (
             sequence INTEGER PRIMARY KEY AUTOINCREMENT, record_id TEXT NOT NULL, at INTEGER NOT NULL, by_id TEXT NOT NULL,
             action TEXT NOT NULL, changes TEXT
         ) STRICT;
         CREATE INDEX history_record ON history (record_id, sequence);
         CREATE TABLE stage_row (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE stage_gone (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
    )?;
    create_side_tables(transaction, "")
}

/// Mutations know the number of their entry in the sealed journal.
fn format_2(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    transaction.execute_batch("ALTER TABLE mutation ADD COLUMN sealed INTEGER")?;
    Ok(())
}

/// Lets the writing connection note which mutations it makes, changes and removes. In memory only, and part of each transaction.
pub(super) fn note_mutations(connection: &Connection) -> Result<(), DatabaseError> {
    connection.execute_batch(
        "CREATE TEMP TABLE touched_mutation (uuid TEXT PRIMARY KEY) WITHOUT ROWID;
         CREATE TEMP TRIGGER mutation_made AFTER INSERT ON main.mutation
         BEGIN INSERT OR IGNORE INTO touched_mutation VALUES (NEW.uuid); END;
         CREATE TEMP TRIGGER mutation_changed AFTER UPDATE OF uuid, record_id, fields ON main.mutation
         BEGIN INSERT OR IGNORE INTO touched_mutation VALUES (OLD.uuid), (NEW.uuid); END;
         CREATE TEMP TRIGGER mutation_accepted AFTER UPDATE OF state ON main.mutation WHEN NEW.state = 3
         BEGIN INSERT OR IGNORE INTO touched_mutation VALUES (NEW.uuid); END;
         CREATE TEMP TRIGGER mutation_removed AFTER DELETE ON main.mutation
         BEGIN INSERT OR IGNORE INTO touched_mutation VALUES (OLD.uuid); END;",
    )?;
    Ok(())
}

/// Makes the tables that belong to the rows of a generation, with a suffix to their names.
pub(super) fn create_side_tables(
    connection: &Connection,
    suffix: &str,
) -> Result<(), DatabaseError> {
    connection.execute_batch(&format!(
        "CREATE TABLE field_value{suffix} (
             record_id TEXT NOT NULL, field INTEGER NOT NULL, ordinal INTEGER NOT NULL, object TEXT NOT NULL, key_int INTEGER, key_text TEXT,
             PRIMARY KEY (record_id, field, ordinal)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE other_row{suffix} (
             id TEXT PRIMARY KEY, object TEXT NOT NULL, version INTEGER NOT NULL, row_tag INTEGER NOT NULL, document TEXT NOT NULL
         ) STRICT, WITHOUT ROWID;"
    ))?;
    if suffix.is_empty() {
        create_side_indexes(connection)?;
    }
    connection.execute_batch(&words::create_table(&format!("{}{suffix}", words::TABLE)))?;
    Ok(())
}

/// Makes the indexes of those tables.
pub(super) fn create_side_indexes(connection: &Connection) -> Result<(), DatabaseError> {
    connection.execute_batch(
        "CREATE INDEX field_value_int ON field_value (object, field, key_int, record_id) WHERE key_int IS NOT NULL;
         CREATE INDEX field_value_text ON field_value (object, field, key_text, record_id) WHERE key_text IS NOT NULL;
         CREATE INDEX other_row_object ON other_row (object, row_tag);",
    )?;
    Ok(())
}

/// The tables beside those of objects that a generation has.
pub(super) const SIDE_TABLES: [&str; 3] = ["field_value", "other_row", words::TABLE];

/// Makes an object's table fit the registry: adds what is missing, leaves what it doesn't know.
pub(super) fn fit(transaction: &Transaction<'_>, object: &Object) -> Result<(), DatabaseError> {
    if object.custom {
        // All custom objects share a table, whose columns their first fields are alike.
        return Ok(());
    }
    fit_table(transaction, &object.name, object)
}

fn fit_table(
    transaction: &Transaction<'_>,
    table: &str,
    object: &Object,
) -> Result<(), DatabaseError> {
    let known: Vec<String> = transaction
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if known.is_empty() {
        transaction.execute_batch(&create_table(table, object))?;
    } else {
        for (column, kind) in columns(object) {
            if !known.contains(&column) {
                transaction.execute_batch(&format!(
                    "ALTER TABLE \"{table}\" ADD COLUMN \"{column}\" {kind}"
                ))?;
            }
        }
        for field in object
            .fields
            .iter()
            .filter(|field| !field.custom && !known.contains(&field.name.to_string()))
        {
            take_from_extra(transaction, table, field)?;
        }
    }
    create_indexes(transaction, table, object)
}

/// A field that this version knows and the last one didn't: its values were kept among the unknown ones.
fn take_from_extra(
    transaction: &Transaction<'_>,
    table: &str,
    field: &Field,
) -> Result<(), DatabaseError> {
    use fieldstone_model::Value;
    let select = format!(
        "SELECT rid, extra ->> ?1, json_extract(extra, '$.' || ?1) IS NULL FROM \"{table}\" WHERE extra IS NOT NULL"
    );
    let rows: Vec<(i64, Option<String>)> = transaction
        .prepare(&select)?
        .query_map([&field.name], |row| {
            let json: rusqlite::types::Value = row.get(1)?;
            Ok((row.get(0)?, plain_text(json)))
        })?
        .collect::<Result<_, _>>()?;
    let key_set = if field.kind.is_folded() {
        format!(", \"{}_key\" = ?3", field.name)
    } else {
        String::new()
    };
    let mut update = transaction.prepare(&format!(
        "UPDATE \"{table}\" SET \"{name}\" = ?2{key_set}, extra = nullif(json_remove(extra, '$.\"{name}\"'), '{{}}') WHERE rid = ?1",
        name = field.name
    ))?;
    for (rid, text) in rows {
        let Some(value) = text.and_then(|text| Value::parse(field, &text).ok()) else {
            continue;
        };
        let stored = super::cell::store(&value);
        if field.kind.is_folded() {
            update.execute(params![rid, stored, super::cell::key(&value, &field.kind)])?;
        } else {
            update.execute(params![rid, stored])?;
        }
    }
    Ok(())
}

fn plain_text(value: rusqlite::types::Value) -> Option<String> {
    match value {
        rusqlite::types::Value::Text(text) => Some(text),
        rusqlite::types::Value::Integer(number) => Some(number.to_string()),
        rusqlite::types::Value::Real(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The statement that makes the table of `object` under a name.
pub(super) fn create_table(table: &str, object: &Object) -> String {
    let columns: Vec<String> = columns(object)
        .map(|(column, kind)| format!("\"{column}\" {kind}"))
        .collect();
    format!(
        "CREATE TABLE \"{table}\" (rid INTEGER PRIMARY KEY, {}) STRICT",
        columns.join(", ")
    )
}

/// All columns but `rid`, in the order in which rows are written.
pub(super) fn columns(object: &Object) -> impl Iterator<Item = (String, &'static str)> {
    let own = object
        .fields
        .iter()
        .filter(|field| !field.custom)
        .flat_map(|field| {
            let kind = match field.name.as_ref() {
                "id" => "TEXT NOT NULL UNIQUE",
                "version" => "INTEGER NOT NULL",
                _ => sql_type(&field.kind),
            };
            let key = field
                .kind
                .is_folded()
                .then(|| (format!("{}_key", field.name), "TEXT"));
            std::iter::once((field.name.to_string(), kind)).chain(key)
        });
    let object_column = object.custom.then(|| ("object".to_owned(), "TEXT"));
    let kept = [
        ("custom", "TEXT"),
        ("extra", "TEXT"),
        ("row_tag", "INTEGER"),
        ("changed", "INTEGER NOT NULL DEFAULT 0"),
    ];
    own.chain(object_column)
        .chain(kept.map(|(name, kind)| (name.to_owned(), kind)))
}

fn sql_type(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Boolean | FieldType::Date | FieldType::Time | FieldType::DateTime => "INTEGER",
        kind if kind.scale().is_some() => "INTEGER",
        _ => "TEXT",
    }
}

/// The columns of an object's table that have an index: what the registry says is filtered and sorted by.
fn indexed(object: &Object) -> impl Iterator<Item = String> {
    object
        .fields
        .iter()
        .filter(|field| field.indexed && !field.custom && field.name != "id")
        .map(|field| {
            if field.kind.is_folded() {
                format!("{}_key", field.name)
            } else {
                field.name.to_string()
            }
        })
}

/// Makes the indexes of a table that it doesn't have yet: those of its fields, and one of the tags, which are read whole for the digest.
pub(super) fn create_indexes(
    connection: &Connection,
    table: &str,
    object: &Object,
) -> Result<(), DatabaseError> {
    connection.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS \"{table}_by_row_tag\" ON \"{table}\" ({}row_tag) WHERE row_tag IS NOT NULL",
        if object.custom { "object, " } else { "" }
    ))?;
    for column in indexed(object) {
        let name = format!("{table}_by_{column}");
        let exists: Option<i64> = connection
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1",
                [&name],
                |row| row.get(0),
            )
            .optional()?;
        if exists.is_none() {
            let object_column = if object.custom { "object, " } else { "" };
            connection.execute_batch(&format!(
                "CREATE INDEX \"{name}\" ON \"{table}\" ({object_column}\"{column}\", id) WHERE deleted_at IS NULL"
            ))?;
        }
    }
    Ok(())
}

/// What all custom objects have in common.
pub(super) fn any_custom_object() -> Object {
    let text = String::new;
    Object::custom(text(), text(), *b"a00", text(), text())
}
