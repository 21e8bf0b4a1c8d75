//! Filters in words, for chips and conditions.

use fieldstone_model::{
    Comparison, Field, Filter, Object, RecordId, Value,
    query::{Environment, Path, parse_filter},
};
use fieldstone_store::Store;
use jiff::civil::Date;

use super::filter::{TESTS, period, wording};
use crate::{
    error::PageError,
    locale::Locale,
    request::AtObject,
    shown::{Names, Showing},
};

/// A filter's text in words.
pub(super) async fn words_of<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    text: &str,
) -> Result<String, PageError> {
    let environment = Environment {
        me: at.viewer.user_id,
        today: at.viewer.today(),
    };
    let Ok(filter) = parse_filter(at.registry(), &at.object, environment, text) else {
        return Ok(text.to_owned());
    };
    let mut ids = Vec::new();
    referred(&filter, &mut ids);
    let names = if ids.is_empty() {
        Names::new()
    } else {
        at.store.names(&ids).await?
    };
    let showing = Showing {
        locale: &at.viewer.locale,
        registry: at.registry(),
        names: &names,
        today: at.viewer.today(),
    };
    Ok(worded(at, &showing, text, (&filter, None)).unwrap_or_else(|| text.to_owned()))
}

/// The records that a filter names.
pub(super) fn referred(filter: &Filter, ids: &mut Vec<RecordId>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            for part in parts {
                referred(part, ids);
            }
        }
        Filter::Not(part) => referred(part, ids),
        Filter::Compare { value, .. } => ids.extend(value.as_id()),
        Filter::In { values, .. } => ids.extend(values.iter().filter_map(Value::as_id)),
        Filter::All | Filter::Empty { .. } => {}
    }
}

/// A field as a path leads to it: its label behind those of the steps, its object, itself.
fn label_of<'a, S: Store>(
    at: &'a AtObject<S>,
    path: &Path,
) -> Option<(String, &'a Object, &'a Field)> {
    let locale = &at.viewer.locale;
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
}

/// A filter that stands in an address or a condition in words, or `None`: see [`describe`], which knows no months and no years.
pub(super) fn worded<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    showing: &Showing<'_>,
    text: &str,
    (filter, twin): (&Filter, Option<&Filter>),
) -> Option<String> {
    let bare = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text);
    if let Some((path, test)) = period(bare) {
        let (label, _, field) = label_of(at, &Path::from_text(path))?;
        return Some(format!("{label} {}", wording(showing.locale, test, field)));
    }
    // As dates they would seem to stay where they are.
    if twin.is_some() && (text.contains(":month") || text.contains(":year")) {
        return None;
    }
    describe(at, showing, filter, twin)
}

/// A simple filter in words; `None` for one that has none, which is shown as it was written.
///
/// A `twin`, the same text read a day later, tells days that move along from days that stay.
fn describe<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    showing: &Showing<'_>,
    filter: &Filter,
    twin: Option<&Filter>,
) -> Option<String> {
    let locale = showing.locale;
    let label = |path: &Path| label_of(at, path);
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
                    || {
                        let key = match comparison {
                            Comparison::GreaterOrEqual => "test-from",
                            _ => "test-until",
                        };
                        locale.t(key).into_owned()
                    },
                    |(test, _)| wording(locale, test, field),
                );
            let shown = match twin {
                Some(Filter::Compare { value: later, .. }) if later != value => {
                    moving(locale, offset(value, showing.today)?)
                }
                _ => showing.value(object, field, value).text,
            };
            Some(words(&label, test, &shown))
        }
        Filter::Empty { path } => {
            label(path).map(|(label, _, field)| words(&label, wording(locale, "empty", field), ""))
        }
        Filter::Not(part) => match part.as_ref() {
            Filter::Empty { path } => label(path)
                .map(|(label, _, field)| words(&label, wording(locale, "filled", field), "")),
            _ => None,
        },
        Filter::And(parts) | Filter::Or(parts) => {
            if let Some((path, test, days)) = span(filter, twin, showing.today) {
                let (label, _, field) = label(path)?;
                let test = wording(locale, test, field).replace('…', &days.to_string());
                return Some(words(&label, test, ""));
            }
            let key = if matches!(filter, Filter::And(_)) {
                "filter-and"
            } else {
                "filter-or"
            };
            let joint = format!(" {} ", locale.t(key));
            let words: Option<Vec<String>> = parts
                .iter()
                .enumerate()
                .map(|(place, part)| {
                    let twin = twin.and_then(|twin| parts_of(twin).get(place));
                    let words = describe(at, showing, part, twin)?;
                    let nested = matches!(part, Filter::Or(_));
                    Some(if nested { format!("({words})") } else { words })
                })
                .collect();
            words.map(|words| words.join(&joint))
        }
        _ => None,
    }
}

fn parts_of(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts,
        _ => &[],
    }
}

/// Days from today to a value.
fn offset(value: &Value, today: Date) -> Option<i64> {
    let date = match value {
        Value::Date(date) => *date,
        Value::DateTime(at) => at.to_zoned(jiff::tz::TimeZone::UTC).date(),
        _ => return None,
    };
    Some(i64::from((date - today).get_days()))
}

/// A day that moves along: `today + 7 days`.
fn moving(locale: &Locale, days: i64) -> String {
    match days {
        0 => locale.t("filter-day-today").into_owned(),
        1.. => locale.t1("filter-day-after", "days", days),
        _ => locale.t1("filter-day-before", "days", days.abs()),
    }
}

/// The path, the test and the number of days of what a test of moving days has made; nothing else looks like it.
fn span<'a>(
    filter: &'a Filter,
    twin: Option<&Filter>,
    today: Date,
) -> Option<(&'a Path, &'static str, i64)> {
    let (Filter::And(parts), Some(Filter::And(later))) = (filter, twin) else {
        return None;
    };
    let [
        Filter::Compare {
            path,
            comparison: Comparison::GreaterOrEqual,
            value: from,
        },
        Filter::Compare {
            path: same,
            comparison: Comparison::Less,
            value: until,
        },
    ] = parts.as_slice()
    else {
        return None;
    };
    let moves = parts.iter().zip(later).all(|(part, later)| part != later);
    if path != same || !moves {
        return None;
    }
    match (offset(from, today)?, offset(until, today)?) {
        (0, 1) => Some((path, "today", 0)),
        (from, 1) if from < 0 => Some((path, "last_days", -from)),
        (0, until) if until > 1 => Some((path, "next_days", until - 1)),
        _ => None,
    }
}
