//! The second flight of a write: everything in bulk, each table's rows as arrays.
//!
//! `COPY` doesn't work under row-level security; `INSERT … SELECT FROM unnest(…)` does, and is nearly as fast.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use fieldstone_model::{FieldType, Object, RecordId, Value, value::Key};
use fieldstone_store::{
    Action,
    once::{Once, REMEMBERED},
    write::Write,
};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::super::{
    once::headers_to_json,
    table_of,
    wire::{Cell, custom_to_json},
};
use super::{tells::Tells, tokens::Tokens};
use crate::{
    database::pool::{FlightError, Step, Transaction},
    sync::Extra,
};

/// Statements of one transaction, in the order that references and repeated changes need.
pub(super) struct Statements<'a> {
    user: String,
    now: Cell,
    groups: Vec<Group<'a>>,
    /// For each record of this transaction: the last wave that writes it, its object, and whether that wave creates it.
    waves: HashMap<RecordId, (usize, &'a str, bool)>,
    history: History,
    tokens: Tokens,
    keys: FieldValues,
    /// Whom it concerns; nobody is told of what is done quietly.
    tells: Option<Tells>,
    /// The request's idempotency key: before all else, so that a repeated request waits for the first one and stops here.
    once: Vec<(Cow<'static, str>, Params)>,
    /// What a device is told, likewise.
    beside: &'a [Extra],
}

/// Writes of one kind to one table, done by one statement.
struct Group<'a> {
    wave: usize,
    object: &'a Object,
    action: Action,
    /// Columns written; empty for deletions and restorations. Creations of one group share the union of their columns.
    columns: Vec<&'a str>,
    rows: Vec<Write>,
}

#[derive(Default)]
struct History {
    record_ids: Vec<String>,
    versions: Vec<i64>,
    actions: Vec<&'static str>,
    changes: Vec<Option<String>>,
}

/// The index entries of custom fields after the whole batch.
#[derive(Default)]
struct FieldValues {
    of_fields: BTreeMap<(RecordId, u16), NewKeys>,
    /// Whether records deleted or restored here live in the end.
    living: BTreeMap<RecordId, bool>,
}

struct NewKeys {
    object: String,
    keys: Vec<Key>,
    is_unique: bool,
    /// Whether the field may have entries from before.
    replaced: bool,
}

pub(super) type Params = Vec<Box<dyn ToSql + Sync + Send>>;

impl<'a> Statements<'a> {
    pub(super) fn new(user: RecordId, now: Timestamp) -> Self {
        Self {
            user: user.to_string(),
            now: Cell::Int(now.as_microsecond()),
            groups: Vec::new(),
            waves: HashMap::new(),
            history: History::default(),
            tokens: Tokens::default(),
            keys: FieldValues::default(),
            tells: Some(Tells::default()),
            once: Vec::new(),
            beside: &[],
        }
    }

    /// Tells nobody.
    pub(super) fn quietly(&mut self) {
        self.tells = None;
    }

    /// Keeps a request under its key, in place of one that is too old to count.
    pub(super) fn keep(&mut self, once: &Once, sight: &str) {
        let forget = "DELETE FROM app.idempotency_key k WHERE k.key = $1 AND k.created_at < $2::timestamptz - make_interval(hours => $3)";
        let hours = i32::try_from(REMEMBERED.as_hours()).unwrap_or(24);
        self.once.push((
            forget.into(),
            vec![
                Box::new(once.key.clone()),
                Box::new(self.now.clone()),
                Box::new(hours),
            ],
        ));
        let keep = "INSERT INTO app.idempotency_key (tenant_id, user_id, key, request_hash, status, headers, body, created_at, sight) \
            SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4::text::jsonb, $5, $6::timestamptz, $7";
        self.once.push((
            keep.into(),
            vec![
                Box::new(once.key.clone()),
                Box::new(once.request.to_vec()),
                Box::new(i16::try_from(once.answer.status).unwrap_or(200)),
                Box::new(headers_to_json(&once.answer)),
                Box::new(once.answer.body.clone()),
                Box::new(self.now.clone()),
                Box::new(sight.to_owned()),
            ],
        ));
    }

