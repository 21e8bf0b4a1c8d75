//! Filters of a list: what stands in its address, shown as chips, and the form that adds one.

use askama::Template;
use fieldstone_model::{
    Comparison, Field, FieldType, Filter, Object, Value,
    query::{Environment, Path, parse_filter},
};
use fieldstone_store::Store;

use super::{
    wanted::Wanted,
    words::{referred, worded, words_of},
};
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
    /// Where an alternative to it is added.
    pub(crate) or: String,
    pub(crate) works: bool,
}

/// A heading, and fields under it: path, label, whether chosen.
pub(crate) type FieldGroup = (String, Vec<(String, String, bool)>);

/// The form that adds a filter.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Whether it stands open, since what was chosen needs another look.
    pub(crate) open: bool,
    /// Parameters of the address that the form carries along.
    pub(crate) kept: Vec<(String, String)>,
    /// Fields to choose from, under the object they belong to: path, label, whether chosen.
    pub(crate) groups: Vec<FieldGroup>,
    pub(crate) tests: Option<Tests>,
    /// The filter that another condition is added to, as an alternative.
    pub(crate) instead: Option<String>,
}

/// The tests that suit one field, and the value to test against.
#[derive(Debug, Template)]
#[template(path = "list/tests.html")]
pub(crate) struct Tests {
    /// What stands before the names of the form's fields, where other fields stand beside them.
    prefix: &'static str,
    label: String,
    value_label: String,
    /// Label of a number of days, for fields that are dates.
    days_label: Option<String>,
    days: String,
    /// Name, label, whether chosen.
    available: Vec<(&'static str, String, bool)>,
    pub(super) control: Control,
    pub(super) error: Option<String>,
}

impl askama::filters::HtmlSafe for Tests {}

/// Where a filter is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a list's own address.
    List,
    /// Among the fields of a form, as a condition that holds for everybody and on every day.
    Form,
    /// Among the fields of a report, which somebody looks at.
    Report,
}

impl Place {
    fn prefix(self) -> &'static str {
        match self {
            Self::List => "",
            Self::Form | Self::Report => super::condition::PREFIX,
        }
    }

    /// Whether a test means here what it says: whoever runs a rule is nobody's "me".
    fn has(self, test: &str) -> bool {
        self != Self::Form || test != "me"
    }
}

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

/// The field that a path of a list leads to, if the list may be filtered by it: the object's own, or one of a record it refers to.
pub(crate) fn resolved<'a, S: Store>(
    at: &'a AtObject<S>,
    path: &str,
) -> Option<(&'a Object, &'a Field)> {
    let found = at.registry().resolve(&at.object, &Path::from_text(path))?;
    let (object, field) = (found.object, found.field);
    let fits = found.steps.len() <= 1 && field.is_filterable() && Locale::is_shown(field);
    fits.then_some((object, field))
}

/// Fields to choose from: the object's own, then those of each record it refers to.
pub(super) fn groups<S: Store>(at: &AtObject<S>, chosen: &str) -> Vec<FieldGroup> {
    let locale = &at.viewer.locale;
    let listed = |object: &Object, prefix: &str| {
        let entry = |field: &Field| {
            let path = format!("{prefix}{}", field.name);
            let is_chosen = path == chosen;
            (path, locale.field(object, field), is_chosen)
        };
        fields(object).map(entry).collect::<Vec<_>>()
    };
    let mut groups = vec![(locale.object(&at.object), listed(&at.object, ""))];
    for field in fields(&at.object) {
        let target = field.target().filter(|target| *target != "user");
        let target = target.and_then(|target| at.registry().object(target));
        if let (Some(target), Some(relation)) = (target, field.relation_name()) {
            let entries = listed(target, &format!("{relation}."));
            groups.push((locale.field(&at.object, field), entries));
        }
    }
    groups
}

/// Days that a test without a date of its own spans.
const DAYS_MAX: i64 = 3650;

