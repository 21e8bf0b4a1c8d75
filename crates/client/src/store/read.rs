//! Reading: compiled queries run on a reading connection, rows turned into records.

use std::collections::{BTreeMap, HashMap};

use fieldstone_model::{
    FieldType, Object, Query, Record, RecordId, Registry, Value,
    query::{Cursor, CursorKey, Path, Presence},
};
use fieldstone_store::{
    Aggregate, AggregateRow, ChangeMark, Changes, Function, Page, Scope, StoreError,
    compile::{
        Access, Dialect, Param, Select, Shown, Sql, compile_aggregate, compile_count, phases,
        sum_of_halves,
    },
    sum_figure,
};
use rusqlite::{
    Connection, Row, params_from_iter,
    types::{Value as SqlValue, ValueRef},
};

use super::{access, cell, error::DatabaseError, row::table_of};

/// A row of `Select`: id, version, deletion, columns, keys.
fn record(shown: &Shown, row: &Row<'_>) -> rusqlite::Result<Record> {
    let facts = (
        id_at(row, 0)?,
        row.get(1)?,
        row.get_ref(2)? != ValueRef::Null,
    );
    shown.record(facts, |at, column, custom| {
        Ok(cell::load(row.get_ref(at + 3)?, &column.kind, custom))
    })
}

fn keys_of(shown: &Shown, row: &Row<'_>, keys: usize) -> rusqlite::Result<Vec<CursorKey>> {
    let first = shown.len() + 3;
    (first..first + keys)
        .map(|at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Integer(number) => CursorKey::Int(number),
                ValueRef::Text(text) => CursorKey::Text(String::from_utf8_lossy(text).into_owned()),
                _ => CursorKey::Null,
            })
        })
        .collect()
}

fn id_at(row: &Row<'_>, at: usize) -> rusqlite::Result<RecordId> {
    let text: String = row.get(at)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// The parameters of a compiled statement. Lists never occur: this dialect writes their members out.
pub(super) fn sent(params: Vec<Param>) -> impl Iterator<Item = SqlValue> {
    params.into_iter().map(|param| match param {
        Param::Int(number) => SqlValue::Integer(number),
        Param::Text(text) => SqlValue::Text(text),
        Param::Ints(_) | Param::Texts(_) => SqlValue::Null,
    })
}

fn run<T>(
    connection: &Connection,
    sql: Sql,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, DatabaseError> {
    let mut statement = connection.prepare_cached(&sql.text)?;
    let rows = statement.query_map(params_from_iter(sent(sql.params)), |row| read(row))?;
    rows.collect::<Result<_, _>>().map_err(DatabaseError::from)
}

pub(super) fn object<'a>(registry: &'a Registry, name: &str) -> Result<&'a Object, DatabaseError> {
    registry
        .object(name)
        .map(AsRef::as_ref)
        .ok_or_else(|| DatabaseError::Store(StoreError::UnknownObject(name.to_owned())))
}

pub(super) fn one(
    connection: &Connection,
    registry: &Registry,
    name: &str,
    id: RecordId,
    columns: &[Path],
) -> Result<Record, DatabaseError> {
    let object = object(registry, name)?;
    let shown = Shown::new(registry, object, columns)?;
    let missing = || DatabaseError::Store(StoreError::NotFound(id));
    if id.prefix() != object.prefix_str() {
        return Err(missing());
    }
    let mut query = Query::new(object.name.clone()).limit(1);
    query.presence = Presence::All;
    query.filter = fieldstone_model::Filter::equal("id", Value::Id(id));
    let select = Select::new(Dialect::Sqlite, registry, &query, shown.paths());
    let phase = phases(registry, &query)?
        .into_iter()
        .next()
        .ok_or_else(missing)?;
    let sql = select.compile(&phase, 1)?;
    run(connection, sql, |row| record(&shown, row))?
        .pop()
        .ok_or_else(missing)
}