    /// Writes these before all else.
    pub(super) fn beside(&mut self, extras: &'a [Extra]) {
        self.beside = extras;
    }

    /// Adds a write, to be done after the earlier writes of the records `after`.
    pub(super) fn add(&mut self, object: &'a Object, write: &Write, after: &[RecordId]) {
        self.history.add(object, write);
        self.tokens.add(object, write);
        self.keys.add(object, write);
        if let Some(tells) = &mut self.tells {
            tells.add(object, write, &self.user);
        }
        // A record is written after what it refers to, and after what was done to it before.
        let creates = write.action == Action::Created;
        let own = self.waves.get(&write.id).map_or(0, |(wave, ..)| wave + 1);
        let referred = write
            .references
            .iter()
            .filter_map(|(_, to)| self.waves.get(to))
            .map(|(wave, of, created)| {
                // One statement's rows may refer to each other; nobody waits for an update.
                let together = creates && *of == object.name;
                if *created && !together {
                    wave + 1
                } else {
                    *wave * usize::from(*created)
                }
            });
        let freed = after
            .iter()
            .filter_map(|former| self.waves.get(former))
            .map(|(wave, ..)| wave + 1);
        let wave = referred.chain(freed).max().unwrap_or(0).max(own);
        self.waves.insert(write.id, (wave, &object.name, creates));
        let columns: Vec<&'a str> = object
            .fields
            .iter()
            .filter(|field| write.values.get(&field.name).is_some())
            .map(|field| field.name.as_ref())
            .collect();
        let fits = |group: &Group<'a>| {
            group.wave == wave
                && group.object.name == object.name
                && group.action == write.action
                && (creates || group.columns == columns)
        };
        let known = self.groups.iter().position(fits);
        let at = known.unwrap_or_else(|| {
            self.groups.push(Group {
                wave,
                object,
                action: write.action,
                columns: Vec::new(),
                rows: Vec::new(),
            });
            self.groups.len() - 1
        });
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        for column in columns {
            if !group.columns.contains(&column) {
                group.columns.push(column);
            }
        }
        group.rows.push(write.clone());
    }

    /// Sends everything and commits.
    pub(super) async fn run(mut self, transaction: &mut Transaction) -> Result<(), FlightError> {
        self.groups.sort_by_key(|group| group.wave);
        let mut statements = std::mem::take(&mut self.once);
        for group in &mut self.groups {
            // The same columns give the same text, whatever order they were met in.
            group.columns.sort_unstable();
            statements.push(match group.action {
                Action::Created => insert(group, &self.user, &self.now),
                Action::Updated => update(group, &self.user, &self.now),
                Action::Deleted | Action::Restored => mark(group, &self.user, &self.now),
            });
        }
        statements.extend(self.tokens.statements());
        statements.extend(self.keys.statements());
        statements.extend(self.history.statements(&self.user, &self.now));
        statements.extend(self.tells.into_iter().flat_map(Tells::statements));
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = statements
            .iter()
            .map(|(_, params)| {
                params
                    .iter()
                    .map(|param| param.as_ref() as &(dyn ToSql + Sync))
                    .collect()
            })
            .collect();
        let beside: Vec<Vec<&(dyn ToSql + Sync)>> = self
            .beside
            .iter()
            .map(|extra| {
                extra
                    .params
                    .iter()
                    .map(|param| param.as_ref() as _)
                    .collect()
            })
            .collect();
        let told = self.beside.iter().zip(&beside).map(|(extra, params)| Step {
            sql: extra.sql,
            params,
        });
        let written = statements
            .iter()
            .zip(&params)
            .map(|((sql, _), params)| Step { sql, params });
        let steps: Vec<Step<'_>> = told.chain(written).collect();
        transaction.run(&steps, true).await.map(drop)
    }
}

