//! Pages of records: keyset paging in both directions, in one or two statements.
//!
//! Records without a value come last. Sorting "nulls last" in one statement keeps an index from being used, so an order by one field that
//! may be empty is read in two phases: the records with a value, then those without. Each is a plain index range, however deep the page.

use fieldstone_model::{
    Query, Registry,
    query::{CursorKey, Path, QueryError},
};

use super::{
    Dialect, Param, Sql, Writer,
    filter::write_where,
    source::{Place, Source},
};

/// One statement of a page. They are run in order until the page is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    part: Part,
    bounded: bool,
}

/// Which records a phase reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of them, by every key of the order.
    Whole,
    /// Those with a value in the order's one field.
    WithValue,
    /// Those without.
    WithoutValue,
}

/// The phases that read the page `query` asks for.
pub fn phases(registry: &Registry, query: &Query) -> Result<Vec<Phase>, QueryError> {
    let root = query.check(registry)?;
    let phase = |part, bounded| Phase { part, bounded };
    let cursor = query.cursor.as_ref();
    let [order] = query.order.as_slice() else {
        return Ok(vec![phase(Part::Whole, cursor.is_some())]);
    };
    if Source::new(registry, root).place(&order.path)?.always {
        return Ok(vec![phase(Part::WithValue, cursor.is_some())]);
    }
    let Some(cursor) = cursor else {
        return Ok(vec![
            phase(Part::WithValue, false),
            phase(Part::WithoutValue, false),
        ]);
    };
    let at_empty = cursor.keys.first() == Some(&CursorKey::Null);
    Ok(match (cursor.backward, at_empty) {
        (false, false) => vec![
            phase(Part::WithValue, true),
            phase(Part::WithoutValue, false),
        ],
        (false, true) => vec![phase(Part::WithoutValue, true)],
        (true, false) => vec![phase(Part::WithValue, true)],
        (true, true) => vec![
            phase(Part::WithoutValue, true),
            phase(Part::WithValue, false),
        ],
    })
}

/// Compiles the statements of one page.
#[derive(Debug)]
pub struct Select<'a> {
    dialect: Dialect,
    registry: &'a Registry,
    query: &'a Query,
    columns: &'a [Path],
}

impl<'a> Select<'a> {
    /// A page of `query` with these columns (the query's own, or all fields).
    pub fn new(
        dialect: Dialect,
        registry: &'a Registry,
        query: &'a Query,
        columns: &'a [Path],
    ) -> Self {
        Self {
            dialect,
            registry,
            query,
            columns,
        }
    }

    /// The statement of one phase, for at most `limit` records.
    ///
    /// A row is: id, version, deletion instant, the columns, then one key for each field of the order. A backward cursor gives the rows
    /// nearest to it first: the caller turns the page round.
    pub fn compile(&self, phase: &Phase, limit: u32) -> Result<Sql, QueryError> {
        let root = self.query.check(self.registry)?;
        let mut source = Source::new(self.registry, root);
        let mut sql = Writer::new(self.dialect);
        sql.push("SELECT t.id, t.version, t.deleted_at");
        for path in self.columns {
            let place = source.place(path)?;
            sql.push(", ");
            place.write_value(&mut sql);
        }
        let keys = self
            .query
            .order
            .iter()
            .map(|order| {
                source
                    .place(&order.path)
                    .map(|place| (place, order.descending))
            })
            .collect::<Result<Vec<_>, _>>()?;
        for (at, (place, _)) in keys.iter().enumerate() {
            sql.push(", ");
            if phase.part == Part::WithoutValue {
                sql.push("NULL");
            } else {
                write_order_key(&mut sql, place, at);
            }
        }
        // The condition may find further relations to join, so it is written before FROM is.
        let mut rest = Writer {
            dialect: self.dialect,
            text: String::with_capacity(256),
            params: sql.params,
        };
        write_where(
            &mut rest,
            &mut source,
            &self.query.filter,
            self.query.search.as_deref(),
            self.query.presence,
        )?;
        self.write_position(&mut rest, phase, &keys);
        self.write_order(&mut rest, phase, &keys);
        rest.push(" LIMIT ").push(&limit.to_string());
        sql.params = Vec::new();
        source.write_from(&mut sql);
        for (at, (place, _)) in keys
            .iter()
            .enumerate()
            .filter(|(_, (place, _))| place.field.custom)
        {
            let alias = format!("k{at}");
            match phase.part {
                Part::WithoutValue => continue,
                Part::WithValue => sql.push(" JOIN "),
                Part::Whole => sql.push(" LEFT JOIN "),
            };
            sql.table("field_value").push(" ").push(&alias).push(" ON ");
            place.write_key_row(&mut sql, &alias);
        }
        sql.push(&rest.text);
        Ok(Sql {
            text: sql.text,
            params: rest.params,
        })
    }

