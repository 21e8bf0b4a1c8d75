//! A stored value as a page shows it.

use std::collections::HashMap;

use askama::Template;
use fieldstone_model::{Field, FieldType, Object, Record, RecordId, Registry, StageKind, Value};
use fieldstone_store::{Store, StoreError};
use jiff::civil::Date;

use crate::{layout, locale::Locale};

/// A value ready for a template. The text is never HTML: templates escape it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "parts/shown.html")]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// Where a click leads.
    pub(crate) href: Option<String>,
    /// Class of the tag it is shown as.
    pub(crate) tag: Option<&'static str>,
    /// Machine-readable form of a date or an instant.
    pub(crate) moment: Option<String>,
    /// Whether it lines up at the end, as numbers do.
    pub(crate) end: bool,
    /// Whether a day has passed by which something should have been done.
    pub(crate) late: bool,
    /// Whether it may have several lines.
    pub(crate) long: bool,
}

impl askama::filters::HtmlSafe for Shown {}

impl Shown {
    /// Whether its link leads out of the product.
    fn is_external(&self) -> bool {
        self.href.as_ref().is_some_and(|href| href.contains("://"))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

/// Names of the records that shown values refer to.
pub(crate) type Names = HashMap<RecordId, String>;

/// Looks up the names of everything that `records` refer to, in one go.
pub(crate) async fn names_in<S: Store>(
    store: &S,
    records: &[&Record],
) -> Result<Names, StoreError> {
    let mut ids: Vec<RecordId> = records
        .iter()
        .flat_map(|record| record.iter())
        .filter(|(column, _)| column.kind.is_relation())
        .filter_map(|(_, value)| value.as_id())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        Ok(Names::new())
    } else {
        store.names(&ids).await
    }
}

/// What values need to know to be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing<'a> {
    pub(crate) locale: &'a Locale,
    pub(crate) registry: &'a Registry,
    pub(crate) names: &'a Names,
    pub(crate) today: Date,
}

impl Showing<'_> {
    /// The value of `record`'s field.
    pub(crate) fn field_of(&self, object: &Object, field: &Field, record: &Record) -> Shown {
        let mut shown = self.value(object, field, record.get(&field.name));
        if let Value::Date(date) = record.get(&field.name) {
            let unfinished = match record.get("status").as_text() {
                Some(status) => !matches!(status, "done" | "won" | "lost" | "closed"),
                None => false,
            };
            shown.late = unfinished
                && *date < self.today
                && matches!(&*field.name, "due_date" | "close_date");
        }
        shown
    }

    /// A value of `field`, on its own.
    pub(crate) fn value(&self, object: &Object, field: &Field, value: &Value) -> Shown {
        let plain = |text: String| Shown {
            text,
            ..Shown::default()
        };
        let number = |text: String| Shown {
            text,
            end: true,
            ..Shown::default()
        };
        match (value, &field.kind) {
            (Value::Null, kind) => Shown {
                end: kind.scale().is_some(),
                ..Shown::default()
            },
            (Value::Bool(yes), _) => {
                plain(self.locale.t(if *yes { "yes" } else { "no" }).into_owned())
            }
            (Value::Int(amount), FieldType::Money) => number(self.locale.money(*amount)),
            (Value::Int(share), FieldType::Percent) => number(self.locale.percent(*share)),
            // A year is a name, not a quantity.
            (Value::Int(year), FieldType::Integer) if field.name == "founded" => {
                number(year.to_string())
            }
            (Value::Int(bytes), FieldType::Integer)
                if object.name == "attachment" && field.name == "size" =>
            {
                number(self.locale.bytes(*bytes))
            }
            (Value::Int(quantity), kind) => {
                number(self.locale.number(*quantity, kind.scale().unwrap_or(0)))
            }
            (Value::Date(date), _) => Shown {
                text: self.locale.date(*date),
                moment: Some(date.to_string()),
                ..Shown::default()
            },
            (Value::Time(time), _) => plain(self.locale.time(*time)),
            (Value::DateTime(at), _) => Shown {
                text: self.locale.instant(*at),
                moment: Some(at.to_string()),
                ..Shown::default()
            },
            (Value::Id(id), _) => self.reference(*id),
            (Value::Choices(options), _) => plain(
                options
                    .iter()
                    .map(|option| self.locale.choice_value(object, field, option))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            (Value::Text(option), FieldType::Choice { .. }) => Shown {
                text: self.locale.choice_value(object, field, option),
                tag: Some(tone(&field.name, option)),
                ..Shown::default()
            },
            (Value::Text(address), FieldType::Email) => {
                linked(address, format!("mailto:{address}"))
            }
            (Value::Text(number), FieldType::Phone) => linked(
                number,
                format!(
                    "tel:{}",
                    number
                        .chars()
                        .filter(|c| c.is_ascii_digit() || *c == '+')
                        .collect::<String>()
                ),
            ),
            (Value::Text(url), FieldType::Url)
                if ["https://", "http://"]
                    .iter()
                    .any(|scheme| url.to_ascii_lowercase().starts_with(scheme)) =>
            {
                let (_, rest) = url.split_once("://").unwrap_or(("", url));
                linked(rest.trim_end_matches('/'), url.clone())
            }
            (Value::Text(text), kind) => Shown {
                text: text.clone(),
                long: matches!(kind, FieldType::LongText { .. }),
                ..Shown::default()
            },
        }
    }

    /// Another record, by its name.
    fn reference(&self, id: RecordId) -> Shown {
        if let Some(stage) = self.registry.stage(id) {
            let tag = match stage.kind {
                StageKind::Open => "tag accent",
                StageKind::Won => "tag good",
                StageKind::Lost => "tag bad",
            };
            return Shown {
                text: stage.name.clone(),
                tag: Some(tag),
                ..Shown::default()
            };
        }
        let text = self
            .names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| self.locale.t("record-unknown").into_owned());
        Shown {
            text,
            href: self.href(id),
            ..Shown::default()
        }
    }

    /// The address of a record's page, if it has one.
    pub(crate) fn href(&self, id: RecordId) -> Option<String> {
        let object = self
            .registry
            .object_of(id)
            .filter(|object| layout::has_pages(object))?;
        self.names
            .contains_key(&id)
            .then(|| format!("/{}/{id}", object.plural))
    }
}

