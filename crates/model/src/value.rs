//! Values: what a field holds, how it is read from text and JSON, and the key it compares by.

use jiff::{Timestamp, civil};

use crate::{Field, FieldType, Problem, RecordId, fold};

/// Largest magnitude of a scaled number: fifteen digits, exact in every consumer that reads JSON numbers as doubles.
pub const NUMBER_MAX: i64 = 999_999_999_999_999;

/// The value of one field. Decimals, money and percentages are integers of 10^-scale; the field says the scale.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole or scaled number.
    Int(i64),
    /// Text, an option of a choice, an e-mail address, a telephone number, a web address.
    Text(String),
    /// A calendar date.
    Date(civil::Date),
    /// A time of day.
    Time(civil::Time),
    /// An instant, to the microsecond.
    DateTime(Timestamp),
    /// Another record, or the record itself.
    Id(RecordId),
    /// Options of a multiple choice, in the field's order.
    Choices(Vec<String>),
}

/// What a value compares by: the same in every database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Numbers, dates (days since 1970-01-01), times and instants (microseconds), booleans (0 and 1).
    Int(i64),
    /// Folded text, options, ids; compared byte by byte.
    Text(String),
}

impl Value {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The id, if it is one.
    pub fn as_id(&self) -> Option<RecordId> {
        match self {
            Self::Id(id) => Some(*id),
            _ => None,
        }
    }

    /// The key this value compares by in `kind`; `None` for null and for multiple choices.
    pub fn key(&self, kind: &FieldType) -> Option<Key> {
        Some(match self {
            Self::Null | Self::Choices(_) => return None,
            Self::Bool(yes) => Key::Int(i64::from(*yes)),
            Self::Int(number) => Key::Int(*number),
            Self::Text(text) => Key::Text(match kind {
                FieldType::Phone => fold::fold_phone(text),
                kind if kind.is_folded() => fold::fold(text),
                _ => text.clone(),
            }),
            Self::Date(date) => Key::Int(date_to_days(*date)),
            Self::Time(time) => Key::Int(time_to_micros(*time)),
            Self::DateTime(at) => Key::Int(at.as_microsecond()),
            Self::Id(id) => Key::Text(id.to_string()),
        })
    }

    /// Reads what a person or a file wrote, in the API's plain forms (`1234.5`, `2026-03-01`, `true`, an option, an id).
    ///
    /// Empty or blank text is [`Value::Null`].
    pub fn parse(field: &Field, text: &str) -> Result<Self, Problem> {
        let text = match field.kind {
            FieldType::LongText { .. } if !text.trim().is_empty() => text,
            _ => text.trim(),
        };
        if text.is_empty() {
            return Ok(Self::Null);
        }
        match &field.kind {
            FieldType::Integer
            | FieldType::Decimal { .. }
            | FieldType::Money
            | FieldType::Percent => {
                let scale = field.kind.scale().unwrap_or(0);
                parse_scaled(text, scale).map(Self::Int)
            }
            FieldType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" | "on" => Ok(Self::Bool(true)),
                "false" | "no" | "0" | "off" => Ok(Self::Bool(false)),
                _ => Err(Problem::NotABoolean),
            },
            FieldType::Date => parse_date(text).map(Self::Date).ok_or(Problem::NotADate),
            FieldType::Time => parse_time(text).map(Self::Time).ok_or(Problem::NotATime),
            FieldType::DateTime => parse_timestamp(text)
                .map(Self::DateTime)
                .ok_or(Problem::NotADateTime),
            FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id => text
                .parse()
                .map(Self::Id)
                .map_err(|_| Problem::NotAReference),
            FieldType::MultiChoice { .. } => Ok(Self::Choices(
                text.split(';')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect(),
            )),
            FieldType::Text { .. }
            | FieldType::LongText { .. }
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Url
            | FieldType::Choice { .. } => Ok(Self::Text(text.to_owned())),
        }
    }

    /// Reads a JSON value. Numbers may come as numbers or as decimal texts.
    pub fn from_json(field: &Field, json: &serde_json::Value) -> Result<Self, Problem> {
        use serde_json::Value as Json;
        match (json, &field.kind) {
            (Json::Null, _) => Ok(Self::Null),
            (Json::Bool(yes), FieldType::Boolean) => Ok(Self::Bool(*yes)),
            (Json::Number(number), kind) if kind.scale().is_some() => {
                Self::parse(field, &number.to_string())
            }
            (Json::Array(items), FieldType::MultiChoice { .. }) => items
                .iter()
                .map(|item| {
                    item.as_str().map(str::to_owned).ok_or(Problem::WrongType {
                        expected: "a list of texts",
                    })
                })
                .collect::<Result<Vec<_>, _>>()
                .map(|options| {
                    if options.is_empty() {
                        Self::Null
                    } else {
                        Self::Choices(options)
                    }
                }),
            (Json::String(text), kind) if !matches!(kind, FieldType::Boolean) => {
                Self::parse(field, text)
            }
            (_, kind) => Err(Problem::WrongType {
                expected: json_shape(kind),
            }),
        }
    }

    /// Appends the value as JSON. Scaled numbers keep their decimals exactly.
    pub fn write_json(&self, kind: &FieldType, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
            Self::Int(number) => push_scaled(out, *number, kind.scale().unwrap_or(0)),
            Self::Text(text) => push_json_text(out, text),
            Self::Choices(options) => {
                out.push('[');
                for (at, option) in options.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_json_text(out, option);
                }
                out.push(']');
            }
            Self::Id(id) => {
                out.push('"');
                out.push_str(id.as_str());
                out.push('"');
            }
            Self::Date(_) | Self::Time(_) | Self::DateTime(_) => {
                out.push('"');
                self.write_plain(kind, out);
                out.push('"');
            }
        }
    }

    /// The value in the API's plain form; [`Value::parse`] reads it back. Empty for null.
    pub fn to_plain(&self, kind: &FieldType) -> String {
        let mut out = String::new();
        self.write_plain(kind, &mut out);
        out
    }

    fn write_plain(&self, kind: &FieldType, out: &mut String) {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Null => Ok(()),
            Self::Bool(yes) => write!(out, "{yes}"),
            Self::Int(number) => {
                push_scaled(out, *number, kind.scale().unwrap_or(0));
                Ok(())
            }
            Self::Text(text) => write!(out, "{text}"),
            Self::Date(date) => write!(out, "{date}"),
            Self::Time(time) => write!(out, "{time}"),
            Self::DateTime(at) => write!(out, "{at}"),
            Self::Id(id) => write!(out, "{id}"),
            Self::Choices(options) => write!(out, "{}", options.join(";")),
        };
    }
}

