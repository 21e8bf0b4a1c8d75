//! Filters and searches as conditions.
//!
//! A comparison with a missing value is unknown in SQL; wherever that could show, the condition is made definite.

use fieldstone_model::{
    Comparison, Filter, Object, Value, fold,
    query::{Presence, QueryError},
    value::Key,
};

use super::{
    Dialect, Param, Writer, key_param,
    source::{Place, Source},
    words,
};

/// Appends ` WHERE …` for presence, filter, search and scope; always at least one condition.
pub(super) fn write_where(
    sql: &mut Writer,
    source: &mut Source<'_>,
    filter: &Filter,
    words: &[String],
    presence: Presence,
) -> Result<(), QueryError> {
    sql.push(" WHERE ");
    sql.push(match presence {
        Presence::Living => "t.deleted_at IS NULL",
        Presence::Deleted => "t.deleted_at IS NOT NULL",
        Presence::All => "TRUE",
    });
    if source.root.custom {
        sql.push(" AND ");
        source.write_object_condition(sql);
    }
    if *filter != Filter::All {
        sql.push(" AND ");
        write_filter(sql, source, filter)?;
    }
    for word in words {
        sql.push(" AND ");
        if sql.dialect == Dialect::Sqlite {
            write_match(sql, source.root, word);
        } else {
            write_word(sql, "t.tenant_id", "t.id", word);
        }
    }
    source.write_scope(sql);
    Ok(())
}

/// Appends the condition that a record is among those that the full-text index has for a word. (SQLite.)
fn write_match(sql: &mut Writer, object: &Object, word: &str) {
    sql.push(if sql.unindexed { "+t.rid" } else { "t.rid" })
        .push(" IN (SELECT rowid FROM ")
        .table(words::TABLE)
        .push(" WHERE ")
        .name(words::TABLE)
        .push(" MATCH ")
        .param(Param::Text(words::expression(object, word)))
        .push(")");
}

/// Appends the condition that a search word begins one of the tokens of a record. (PostgreSQL.)
///
/// An id says its object, so the object isn't named: PostgreSQL could then take the index by tokens, where it would have to read all
/// records of a common word. `OFFSET 0` keeps it from turning the condition into a join.
pub(super) fn write_word(sql: &mut Writer, tenant: &str, id: &str, word: &str) {
    sql.push("EXISTS (SELECT 1 FROM ")
        .table("search_token")
        .push(" s WHERE s.tenant_id = ")
        .push(tenant)
        .push(" AND s.record_id = ")
        .push(id)
        .push(" AND ");
    write_prefix(sql, "s.token", word.to_owned());
    write_row_by_row(sql);
    sql.push(")");
}

/// Appends `FROM … WHERE …`: the tokens of an object's records that begin with a word.
pub(super) fn write_tokens(sql: &mut Writer, object: &str, word: &str) {
    sql.push(" FROM ")
        .table("search_token")
        .push(" s WHERE s.object = ")
        .constant(object)
        .push(" AND ");
    write_prefix(sql, "s.token", word.to_owned());
}

/// Appends `column >= prefix AND column < end`, the form that an index can serve under row-level security.
fn write_prefix(sql: &mut Writer, column: &str, prefix: String) {
    let end = fold::prefix_end(&prefix);
    sql.push(column).push(" >= ").param(Param::Text(prefix));
    if let Some(end) = end {
        sql.push(" AND ")
            .push(column)
            .push(" < ")
            .param(Param::Text(end));
    }
}

fn write_filter(
    sql: &mut Writer,
    source: &mut Source<'_>,
    filter: &Filter,
) -> Result<(), QueryError> {
    match filter {
        Filter::All => {
            sql.push("TRUE");
        }
        Filter::And(parts) => write_parts(sql, source, parts, " AND ", "TRUE")?,
        Filter::Or(parts) => write_parts(sql, source, parts, " OR ", "FALSE")?,
        Filter::Not(part) => {
            sql.push("(");
            write_filter(sql, source, part)?;
            sql.push(") IS NOT TRUE");
        }
        Filter::Empty { path } => {
            let place = source.place(path)?;
            if place.field.custom {
                sql.push("NOT ");
                write_key_exists(sql, &place, |sql, _| write_row_by_row(sql));
            } else {
                place.write_value(sql);
                sql.push(" IS NULL");
            }
        }
        Filter::In { path, values } => {
            let place = source.place(path)?;
            let keys: Vec<Key> = values
                .iter()
                .filter_map(|value| value.key(&place.field.kind))
                .collect();
            write_test(sql, &place, |sql, column| write_in(sql, column, keys));
        }
        Filter::Compare {
            path,
            comparison,
            value,
        } => {
            let place = source.place(path)?;
            write_comparison(sql, &place, *comparison, value);
        }
    }
    Ok(())
}

