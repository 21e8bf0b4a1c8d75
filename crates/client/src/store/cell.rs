//! Values as SQLite keeps them: dates in days, times and instants in microseconds, custom fields as members of a JSON object.

use fieldstone_model::{FieldType, Value, value};
use jiff::Timestamp;
use rusqlite::types::{Value as Sql, ValueRef};

/// A standard field's value for its column.
pub(super) fn store(value: &Value) -> Sql {
    match value {
        Value::Null | Value::Choices(_) => Sql::Null,
        Value::Bool(yes) => Sql::Integer(i64::from(*yes)),
        Value::Int(number) => Sql::Integer(*number),
        Value::Text(text) => Sql::Text(text.clone()),
        Value::Date(date) => Sql::Integer(value::date_to_days(*date)),
        Value::Time(time) => Sql::Integer(value::time_to_micros(*time)),
        Value::DateTime(at) => Sql::Integer(at.as_microsecond()),
        Value::Id(id) => Sql::Text(id.to_string()),
    }
}

/// What a folded field compares by, for its second column.
pub(super) fn key(value: &Value, kind: &FieldType) -> Sql {
    match value.key(kind) {
        Some(value::Key::Text(text)) => Sql::Text(text),
        Some(value::Key::Int(number)) => Sql::Integer(number),
        None => Sql::Null,
    }
}

/// A column as a field's value. What doesn't fit its type counts as no value.
pub(super) fn load(cell: ValueRef<'_>, kind: &FieldType, custom: bool) -> Value {
    match cell {
        ValueRef::Integer(number) => load_int(number, kind),
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(|text| load_text(text, kind, custom))
            .unwrap_or_default(),
        _ => Value::Null,
    }
}

fn load_int(number: i64, kind: &FieldType) -> Value {
    match kind {
        FieldType::Boolean => Value::Bool(number != 0),
        FieldType::Date => value::days_to_date(number).map_or(Value::Null, Value::Date),
        FieldType::Time => value::micros_to_time(number).map_or(Value::Null, Value::Time),
        FieldType::DateTime => {
            Timestamp::from_microsecond(number).map_or(Value::Null, Value::DateTime)
        }
        _ => Value::Int(number),
    }
}

fn load_text(text: &str, kind: &FieldType, custom: bool) -> Value {
    match kind {
        FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id => {
            text.parse().map_or(Value::Null, Value::Id)
        }
        FieldType::MultiChoice { .. } if custom => {
            serde_json::from_str(text).map_or(Value::Null, Value::Choices)
        }
        FieldType::Date if custom => text.parse().map_or(Value::Null, Value::Date),
        FieldType::Time if custom => text.parse().map_or(Value::Null, Value::Time),
        FieldType::DateTime if custom => text.parse().map_or(Value::Null, Value::DateTime),
        _ => Value::Text(text.to_owned()),
    }
}

/// A custom value as a member of the `custom` column: numbers scaled, everything else in the API's plain form.
pub(super) fn custom(value: &Value, kind: &FieldType) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => (*number).into(),
        Value::Choices(options) => options.clone().into(),
        value => value.to_plain(kind).into(),
    }
}
