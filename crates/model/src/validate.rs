//! Checks values against the facts of their fields. Rules that need an `if` live in the object's own file.

use crate::{Field, FieldError, FieldType, Object, Problem, Value, Values};

/// Checks and tidies the values of a new record: unknown and read-only fields, types, limits, required fields.
pub fn check_new(object: &Object, values: &Values) -> Vec<FieldError> {
    let mut errors = check_given(object, values);
    for field in object.writable_fields().filter(|field| field.required) {
        let missing = values.get(&field.name).is_none_or(Value::is_null);
        if missing && !errors.iter().any(|error| error.field == field.name) {
            errors.push(FieldError::new(field.name.clone(), Problem::Required));
        }
    }
    errors
}

/// Checks the values of an update: only what is given.
pub fn check_update(object: &Object, values: &Values) -> Vec<FieldError> {
    let mut errors = check_given(object, values);
    for (name, value) in values.iter() {
        let required = object
            .field(name)
            .is_some_and(|field| field.required && field.is_writable());
        if required && value.is_null() {
            errors.push(FieldError::new(name, Problem::Required));
        }
    }
    errors
}

fn check_given(object: &Object, values: &Values) -> Vec<FieldError> {
    values
        .iter()
        .filter_map(|(name, value)| {
            let problem = match object.field(name) {
                None => Some(Problem::UnknownField),
                Some(field) if !field.is_writable() => Some(Problem::ReadOnly),
                Some(field) => check_value(field, value).err(),
            };
            problem.map(|problem| FieldError::new(name, problem))
        })
        .collect()
}

/// Checks one value against its field, whatever made it.
pub fn check_value(field: &Field, value: &Value) -> Result<(), Problem> {
    match (value, &field.kind) {
        (Value::Null, _)
        | (Value::Bool(_), FieldType::Boolean)
        | (Value::Time(_), FieldType::Time)
        | (
            Value::Id(_),
            FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id,
        ) => Ok(()),
        (Value::Date(date), FieldType::Date) if crate::value::is_storable_date(*date) => Ok(()),
        (Value::Date(_), FieldType::Date) => Err(Problem::NotADate),
        (Value::DateTime(at), FieldType::DateTime) if crate::value::is_storable_instant(*at) => {
            Ok(())
        }
        (Value::DateTime(_), FieldType::DateTime) => Err(Problem::NotADateTime),
        (Value::Int(number), FieldType::Percent) => check_range(*number, -1_000_000, 1_000_000),
        (Value::Int(number), kind) if kind.scale().is_some() => {
            check_range(*number, -crate::value::NUMBER_MAX, crate::value::NUMBER_MAX)
        }
        (Value::Text(text), FieldType::Text { max } | FieldType::LongText { max }) => {
            check_text(text, *max, matches!(field.kind, FieldType::LongText { .. }))
        }
        (Value::Text(text), FieldType::Email) => check_text(text, 254, false).and_then(|()| {
            if is_email(text) {
                Ok(())
            } else {
                Err(Problem::NotAnEmail)
            }
        }),
        (Value::Text(text), FieldType::Phone) => check_text(text, 40, false).and_then(|()| {
            if is_phone(text) {
                Ok(())
            } else {
                Err(Problem::NotAPhone)
            }
        }),
        (Value::Text(text), FieldType::Url) => check_text(text, 1000, false).and_then(|()| {
            if is_url(text) {
                Ok(())
            } else {
                Err(Problem::NotAUrl)
            }
        }),
        (Value::Text(text), FieldType::Choice { options }) => {
            if options.iter().any(|option| option.value == text.as_str()) {
                Ok(())
            } else {
                Err(Problem::UnknownChoice)
            }
        }
        (Value::Choices(chosen), FieldType::MultiChoice { options }) => {
            let known = chosen
                .iter()
                .all(|text| options.iter().any(|option| option.value == text.as_str()));
            if known {
                Ok(())
            } else {
                Err(Problem::UnknownChoice)
            }
        }
        _ => Err(Problem::WrongType {
            expected: "a value of the field's type",
        }),
    }
}

fn check_range(number: i64, min: i64, max: i64) -> Result<(), Problem> {
    if (min..=max).contains(&number) {
        return Ok(());
    }
    let text = |number| {
        let mut out = String::new();
        crate::value::push_scaled(&mut out, number, 2);
        out
    };
    Err(Problem::OutOfRange {
        min: text(min),
        max: text(max),
    })
}

fn check_text(text: &str, max: u32, lines: bool) -> Result<(), Problem> {
    if text
        .chars()
        .any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t')))
    {
        return Err(Problem::ControlCharacter);
    }
    let max_chars = usize::try_from(max).unwrap_or(usize::MAX);
    if text.len() > max_chars && text.chars().count() > max_chars {
        return Err(Problem::TooLong { max });
    }
    Ok(())
}

/// One `@` with something before it and a dotted or local domain after it; no spaces. Only a mail can prove more.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.chars().any(|c| {
                c.is_whitespace()
                    || matches!(c, '<' | '>' | ',' | ';' | '(' | ')' | '@' | '"' | '\\')
            })
    };
    local.len() <= 64
        && plain(local)
        && plain(domain)
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.len() <= 63)
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let rest = |c: char| c.is_ascii_alphanumeric() || c == ' ' || "+-./()#*,;:".contains(c);
    (2..=20).contains(&digits) && text.chars().all(rest)
}

fn is_url(text: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme)
            .then(|| text.get(scheme.len()..))
            .flatten()
    });
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && !text
                .chars()
                .any(|c| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn a_new_record_needs_its_required_fields_and_no_others_than_declared() {
        let registry = Registry::standard();
        let account = registry.object("account").unwrap();
        let values = Values::new()
            .with("naem", text("Acme"))
            .with("created_at", Value::Null)
            .with("website", text("javascript:alert(1)"));
        let errors = check_new(account, &values);
        let codes: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.problem.code()))
            .collect();
        assert_eq!(
            codes,
            [
                ("created_at", "read_only"),
                ("naem", "unknown_field"),
                ("website", "not_a_url"),
                ("owner_id", "required"),
                ("name", "required")
            ]
        );
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let field = Field::text(10, "name", 3);
        assert_eq!(check_value(&field, &text("äöü")), Ok(()));
        assert_eq!(
            check_value(&field, &text("äöüß")),
            Err(Problem::TooLong { max: 3 })
        );
        assert_eq!(
            check_value(&field, &text("a\0")),
            Err(Problem::ControlCharacter)
        );
    }

    #[test]
    fn addresses() {
        assert!(is_email("o'hara+crm@example.co.uk"));
        for bad in [
            "",
            "a@",
            "@b",
            "a b@c.de",
            "a@b..c",
            "a@b@c",
            "a@b\r\nBcc: x@y",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("+1 (555) 010-9999 x12"));
        assert!(!is_phone("call me"));
        assert!(is_url("HTTPS://example.com/a?b=c"));
        assert!(!is_url("https://"));
    }
}
