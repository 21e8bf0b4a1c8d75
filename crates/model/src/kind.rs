//! The types that a workspace's own fields can have: one list for pages, API and import, with what each needs said and what holds otherwise.

use std::borrow::Cow;

use crate::{Choice, FieldType};

/// Most characters of a text, where nothing is said.
pub const TEXT_MAX: u32 = 255;
/// Most characters of a long text, where nothing is said.
pub const LONG_TEXT_MAX: u32 = 32_000;
/// Decimals of a decimal number, where nothing is said.
pub const DECIMAL_SCALE: u8 = 2;

/// What a type needs said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Its most characters, maybe; these otherwise.
    Max(u32),
    /// Its decimals, maybe; [`DECIMAL_SCALE`] otherwise.
    Scale,
    /// Its options.
    Options,
    /// The object it leads to.
    Object,
    /// The objects it leads to.
    Objects,
}

/// All of them by API name, in the order of lists.
pub const KINDS: [(&str, Needs); 17] = [
    ("text", Needs::Max(TEXT_MAX)),
    ("long_text", Needs::Max(LONG_TEXT_MAX)),
    ("integer", Needs::Nothing),
    ("decimal", Needs::Scale),
    ("money", Needs::Nothing),
    ("percent", Needs::Nothing),
    ("boolean", Needs::Nothing),
    ("date", Needs::Nothing),
    ("time", Needs::Nothing),
    ("date_time", Needs::Nothing),
    ("choice", Needs::Options),
    ("multi_choice", Needs::Options),
    ("email", Needs::Nothing),
    ("phone", Needs::Nothing),
    ("url", Needs::Nothing),
    ("relation", Needs::Object),
    ("any_relation", Needs::Objects),
];

/// What is said of a type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Most characters.
    pub max: Option<u32>,
    /// Decimals.
    pub scale: Option<u8>,
    /// Options of a choice.
    pub options: Vec<Choice>,
    /// Objects that a relation leads to.
    pub to: Vec<String>,
}

/// What the type of this API name needs; `None` when there is none.
pub fn needs(name: &str) -> Option<Needs> {
    KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, needs)| *needs)
}

impl FieldType {
    /// The type of this API name; `None` when no field of a workspace's own can have it. Limits are checked by whoever keeps the field.
    pub fn of_name(name: &str, details: Details) -> Option<Self> {
        let Details {
            max,
            scale,
            options,
            to,
        } = details;
        Some(match name {
            "text" => Self::Text {
                max: max.unwrap_or(TEXT_MAX),
            },
            "long_text" => Self::LongText {
                max: max.unwrap_or(LONG_TEXT_MAX),
            },
            "integer" => Self::Integer,
            "decimal" => Self::Decimal {
                scale: scale.unwrap_or(DECIMAL_SCALE),
            },
            "money" => Self::Money,
            "percent" => Self::Percent,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "time" => Self::Time,
            "date_time" => Self::DateTime,
            "choice" => Self::Choice {
                options: options.into(),
            },
            "multi_choice" => Self::MultiChoice {
                options: options.into(),
            },
            "email" => Self::Email,
            "phone" => Self::Phone,
            "url" => Self::Url,
            "relation" => Self::Relation {
                to: to.into_iter().next().unwrap_or_default().into(),
            },
            "any_relation" => Self::AnyRelation {
                to: to.into_iter().map(Cow::Owned).collect(),
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_type_is_made_and_called_by_its_name() {
        for (name, _) in KINDS {
            let kind = FieldType::of_name(name, Details::default()).unwrap();
            assert_eq!(kind.name(), name);
        }
        assert_eq!(FieldType::of_name("id", Details::default()), None);
        assert_eq!(
            FieldType::of_name("decimal", Details::default()),
            Some(FieldType::Decimal {
                scale: DECIMAL_SCALE
            })
        );
    }
}