fn write_parts(
    sql: &mut Writer,
    source: &mut Source<'_>,
    parts: &[Filter],
    between: &str,
    empty: &str,
) -> Result<(), QueryError> {
    if parts.is_empty() {
        sql.push(empty);
        return Ok(());
    }
    sql.push("(");
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            sql.push(between);
        }
        write_filter(sql, source, part)?;
    }
    sql.push(")");
    Ok(())
}

fn write_comparison(sql: &mut Writer, place: &Place<'_>, comparison: Comparison, value: &Value) {
    let Some(key) = value.key(&place.field.kind) else {
        // The query was checked: a null never gets here.
        sql.push("FALSE");
        return;
    };
    let several = matches!(
        place.field.kind,
        fieldstone_model::FieldType::MultiChoice { .. }
    );
    match (comparison, key) {
        (Comparison::NotEqual, key) if place.field.custom => {
            sql.push("NOT ");
            write_key_exists(sql, place, |sql, column| {
                sql.push(" AND ")
                    .push(column)
                    .push(" = ")
                    .param(key_param(key));
                write_row_by_row(sql);
            });
        }
        (Comparison::NotEqual, key) => {
            sql.push("(");
            place.write_key(sql);
            sql.push(" <> ").param(key_param(key)).push(" OR ");
            place.write_key(sql);
            sql.push(" IS NULL)");
        }
        (Comparison::Contains, key) if several => write_test(sql, place, |sql, column| {
            sql.push(column).push(" = ").param(key_param(key));
        }),
        (Comparison::Contains, key) => write_test(sql, place, |sql, column| {
            sql.push(if sql.dialect == Dialect::Postgres {
                "strpos("
            } else {
                "instr("
            });
            sql.push(column)
                .push(", ")
                .param(key_param(key))
                .push(") > 0");
        }),
        (Comparison::StartsWith, Key::Text(prefix)) => write_test(sql, place, |sql, column| {
            write_prefix(sql, column, prefix);
        }),
        (comparison, key) => write_test(sql, place, |sql, column| {
            sql.push(column)
                .push(" ")
                .push(sign(comparison))
                .push(" ")
                .param(key_param(key));
        }),
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        _ => "=",
    }
}

/// Appends a test of the field's key: on the column itself, or on any of a custom field's rows.
fn write_test(sql: &mut Writer, place: &Place<'_>, test: impl FnOnce(&mut Writer, &str)) {
    if place.field.custom {
        write_key_exists(sql, place, |sql, column| {
            sql.push(" AND ");
            test(sql, column);
        });
        return;
    }
    let mut column = Writer::new(sql.dialect);
    column.unindexed = sql.unindexed;
    place.write_key(&mut column);
    sql.push("(");
    test(sql, &column.text);
    sql.push(")");
}

fn write_key_exists(sql: &mut Writer, place: &Place<'_>, more: impl FnOnce(&mut Writer, &str)) {
    sql.push("EXISTS (SELECT 1 FROM ")
        .table("field_value")
        .push(" v WHERE ");
    place.write_key_row(sql, "v");
    more(
        sql,
        if place.key_column() == "key_text" {
            "v.key_text"
        } else {
            "v.key_int"
        },
    );
    sql.push(")");
}

/// Ends a sub-select that PostgreSQL shall not turn into a join: of a large tenant, that would read all keys.
fn write_row_by_row(sql: &mut Writer) {
    if sql.dialect == Dialect::Postgres {
        sql.push(" OFFSET 0");
    }
}

fn write_in(sql: &mut Writer, column: &str, keys: Vec<Key>) {
    if keys.is_empty() {
        sql.push("FALSE");
        return;
    }
    sql.push(column);
    if sql.dialect == Dialect::Sqlite {
        sql.push(" IN (");
        for (at, key) in keys.into_iter().enumerate() {
            if at > 0 {
                sql.push(", ");
            }
            sql.param(key_param(key));
        }
        sql.push(")");
        return;
    }
    let ints: Vec<i64> = keys
        .iter()
        .filter_map(|key| {
            if let Key::Int(number) = key {
                Some(*number)
            } else {
                None
            }
        })
        .collect();
    let texts: Vec<String> = keys
        .into_iter()
        .filter_map(|key| {
            if let Key::Text(text) = key {
                Some(text)
            } else {
                None
            }
        })
        .collect();
    let param = if ints.is_empty() {
        Param::Texts(texts)
    } else {
        Param::Ints(ints)
    };
    sql.push(" = ANY (").param(param).push(")");
}
