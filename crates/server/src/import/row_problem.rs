//! Why a row isn't imported: kept as data, and put into words only where somebody reads it, in their language.
//!
//! The command line reads the `Display` form, which is English and names fields as the API does.

use std::fmt;

use fieldstone_model::{FieldError, Object, Problem, Registry};
use fieldstone_store::ChangeError;
use fieldstone_ui::locale::Locale;
use serde::{Deserialize, Serialize};

use super::rows::COLUMNS_MAX;

/// Most characters of a cell that are repeated.
const SHOWN: usize = 60;

/// Everything that keeps a row from being imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowProblem(Vec<Why>);

/// One thing that keeps a row from being imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(super) enum Why {
    /// More cells or bytes than a row may have.
    Overlong,
    /// Another number of cells than the header.
    Cells { cells: usize, columns: usize },
    /// A cell of more bytes than one may have.
    LongCell,
    /// Bytes that aren't UTF-8.
    NotUtf8,
    /// It names an id that no record has.
    NoSuchId,
    /// Several records have the value that says which one is meant.
    Several {
        field: String,
        #[serde(default)]
        text: String,
    },
    /// No record has the value that says which one is meant.
    Missing { field: String, text: String },
    /// A value that a field can't have.
    Value {
        field: String,
        #[serde(default)]
        text: String,
        wrong: Wrong,
    },
    /// A related record that can't be made.
    Related {
        object: String,
        text: String,
        why: RowProblem,
    },
    /// The change was refused as a whole: a stable code, and English for a reader who doesn't know it.
    Refused { refusal: String, advice: String },
    /// The import ended while the row waited for another one.
    Ended,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Wrong {
    TooLong {
        max: u32,
    },
    NotANumber {
        scale: u8,
    },
    OutOfRange {
        min: String,
        max: String,
    },
    /// A problem without arguments, with English for a reader who doesn't know its code.
    Other {
        problem: String,
        advice: String,
    },
}

impl From<&Problem> for Wrong {
    fn from(problem: &Problem) -> Self {
        match problem {
            Problem::TooLong { max } => Self::TooLong { max: *max },
            Problem::NotANumber { scale } => Self::NotANumber { scale: *scale },
            Problem::OutOfRange { min, max } => Self::OutOfRange {
                min: min.clone(),
                max: max.clone(),
            },
            other => Self::Other {
                problem: other.code().to_owned(),
                advice: other.to_string(),
            },
        }
    }
}

impl Wrong {
    fn known(&self) -> Option<Problem> {
        match self {
            Self::TooLong { max } => Some(Problem::TooLong { max: *max }),
            Self::NotANumber { scale } => Some(Problem::NotANumber { scale: *scale }),
            Self::OutOfRange { min, max } => Some(Problem::OutOfRange {
                min: min.clone(),
                max: max.clone(),
            }),
            Self::Other { .. } => None,
        }
    }

    fn told(&self, locale: &Locale) -> String {
        match self {
            Self::Other { problem, advice } => locale
                .find(&format!("problem-{problem}"))
                .map_or_else(|| advice.clone(), std::borrow::Cow::into_owned),
            other => other
                .known()
                .map(|problem| locale.problem(&problem))
                .unwrap_or_default(),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.known()) {
            (Self::Other { advice, .. }, _) => f.write_str(advice),
            (_, Some(problem)) => problem.fmt(f),
            (_, None) => Ok(()),
        }
    }
}

impl From<Why> for RowProblem {
    fn from(why: Why) -> Self {
        Self(vec![why])
    }
}

impl From<&ChangeError> for RowProblem {
    fn from(error: &ChangeError) -> Self {
        let refusal = match error {
            ChangeError::Invalid(errors) => {
                return Self(errors.iter().map(Why::of_field).collect());
            }
            ChangeError::Stale { .. } => "stale",
            ChangeError::NotFound => "not-found",
            ChangeError::Deleted => "deleted",
            ChangeError::IdTaken => "id-taken",
            ChangeError::WrongObject => "wrong-object",
            ChangeError::Full => "full",
            ChangeError::ReadOnlyObject => "read-only",
            _ => "other",
        };
        Self::from(Why::Refused {
            refusal: refusal.to_owned(),
            advice: error.to_string(),
        })
    }
}

impl Why {
    /// A value that the field can't have, with the text that says it.
    pub(super) fn value(field: &str, problem: &Problem, text: &str) -> Self {
        Self::Value {
            field: field.to_owned(),
            text: shortened(text),
            wrong: problem.into(),
        }
    }

    fn of_field(error: &FieldError) -> Self {
        Self::value(&error.field, &error.problem, "")
    }

