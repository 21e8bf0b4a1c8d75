//! What an unfinished pull has brought: kept apart from what pages show, and put in its place in one transaction.
//!
//! A whole new generation goes into tables of its own, row by row in the order of ids, without indexes; publishing makes the indexes and
//! renames the tables. Everything else is a list of rows and of ids, applied when it is published.

use fieldstone_guard::hidden;
use fieldstone_model::{Object, RecordId, Registry, Value, Values};
use fieldstone_protocol::{pull::Row, tag::BlindKey};
use fieldstone_store::{compile::words, write};
use rusqlite::{Transaction, params};

use super::{
    base::{self, PlatformRow},
    engine_local::{object_of, parse_id, tables, unblind},
    error::DatabaseError,
    meta::Numbers,
    outbox,
    row::{self, Table, Unknown, table_of},
    schema::{self, SIDE_TABLES},
};
use crate::engine::local::StagedPage;

/// What stands behind the names of a generation's tables until it is published.
const NEXT: &str = "__next";
/// How many parts the full-text index may have while a generation is staged; as many as SQLite can.
const SEGMENTS_MAX: i64 = 1_999;
/// What SQLite does by itself, and does again once the generation is published.
const USUAL_MERGES: [(&str, i64); 2] = [("automerge", 4), ("crisismerge", 16)];

/// Drops everything that is staged.
pub(super) fn clear(
    transaction: &Transaction<'_>,
    registry: &Registry,
) -> Result<(), DatabaseError> {
    transaction.execute_batch(hidden!("DELETE FROM stage_row; DELETE FROM stage_gone"))?;
    for table in tables(registry).into_iter().chain(SIDE_TABLES) {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS \"{table}{NEXT}\""))?;
    }
    Ok(())
}

/// Makes the tables of a new generation.
pub(super) fn begin_generation(
    transaction: &Transaction<'_>,
    registry: &Registry,
) -> Result<(), DatabaseError> {
    for object in registry.objects().filter(|object| !object.custom) {
        let table = format!("{}{NEXT}", table_of(object));
        transaction.execute_batch(&schema::create_table(&table, object))?;
    }
    let custom = schema::any_custom_object();
    let table = format!("{}{NEXT}", schema::CUSTOM_TABLE);
    transaction.execute_batch(&schema::create_table(&table, &custom))?;
    schema::create_side_tables(transaction, NEXT)?;
    // Merged once, when everything is there, and not again and again on the way.
    search_setting(transaction, "automerge", 0)?;
    search_setting(transaction, "crisismerge", SEGMENTS_MAX)
}

/// Sets how SQLite merges the parts of the full-text index of a staged generation.
fn search_setting(
    transaction: &Transaction<'_>,
    name: &str,
    value: i64,
) -> Result<(), DatabaseError> {
    transaction
        .prepare_cached(hidden!(
            "INSERT INTO search__next (search__next, rank) VALUES (?1, ?2)"
        ))?
        .execute(params![name, value])?;
    Ok(())
}

/// A platform's row in the types of this device. Fields it doesn't know are kept as they came.
pub(super) fn typed(object: &Object, row: &Row) -> PlatformRow {
    let mut values = Values::new();
    let mut unknown = Unknown::new();
    for (name, json) in &row.columns {
        match object
            .field(name)
            .map(|field| Value::from_json(field, json))
        {
            Some(Ok(value)) if !value.is_null() => values.set(name.clone(), value),
            Some(Ok(_)) => {}
            _ => drop(unknown.insert(name.clone(), json.clone())),
        }
    }
    PlatformRow {
        id: row.id,
        version: row.version,
        row_tag: row.tag.0,
        values,
        unknown,
    }
}

/// Stages one page of a new generation.
pub(super) fn generation_page(
    transaction: &Transaction<'_>,
    registry: &Registry,
    blind: &BlindKey,
    page: &StagedPage,
) -> Result<(), DatabaseError> {
    let mut numbers = Numbers::begin(transaction)?;
    let mut table: Option<Table<'_>> = None;
    for staged in &page.rows {
        let Some(object) = object_of(registry, staged) else {
            put_other(transaction, "other_row__next", staged)?;
            continue;
        };
        let into = match table.take() {
            Some(same) if same.object.name == object.name => same,
            _ => Table::named(object, &format!("{}{NEXT}", table_of(object))),
        };
        let rid = numbers.rid();
        let view = typed(object, staged).into_view(rid);
        // What an earlier page brought is known better by this one. It is the exception: what changed while the pages were read.
        if !into.insert_new(transaction, staged.id, &view, numbers.revision)? {
            if let Some(before) = into.read(transaction, staged.id)? {
                take_out_of_next(transaction, &into, staged.id, before.rid)?;
            }
            into.insert(transaction, staged.id, &view, numbers.revision)?;
        }
        let tokens = write::tokens(object, &view.values);
        if !tokens.is_empty() {
            transaction
                .prepare_cached(hidden!(
                    "INSERT INTO search__next (rowid, token) VALUES (?1, ?2)"
                ))?
                .execute(params![rid, words::document(object, &tokens)])?;
        }
        let keys = write::keys(object, &view.values);
        row::insert_keys(transaction, "field_value__next", object, staged.id, &keys)?;
        table = Some(into);
    }
    if !page.gone.is_empty() {
        let staged: Vec<String> = tables(registry)
            .into_iter()
            .map(|table| format!("SELECT id FROM \"{table}{NEXT}\""))
            .chain([hidden!("SELECT id FROM other_row__next").to_owned()])
            .collect();
        for id in unblind(
            transaction,
            registry,
            blind,
            &page.gone,
            &staged.join(" UNION ALL "),
        )? {
            if let Some(object) = registry.object_of(id) {
                let from = Table::named(object, &format!("{}{NEXT}", table_of(object)));
                if let Some(found) = from.read(transaction, id)? {
                    take_out_of_next(transaction, &from, id, found.rid)?;
                }
            } else {
                transaction
                    .prepare_cached(hidden!("DELETE FROM other_row__next WHERE id = ?1"))?
                    .execute([id.as_str()])?;
            }
        }
    }
    numbers.finish(transaction)
}