    /// Appends the conditions that a phase and its cursor put on the order's keys.
    fn write_position(&self, sql: &mut Writer, phase: &Phase, keys: &[(Place<'_>, bool)]) {
        let cursor = self.query.cursor.as_ref().filter(|_| phase.bounded);
        let backward = self.backward();
        match (phase.part, keys) {
            (Part::Whole, []) => {
                if let Some(cursor) = cursor {
                    sql.push(" AND t.id ")
                        .push(after(true, backward))
                        .push(" ")
                        .param(Param::Text(cursor.id.to_string()));
                }
            }
            (Part::WithValue, [(place, descending), ..]) => {
                if !place.always {
                    sql.push(" AND ");
                    write_order_key(sql, place, 0);
                    sql.push(" IS NOT NULL");
                }
                if let Some(cursor) = cursor {
                    sql.push(" AND (");
                    write_order_key(sql, place, 0);
                    sql.push(", ")
                        .push(id_of(place))
                        .push(") ")
                        .push(after(*descending, backward))
                        .push(" (");
                    let key = match cursor.keys.first() {
                        Some(CursorKey::Int(number)) => Param::Int(*number),
                        Some(CursorKey::Text(text)) => Param::Text(text.clone()),
                        _ => Param::Int(0),
                    };
                    sql.param(key)
                        .push(", ")
                        .param(Param::Text(cursor.id.to_string()))
                        .push(")");
                }
            }
            (Part::WithoutValue, [(place, descending), ..]) => {
                sql.push(" AND ");
                if place.field.custom {
                    sql.push("NOT EXISTS (SELECT 1 FROM ")
                        .table("field_value")
                        .push(" v WHERE ");
                    place.write_key_row(sql, "v");
                    sql.push(")");
                } else {
                    place.write_key(sql);
                    sql.push(" IS NULL");
                }
                if let Some(cursor) = cursor {
                    sql.push(" AND t.id ")
                        .push(after(*descending, backward))
                        .push(" ")
                        .param(Param::Text(cursor.id.to_string()));
                }
            }
            (Part::Whole, keys) => self.write_lexicographic(sql, phase, keys),
            (_, []) => {}
        }
    }

    /// Appends `key1 after OR (key1 same AND (key2 after OR …))` for orders of several fields.
    fn write_lexicographic(&self, sql: &mut Writer, phase: &Phase, keys: &[(Place<'_>, bool)]) {
        let Some(cursor) = self.query.cursor.as_ref().filter(|_| phase.bounded) else {
            return;
        };
        let backward = self.backward();
        sql.push(" AND ");
        for (at, ((place, descending), key)) in keys.iter().zip(&cursor.keys).enumerate() {
            let param = match key {
                CursorKey::Null => None,
                CursorKey::Int(number) => Some(Param::Int(*number)),
                CursorKey::Text(text) => Some(Param::Text(text.clone())),
            };
            sql.push("(");
            match (&param, backward) {
                // After a value come greater values, then the empty ones; before it only smaller values.
                (Some(param), backward) => {
                    write_order_key(sql, place, at);
                    sql.push(" ")
                        .push(after(*descending, backward))
                        .push(" ")
                        .param(param.clone());
                    if !backward {
                        sql.push(" OR ");
                        write_order_key(sql, place, at);
                        sql.push(" IS NULL");
                    }
                }
                (None, false) => {
                    sql.push("FALSE");
                }
                (None, true) => {
                    write_order_key(sql, place, at);
                    sql.push(" IS NOT NULL");
                }
            }
            sql.push(" OR (");
            write_order_key(sql, place, at);
            match param {
                Some(param) => sql.push(" = ").param(param),
                None => sql.push(" IS NULL"),
            };
            sql.push(" AND ");
        }
        let descending = keys.last().is_none_or(|(_, descending)| *descending);
        sql.push("t.id ")
            .push(after(descending, backward))
            .push(" ")
            .param(Param::Text(cursor.id.to_string()));
        for _ in keys {
            sql.push("))");
        }
    }

    fn write_order(&self, sql: &mut Writer, phase: &Phase, keys: &[(Place<'_>, bool)]) {
        let backward = self.backward();
        sql.push(" ORDER BY ");
        if phase.part != Part::WithoutValue {
            for (at, (place, descending)) in keys.iter().enumerate() {
                write_order_key(sql, place, at);
                sql.push(direction(*descending, backward));
                if phase.part == Part::Whole {
                    sql.push(if backward {
                        " NULLS FIRST"
                    } else {
                        " NULLS LAST"
                    });
                }
                sql.push(", ");
            }
        }
        let descending = keys.last().is_none_or(|(_, descending)| *descending);
        let id = keys
            .first()
            .filter(|_| phase.part == Part::WithValue)
            .map_or("t.id", |(place, _)| id_of(place));
        sql.push(id).push(direction(descending, backward));
    }

    fn backward(&self) -> bool {
        self.query
            .cursor
            .as_ref()
            .is_some_and(|cursor| cursor.backward)
    }
}

/// How many records match.
pub fn compile_count(
    dialect: Dialect,
    registry: &Registry,
    query: &Query,
) -> Result<Sql, QueryError> {
    let root = query.check(registry)?;
    let mut source = Source::new(registry, root);
    let mut rest = Writer::new(dialect);
    write_where(
        &mut rest,
        &mut source,
        &query.filter,
        query.search.as_deref(),
        query.presence,
    )?;
    let mut sql = Writer::new(dialect);
    sql.push("SELECT count(*)");
    source.write_from(&mut sql);
    sql.push(&rest.text);
    Ok(Sql {
        text: sql.text,
        params: rest.params,
    })
}

fn write_order_key(sql: &mut Writer, place: &Place<'_>, at: usize) {
    if place.field.custom {
        sql.push("k")
            .push(&at.to_string())
            .push(".")
            .push(place.key_column());
    } else {
        place.write_key(sql);
    }
}

/// The id that ends the order: the one beside the key, so that one index has both.
fn id_of(place: &Place<'_>) -> &'static str {
    if place.field.custom && place.alias == "t" {
        "k0.record_id"
    } else {
        "t.id"
    }
}

fn after(descending: bool, backward: bool) -> &'static str {
    if descending == backward { ">" } else { "<" }
}

fn direction(descending: bool, backward: bool) -> &'static str {
    if descending == backward {
        " ASC"
    } else {
        " DESC"
    }
}