/// The SQL type of a standard field's column.
pub(super) fn sql_type(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Time => "time",
        FieldType::DateTime => "timestamptz",
        kind if kind.scale().is_some() => "bigint",
        _ => "text",
    }
}

/// The arrays of a group: name, type and values of each column of its rows, ids first. Custom fields together are one column.
fn arrays(group: &Group<'_>) -> Vec<(String, &'static str, Vec<Cell>)> {
    let of_rows = |value: &dyn Fn(&Write) -> Cell| group.rows.iter().map(value).collect::<Vec<_>>();
    let mut arrays = vec![(
        "id".to_owned(),
        "text",
        of_rows(&|row| Cell::Text(row.id.to_string())),
    )];
    let mut has_custom = false;
    for field in group
        .object
        .fields
        .iter()
        .filter(|field| group.columns.contains(&field.name.as_ref()))
    {
        if field.custom {
            has_custom = true;
            continue;
        }
        let value = |row: &Write| {
            row.values
                .get(&field.name)
                .map_or(Cell::Null, Cell::from_value)
        };
        arrays.push((
            field.name.to_string(),
            sql_type(&field.kind),
            of_rows(&value),
        ));
        if field.kind.is_folded() {
            let key = |row: &Write| match row
                .values
                .get(&field.name)
                .and_then(|value| value.key(&field.kind))
            {
                Some(Key::Text(key)) => Cell::Text(key),
                _ => Cell::Null,
            };
            arrays.push((format!("{}_key", field.name), "text", of_rows(&key)));
        }
    }
    if has_custom {
        let custom = |row: &Write| {
            let members = row.values.iter().filter_map(|(name, value)| {
                let field = group.object.field(name).filter(|field| field.custom)?;
                Some((field.id.to_string(), custom_to_json(value, &field.kind)))
            });
            Cell::Text(serde_json::Value::Object(members.collect()).to_string())
        };
        arrays.push(("custom".to_owned(), "jsonb", of_rows(&custom)));
    }
    arrays
}

