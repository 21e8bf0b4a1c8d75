//! All rows of an object at once: what a new schema makes of rows that are here already.

use fieldstone_model::{Object, RecordId, Registry};
use fieldstone_store::write;
use rusqlite::Transaction;

use super::{
    error::DatabaseError,
    row::{self, Table, table_of},
    schema,
};

/// Fits tables and indexes to a registry. Rows of objects whose fields changed are indexed anew.
pub(super) fn take_in_schema(
    transaction: &Transaction<'_>,
    before: &Registry,
    after: &Registry,
) -> Result<(), DatabaseError> {
    for object in after.objects() {
        schema::fit(transaction, object)?;
        let is_same = before
            .object(&object.name)
            .is_some_and(|before| fields(before).eq(fields(object)));
        if !is_same {
            index_anew(transaction, object)?;
        }
    }
    for gone in before
        .objects()
        .filter(|object| after.object(&object.name).is_none())
    {
        for (id, rid) in ids(transaction, gone)? {
            super::write::take_out(transaction, &Table::of(gone), id, rid)?;
        }
    }
    Ok(())
}

/// An object's fields with what their values are indexed for.
fn fields(object: &Object) -> impl Iterator<Item = (u16, bool, bool)> + '_ {
    object
        .fields
        .iter()
        .map(|field| (field.id, field.searchable, field.custom && field.indexed))
}

/// Makes tokens and keys of all rows of an object anew; takes in values of fields that were unknown until now.
fn index_anew(transaction: &Transaction<'_>, object: &Object) -> Result<(), DatabaseError> {
    let table = Table::of(object);
    for (id, rid) in ids(transaction, object)? {
        let Some(mut found) = table.read(transaction, id)? else {
            continue;
        };
        let known: Vec<String> = found
            .unknown
            .keys()
            .filter(|name| object.field(name).is_some())
            .cloned()
            .collect();
        for name in known {
            let json = found.unknown.remove(&name).unwrap_or_default();
            let value = object
                .field(&name)
                .and_then(|field| fieldstone_model::Value::from_json(field, &json).ok());
            if let Some(value) = value.filter(|value| !value.is_null()) {
                found.values.set(name, value);
            }
        }
        let changed: i64 = transaction
            .prepare_cached(&format!(
                "SELECT changed FROM \"{}\" WHERE rid = ?1",
                table.name
            ))?
            .query_row([rid], |row| row.get(0))?;
        table.replace(transaction, id, &found, changed)?;
        let tokens = write::tokens(object, &found.values);
        row::write_tokens(transaction, object, rid, &tokens, true)?;
        row::delete_keys(transaction, id)?;
        row::write_keys(
            transaction,
            object,
            id,
            &write::keys(object, &found.values),
            false,
        )?;
    }
    Ok(())
}

/// Ids and row numbers of an object's records, deleted ones included.
fn ids(
    transaction: &Transaction<'_>,
    object: &Object,
) -> Result<Vec<(RecordId, i64)>, DatabaseError> {
    let of_object = if object.custom {
        "object = ?1"
    } else {
        "?1 <> ''"
    };
    let sql = format!(
        "SELECT id, rid FROM \"{}\" WHERE {of_object} ORDER BY rid",
        table_of(object)
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let rows = statement.query_map([&object.name], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?;
    let mut ids = Vec::new();
    for row in rows {
        let (id, rid) = row?;
        ids.push((
            id.parse()
                .map_err(|_| DatabaseError::Content("a record's id"))?,
            rid,
        ));
    }
    Ok(ids)
}
