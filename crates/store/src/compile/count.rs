//! How many records match, and how many each word of a search finds.

use fieldstone_model::{Query, Registry, query::QueryError};

use super::{
    Dialect, Sql, Writer,
    filter::{write_tokens, write_where},
    gathered::write_gathered,
    source::Source,
};
use crate::{Scope, write::search_words};

/// How many index entries each word of a search has, counted up to `most`: a row with a number for each word.
pub fn compile_word_counts(
    dialect: Dialect,
    registry: &Registry,
    query: &Query,
    most: u32,
) -> Result<Sql, QueryError> {
    let root = query.check(registry)?;
    let mut sql = Writer::new(dialect);
    sql.push("SELECT ");
    for (at, word) in query
        .search
        .as_deref()
        .map(search_words)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        if at > 0 {
            sql.push(", ");
        }
        sql.push("(SELECT count(*) FROM (SELECT 1");
        write_tokens(&mut sql, &root.name, word);
        sql.push(" LIMIT ").push(&most.to_string()).push(") c)");
    }
    Ok(Sql {
        text: sql.text,
        params: sql.params,
    })
}

/// How many records of the scope match, counted up to `most`.
pub fn compile_bounded_count(
    dialect: Dialect,
    registry: &Registry,
    query: &Query,
    most: u32,
    scope: &Scope,
) -> Result<Sql, QueryError> {
    let whole = compile_count(dialect, registry, query, scope)?;
    let text = whole.text.replacen("count(*)", "1", 1);
    Ok(Sql {
        text: format!("SELECT count(*) FROM ({text} LIMIT {most}) c"),
        params: whole.params,
    })
}

/// How many records of the scope match.
pub fn compile_count(
    dialect: Dialect,
    registry: &Registry,
    query: &Query,
    scope: &Scope,
) -> Result<Sql, QueryError> {
    let root = query.check(registry)?;
    let mut source = Source::new(registry, root, scope);
    let words = query
        .search
        .as_deref()
        .map(search_words)
        .unwrap_or_default();
    let mut from = Writer::new(dialect);
    // A device tests every record; PostgreSQL begins with those that have the words.
    let gathered = dialect == Dialect::Postgres && !words.is_empty();
    if gathered {
        write_gathered(
            &mut from,
            &root.name,
            &words.iter().collect::<Vec<_>>(),
            None,
        );
        source.write_root_after(&mut from, "w.tenant_id", "w.record_id");
    } else {
        source.write_root(&mut from);
    }
    let mut rest = Writer {
        dialect,
        text: String::with_capacity(256),
        params: std::mem::take(&mut from.params),
        unindexed: false,
    };
    let tested = if gathered { &[] } else { words.as_slice() };
    write_where(
        &mut rest,
        &mut source,
        &query.filter,
        tested,
        query.presence,
    )?;
    let mut sql = Writer::new(dialect);
    sql.push("SELECT count(*)").push(&from.text);
    source.write_joins(&mut sql);
    sql.push(&rest.text);
    Ok(Sql {
        text: sql.text,
        params: rest.params,
    })
}