/// `unnest($1::text[], $2::bigint[], …) AS v (id, …)`, with the values appended to `params`.
fn unnest(
    arrays: Vec<(String, &'static str, Vec<Cell>)>,
    params: &mut Params,
) -> (Vec<String>, String) {
    let mut names = Vec::with_capacity(arrays.len());
    let mut items = Vec::with_capacity(arrays.len());
    for (name, kind, cells) in arrays {
        params.push(Box::new(cells));
        items.push(format!("${}::{kind}[]", params.len()));
        names.push(format!("\"{name}\""));
    }
    let from = format!("unnest({}) AS v ({})", items.join(", "), names.join(", "));
    (names, from)
}

fn insert(group: &Group<'_>, user: &str, now: &Cell) -> (Cow<'static, str>, Params) {
    let mut params: Params = vec![Box::new(user.to_owned()), Box::new(now.clone())];
    let (names, from) = unnest(arrays(group), &mut params);
    let (object_column, object_value) = if group.object.custom {
        (", object", format!(", '{}'", group.object.name))
    } else {
        ("", String::new())
    };
    let sql = format!(
        "INSERT INTO app.\"{}\" (tenant_id, version, created_at, created_by_id, updated_at, updated_by_id{object_column}, {columns}) \
         SELECT (SELECT app.tenant_id()), 1, $2::timestamptz, $1::text, $2::timestamptz, $1::text{object_value}, v.{values} FROM {from}",
        table_of(group.object),
        columns = names.join(", "),
        values = names.join(", v."),
    );
    (sql.into(), params)
}

fn update(group: &Group<'_>, user: &str, now: &Cell) -> (Cow<'static, str>, Params) {
    let mut params: Params = vec![Box::new(user.to_owned()), Box::new(now.clone())];
    let mut columns = arrays(group);
    columns.push((
        "version".to_owned(),
        "bigint",
        group
            .rows
            .iter()
            .map(|row| Cell::Int(row.version))
            .collect(),
    ));
    let (names, from) = unnest(columns, &mut params);
    let sets: Vec<String> = names
        .iter()
        .filter(|name| *name != "\"id\"")
        .map(|name| {
            if name == "\"custom\"" {
                "custom = jsonb_strip_nulls(t.custom || v.custom)".to_owned()
            } else {
                format!("{name} = v.{name}")
            }
        })
        .collect();
    let sql = format!(
        "UPDATE app.\"{}\" t SET {}, updated_at = $2::timestamptz, updated_by_id = $1::text FROM {from} WHERE t.id = v.id",
        table_of(group.object),
        sets.join(", ")
    );
    (sql.into(), params)
}

/// Deletes or restores.
fn mark(group: &Group<'_>, user: &str, now: &Cell) -> (Cow<'static, str>, Params) {
    let mut params: Params = vec![Box::new(user.to_owned()), Box::new(now.clone())];
    let ids = group
        .rows
        .iter()
        .map(|row| Cell::Text(row.id.to_string()))
        .collect();
    let versions = group
        .rows
        .iter()
        .map(|row| Cell::Int(row.version))
        .collect();
    let (_, from) = unnest(
        vec![
            ("id".to_owned(), "text", ids),
            ("version".to_owned(), "bigint", versions),
        ],
        &mut params,
    );
    let deleted_at = if group.action == Action::Deleted {
        "$2::timestamptz"
    } else {
        "NULL"
    };
    let sql = format!(
        "UPDATE app.\"{}\" t SET deleted_at = {deleted_at}, version = v.version, updated_at = $2::timestamptz, updated_by_id = $1::text FROM {from} WHERE t.id = v.id",
        table_of(group.object)
    );
    (sql.into(), params)
}

impl History {
    fn add(&mut self, object: &Object, write: &Write) {
        self.record_ids.push(write.id.to_string());
        self.versions.push(write.version);
        self.actions.push(write.action.name());
        let plain = |field: &str, value: &Value| match object.field(field) {
            Some(field) => {
                let mut json = String::new();
                value.write_json(&field.kind, &mut json);
                json
            }
            None => "null".to_owned(),
        };
        let changes: Vec<String> = write
            .changes
            .iter()
            .map(|change| {
                format!(
                    "\"{}\":[{},{}]",
                    change.field,
                    plain(&change.field, &change.old),
                    plain(&change.field, &change.new)
                )
            })
            .collect();
        self.changes
            .push((!changes.is_empty()).then(|| format!("{{{}}}", changes.join(","))));
    }

    fn statements(self, user: &str, now: &Cell) -> Option<(Cow<'static, str>, Params)> {
        if self.record_ids.is_empty() {
            return None;
        }
        let sql = "INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action, changes) \
            SELECT (SELECT app.tenant_id()), v.record_id, v.version, $2::timestamptz, $1::text, v.action, v.changes::jsonb \
            FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[]) AS v (record_id, version, action, changes)";
        let params: Params = vec![
            Box::new(user.to_owned()),
            Box::new(now.clone()),
            Box::new(self.record_ids),
            Box::new(self.versions),
            Box::new(self.actions),
            Box::new(self.changes),
        ];
        Some((sql.into(), params))
    }
}

impl FieldValues {
    fn add(&mut self, object: &Object, write: &Write) {
        match write.action {
            Action::Deleted => drop(self.living.insert(write.id, false)),
            Action::Restored => drop(self.living.insert(write.id, true)),
            Action::Created | Action::Updated => {}
        }
        for field in &write.keys {
            let place = (write.id, field.field);
            let before = self.of_fields.get(&place);
            let replaced = before.map_or(write.action != Action::Created, |before| before.replaced);
            let new = NewKeys {
                object: object.name.to_string(),
                keys: field.keys.clone(),
                is_unique: field.unique,
                replaced,
            };
            self.of_fields.insert(place, new);
        }
    }

    /// Entries are given up before others are made, so that a unique key may pass from one record to another.
    fn statements(self) -> impl Iterator<Item = (Cow<'static, str>, Params)> {
        let replaced: Vec<_> = self
            .of_fields
            .iter()
            .filter(|(_, new)| new.replaced)
            .map(|((id, field), _)| (id.to_string(), i32::from(*field)))
            .collect();
        let dead = self.marked(false);
        let revived = self.marked(true);
        let remove = (!replaced.is_empty()).then(|| {
            let sql = "DELETE FROM app.field_value f USING unnest($1::text[], $2::integer[]) AS v (record_id, field) \
                WHERE f.record_id = v.record_id AND f.field = v.field";
            let (records, fields): (Vec<String>, Vec<i32>) = replaced.into_iter().unzip();
            let params: Params = vec![Box::new(records), Box::new(fields)];
            (Cow::Borrowed(sql), params)
        });
        remove
            .into_iter()
            .chain(dead)
            .chain(self.insertion())
            .chain(revived)
    }

    fn marked(&self, living: bool) -> Option<(Cow<'static, str>, Params)> {
        let marked = self.living.iter().filter(|(_, lives)| **lives == living);
        let ids: Vec<String> = marked.map(|(id, _)| id.to_string()).collect();
        let sql = "UPDATE app.field_value f SET living = $2 FROM unnest($1::text[]) AS v (record_id) WHERE f.record_id = v.record_id AND f.is_unique";
        let params: Params = vec![Box::new(ids.clone()), Box::new(living)];
        (!ids.is_empty()).then_some((Cow::Borrowed(sql), params))
    }

    fn insertion(self) -> Option<(Cow<'static, str>, Params)> {
        let mut columns = KeyColumns::default();
        for ((id, field), new) in self.of_fields {
            let living = self.living.get(&id).copied().unwrap_or(true);
            for (ordinal, key) in (0_i16..).zip(new.keys) {
                columns.record_ids.push(id.to_string());
                columns.fields.push(i32::from(field));
                columns.ordinals.push(ordinal);
                columns.objects.push(new.object.clone());
                columns.uniques.push(new.is_unique);
                columns.living.push(living);
                let (int, text) = match key {
                    Key::Int(number) => (Some(number), None),
                    Key::Text(text) => (None, Some(text)),
                };
                columns.ints.push(int);
                columns.texts.push(text);
            }
        }
        let sql = "INSERT INTO app.field_value (tenant_id, record_id, field, ordinal, object, key_int, key_text, is_unique, living) \
            SELECT (SELECT app.tenant_id()), v.record_id, v.field, v.ordinal, v.object, v.key_int, v.key_text, v.is_unique, v.living \
            FROM unnest($1::text[], $2::integer[], $3::smallint[], $4::text[], $5::bigint[], $6::text[], $7::boolean[], $8::boolean[]) \
            AS v (record_id, field, ordinal, object, key_int, key_text, is_unique, living)";
        let is_empty = columns.record_ids.is_empty();
        let params: Params = vec![
            Box::new(columns.record_ids),
            Box::new(columns.fields),
            Box::new(columns.ordinals),
            Box::new(columns.objects),
            Box::new(columns.ints),
            Box::new(columns.texts),
            Box::new(columns.uniques),
            Box::new(columns.living),
        ];
        (!is_empty).then_some((Cow::Borrowed(sql), params))
    }
}

/// Index entries as arrays, one element each.
#[derive(Default)]
struct KeyColumns {
    record_ids: Vec<String>,
    fields: Vec<i32>,
    ordinals: Vec<i16>,
    objects: Vec<String>,
    ints: Vec<Option<i64>>,
    texts: Vec<Option<String>>,
    uniques: Vec<bool>,
    living: Vec<bool>,
}