fn linked(text: &str, href: String) -> Shown {
    Shown {
        text: text.to_owned(),
        href: Some(href),
        ..Shown::default()
    }
}

/// The colour of an option: what is finished well, what is finished badly, what is urgent.
fn tone(field: &str, option: &str) -> &'static str {
    match (field, option) {
        ("status" | "kind", "won" | "done" | "closed" | "converted" | "qualified") => "tag good",
        ("status" | "kind", "lost" | "unqualified") | ("priority", "high") => "tag bad",
        ("status", "open" | "new" | "working" | "in_progress") => "tag accent",
        _ => "tag",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{civil::date, tz::TimeZone};

    fn show(field: &Field, value: &Value) -> Shown {
        let (locale, registry, names) = (
            Locale::new("en-US", TimeZone::UTC, "USD"),
            Registry::standard(),
            Names::new(),
        );
        let account = registry.object("account").unwrap().clone();
        Showing {
            locale: &locale,
            registry: &registry,
            names: &names,
            today: date(2026, 3, 1),
        }
        .value(&account, field, value)
    }

    #[test]
    fn only_web_addresses_become_links() {
        let url = Field::new(10, "website", FieldType::Url);
        let text = |it: &str| Value::Text(it.to_owned());
        assert_eq!(
            show(&url, &text("https://example.com/")).href.as_deref(),
            Some("https://example.com/")
        );
        assert_eq!(show(&url, &text("javascript:alert(1)")).href, None);
        let phone = Field::new(10, "phone", FieldType::Phone);
        assert_eq!(
            show(&phone, &text("+49 (30) 12-34")).href.as_deref(),
            Some("tel:+49301234")
        );
    }

    #[test]
    fn a_year_is_not_grouped() {
        assert_eq!(
            show(
                &Field::new(19, "founded", FieldType::Integer),
                &Value::Int(1987)
            )
            .text,
            "1987"
        );
        assert_eq!(
            show(
                &Field::new(18, "employees", FieldType::Integer),
                &Value::Int(1987)
            )
            .text,
            "1,987"
        );
    }
}
