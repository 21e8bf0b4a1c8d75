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
    filter::{write_where, write_word},
    gathered::{IdPage, write_gathered},
    listed::{listed_keys, write_listed},
    source::{Place, Source},
};
use crate::{Scope, write::search_words};

/// How the words of a search are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Every record of the order is tested for all words.
    Tested,
    /// Only the records that come first in the order are tested: so many.
    Window(u32),
    /// The records of these words are gathered first (their places in the search), then tested for the others.
    Gathered(Vec<usize>),
}

/// Where SQLite may search an index. It weighs neither the limit nor how many records share a key, so whoever knows better says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Wherever it likes.
    Free,
    /// Only along the order: records are read in it and tested until the page is full.
    Ordered,
    /// Only for the filter: what matches is gathered, then sorted.
    Filtered,
}

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
    if Source::new(registry, root, &Scope::Everything)
        .place(&order.path)?
        .always
    {
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
    words: Words,
    scope: &'a Scope,
    access: Access,
}

/// Where a statement's rows come from first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The object's own table.
    Table,
    /// The index of the custom field that the order is by.
    Keys,
    /// The records of a search's words.
    Words,
    /// The texts or ids that a field has to be one of, each looked up.
    List,
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
            words: Words::Tested,
            scope: &Scope::Everything,
            access: Access::Free,
        }
    }

    /// The same page, read another way. (SQLite only.)
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The same page of the scope's records alone.
    #[must_use]
    pub fn within(mut self, scope: &'a Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same page, with the words of the search looked for in another way. (PostgreSQL only: it can't choose well by itself.)
    #[must_use]
    pub fn with_words(mut self, words: Words) -> Self {
        self.words = words;
        self
    }

    /// The statement of one phase, for at most `limit` records.
    ///
    /// A row is: id, version, deletion instant, the columns, then one key for each field of the order. A backward cursor gives the rows
    /// nearest to it first: the caller turns the page round.
    pub fn compile(&self, phase: &Phase, limit: u32) -> Result<Sql, QueryError> {
        let root = self.query.check(self.registry)?;
        let mut source = Source::new(self.registry, root, self.scope);
        let words = self
            .query
            .search
            .as_deref()
            .map(search_words)
            .unwrap_or_default();
        let mut sql = Writer::new(self.dialect);
        sql.push("SELECT t.id, t.version, t.deleted_at");
        for path in self.columns {
            let place = source.place_shown(path)?;
            sql.push(", ");
            place.write_value(&mut sql);
        }
        let keys = self
            .query
            .order
            .iter()
            .map(|order| {
                source
                    .place_shown(&order.path)
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
        let window = match self.words {
            Words::Window(window) if !words.is_empty() => Some(window),
            _ => None,
        };
        if window.is_some() {
            sql.push(", t.tenant_id AS found_tenant, t.id AS found_id");
        }
        let list = listed_keys(self.query, &mut source);
        let origin = self.origin(phase, &keys, list.is_some());
        let tested: Vec<String> = match &self.words {
            Words::Tested => words.clone(),
            Words::Window(_) => Vec::new(),
            Words::Gathered(gathered) => {
                let others = words
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| !gathered.contains(at));
                others.map(|(_, word)| word.clone()).collect()
            }
        };
        let mut from = match list.filter(|_| origin == Origin::List) {
            Some((place, keys)) => {
                write_listed(self.dialect, &source, (&place, keys), self.query.presence)
            }
            None => self.write_origin(&source, origin, phase, &words),
        };
        // The condition may find further relations to join, so it is written before the joins are.
        let mut rest = Writer {
            dialect: self.dialect,
            text: String::with_capacity(256),
            params: std::mem::take(&mut from.params),
            unindexed: self.access == Access::Ordered,
        };
        write_where(
            &mut rest,
            &mut source,
            &self.query.filter,
            &tested,
            self.query.presence,
        )?;
        if let (Origin::Keys, Some((place, _))) = (origin, keys.first()) {
            rest.push(" AND k0.object = ").constant(&root.name);
            rest.push(" AND k0.field = ")
                .push(&place.field.id.to_string());
        }
        rest.unindexed = self.access == Access::Filtered;
        self.write_position(&mut rest, phase, &keys);
        self.write_order(&mut rest, phase, &keys, origin);
        rest.push(" LIMIT ")
            .push(&window.unwrap_or(limit).to_string());
        sql.push(&from.text);
        source.write_joins(&mut sql);
        self.write_key_joins(&mut sql, phase, origin, &keys);
        sql.push(&rest.text);
        sql.params = rest.params;
        if window.is_some() {
            sql = within_window(sql, &words, limit);
        }
        Ok(Sql {
            text: sql.text,
            params: sql.params,
        })
    }

    /// The tables that a phase starts from.
    fn write_origin(
        &self,
        source: &Source<'_>,
        origin: Origin,
        phase: &Phase,
        words: &[String],
    ) -> Writer {
        let mut from = Writer::new(self.dialect);
        match origin {
            Origin::Table | Origin::List => source.write_root(&mut from),
            Origin::Keys => {
                from.push(" FROM ").table("field_value").push(" k0");
                source.write_root_after(&mut from, "k0.tenant_id", "k0.record_id");
            }
            Origin::Words => {
                let gathered: Vec<&String> = match &self.words {
                    Words::Gathered(gathered) => {
                        gathered.iter().filter_map(|at| words.get(*at)).collect()
                    }
                    _ => Vec::new(),
                };
                write_gathered(&mut from, &source.root.name, &gathered, self.id_page(phase));
                source.write_root_after(&mut from, "w.tenant_id", "w.record_id");
            }
        }
        from
    }

    /// The keys of custom fields that a phase is ordered by and didn't start from.
    fn write_key_joins(
        &self,
        sql: &mut Writer,
        phase: &Phase,
        origin: Origin,
        keys: &[(Place<'_>, bool)],
    ) {
        for (at, (place, _)) in keys
            .iter()
            .enumerate()
            .filter(|(_, (place, _))| place.field.custom)
        {
            let alias = format!("k{at}");
            match (phase.part, origin) {
                (Part::WithoutValue, _) | (Part::WithValue, Origin::Keys) => {}
                (Part::WithValue, _) if self.dialect == Dialect::Sqlite => {
                    sql.push(" JOIN ")
                        .table("field_value")
                        .push(" ")
                        .push(&alias)
                        .push(" ON ");
                    place.write_key_row(sql, &alias);
                }
                _ => place.write_key_join(sql, &alias),
            }
        }
    }

    fn origin(&self, phase: &Phase, keys: &[(Place<'_>, bool)], has_list: bool) -> Origin {
        let by_own_key = keys
            .first()
            .is_some_and(|(place, _)| place.field.custom && place.alias == "t");
        match (self.dialect, &self.words) {
            (Dialect::Postgres, Words::Gathered(_)) => Origin::Words,
            (Dialect::Postgres, _) if has_list => Origin::List,
            (Dialect::Postgres, _) if phase.part == Part::WithValue && by_own_key => Origin::Keys,
            _ => Origin::Table,
        }
    }

    /// The ids' part of a page in the order of ids: where it starts, and which way it goes.
    fn id_page(&self, phase: &Phase) -> Option<IdPage> {
        let cursor = self.query.cursor.as_ref().filter(|_| phase.bounded);
        self.query.order.is_empty().then(|| IdPage {
            start: cursor.map(|cursor| cursor.id.to_string()),
            backward: self.backward(),
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
                    // One look-up for each record, instead of a join that reads all keys.
                    if sql.dialect == Dialect::Postgres {
                        sql.push(" OFFSET 0");
                    }
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

    fn write_order(
        &self,
        sql: &mut Writer,
        phase: &Phase,
        keys: &[(Place<'_>, bool)],
        origin: Origin,
    ) {
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
        // Said by the name that the gathered records are sorted by, it costs no second sorting.
        let id = if origin == Origin::Words && keys.is_empty() {
            "w.record_id"
        } else {
            id
        };
        if sql.unindexed {
            sql.push("+");
        }
        sql.push(id).push(direction(descending, backward));
    }

    fn backward(&self) -> bool {
        self.query
            .cursor
            .as_ref()
            .is_some_and(|cursor| cursor.backward)
    }
}

/// Of the records that `first` gives in order, those that have all words.
fn within_window(first: Writer, words: &[String], limit: u32) -> Writer {
    let mut sql = Writer {
        dialect: first.dialect,
        text: String::with_capacity(first.text.len() + 512),
        params: first.params,
        unindexed: false,
    };
    // PostgreSQL keeps the order of a sub-select that nothing above it sorts or joins.
    sql.push("SELECT x.* FROM (")
        .push(&first.text)
        .push(") x WHERE ");
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            sql.push(" AND ");
        }
        write_word(&mut sql, "x.found_tenant", "x.found_id", word);
    }
    sql.push(" LIMIT ").push(&limit.to_string());
    sql
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

pub(super) fn after(descending: bool, backward: bool) -> &'static str {
    if descending == backward { ">" } else { "<" }
}

pub(super) fn direction(descending: bool, backward: bool) -> &'static str {
    if descending == backward {
        " ASC"
    } else {
        " DESC"
    }
}