/// Days since 1970-01-01.
pub fn date_to_days(date: civil::Date) -> i64 {
    date.duration_since(civil::date(1970, 1, 1)).as_hours() / 24
}

/// The date that is `days` after 1970-01-01; `None` outside the calendar.
pub fn days_to_date(days: i64) -> Option<civil::Date> {
    civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

/// Microseconds since midnight.
pub fn time_to_micros(time: civil::Time) -> i64 {
    let seconds =
        i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000
}

/// The time that is `micros` after midnight; `None` outside a day.
pub fn micros_to_time(micros: i64) -> Option<civil::Time> {
    civil::Time::midnight()
        .checked_add(jiff::SignedDuration::from_micros(micros))
        .ok()
}

fn parse_date(text: &str) -> Option<civil::Date> {
    // Years of other lengths are refused: "16-10-20" is not the year 16.
    let year_is_plain = text.as_bytes().get(4) == Some(&b'-') && text.len() == 10;
    year_is_plain.then(|| text.parse().ok()).flatten()
}

fn parse_time(text: &str) -> Option<civil::Time> {
    let time: civil::Time = text.parse().ok()?;
    micros_to_time(time_to_micros(time))
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    let at = Timestamp::from_microsecond(at.as_microsecond()).ok()?;
    is_storable_instant(at).then_some(at)
}

/// Whether every database can keep this date: from the year 0 on.
pub fn is_storable_date(date: civil::Date) -> bool {
    date.year() >= 0
}

/// Whether every database can keep this instant: from the year 0 on.
pub fn is_storable_instant(at: Timestamp) -> bool {
    // 0000-01-01T00:00:00Z
    at.as_second() >= -62_167_219_200
}

/// Reads a plain decimal (`-12.5`, `1e3` is refused) as an integer of 10^-scale.
fn parse_scaled(text: &str, scale: u8) -> Result<i64, Problem> {
    let not_a_number = || Problem::NotANumber { scale };
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty() && !digits.contains('0'))
        || !all_digits(whole)
        || !all_digits(fraction)
    {
        return Err(not_a_number());
    }
    if fraction.len() > usize::from(scale) {
        return Err(not_a_number());
    }
    let mut number: i64 = 0;
    let padding = usize::from(scale) - fraction.len();
    for digit in whole
        .bytes()
        .chain(fraction.bytes())
        .chain(std::iter::repeat_n(b'0', padding))
    {
        number = number * 10 + i64::from(digit - b'0');
        if number > NUMBER_MAX {
            return Err(out_of_range(scale));
        }
    }
    Ok(if negative { -number } else { number })
}

