//! Which index a page begins with: the order's or the filter's. SQLite knows neither the page's limit nor how common a value is.
//!
//! Along the order, records are tested until the page is full: fast where many match. From the filter, all that match are gathered and
//! sorted: fast where few do. A bounded count in the index decides; it reads no records.

use fieldstone_model::{
    Comparison, Filter, Object, Query, Registry,
    query::{Path, Presence, QueryError},
};
use fieldstone_store::Scope;
use fieldstone_store::compile::{Access, Dialect, Sql, compile_bounded_count, words};
use rusqlite::{Connection, params_from_iter};

use super::{error::DatabaseError, read::sent};

/// From so many matches on, walking along the order is expected to be faster.
const COMMON: u32 = 1_500;

/// How to read a page of `query`.
pub(super) fn choose(
    connection: &Connection,
    registry: &Registry,
    object: &Object,
    query: &Query,
) -> Result<Access, DatabaseError> {
    let by_index = match query.order.as_slice() {
        [] => true,
        [first, ..] => is_indexed(object, &first.path),
    };
    // Indexes hold living records.
    if !by_index || query.presence != Presence::Living {
        return Ok(Access::Free);
    }
    let mut fewest = None;
    for term in selective_terms(object, &query.filter) {
        let alone = Query::new(query.object.clone()).filter(term.clone());
        let sql =
            compile_bounded_count(Dialect::Sqlite, registry, &alone, COMMON, &Scope::default());
        let counted = probe(connection, sql)?;
        fewest = Some(fewest.map_or(counted, |fewest: u32| fewest.min(counted)));
    }
    if let Some(search) = &query.search {
        for sql in words::bounded_counts(object, search, COMMON) {
            let counted = probe(connection, Ok(sql))?;
            fewest = Some(fewest.map_or(counted, |fewest: u32| fewest.min(counted)));
        }
    }
    Ok(match fewest {
        None if query.filter == Filter::All => Access::Free,
        Some(fewest) if fewest < COMMON => Access::Filtered,
        _ => Access::Ordered,
    })
}

fn probe(connection: &Connection, sql: Result<Sql, QueryError>) -> Result<u32, DatabaseError> {
    let sql = sql?;
    let count: i64 = connection
        .prepare_cached(&sql.text)?
        .query_row(params_from_iter(sent(sql.params)), |row| row.get(0))?;
    Ok(u32::try_from(count).unwrap_or(COMMON))
}

/// The parts of a filter that all records must match and that an index of the object's own table can answer alone.
fn selective_terms<'a>(object: &Object, filter: &'a Filter) -> Vec<&'a Filter> {
    match filter {
        Filter::And(parts) => parts
            .iter()
            .flat_map(|part| selective_terms(object, part))
            .collect(),
        Filter::Compare {
            path, comparison, ..
        } if is_indexed(object, path)
            && !matches!(comparison, Comparison::NotEqual | Comparison::Contains) =>
        {
            vec![filter]
        }
        Filter::In { path, .. } if is_indexed(object, path) => vec![filter],
        _ => Vec::new(),
    }
}

/// Whether the path is a field of the object itself with an index of its own.
fn is_indexed(object: &Object, path: &Path) -> bool {
    let [name] = path.segments() else {
        return false;
    };
    object
        .field(name)
        .is_some_and(|field| field.indexed && !field.custom)
}