    fn told(&self, locale: &Locale, registry: &Registry, object: Option<&Object>) -> String {
        let count = |count: usize| locale.count(count as u64);
        let label = |name: &str| {
            object
                .and_then(|object| Some(locale.field(object, object.field(name)?)))
                .unwrap_or_else(|| name.to_owned())
        };
        let about = |field: &str, text: &str, why: String| {
            let field = label(field);
            if text.is_empty() {
                return locale.t2("import-row-field", ("field", field), ("why", why));
            }
            let said = [("field", field), ("text", text.to_owned()), ("why", why)];
            locale.t_with("import-row-value", &said)
        };
        match self {
            Self::Overlong => locale.t1("import-row-overlong", "columns", count(COLUMNS_MAX)),
            Self::Cells { cells, columns } => locale.t2(
                "import-row-cells",
                ("cells", count(*cells)),
                ("columns", count(*columns)),
            ),
            Self::LongCell => locale.t("import-row-long-cell").into_owned(),
            Self::NotUtf8 => locale.t("import-row-not-utf8").into_owned(),
            Self::NoSuchId => locale.t("import-row-no-such-id").into_owned(),
            Self::Several { field, text } => {
                about(field, text, locale.t("import-row-several").into_owned())
            }
            Self::Missing { field, text } => {
                about(field, text, locale.t("import-row-missing").into_owned())
            }
            Self::Value { field, text, wrong } => about(field, text, wrong.told(locale)),
            Self::Related { object, text, why } => {
                let object = registry.object(object);
                let said = [
                    (
                        "field",
                        object.map_or_else(String::new, |it| locale.object(it)),
                    ),
                    ("text", text.clone()),
                    ("why", why.told(locale, registry, object.map(AsRef::as_ref))),
                ];
                locale.t_with("import-row-value", &said)
            }
            Self::Refused { refusal, advice } => locale
                .find(&format!("import-row-refused-{refusal}"))
                .map_or_else(|| advice.clone(), std::borrow::Cow::into_owned),
            Self::Ended => locale.t("import-row-ended").into_owned(),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SEVERAL: &str =
            "Several records have this value, so it isn't clear which one is meant.";
        const MISSING: &str = "No record has this value. Make one first, or say in the mapping what happens without one.";
        let about = |f: &mut fmt::Formatter<'_>, field: &str, text: &str| {
            if text.is_empty() {
                write!(f, "{field}: ")
            } else {
                write!(f, "{field} “{text}”: ")
            }
        };
        match self {
            Self::Overlong => write!(
                f,
                "This row has more than {COLUMNS_MAX} cells or 16 MiB. Perhaps a quotation mark isn't closed."
            ),
            Self::Cells { cells, columns } => {
                write!(f, "This row has {cells} cells; the header has {columns}.")
            }
            Self::LongCell => f.write_str("A cell is longer than 1 MiB."),
            Self::NotUtf8 => {
                f.write_str("This row has characters that aren't UTF-8. Name the file's encoding.")
            }
            Self::NoSuchId => f.write_str("id: There is no record with this id."),
            Self::Several { field, text } => {
                about(f, field, text)?;
                f.write_str(SEVERAL)
            }
            Self::Missing { field, text } => {
                about(f, field, text)?;
                f.write_str(MISSING)
            }
            Self::Value { field, text, wrong } => {
                about(f, field, text)?;
                wrong.fmt(f)
            }
            Self::Related { object, text, why } => write!(f, "The {object} “{text}”: {why}"),
            Self::Refused { advice, .. } => f.write_str(advice),
            Self::Ended => {
                f.write_str("The import ended before the record that this one refers to was made.")
            }
        }
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, why) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            why.fmt(f)?;
        }
        Ok(())
    }
}

impl RowProblem {
    /// Values that fields can't have.
    pub(super) fn all(whys: Vec<Why>) -> Self {
        Self(whys)
    }

    /// A value that the field can't have.
    pub(super) fn value(field: &str, problem: &Problem, text: &str) -> Self {
        Why::value(field, problem, text).into()
    }

    /// No record is called so.
    pub(super) fn missing(field: &str, text: &str) -> Self {
        Self::from(Why::Missing {
            field: field.to_owned(),
            text: shortened(text),
        })
    }