/// The range of every scaled number.
fn out_of_range(scale: u8) -> Problem {
    let text = |number| {
        let mut out = String::new();
        push_scaled(&mut out, number, scale);
        out
    };
    Problem::OutOfRange {
        min: text(-NUMBER_MAX),
        max: text(NUMBER_MAX),
    }
}

/// Appends `number`·10^-`scale` as a plain decimal, with all its decimals.
pub fn push_scaled(out: &mut String, number: i64, scale: u8) {
    use std::fmt::Write as _;
    let unit = 10_u64.pow(u32::from(scale.min(18)));
    let magnitude = number.unsigned_abs();
    if number < 0 {
        out.push('-');
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", magnitude / unit);
    if scale > 0 {
        let _ = write!(
            out,
            ".{:0width$}",
            magnitude % unit,
            width = usize::from(scale)
        );
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "\\u{byte:04x}")),
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
    out.push('"');
}

fn json_shape(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Boolean => "true or false",
        FieldType::MultiChoice { .. } => "a list of texts",
        kind if kind.scale().is_some() => "a number",
        _ => "a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact_and_bounded() {
        let amount = Field::new(10, "amount", FieldType::Money);
        assert_eq!(Value::parse(&amount, " 1054.0 "), Ok(Value::Int(105_400)));
        assert_eq!(Value::parse(&amount, "-.5"), Ok(Value::Int(-50)));
        assert_eq!(Value::parse(&amount, "0"), Ok(Value::Int(0)));
        assert_eq!(Value::parse(&amount, ""), Ok(Value::Null));
        for bad in ["1.234", "1,5", "1e3", ".", "-", "NaN", "٣"] {
            assert_eq!(
                Value::parse(&amount, bad),
                Err(Problem::NotANumber { scale: 2 }),
                "{bad}"
            );
        }
        assert!(matches!(
            Value::parse(&amount, "99999999999999.99"),
            Err(Problem::OutOfRange { .. })
        ));
    }

    #[test]
    fn dates_need_four_digit_years() {
        let date = Field::new(10, "close_date", FieldType::Date);
        assert_eq!(
            Value::parse(&date, "2017-03-01"),
            Ok(Value::Date(civil::date(2017, 3, 1)))
        );
        for bad in ["17-03-01", "2017-02-30", "01/03/2017", "2017-03-01T00:00"] {
            assert_eq!(Value::parse(&date, bad), Err(Problem::NotADate), "{bad}");
        }
    }

    #[test]
    fn moments_that_no_database_keeps_are_refused() {
        let at = Field::new(10, "at", FieldType::DateTime);
        for bad in ["-009999-01-02T00:00:00Z", "-000001-12-31T23:59:59Z"] {
            assert_eq!(Value::parse(&at, bad), Err(Problem::NotADateTime), "{bad}");
        }
        assert!(Value::parse(&at, "0000-01-01T00:00:00Z").is_ok());
        let time = Field::new(10, "at", FieldType::Time);
        assert_eq!(
            Value::parse(&time, "10:00:00.123456789"),
            Ok(Value::Time(civil::time(10, 0, 0, 123_456_000)))
        );
    }

    #[test]
    fn wrong_json_types_say_what_is_expected() {
        let flag = Field::new(10, "done", FieldType::Boolean);
        let error = Value::from_json(&flag, &serde_json::json!("true")).unwrap_err();
        assert_eq!(
            error,
            Problem::WrongType {
                expected: "true or false"
            }
        );
    }

    proptest! {
        #[test]
        fn plain_form_round_trips(number in -NUMBER_MAX..=NUMBER_MAX, scale in 0_u8..=9) {
            let field = Field::new(10, "n", FieldType::Decimal { scale });
            let plain = Value::Int(number).to_plain(&field.kind);
            prop_assert_eq!(Value::parse(&field, &plain), Ok(Value::Int(number)));
        }

        #[test]
        fn json_text_is_what_serde_reads(text in "\\PC*|[\\x00-\\x1f\"\\\\]*") {
            let mut out = String::new();
            push_json_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn days_round_trip(days in -700_000_i64..2_900_000) {
            prop_assert_eq!(date_to_days(days_to_date(days).unwrap()), days);
        }
    }
}
