//! The first flight of a write: what the changes build on, locked where it will change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fieldstone_model::{
    Change, Field, FieldType, Object, ObjectClass, RecordId, Registry, SeenBy, Values,
    field::Origin, value::Key,
};
use fieldstone_store::{
    Scope, StoreError,
    compile::{Param, compile_in_sight},
    write::{self, Stored},
};
use tokio_postgres::{Row, types::ToSql};

use super::{
    super::{
        error::store_error,
        table_of,
        wire::{Cell, Sent},
    },
    Keys,
    statements::sql_type,
};
use crate::database::pool::{Step, Transaction};

/// What to look up, gathered from the changes. Maps are ordered, so that two transactions lock in one order.
pub(super) struct LookUp<'a> {
    /// Records to change (or to find taken), by object.
    records: BTreeMap<&'a str, (&'a Object, BTreeSet<RecordId>)>,
    /// Records referred to, by object.
    references: BTreeMap<String, BTreeSet<RecordId>>,
    /// Unique keys wanted, by object and field.
    keys: BTreeMap<(&'a str, u16), (&'a Object, &'a Field, BTreeSet<Key>)>,
    /// Ids for new records, which something out of sight may have.
    made: BTreeSet<RecordId>,
    scope: &'a Scope,
    restores: bool,
}

/// What was found.
pub(super) struct Found {
    pub(super) stored: HashMap<RecordId, Stored>,
    pub(super) references: HashSet<RecordId>,
    pub(super) keys: Keys,
}

/// What the rows of one statement are.
enum Kind<'a> {
    Records(&'a Object),
    References,
    Keys(&'a Object, &'a Field),
    /// Ids that records out of sight have.
    Taken,
}