    /// In words, for whoever reads a page about records of `object`.
    pub(crate) fn told(
        &self,
        locale: &Locale,
        registry: &Registry,
        object: Option<&Object>,
    ) -> String {
        let whys = self.0.iter();
        whys.map(|why| why.told(locale, registry, object))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What the file of failed rows keeps of it, to be worded by [`reworded`].
    pub(super) fn kept(&self, line: u64) -> String {
        let kept = Kept {
            line,
            why: self.clone(),
        };
        serde_json::to_string(&kept).unwrap_or_else(|_| sentence(line, self))
    }
}

/// What stands in the last column of a failed row until somebody reads it.
#[derive(Serialize, Deserialize)]
struct Kept {
    line: u64,
    why: RowProblem,
}

/// The line and what is wrong with it, in English.
pub(super) fn sentence(line: u64, problem: &RowProblem) -> String {
    format!("Line {line}: {problem}")
}

/// A kept problem in the reader's words. Whatever else stands there, such as what earlier versions wrote, stays as it is.
pub(crate) fn reworded(
    kept: &str,
    locale: &Locale,
    registry: &Registry,
    object: Option<&Object>,
) -> Option<String> {
    let kept: Kept = serde_json::from_str(kept).ok()?;
    Some(locale.t2(
        "import-row-line",
        ("line", kept.line.to_string()),
        ("why", kept.why.told(locale, registry, object)),
    ))
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn locale(tag: &str) -> Locale {
        Locale::new(tag, TimeZone::UTC, "EUR")
    }

    fn everything() -> Vec<Why> {
        let number = Problem::NotANumber { scale: 2 };
        let range = Problem::OutOfRange {
            min: "0".to_owned(),
            max: "100".to_owned(),
        };
        let mut all = vec![
            Why::Overlong,
            Why::Cells {
                cells: 3,
                columns: 5,
            },
            Why::LongCell,
            Why::NotUtf8,
            Why::NoSuchId,
            Why::Several {
                field: "account_id".to_owned(),
                text: "Acme".to_owned(),
            },
            Why::Missing {
                field: "owner_id".to_owned(),
                text: "Ann".to_owned(),
            },
            Why::value("amount", &number, "a lot"),
            Why::value("probability", &range, "101"),
            Why::value("name", &Problem::TooLong { max: 255 }, &"x".repeat(300)),
            Why::value("name", &Problem::Required, " "),
            Why::Related {
                object: "account".to_owned(),
                text: "Acme".to_owned(),
                why: RowProblem::value("name", &Problem::Duplicate, "Acme"),
            },
            Why::Ended,
        ];
        let refusals = [
            ChangeError::Stale { current: 2 },
            ChangeError::NotFound,
            ChangeError::Deleted,
            ChangeError::IdTaken,
            ChangeError::WrongObject,
            ChangeError::Full,
            ChangeError::ReadOnlyObject,
        ];
        all.extend(refusals.iter().flat_map(|error| RowProblem::from(error).0));
        all
    }

    #[test]
    fn every_problem_comes_back_as_it_was_kept_and_is_said_in_every_language() {
        let registry = Registry::standard();
        let deal = registry.object("deal").unwrap();
        let (english, german) = (locale("en"), locale("de"));
        for why in everything() {
            let kept = RowProblem::from(why.clone()).kept(7);
            let words = |locale| reworded(&kept, locale, &registry, Some(deal)).unwrap();
            let (en, de) = (words(&english), words(&german));
            assert!(en.starts_with("Line 7: "), "{en}");
            assert!(de.starts_with("Zeile 7: "), "{de}");
            assert_ne!(
                en.split_once(": ").unwrap().1,
                de.split_once(": ").unwrap().1
            );
            assert!(!de.contains("import-row"), "{de}");
            let back: Kept = serde_json::from_str(&kept).unwrap();
            assert_eq!(back.why, RowProblem::from(why));
        }
    }

    #[test]
    fn fields_are_called_as_the_reader_calls_them() {
        let registry = Registry::standard();
        let deal = registry.object("deal").unwrap();
        let problem = RowProblem::value("amount", &Problem::NotANumber { scale: 2 }, "viel");
        assert_eq!(
            problem.told(&locale("de"), &registry, Some(deal)),
            "Betrag „viel“: Geben Sie eine Zahl mit höchstens 2 Nachkommastellen ein, etwa 1234,5."
        );
        assert_eq!(
            problem.to_string(),
            "amount “viel”: Enter a number with at most 2 decimals, such as 1234.5."
        );
    }

    #[test]
    fn what_was_kept_before_as_a_sentence_stays_one() {
        let registry = Registry::standard();
        let told = |kept| reworded(kept, &locale("de"), &registry, None);
        assert_eq!(
            told("Line 3: name: Enter a value; this field is required."),
            None
        );
        assert_eq!(told("{\"line\":3}"), None);
        assert_eq!(told(""), None);
    }
}
