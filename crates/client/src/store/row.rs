//! Rows of the view: read whole, written whole or in part, with their search tokens and keys.

use std::collections::BTreeMap;

use fieldstone_guard::hidden;
use fieldstone_model::{Field, FieldType, Object, RecordId, Value, Values, field::Origin};
use fieldstone_store::{compile::words, write};
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params, types::Value as Sql};

use super::{cell, error::DatabaseError, schema};

/// Fields that this version of the app doesn't know, as they came.
pub type Unknown = serde_json::Map<String, serde_json::Value>;

/// One row of the view with everything in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ViewRow {
    pub(super) rid: i64,
    pub(super) version: i64,
    pub(super) deleted_at: Option<i64>,
    /// Every field that has a value, system fields included (but id, version and deletion).
    pub(super) values: Values,
    pub(super) unknown: Unknown,
    pub(super) row_tag: Option<i64>,
}

impl ViewRow {
    /// The row as a change builds on it.
    pub(super) fn stored(&self, object: &Object) -> write::Stored {
        let values = self.values.iter().filter(|(name, _)| {
            object
                .field(name)
                .is_some_and(|field| field.origin != Origin::System)
        });
        write::Stored {
            version: self.version,
            deleted: self.deleted_at.is_some(),
            values: values
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
        }
    }
}

/// The table of an object, with the statements that read and write its rows.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) object: &'a Object,
    pub(super) name: String,
    fields: Vec<&'a Field>,
    select: String,
    insert: String,
    insert_new: String,
}

/// Fields that have columns of their own in [`ViewRow`].
fn is_apart(field: &Field) -> bool {
    matches!(field.name.as_ref(), "id" | "version" | "deleted_at")
}

/// The table with an object's records: its own, or the one of all custom objects.
pub(super) fn table_of(object: &Object) -> &str {
    if object.custom {
        schema::CUSTOM_TABLE
    } else {
        &object.name
    }
}

impl<'a> Table<'a> {
    pub(super) fn of(object: &'a Object) -> Self {
        Self::named(object, table_of(object))
    }

    /// The table of an object under another name.
    pub(super) fn named(object: &'a Object, name: &str) -> Self {
        let fields: Vec<&Field> = object
            .fields
            .iter()
            .filter(|field| !field.custom && !is_apart(field))
            .collect();
        let mut columns = vec![
            "rid",
            "id",
            "version",
            "deleted_at",
            "row_tag",
            "changed",
            "custom",
            "extra",
        ]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
        let mut select = String::new();
        for field in &fields {
            select.push_str(", \"");
            select.push_str(&field.name);
            select.push('"');
        }
        for field in &fields {
            columns.push(field.name.to_string());
            if field.kind.is_folded() {
                columns.push(format!("{}_key", field.name));
            }
        }
        if object.custom {
            columns.push("object".to_owned());
        }
        let marks: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let insert = format!(
            "INSERT INTO \"{name}\" (\"{}\") VALUES ({})",
            columns.join("\", \""),
            marks.join(", ")
        );
        Self {
            object,
            name: name.to_owned(),
            select: format!(
                "SELECT rid, version, deleted_at, row_tag, custom, extra{select} FROM \"{name}\" WHERE id = ?1"
            ),
            insert_new: format!("{insert} ON CONFLICT (id) DO NOTHING"),
            insert,
            fields,
        }
    }

    /// The row of a record, if there is one.
    pub(super) fn read(
        &self,
        connection: &Connection,
        id: RecordId,
    ) -> Result<Option<ViewRow>, DatabaseError> {
        connection
            .prepare_cached(&self.select)?
            .query_row([id.as_str()], |row| self.load(row))
            .optional()
            .map_err(DatabaseError::from)
    }

    fn load(&self, row: &Row<'_>) -> rusqlite::Result<ViewRow> {
        let mut values = Values::new();
        for (at, field) in self.fields.iter().enumerate() {
            let value = cell::load(row.get_ref(at + 6)?, &field.kind, false);
            if !value.is_null() {
                values.set(field.name.clone(), value);
            }
        }
        if let Some(custom) = text(row.get_ref(4)?) {
            self.load_custom(custom, &mut values);
        }
        let unknown = text(row.get_ref(5)?)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        Ok(ViewRow {
            rid: row.get(0)?,
            version: row.get(1)?,
            deleted_at: row.get(2)?,
            row_tag: row.get(3)?,
            values,
            unknown,
        })
    }

