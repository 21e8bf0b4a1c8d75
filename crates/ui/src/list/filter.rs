//! Filters of a list: what stands in its address, shown as chips, and the form that adds one.

use askama::Template;
use fieldstone_model::{
    Comparison, Field, FieldType, Filter, Object, RecordId, Value,
    query::{Environment, Path, parse_filter},
};
use fieldstone_store::Store;

use super::wanted::Wanted;
use crate::{
    error::PageError,
    form::{control::Control, typed::Typed},
    locale::Locale,
    request::{AtObject, Pairs},
    shown::{Names, Showing},
};

/// One filter of the list, with the way to remove it.
#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) text: String,
    pub(crate) remove: String,
    pub(crate) works: bool,
}

/// The form that adds a filter.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Whether it stands open, since what was chosen needs another look.
    pub(crate) open: bool,
    /// Parameters of the address that the form carries along.
    pub(crate) kept: Vec<(String, String)>,
    /// Fields to choose from: name, label, whether chosen.
    pub(crate) fields: Vec<(String, String, bool)>,
    pub(crate) tests: Option<Tests>,
}

/// The tests that suit one field, and the value to test against.
#[derive(Debug, Template)]
#[template(path = "list/tests.html")]
pub(crate) struct Tests {
    label: String,
    value_label: String,
    /// Name, label, whether chosen.
    available: Vec<(&'static str, String, bool)>,
    control: Control,
    error: Option<String>,
}

impl askama::filters::HtmlSafe for Tests {}

/// What the address says about adding a filter.
pub(crate) enum Adding {
    /// One was added: go to these parameters.
    Added(Pairs),
    /// None, or not yet: show the form.
    Sheet(Box<Sheet>),
}

/// Fields that a list may be filtered by, in the object's order.
pub(crate) fn fields(object: &Object) -> impl Iterator<Item = &Field> {
    object
        .fields
        .iter()
        .filter(|field| field.is_filterable() && Locale::is_shown(field))
}

/// Tests by name; those without a comparison need no value.
const TESTS: [(&str, Option<Comparison>); 9] = [
    ("contains", Some(Comparison::Contains)),
    ("starts", Some(Comparison::StartsWith)),
    ("equal", Some(Comparison::Equal)),
    ("not_equal", Some(Comparison::NotEqual)),
    ("less", Some(Comparison::Less)),
    ("greater", Some(Comparison::Greater)),
    ("me", None),
    ("empty", None),
    ("filled", None),
];

fn suits(test: &str, comparison: Option<Comparison>, field: &Field) -> bool {
    match (test, comparison) {
        ("me", _) => field.target() == Some("user"),
        // Choices have no order that people would know.
        (_, Some(Comparison::Less | Comparison::Greater)) => {
            field.kind.scale().is_some()
                || matches!(
                    field.kind,
                    FieldType::Date | FieldType::DateTime | FieldType::Time
                )
        }
        (_, Some(comparison)) => comparison.suits(&field.kind),
        _ => !(field.required && matches!(field.kind, FieldType::Boolean)),
    }
}

fn wording(locale: &Locale, test: &str, field: &Field) -> String {
    let of_moments = matches!(
        field.kind,
        FieldType::Date | FieldType::DateTime | FieldType::Time
    );
    let key = match test {
        "less" if of_moments => "test-before".to_owned(),
        "greater" if of_moments => "test-after".to_owned(),
        test => format!("test-{test}"),
    };
    locale.t(&key).into_owned()
}

impl Tests {
    /// The tests of `field`, as `given` has them filled in.
    pub(super) async fn of<S: Store + Clone + 'static>(
        at: &AtObject<S>,
        field: &Field,
        given: &Pairs,
    ) -> Result<Self, PageError> {
        let locale = &at.viewer.locale;
        let asked = given.get("test").unwrap_or_default();
        let tests = TESTS
            .iter()
            .filter(|(test, comparison)| suits(test, *comparison, field))
            .map(|(test, _)| (*test, wording(locale, test, field), *test == asked));
        let typed = typed(field, given);
        let mut plain = field.clone();
        plain.required = false;
        if let FieldType::MultiChoice { options } = &field.kind {
            plain.kind = FieldType::Choice {
                options: options.clone(),
            };
        }
        let mut control = Control::of(at, &at.object, &plain, "value", typed).await?;
        "filter-value".clone_into(&mut control.id);
        Ok(Self {
            label: locale.t("filter-test").into_owned(),
            value_label: locale.t("filter-value").into_owned(),
            available: tests.collect(),
            control,
            error: None,
        })
    }
}

/// What was typed as the value, read as `field` reads it.
fn typed(field: &Field, given: &Pairs) -> Typed {
    let mut renamed = field.clone();
    renamed.name = "value".into();
    if let FieldType::MultiChoice { options } = &field.kind {
        renamed.kind = FieldType::Choice {
            options: options.clone(),
        };
    }
    Typed::of_pairs(&renamed, given)
}

