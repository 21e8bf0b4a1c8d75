//! Rows as devices get them: every field that has a value, as plain JSON.

use std::fmt::Write as _;

use fieldstone_model::{Object, RecordId, Value, value::push_scaled};
use fieldstone_protocol::{
    Columns,
    conflict::{self, ConflictField},
    pull::Row,
    tag::{Tag, Withheld},
};
use fieldstone_store::StoreError;
use serde_json::Value as Json;

use super::{SyncError, reading::column};
use crate::store::{Cell, sql_table};

/// Fields that a row has as members of its own, or that no device needs.
const APART: [&str; 3] = ["id", "version", "deleted_at"];

pub(super) const SELECT_CONFLICTS: &str = "SELECT t.id, t.version, t.row_tag, t.object, t.record_id, t.kind, t.fields::text, t.created_at \
    FROM app.sync_conflict t WHERE t.deleted_at IS NULL AND t.id = ANY ($1) ORDER BY t.id";

/// Reads whole living records by id.
pub(super) fn select(object: &Object) -> String {
    let mut columns = String::new();
    for field in object
        .fields
        .iter()
        .filter(|field| !APART.contains(&field.name.as_ref()))
    {
        // Writing to a string can't fail.
        let _ = if field.custom {
            write!(columns, ", t.custom ->> '{}'", field.id)
        } else {
            write!(columns, ", t.\"{}\"", field.name)
        };
    }
    format!(
        "SELECT t.id, t.version, t.row_tag{columns} FROM {} ORDER BY t.id",
        each(object, "r.id = u.key AND r.deleted_at IS NULL")
    )
}

/// `FROM` the rows `t` of `$1`'s keys, one look-up for each: with `= ANY ($1)`, the planner, which takes every tenant for one of average
/// size, reads all of a large one.
pub(super) fn each(object: &Object, is_it: &str) -> String {
    format!(
        "unnest($1::text[]) AS u (key) CROSS JOIN LATERAL (SELECT r.* FROM {} r WHERE {is_it} OFFSET 0) t",
        sql_table(object)
    )
}

pub(super) fn record(
    object: &Object,
    withheld: Withheld,
    row: &tokio_postgres::Row,
) -> Result<Row, SyncError> {
    let mut columns = Columns::new();
    let fields = object
        .fields
        .iter()
        .filter(|field| !APART.contains(&field.name.as_ref()));
    for (at, field) in fields.enumerate() {
        let cell: Cell = column(row, at + 3)?;
        let value = cell.into_value(&field.kind, field.custom);
        if !value.is_null() {
            columns.insert(field.name.to_string(), to_json(&value, field.kind.scale()));
        }
    }
    whole(&object.name, withheld, row, columns)
}

/// A conflict, of whose record `object` is what its reader may see.
pub(super) fn conflict(
    object: Option<&Object>,
    withheld: Withheld,
    row: &tokio_postgres::Row,
) -> Result<Row, SyncError> {
    let mut columns = Columns::new();
    for (at, name) in [(3, "object"), (4, "record"), (5, "kind")] {
        columns.insert(name.to_owned(), column::<String>(row, at)?.into());
    }
    let mut fields: Vec<ConflictField> =
        serde_json::from_str(column(row, 6)?).map_err(StoreError::internal)?;
    fields.retain(|field| object.is_some_and(|object| object.field(&field.field).is_some()));
    let fields = serde_json::to_value(fields).map_err(StoreError::internal)?;
    columns.insert("fields".to_owned(), fields);
    let at: jiff::Timestamp = column(row, 7)?;
    columns.insert("created_at".to_owned(), at.to_string().into());
    whole(conflict::OBJECT, withheld, row, columns)
}

fn whole(
    object: &str,
    withheld: Withheld,
    row: &tokio_postgres::Row,
    columns: Columns,
) -> Result<Row, SyncError> {
    let id: RecordId = column::<&str>(row, 0)?
        .parse()
        .map_err(StoreError::internal)?;
    Ok(Row {
        object: object.to_owned(),
        id,
        tag: Tag::new(column(row, 2)?, withheld),
        version: column(row, 1)?,
        columns,
    })
}

/// A value as plain JSON, numbers with all their decimals.
pub(crate) fn to_json(value: &Value, scale: Option<u8>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => {
            let mut text = String::new();
            push_scaled(&mut text, *number, scale.unwrap_or(0));
            text.parse::<serde_json::Number>()
                .map_or(Json::Null, Json::Number)
        }
        Value::Text(text) => text.clone().into(),
        Value::Choices(options) => options.clone().into(),
        Value::Id(id) => id.as_str().into(),
        Value::Date(date) => date.to_string().into(),
        Value::Time(time) => time.to_string().into(),
        Value::DateTime(at) => at.to_string().into(),
    }
}