impl<'a> LookUp<'a> {
    pub(super) fn of(
        registry: &Registry,
        scope: &'a Scope,
        objects: &[&'a Object],
        changes: &[Change],
    ) -> Self {
        let mut look_up = Self {
            made: BTreeSet::new(),
            scope,
            records: BTreeMap::new(),
            references: BTreeMap::new(),
            keys: BTreeMap::new(),
            restores: false,
        };
        for (change, object) in changes.iter().zip(objects) {
            look_up
                .records
                .entry(object.name.as_ref())
                .or_insert_with(|| (object, BTreeSet::new()))
                .1
                .insert(change.id());
            if let Change::Create { id, .. } = change
                && !scope.is_everything()
            {
                look_up.made.insert(*id);
            }
            match change {
                Change::Create { values, .. } | Change::Update { values, .. } => {
                    look_up.add_values(registry, object, values);
                    for (_, id) in write::default_references(object, change) {
                        look_up.add_reference(registry, id);
                    }
                }
                Change::Restore { .. } => look_up.restores = true,
                Change::Delete { .. } => {}
            }
        }
        look_up
    }

    fn add_values(&mut self, registry: &Registry, object: &'a Object, values: &Values) {
        for (name, value) in values.iter() {
            let Some(field) = object.field(name) else {
                continue;
            };
            if field.kind.is_relation()
                && let Some(id) = value.as_id()
            {
                self.add_reference(registry, id);
            }
            if field.unique
                && let Some(key) = value.key(&field.kind)
            {
                self.keys
                    .entry((object.name.as_ref(), field.id))
                    .or_insert_with(|| (object, field, BTreeSet::new()))
                    .2
                    .insert(key);
            }
        }
    }

    fn add_reference(&mut self, registry: &Registry, id: RecordId) {
        if registry.stage(id).is_none()
            && let Some(target) = registry.object_of(id)
        {
            self.references
                .entry(target.name.to_string())
                .or_default()
                .insert(id);
        }
    }

    /// Runs the flight, and a second one for the unique keys of records to restore.
    pub(super) async fn run(
        mut self,
        transaction: &mut Transaction,
        registry: &Registry,
    ) -> Result<Found, StoreError> {
        let mut found = Found {
            stored: HashMap::new(),
            references: HashSet::new(),
            keys: HashMap::new(),
        };
        let mut statements: Vec<(Kind<'a>, String, Vec<Param>)> = Vec::new();
        let texts =
            |ids: &BTreeSet<RecordId>| Param::Texts(ids.iter().map(ToString::to_string).collect());
        for (object, ids) in self.records.values() {
            let mut params = vec![texts(ids)];
            let in_sight = compile_in_sight(registry, object, self.scope, &mut params);
            let sql = within(select_records(object), in_sight);
            statements.push((Kind::Records(object), sql, params));
        }
        for (target, ids) in &self.references {
            let Some(target) = registry.object(target) else {
                continue;
            };
            let mut params = vec![texts(ids)];
            let in_sight = compile_in_sight(registry, target, self.scope, &mut params);
            let sql = within(select_references(target), in_sight);
            statements.push((Kind::References, sql, params));
        }
        if !self.made.is_empty() {
            let sql = "SELECT t.id FROM app.taken_ids($1) AS t (id)";
            statements.push((Kind::Taken, sql.to_owned(), vec![texts(&self.made)]));
        }
        statements.extend(self.key_statements());
        run_all(transaction, &statements, &mut found).await?;
        if self.restores {
            self.keys.clear();
            for (object, ids) in self.records.values() {
                for values in ids
                    .iter()
                    .filter_map(|id| found.stored.get(id))
                    .filter(|stored| stored.deleted)
                    .map(|stored| &stored.values)
                {
                    for field in object.fields.iter().filter(|field| field.unique) {
                        if let Some(key) = values
                            .get(&field.name)
                            .and_then(|value| value.key(&field.kind))
                        {
                            self.keys
                                .entry((object.name.as_ref(), field.id))
                                .or_insert_with(|| (object, field, BTreeSet::new()))
                                .2
                                .insert(key);
                        }
                    }
                }
            }
            let statements: Vec<_> = self.key_statements().collect();
            run_all(transaction, &statements, &mut found).await?;
        }
        Ok(found)
    }

    fn key_statements(&self) -> impl Iterator<Item = (Kind<'a>, String, Vec<Param>)> {
        self.keys.values().map(|(object, field, keys)| {
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
                .iter()
                .filter_map(|key| {
                    if let Key::Text(text) = key {
                        Some(text.clone())
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
            // A key that something out of sight has is taken, too; a function says so, since the policies hide what has it.
            let all_in_sight = self.scope.is_everything() || object.seen_by == SeenBy::Everybody;
            let sql = if all_in_sight || field.custom {
                select_keys(object, field)
            } else {
                select_taken_keys(object)
            };
            (Kind::Keys(object, field), sql, vec![param])
        })
    }
}

async fn run_all(
    transaction: &mut Transaction,
    statements: &[(Kind<'_>, String, Vec<Param>)],
    found: &mut Found,
) -> Result<(), StoreError> {
    let sent: Vec<Vec<Sent<'_>>> = statements
        .iter()
        .map(|(_, _, params)| params.iter().map(Sent).collect())
        .collect();
    let params: Vec<Vec<&(dyn ToSql + Sync)>> = sent
        .iter()
        .map(|sent| sent.iter().map(|param| param as _).collect())
        .collect();
    let steps: Vec<Step<'_>> = statements
        .iter()
        .zip(&params)
        .map(|((_, sql, _), params)| Step { sql, params })
        .collect();
    let results = transaction.run(&steps, false).await.map_err(store_error)?;
    for ((kind, _, _), rows) in statements.iter().zip(results) {
        for row in &rows {
            found.take(kind, row)?;
        }
    }
    Ok(())
}

impl Found {
    fn take(&mut self, kind: &Kind<'_>, row: &Row) -> Result<(), StoreError> {
        let cell = |at: usize| row.try_get::<_, Cell>(at).map_err(StoreError::internal);
        let id: RecordId = cell(0)?
            .text()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| StoreError::internal("a record without an id"))?;
        match kind {
            Kind::References => {
                self.references.insert(id);
            }
            // Its id is all that is known of it.
            Kind::Taken => {
                self.stored.entry(id).or_insert_with(|| Stored {
                    version: 0,
                    deleted: true,
                    values: Values::new(),
                });
            }
            Kind::Keys(object, field) => {
                let key = match cell(1)? {
                    Cell::Int(number) => Key::Int(number),
                    Cell::Text(text) => Key::Text(text),
                    Cell::Bool(_) | Cell::Null => return Ok(()),
                };
                self.keys
                    .insert((object.name.to_string(), field.id, key), id);
            }
            Kind::Records(object) => {
                let version = cell(1)?.int().unwrap_or(0);
                let deleted = cell(2)? != Cell::Null;
                let values = stored_fields(object)
                    .enumerate()
                    .map(|(at, field)| {
                        Ok((
                            field.name.to_string(),
                            cell(at + 3)?.into_value(&field.kind, field.custom),
                        ))
                    })
                    .collect::<Result<Values, StoreError>>()?;
                self.stored.insert(
                    id,
                    Stored {
                        version,
                        deleted,
                        values,
                    },
                );
            }
        }
        Ok(())
    }
}

/// Fields that changes build on: all but those the store keeps.
fn stored_fields(object: &Object) -> impl Iterator<Item = &Field> {
    object
        .fields
        .iter()
        .filter(|field| field.origin != Origin::System)
}

fn select_records(object: &Object) -> String {
    let columns: String = stored_fields(object)
        .map(|field| {
            if field.custom {
                format!(", t.custom ->> '{}'", field.id)
            } else {
                format!(", t.\"{}\"", field.name)
            }
        })
        .collect();
    let found = each("text", object, "r.id = u.key", " FOR NO KEY UPDATE");
    format!("SELECT t.id, t.version, t.deleted_at{columns}{found}")
}

/// `FROM` the rows of `$1`'s keys, one look-up for each, in the order of the keys.
///
/// Not `= ANY ($1)`: PostgreSQL's planner takes every tenant for one of average size, and would rather read all of a large one than look
/// some hundred keys up. `OFFSET 0` leaves it no choice.
fn each(kind: &str, object: &Object, is_it: &str, lock: &str) -> String {
    format!(
        " FROM unnest($1::{kind}[]) AS u (key) CROSS JOIN LATERAL (SELECT r.* FROM app.\"{}\" r WHERE {is_it} OFFSET 0{lock}) t",
        table_of(object)
    )
}

/// Records stay while something refers to them; settings and users are read without a lock, since only managers may lock them.
fn select_references(target: &Object) -> String {
    let lock = if target.class == ObjectClass::Record {
        " FOR KEY SHARE"
    } else {
        ""
    };
    let found = each(
        "text",
        target,
        "r.id = u.key AND r.deleted_at IS NULL",
        lock,
    );
    format!("SELECT t.id{found}")
}

/// A statement whose rows are called `t`, for those in sight alone.
fn within(mut sql: String, in_sight: Option<String>) -> String {
    if let Some(in_sight) = in_sight {
        sql.push_str(" WHERE TRUE");
        sql.push_str(&in_sight);
    }
    sql
}

/// The one unique standard field of objects that can be out of sight is their external id; a test holds them to it.
fn select_taken_keys(object: &Object) -> String {
    format!(
        "SELECT t.id, t.key FROM app.taken_external_ids('{}', $1) AS t (id, key)",
        object.name
    )
}

fn select_keys(object: &Object, field: &Field) -> String {
    if field.custom {
        let (column, kind) = key_column(&field.kind);
        return format!(
            "SELECT t.record_id, t.{column} FROM unnest($1::{kind}[]) AS u (key) CROSS JOIN LATERAL (SELECT v.record_id, v.{column} \
             FROM app.field_value v WHERE v.object = '{}' AND v.field = {} AND v.{column} = u.key AND v.is_unique AND v.living OFFSET 0) t",
            object.name, field.id
        );
    }
    let (column, kind) = if field.kind.is_folded() {
        (format!("{}_key", field.name), "text")
    } else {
        (field.name.to_string(), sql_type(&field.kind))
    };
    let object_is = if object.custom {
        format!(" AND r.object = '{}'", object.name)
    } else {
        String::new()
    };
    let is_it = format!("r.\"{column}\" = u.key{object_is} AND r.deleted_at IS NULL");
    let found = each(kind, object, &is_it, "");
    format!("SELECT t.id, t.\"{column}\"{found}")
}

/// The `field_value` column that keys of this type are in, and its SQL type.
fn key_column(kind: &FieldType) -> (&'static str, &'static str) {
    let is_text = kind.is_folded()
        || kind.is_relation()
        || matches!(
            kind,
            FieldType::Choice { .. } | FieldType::MultiChoice { .. }
        );
    if is_text {
        ("key_text", "text")
    } else {
        ("key_int", "bigint")
    }
}