/// Reads the form that adds a filter, which is part of the list's own address: `?field=…&test=…&value=…`.
pub(crate) async fn adding<S: Store + Clone + 'static>(
    at: &AtObject<S>,
) -> Result<Adding, PageError> {
    let locale = &at.viewer.locale;
    let given = &at.parameters;
    let chosen = given
        .get("field")
        .and_then(|name| fields(&at.object).find(|field| field.name == name));
    let kept = [
        "field",
        "test",
        "value",
        "value.text",
        "cursor",
        "notice",
        "about",
        "count",
    ]
    .iter()
    .fold(given.clone(), |pairs, name| pairs.without(name));
    let mut tests = None;
    if let Some(field) = chosen {
        let test = given.get("test").and_then(|test| {
            TESTS
                .iter()
                .find(|(name, comparison)| *name == test && suits(name, *comparison, field))
        });
        let mut form = Tests::of(at, field, given).await?;
        if let Some((test, comparison)) = test {
            match text_of(at, field, test, *comparison, given).await? {
                Ok(filter) => return Ok(Adding::Added(kept.with("filter", filter))),
                Err(error) => {
                    form.control.invalid = true;
                    form.control.described_by = Some("filter-value-error".to_owned());
                    form.error = Some(error);
                }
            }
        }
        tests = Some(form);
    }
    Ok(Adding::Sheet(Box::new(Sheet {
        open: chosen.is_some(),
        kept: kept
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        fields: fields(&at.object)
            .map(|field| {
                (
                    field.name.to_string(),
                    locale.field(&at.object, field),
                    chosen.is_some_and(|chosen| chosen.name == field.name),
                )
            })
            .collect(),
        tests,
    })))
}

/// The filter as text, or what is wrong with its value.
async fn text_of<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    field: &Field,
    test: &str,
    comparison: Option<Comparison>,
    given: &Pairs,
) -> Result<Result<String, String>, PageError> {
    let name = &field.name;
    let Some(comparison) = comparison else {
        return Ok(Ok(match test {
            "me" => format!("{name} = :me"),
            "empty" => format!("{name} is null"),
            _ => format!("{name} is not null"),
        }));
    };
    let typed = typed(field, given);
    let is_part = matches!(comparison, Comparison::Contains | Comparison::StartsWith)
        || field.kind.is_folded();
    let value = if is_part {
        // A part of an address needn't be a valid address.
        Ok(if typed.text.trim().is_empty() {
            Value::Null
        } else {
            Value::Text(typed.text.trim().to_owned())
        })
    } else {
        typed.read(at, field).await?
    };
    Ok(value.and_then(|value| match value {
        Value::Null => Err(at.viewer.locale.t("filter-needs-value").into_owned()),
        value => {
            let quoted = value
                .to_plain(&field.kind)
                .replace('\\', "\\\\")
                .replace('"', "\\\"");
            let written = format!("{name} {} \"{quoted}\"", comparison.operator());
            let environment = Environment {
                me: at.viewer.user_id,
                today: at.viewer.today(),
            };
            let works = parse_filter(at.registry(), &at.object, environment, &written)
                .is_ok_and(|filter| filter.check(at.registry(), &at.object).is_ok());
            if works {
                Ok(written)
            } else {
                Err(at.viewer.locale.t("filter-needs-value").into_owned())
            }
        }
    }))
}

/// The filters of the address as chips.
pub(crate) async fn chips<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    wanted: &Wanted,
) -> Result<Vec<Chip>, PageError> {
    let ids: Vec<RecordId> = wanted
        .filters
        .iter()
        .filter_map(|(_, filter)| match filter {
            Some(Filter::Compare { value, .. }) => value.as_id(),
            _ => None,
        })
        .collect();
    let names = if ids.is_empty() {
        Names::new()
    } else {
        at.store.names(&ids).await?
    };
    let locale = &at.viewer.locale;
    let showing = Showing {
        locale,
        registry: at.registry(),
        names: &names,
        today: at.viewer.today(),
    };
    let chip = |(text, filter): &(String, Option<Filter>)| {
        let words = filter
            .as_ref()
            .and_then(|filter| describe(at, &showing, filter));
        let mut removed = false;
        let rest = wanted.parameters.iter().filter(|(name, value)| {
            let this = !removed && *name == "filter" && value == text;
            removed |= this;
            !this
        });
        let rest = rest.fold(Pairs::default(), |pairs, (name, value)| {
            pairs.with(name, value)
        });
        Chip {
            text: words.unwrap_or_else(|| text.clone()),
            remove: format!("{}{}", at.path, rest.to_query()),
            works: filter.is_some(),
        }
    };
    Ok(wanted.filters.iter().map(chip).collect())
}

/// A simple filter in words; `None` for one with several parts, which is shown as it was written.
fn describe<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    showing: &Showing<'_>,
    filter: &Filter,
) -> Option<String> {
    let locale = showing.locale;
    let label = |path: &Path| {
        let resolved = at.registry().resolve(&at.object, path)?;
        let steps = resolved
            .steps
            .iter()
            .scan(at.object.as_ref(), |object, (field, next)| {
                let label = locale.field(object, field);
                *object = next;
                Some(label)
            });
        let label = steps
            .chain(std::iter::once(
                locale.field(resolved.object, resolved.field),
            ))
            .collect::<Vec<_>>()
            .join(" › ");
        Some((label, resolved.object, resolved.field))
    };
    let words = |label: &str, test: String, value: &str| {
        format!("{label} {test} {value}").trim_end().to_owned()
    };
    match filter {
        Filter::Compare {
            path,
            comparison,
            value,
        } => {
            let (label, object, field) = label(path)?;
            if *comparison == Comparison::Equal && value.as_id() == Some(at.viewer.user_id) {
                return Some(words(&label, wording(locale, "me", field), ""));
            }
            let test = TESTS
                .iter()
                .find(|(_, known)| *known == Some(*comparison))
                .map_or_else(
                    || comparison.operator().to_owned(),
                    |(test, _)| wording(locale, test, field),
                );
            Some(words(
                &label,
                test,
                &showing.value(object, field, value).text,
            ))
        }
        Filter::Empty { path } => {
            label(path).map(|(label, _, field)| words(&label, wording(locale, "empty", field), ""))
        }
        Filter::Not(part) => match part.as_ref() {
            Filter::Empty { path } => label(path)
                .map(|(label, _, field)| words(&label, wording(locale, "filled", field), "")),
            _ => None,
        },
        _ => None,
    }
}