fn take_out_of_next(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    id: RecordId,
    rid: i64,
) -> Result<(), DatabaseError> {
    table.delete(transaction, id)?;
    transaction
        .prepare_cached(hidden!("DELETE FROM search__next WHERE rowid = ?1"))?
        .execute([rid])?;
    transaction
        .prepare_cached(hidden!(
            "DELETE FROM field_value__next WHERE record_id = ?1"
        ))?
        .execute([id.as_str()])?;
    Ok(())
}

fn put_other(transaction: &Transaction<'_>, table: &str, row: &Row) -> Result<(), DatabaseError> {
    let document =
        serde_json::to_string(&row.columns).map_err(|_| DatabaseError::Content("a record"))?;
    transaction
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {table} (id, object, version, row_tag, document) VALUES (?1, ?2, ?3, ?4, ?5)"
        ))?
        .execute(params![
            row.id.as_str(),
            row.object,
            row.version,
            row.tag.0.cast_signed(),
            document
        ])?;
    Ok(())
}

/// Stages one page of changes to the base.
pub(super) fn change_page(
    transaction: &Transaction<'_>,
    registry: &Registry,
    blind: &BlindKey,
    page: &StagedPage,
) -> Result<(), DatabaseError> {
    for staged in &page.rows {
        let document =
            serde_json::to_string(staged).map_err(|_| DatabaseError::Content("a record"))?;
        transaction
            .prepare_cached(hidden!(
                "INSERT OR REPLACE INTO stage_row (id, document) VALUES (?1, ?2)"
            ))?
            .execute([staged.id.as_str(), &document])?;
        transaction
            .prepare_cached(hidden!("DELETE FROM stage_gone WHERE id = ?1"))?
            .execute([staged.id.as_str()])?;
    }
    let gone = unblind(
        transaction,
        registry,
        blind,
        &page.gone,
        hidden!("SELECT id FROM stage_row"),
    )?;
    for id in &gone {
        transaction
            .prepare_cached(hidden!("DELETE FROM stage_row WHERE id = ?1"))?
            .execute([id.as_str()])?;
        transaction
            .prepare_cached(hidden!("INSERT OR IGNORE INTO stage_gone (id) VALUES (?1)"))?
            .execute([id.as_str()])?;
    }
    Ok(())
}

/// Puts staged changes into the base.
pub(super) fn publish_changes(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
) -> Result<(), DatabaseError> {
    let ids: Vec<String> = transaction
        .prepare_cached(hidden!("SELECT id FROM stage_gone ORDER BY id"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        base::forget(transaction, registry, numbers, parse_id(id)?)?;
    }
    let mut statement =
        transaction.prepare_cached(hidden!("SELECT document FROM stage_row ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut any = !ids.is_empty();
    while let Some(row) = rows.next()? {
        any = true;
        let json: String = row.get(0)?;
        let staged: Row =
            serde_json::from_str(&json).map_err(|_| DatabaseError::Content("a record"))?;
        match object_of(registry, &staged) {
            Some(object) => {
                base::adopt(
                    transaction,
                    registry,
                    numbers,
                    object,
                    typed(object, &staged),
                )?;
            }
            None => put_other(transaction, "other_row", &staged)?,
        }
    }
    drop(rows);
    if any {
        transaction.execute_batch(hidden!("DELETE FROM stage_row; DELETE FROM stage_gone"))?;
    }
    Ok(())
}

/// Makes the staged generation the one that pages show, with all mutations over it.
pub(super) fn publish_generation(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
) -> Result<(), DatabaseError> {
    transaction.execute_batch(hidden!(
        "INSERT INTO search__next (search__next) VALUES ('optimize')"
    ))?;
    for (name, value) in USUAL_MERGES {
        search_setting(transaction, name, value)?;
    }
    for table in tables(registry).into_iter().chain(SIDE_TABLES) {
        transaction.execute_batch(&format!(
            "DROP TABLE \"{table}\"; ALTER TABLE \"{table}{NEXT}\" RENAME TO \"{table}\""
        ))?;
    }
    for object in registry.objects().filter(|object| !object.custom) {
        schema::create_indexes(transaction, table_of(object), object)?;
    }
    schema::create_indexes(
        transaction,
        schema::CUSTOM_TABLE,
        &schema::any_custom_object(),
    )?;
    schema::create_side_indexes(transaction)?;
    transaction.execute_batch(hidden!("DELETE FROM base"))?;
    for (id, name) in outbox::records(transaction)? {
        let Some(object) = registry.object(&name) else {
            continue;
        };
        let row = Table::of(object).read(transaction, id)?;
        base::keep(transaction, object, id, row.as_ref())?;
        base::rebuild(transaction, registry, numbers, id)?;
    }
    Ok(())
}