    fn load_custom(&self, json: &str, values: &mut Values) {
        use rusqlite::types::ValueRef;
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).unwrap_or_default();
        for field in self.object.fields.iter().filter(|field| field.custom) {
            let value = match members.get(&field.id.to_string()) {
                Some(serde_json::Value::Bool(yes)) => Value::Bool(*yes),
                Some(serde_json::Value::Number(number)) => number
                    .as_i64()
                    .map(|number| cell::load(ValueRef::Integer(number), &field.kind, true))
                    .unwrap_or_default(),
                Some(serde_json::Value::String(text)) => {
                    cell::load(ValueRef::Text(text.as_bytes()), &field.kind, true)
                }
                Some(serde_json::Value::Array(items)) => Value::Choices(
                    items
                        .iter()
                        .filter_map(|item| item.as_str().map(str::to_owned))
                        .collect(),
                ),
                _ => Value::Null,
            };
            if !value.is_null() {
                values.set(field.name.clone(), value);
            }
        }
    }

    /// Adds a row. Tokens and keys are the caller's.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        id: RecordId,
        row: &ViewRow,
        changed: i64,
    ) -> Result<(), DatabaseError> {
        let mut statement = connection.prepare_cached(&self.insert)?;
        self.bind(&mut statement, id, row, changed)?;
        statement.raw_execute()?;
        Ok(())
    }

    /// Adds a row unless there is one of this record already; whether it did.
    pub(super) fn insert_new(
        &self,
        connection: &Connection,
        id: RecordId,
        row: &ViewRow,
        changed: i64,
    ) -> Result<bool, DatabaseError> {
        let mut statement = connection.prepare_cached(&self.insert_new)?;
        self.bind(&mut statement, id, row, changed)?;
        Ok(statement.raw_execute()? > 0)
    }

    fn bind(
        &self,
        statement: &mut Statement<'_>,
        id: RecordId,
        row: &ViewRow,
        changed: i64,
    ) -> Result<(), DatabaseError> {
        let mut at = 0;
        let mut next = || {
            at += 1;
            at
        };
        statement.raw_bind_parameter(next(), row.rid)?;
        statement.raw_bind_parameter(next(), id.as_str())?;
        statement.raw_bind_parameter(next(), row.version)?;
        statement.raw_bind_parameter(next(), row.deleted_at)?;
        statement.raw_bind_parameter(next(), row.row_tag)?;
        statement.raw_bind_parameter(next(), changed)?;
        statement.raw_bind_parameter(next(), self.custom_json(&row.values))?;
        statement.raw_bind_parameter(next(), unknown_json(&row.unknown))?;
        for field in &self.fields {
            let value = row.values.get(&field.name).unwrap_or(&Value::Null);
            match value {
                // Texts are most of a row, and go without a copy.
                Value::Text(text) => statement.raw_bind_parameter(next(), text.as_str())?,
                value => statement.raw_bind_parameter(next(), cell::store(value))?,
            }
            if field.kind.is_folded() {
                statement.raw_bind_parameter(next(), cell::key(value, &field.kind))?;
            }
        }
        if self.object.custom {
            statement.raw_bind_parameter(next(), self.object.name.as_ref())?;
        }
        Ok(())
    }

    fn custom_json(&self, values: &Values) -> Sql {
        let members: serde_json::Map<String, serde_json::Value> = self
            .object
            .fields
            .iter()
            .filter(|field| field.custom)
            .filter_map(|field| {
                let value = values.get(&field.name).filter(|value| !value.is_null())?;
                Some((field.id.to_string(), cell::custom(value, &field.kind)))
            })
            .collect();
        if members.is_empty() {
            Sql::Null
        } else {
            Sql::Text(serde_json::Value::Object(members).to_string())
        }
    }

    /// Writes a row anew that is there already, except for its number.
    pub(super) fn replace(
        &self,
        connection: &Connection,
        id: RecordId,
        row: &ViewRow,
        changed: i64,
    ) -> Result<(), DatabaseError> {
        self.delete(connection, id)?;
        self.insert(connection, id, row, changed)
    }

    /// Takes a row away. Tokens and keys are the caller's.
    pub(super) fn delete(
        &self,
        connection: &Connection,
        id: RecordId,
    ) -> Result<(), DatabaseError> {
        connection
            .prepare_cached(&format!("DELETE FROM \"{}\" WHERE id = ?1", self.name))?
            .execute([id.as_str()])?;
        Ok(())
    }
}