/// Tests by name; those without a comparison need no value, save a number of days.
pub(super) const TESTS: [(&str, Option<Comparison>); 14] = [
    ("contains", Some(Comparison::Contains)),
    ("starts", Some(Comparison::StartsWith)),
    ("equal", Some(Comparison::Equal)),
    ("not_equal", Some(Comparison::NotEqual)),
    ("less", Some(Comparison::Less)),
    ("greater", Some(Comparison::Greater)),
    ("me", None),
    ("today", None),
    ("month", None),
    ("year", None),
    ("last_days", None),
    ("next_days", None),
    ("empty", None),
    ("filled", None),
];

/// Whether a test asks for a number of days.
fn wants_days(test: &str) -> bool {
    matches!(test, "last_days" | "next_days")
}

fn suits(test: &str, comparison: Option<Comparison>, field: &Field) -> bool {
    match (test, comparison) {
        ("me", _) => field.target() == Some("user"),
        ("today" | "month" | "year" | "last_days" | "next_days", _) => {
            matches!(field.kind, FieldType::Date | FieldType::DateTime)
        }
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

pub(super) fn wording(locale: &Locale, test: &str, field: &Field) -> String {
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
        (object, field): (&Object, &Field),
        given: &Pairs,
        place: Place,
    ) -> Result<Self, PageError> {
        let locale = &at.viewer.locale;
        let prefix = place.prefix();
        let asked = given.get("test").unwrap_or_default();
        let tests = TESTS
            .iter()
            .filter(|(test, comparison)| place.has(test) && suits(test, *comparison, field))
            .map(|(test, _)| (*test, wording(locale, test, field), *test == asked));
        let typed = typed(field, given);
        let mut plain = field.clone();
        plain.required = false;
        if let FieldType::MultiChoice { options } = &field.kind {
            plain.kind = FieldType::Choice {
                options: options.clone(),
            };
        }
        let mut control = Control::of(at, object, &plain, &format!("{prefix}value"), typed).await?;
        "filter-value".clone_into(&mut control.id);
        Ok(Self {
            prefix,
            label: locale.t("filter-test").into_owned(),
            value_label: locale.t("filter-value").into_owned(),
            days_label: matches!(field.kind, FieldType::Date | FieldType::DateTime)
                .then(|| locale.t("filter-days").into_owned()),
            days: given.get("days").unwrap_or_default().to_owned(),
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
    let path = given.get("field").unwrap_or_default();
    let chosen = resolved(at, path);
    let others: Vec<&str> = given.all("filter").collect();
    let instead = given
        .get("or")
        .and_then(|place| place.parse::<usize>().ok())
        .and_then(|place| others.get(place).map(|text| (place, (*text).to_owned())));
    let kept = [
        "field",
        "test",
        "value",
        "value.text",
        "days",
        "or",
        "cursor",
        "notice",
        "about",
        "count",
        super::widths::WERE,
    ]
    .iter()
    .fold(given.clone(), |pairs, name| pairs.without(name));
    let mut tests = None;
    if let Some(chosen) = chosen {
        match picked(at, path, chosen, given, Place::List).await? {
            Picked::Filter(filter) => return Ok(Adding::Added(added(&kept, instead, filter))),
            Picked::Not(form) => tests = Some(*form),
        }
    }
    Ok(Adding::Sheet(Box::new(Sheet {
        open: chosen.is_some() || instead.is_some(),
        kept: kept
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain(
                instead
                    .iter()
                    .map(|(place, _)| ("or".to_owned(), place.to_string())),
            )
            .collect(),
        groups: groups(at, path),
        tests,
        instead: match &instead {
            Some((_, text)) => {
                Some(locale.t1("filter-instead", "filter", words_of(at, text).await?))
            }
            None => None,
        },
    })))
}

/// What was picked of a field: a filter, or not one yet.
pub(super) enum Picked {
    /// Its text.
    Filter(String),
    /// The tests, with what is wrong.
    Not(Box<Tests>),
}

/// Reads the test of a field and its value.
pub(super) async fn picked<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    path: &str,
    (object, field): (&Object, &Field),
    given: &Pairs,
    place: Place,
) -> Result<Picked, PageError> {
    let test = given.get("test").and_then(|test| {
        TESTS.iter().find(|(name, comparison)| {
            *name == test && place.has(name) && suits(name, *comparison, field)
        })
    });
    let mut form = Tests::of(at, (object, field), given, place).await?;
    if let Some((test, comparison)) = test {
        match text_of(at, (path, field), test, *comparison, given).await? {
            Ok(filter) => return Ok(Picked::Filter(filter)),
            Err(error) => {
                form.control.invalid = true;
                form.control.described_by = Some("filter-value-error".to_owned());
                form.error = Some(error);
            }
        }
    }
    Ok(Picked::Not(Box::new(form)))
}

/// The address with one more filter, or with an alternative to one of those it has.
fn added(kept: &Pairs, instead: Option<(usize, String)>, filter: String) -> Pairs {
    let Some((place, old)) = instead else {
        return kept.clone().with("filter", filter);
    };
    let mut at = 0;
    kept.iter().fold(Pairs::default(), |pairs, (name, value)| {
        if name != "filter" {
            return pairs.with(name, value);
        }
        at += 1;
        if at - 1 == place {
            pairs.with(name, format!("({old}) or ({filter})"))
        } else {
            pairs.with(name, value)
        }
    })
}

/// The filter as text, or what is wrong with its value.
async fn text_of<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    (name, field): (&str, &Field),
    test: &str,
    comparison: Option<Comparison>,
    given: &Pairs,
) -> Result<Result<String, String>, PageError> {
    let Some(comparison) = comparison else {
        if wants_days(test) {
            let days = given.get("days").and_then(|days| days.trim().parse().ok());
            let days: Option<i64> = days.filter(|days| (1..=DAYS_MAX).contains(days));
            return Ok(days.map_or_else(
                || Err(at.viewer.locale.t("filter-needs-days").into_owned()),
                |days| Ok(span_of(name, test, days)),
            ));
        }
        return Ok(Ok(match test {
            "me" => format!("{name} = :me"),
            "today" => format!("{name} >= :today and {name} < :today+1"),
            "month" | "year" => period_of(name, test),
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

/// The days of the month or the year that it is when the filter is read, so that a view that keeps it moves along.
fn period_of(name: &str, test: &str) -> String {
    format!("{name} >= :{test} and {name} < :{test}+1")
}

/// The path and the test of what [`period_of`] has written.
pub(super) fn period(text: &str) -> Option<(&str, &'static str)> {
    let (path, _) = text.split_once(" >= :")?;
    ["month", "year"]
        .into_iter()
        .find(|test| period_of(path, test) == text)
        .map(|test| (path, test))
}

/// The days before today and itself, or today and the days after it.
fn span_of(name: &str, test: &str, days: i64) -> String {
    if test == "last_days" {
        format!("{name} >= :today-{days} and {name} < :today+1")
    } else {
        format!("{name} >= :today and {name} < :today+{}", days + 1)
    }
}

/// The filters of the address as chips.
pub(crate) async fn chips<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    wanted: &Wanted,
) -> Result<Vec<Chip>, PageError> {
    let mut ids = Vec::new();
    for filter in wanted
        .filters
        .iter()
        .filter_map(|(_, filter)| filter.as_ref())
    {
        referred(filter, &mut ids);
    }
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
    let chip = |(place, (text, filter)): (usize, &(String, Option<Filter>))| {
        let words = filter
            .as_ref()
            .and_then(|filter| worded(at, &showing, text, (filter, None)));
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
            or: format!(
                "{}{}",
                at.path,
                wanted
                    .parameters
                    .clone()
                    .with("or", place.to_string())
                    .to_query()
            ),
            works: filter.is_some(),
        }
    };
    Ok(wanted.filters.iter().enumerate().map(chip).collect())
}