pub(super) fn page(
    connection: &Connection,
    registry: &Registry,
    query: &Query,
) -> Result<Page, DatabaseError> {
    let object = query.check(registry)?;
    let shown = Shown::new(registry, object, &query.columns)?;
    let limit = query.limit as usize;
    let backward = query.cursor.as_ref().is_some_and(|cursor| cursor.backward);
    let keys = query.order.len();
    let access = access::choose(connection, registry, object, query)?;
    let select = Select::new(Dialect::Sqlite, registry, query, shown.paths()).with_access(access);
    let mut rows: Vec<(Record, Vec<CursorKey>)> = Vec::new();
    for phase in phases(registry, query)? {
        // One more than the page tells whether there is another one.
        let wanted = query.limit + 1 - u32::try_from(rows.len()).unwrap_or(query.limit);
        let sql = select.compile(&phase, wanted)?;
        rows.extend(run(connection, sql, |row| {
            Ok((record(&shown, row)?, keys_of(&shown, row, keys)?))
        })?);
        if rows.len() > limit {
            break;
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    if backward {
        rows.reverse();
    }
    let edge = |row: Option<&(Record, Vec<CursorKey>)>, wanted: bool, backward| {
        row.filter(|_| wanted).map(|(record, keys)| Cursor {
            keys: keys.clone(),
            id: record.id,
            backward,
        })
    };
    let started = query.cursor.is_some();
    // Going backward there is a next page, the one we came from; going forward from a cursor there is a previous one.
    let next = edge(rows.last(), if backward { started } else { more }, false);
    let previous = edge(rows.first(), if backward { more } else { started }, true);
    Ok(Page {
        records: rows.into_iter().map(|(record, _)| record).collect(),
        next,
        previous,
    })
}

pub(super) fn count(
    connection: &Connection,
    registry: &Registry,
    query: &Query,
) -> Result<u64, DatabaseError> {
    let sql = compile_count(Dialect::Sqlite, registry, query, &Scope::default())?;
    let counts = run(connection, sql, |row| row.get::<_, i64>(0))?;
    Ok(counts.first().copied().unwrap_or_default().unsigned_abs())
}

pub(super) fn aggregate(
    connection: &Connection,
    registry: &Registry,
    aggregate: &Aggregate,
) -> Result<Vec<AggregateRow>, DatabaseError> {
    let object = aggregate.check(registry)?;
    let sql = compile_aggregate(Dialect::Sqlite, registry, aggregate, &Scope::default())?;
    let kind_of = |path: &Path| {
        registry
            .resolve(object, path)
            .map(|resolved| resolved.field.kind.clone())
            .unwrap_or_default()
    };
    let group_kinds: Vec<FieldType> = aggregate
        .groups
        .iter()
        .map(|group| match group.bucket {
            Some(_) => FieldType::Date,
            None => kind_of(&group.path),
        })
        .collect();
    let measure_kinds: Vec<FieldType> = aggregate
        .measures
        .iter()
        .map(|measure| match (&measure.path, measure.function) {
            (Some(path), Function::Min | Function::Max) => kind_of(path),
            _ => FieldType::Integer,
        })
        .collect();
    run(connection, sql, |row| {
        let key = |(at, kind)| Ok(cell::load(row.get_ref(at)?, kind, false));
        let keys = group_kinds
            .iter()
            .enumerate()
            .map(key)
            .collect::<rusqlite::Result<_>>()?;
        let mut figures = Vec::with_capacity(measure_kinds.len());
        for (at, (measure, kind)) in aggregate.measures.iter().zip(&measure_kinds).enumerate() {
            let cell = row.get_ref(group_kinds.len() + at)?;
            figures.push(match (measure.function, cell) {
                (Function::Sum, ValueRef::Text(halves)) => std::str::from_utf8(halves)
                    .ok()
                    .and_then(sum_of_halves)
                    .map_or(Value::Null, sum_figure),
                _ => cell::load(cell, kind, false),
            });
        }
        Ok(AggregateRow { keys, figures })
    })
}

pub(super) fn names(
    connection: &Connection,
    registry: &Registry,
    ids: &[RecordId],
) -> Result<HashMap<RecordId, String>, DatabaseError> {
    let mut by_object: BTreeMap<&str, (&Object, Vec<RecordId>)> = BTreeMap::new();
    for id in ids {
        if let Some(object) = registry.object_of(*id) {
            let entry = by_object.entry(&object.name);
            entry.or_insert_with(|| (object, Vec::new())).1.push(*id);
        }
    }
    let mut names = HashMap::new();
    for (object, ids) in by_object.into_values() {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT \"{}\" FROM \"{}\" WHERE id = ?1",
            object.name_field,
            table_of(object)
        ))?;
        for id in ids {
            let mut rows = statement.query([id.as_str()])?;
            if let Some(row) = rows.next()? {
                let name: Option<String> = row.get(0)?;
                names.insert(id, name.unwrap_or_default());
            }
        }
    }
    Ok(names)
}

/// Records written by transactions after the mark's, and the last transaction's number as the new mark.
pub(super) fn changes_since(
    connection: &Connection,
    registry: &Registry,
    name: &str,
    mark: Option<&ChangeMark>,
) -> Result<Changes, DatabaseError> {
    let object = object(registry, name)?;
    let shown = Shown::new(registry, object, &[])?;
    let since: i64 = mark.and_then(|mark| mark.0.parse().ok()).unwrap_or(-1);
    let mut query = Query::new(object.name.clone());
    query.presence = Presence::All;
    let select =
        Select::new(Dialect::Sqlite, registry, &query, shown.paths()).with_access(Access::Free);
    let phase = phases(registry, &query)?
        .into_iter()
        .next()
        .ok_or(DatabaseError::Content("a query"))?;
    let mut sql = select.compile(&phase, 1)?;
    // The compiled text ends in an order and a limit of its own; changes have neither.
    let end = sql.text.rfind(" ORDER BY ").unwrap_or(sql.text.len());
    sql.text.truncate(end);
    sql.params.push(Param::Int(since));
    sql.text = format!(
        "{} AND t.changed > ?{} ORDER BY t.id",
        sql.text,
        sql.params.len()
    );
    let records = run(connection, sql, |row| record(&shown, row))?;
    Ok(Changes {
        records,
        mark: ChangeMark(super::meta::revision(connection)?.to_string()),
    })
}