fn unknown_json(unknown: &Unknown) -> Sql {
    if unknown.is_empty() {
        Sql::Null
    } else {
        Sql::Text(serde_json::Value::Object(unknown.clone()).to_string())
    }
}

/// Makes the full-text index hold exactly these tokens for a record.
pub(super) fn write_tokens(
    connection: &Connection,
    object: &Object,
    rid: i64,
    tokens: &[String],
    replaced: bool,
) -> Result<(), DatabaseError> {
    if replaced {
        delete_tokens(connection, rid)?;
    }
    if !tokens.is_empty() {
        connection
            .prepare_cached(hidden!("INSERT INTO search (rowid, token) VALUES (?1, ?2)"))?
            .execute(params![rid, words::document(object, tokens)])?;
    }
    Ok(())
}

pub(super) fn delete_tokens(connection: &Connection, rid: i64) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!("DELETE FROM search WHERE rowid = ?1"))?
        .execute([rid])?;
    Ok(())
}

/// Makes the key index hold exactly these keys of a record's custom fields.
pub(super) fn write_keys(
    connection: &Connection,
    object: &Object,
    id: RecordId,
    keys: &[write::FieldKeys],
    replaced: bool,
) -> Result<(), DatabaseError> {
    if replaced {
        for field in keys {
            connection
                .prepare_cached(hidden!(
                    "DELETE FROM field_value WHERE record_id = ?1 AND field = ?2"
                ))?
                .execute(params![id.as_str(), field.field])?;
        }
    }
    insert_keys(connection, "field_value", object, id, keys)
}

/// Adds keys to the key index of that name.
pub(super) fn insert_keys(
    connection: &Connection,
    table: &str,
    object: &Object,
    id: RecordId,
    keys: &[write::FieldKeys],
) -> Result<(), DatabaseError> {
    use fieldstone_model::value::Key;
    for field in keys {
        for (ordinal, key) in (0_i64..).zip(&field.keys) {
            let (int, text) = match key {
                Key::Int(number) => (Some(*number), None),
                Key::Text(text) => (None, Some(text.as_str())),
            };
            connection
                .prepare_cached(&format!(
                    "INSERT INTO {table} (record_id, field, ordinal, object, key_int, key_text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                ))?
                .execute(params![id.as_str(), field.field, ordinal, object.name, int, text])?;
        }
    }
    Ok(())
}

pub(super) fn delete_keys(connection: &Connection, id: RecordId) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!("DELETE FROM field_value WHERE record_id = ?1"))?
        .execute([id.as_str()])?;
    Ok(())
}

/// Values as a JSON object, system fields included; [`values_from_json`] reads it back.
pub(super) fn values_to_json(object: &Object, values: &Values, unknown: &Unknown) -> String {
    let mut json = String::from("{");
    for (name, value) in values.iter() {
        let kind = object
            .field(name)
            .map_or(&FieldType::Id, |field| &field.kind);
        if json.len() > 1 {
            json.push(',');
        }
        fieldstone_model::value::push_json_text(&mut json, name);
        json.push(':');
        value.write_json(kind, &mut json);
    }
    for (name, value) in unknown {
        if json.len() > 1 {
            json.push(',');
        }
        fieldstone_model::value::push_json_text(&mut json, name);
        json.push(':');
        json.push_str(&value.to_string());
    }
    json.push('}');
    json
}

/// Reads what [`values_to_json`] wrote; fields that the object doesn't have are unknown ones.
pub(super) fn values_from_json(
    object: &Object,
    json: &str,
) -> Result<(Values, Unknown), DatabaseError> {
    let members: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|_| DatabaseError::Content("a record"))?;
    let mut values = Values::new();
    let mut unknown = Unknown::new();
    for (name, json) in members {
        match object.field(&name) {
            Some(field) => match Value::from_json(field, &json) {
                Ok(value) => values.set(name, value),
                Err(_) => drop(unknown.insert(name, json)),
            },
            None => drop(unknown.insert(name, json)),
        }
    }
    Ok((values, unknown))
}

/// A text cell; null for anything else.
fn text(cell: rusqlite::types::ValueRef<'_>) -> Option<&str> {
    match cell {
        rusqlite::types::ValueRef::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}
