//! Values on the wire: compiled parameters sent, and columns read, by the type that the database declares for them.
//!
//! The compiler speaks of days and microseconds since 1970; PostgreSQL counts from 2000-01-01.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use fieldstone_model::{FieldType, Value, value};
use fieldstone_store::compile::Param;
use jiff::Timestamp;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

/// 2000-01-01 in days since 1970-01-01.
const EPOCH_DAYS: i64 = 10_957;
/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_MICROS: i64 = EPOCH_DAYS * 86_400_000_000;

type Fallible<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// A compiled parameter, sent as whatever type the statement declares.
#[derive(Debug)]
pub(crate) struct Sent<'a>(pub(crate) &'a Param);

impl ToSql for Sent<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Fallible<IsNull> {
        match self.0 {
            Param::Int(number) => write_int(*number, kind, out)?,
            Param::Text(text) => out.put_slice(text.as_bytes()),
            Param::Ints(numbers) => {
                return numbers
                    .iter()
                    .map(|number| Cell::Int(*number))
                    .collect::<Vec<_>>()
                    .to_sql(kind, out);
            }
            Param::Texts(texts) => return texts.to_sql(kind, out),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One column of one row, or one item of a column sent as an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Fallible<IsNull> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Bool(yes) => write_int(i64::from(*yes), kind, out)?,
            Self::Int(number) => write_int(*number, kind, out)?,
            Self::Text(text) if *kind == Type::JSONB => {
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
            Self::Text(text) => out.put_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        !matches!(kind.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}

fn write_int(number: i64, kind: &Type, out: &mut BytesMut) -> Fallible<()> {
    match *kind {
        Type::BOOL => out.put_u8(u8::from(number != 0)),
        Type::INT2 => out.put_i16(number.try_into()?),
        Type::INT4 => out.put_i32(number.try_into()?),
        Type::INT8 | Type::TIME => out.put_i64(number),
        Type::DATE => out.put_i32((number - EPOCH_DAYS).try_into()?),
        Type::TIMESTAMPTZ | Type::TIMESTAMP => out.put_i64(number.saturating_sub(EPOCH_MICROS)),
        _ => return Err(format!("a number can't be sent as {kind}").into()),
    }
    Ok(())
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Fallible<Self> {
        Ok(match *kind {
            Type::BOOL => Self::Bool(bool::from_sql(kind, raw)?),
            Type::INT2 => Self::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::TIME => Self::Int(i64::from_sql(&Type::INT8, raw)?),
            Type::DATE => Self::Int(i64::from(i32::from_sql(&Type::INT4, raw)?) + EPOCH_DAYS),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => {
                Self::Int(i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH_MICROS))
            }
            Type::JSONB => Self::Text(String::from_utf8(
                raw.get(1..).unwrap_or_default().to_vec(),
            )?),
            _ => Self::Text(std::str::from_utf8(raw)?.to_owned()),
        })
    }

    fn from_sql_null(_: &Type) -> Fallible<Self> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Cell {
    /// The cell as a field's value. `custom` columns come as the text of a JSON member.
    pub(crate) fn into_value(self, kind: &FieldType, custom: bool) -> Value {
        match (self, kind) {
            (Self::Text(text), kind) if custom => custom_from_text(text, kind),
            (Self::Bool(yes), _) => Value::Bool(yes),
            (Self::Int(days), FieldType::Date) => {
                value::days_to_date(days).map_or(Value::Null, Value::Date)
            }
            (Self::Int(micros), FieldType::Time) => {
                value::micros_to_time(micros).map_or(Value::Null, Value::Time)
            }
            (Self::Int(micros), FieldType::DateTime) => {
                Timestamp::from_microsecond(micros).map_or(Value::Null, Value::DateTime)
            }
            (Self::Int(number), FieldType::Boolean) => Value::Bool(number != 0),
            (Self::Int(number), _) => Value::Int(number),
            (
                Self::Text(text),
                FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id,
            ) => text.parse().map_or(Value::Null, Value::Id),
            (Self::Text(text), _) => Value::Text(text),
            (Self::Null, _) => Value::Null,
        }
    }

    /// The cell for a standard field's value.
    pub(super) fn from_value(value: &Value) -> Self {
        match value {
            Value::Null | Value::Choices(_) => Self::Null,
            Value::Bool(yes) => Self::Bool(*yes),
            Value::Int(number) => Self::Int(*number),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Date(date) => Self::Int(value::date_to_days(*date)),
            Value::Time(time) => Self::Int(value::time_to_micros(*time)),
            Value::DateTime(at) => Self::Int(at.as_microsecond()),
            Value::Id(id) => Self::Text(id.to_string()),
        }
    }

    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            _ => None,
        }
    }
}

/// A custom value as a member of the `custom` column: numbers scaled, everything else in the API's plain form.
pub(super) fn custom_to_json(value: &Value, kind: &FieldType) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => (*number).into(),
        Value::Choices(options) => options.clone().into(),
        value => value.to_plain(kind).into(),
    }
}

fn custom_from_text(text: String, kind: &FieldType) -> Value {
    match kind {
        FieldType::Boolean => Value::Bool(text == "true"),
        FieldType::Date => text.parse().map_or(Value::Null, Value::Date),
        FieldType::Time => text.parse().map_or(Value::Null, Value::Time),
        FieldType::DateTime => text.parse().map_or(Value::Null, Value::DateTime),
        FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id => {
            text.parse().map_or(Value::Null, Value::Id)
        }
        FieldType::MultiChoice { .. } => {
            serde_json::from_str(&text).map_or(Value::Null, Value::Choices)
        }
        kind if kind.scale().is_some() => text.parse().map_or(Value::Null, Value::Int),
        _ => Value::Text(text),
    }
}
