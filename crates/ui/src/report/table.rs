//! A report's figures as a table: a row for each group, a column for each of the second grouping, sums where they mean something.

use std::collections::BTreeMap;

use fieldstone_model::{Field, FieldType, RecordId, Value};
use fieldstone_store::{AggregateRow, Bucket, Store};
use jiff::{ToSpan as _, civil::Date};

use super::{Measure, Wanted};
use crate::{
    error::PageError,
    request::{Pairs, Session},
    shown::{Names, Showing},
};

/// Columns of the second grouping; the rest is one column.
const COLUMNS: usize = 12;

/// A report's figures.
pub(super) struct Table {
    pub(super) first: String,
    /// Headings of the second grouping; none without one.
    pub(super) heads: Vec<String>,
    pub(super) measure: String,
    pub(super) rows: Vec<Row>,
    pub(super) total: Option<String>,
    pub(super) is_cut: bool,
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) cells: Vec<String>,
    pub(crate) figure: String,
    /// Out of a thousand.
    pub(crate) length: i64,
}

/// Count, figure, and how many the figure is over.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: i64,
    figure: Option<i64>,
    of: i64,
}

impl Sum {
    fn of(row: &AggregateRow) -> Self {
        let at = |place: usize| row.figures.get(place).and_then(Value::as_int);
        Self {
            count: at(0).unwrap_or(0),
            figure: at(1),
            of: at(2).unwrap_or(0),
        }
    }

    fn with(self, other: Self, measure: Measure<'_>) -> Self {
        let figure = match (self.figure, other.figure) {
            (Some(one), Some(two)) => Some(match measure {
                Measure::Of("min", _) => one.min(two),
                Measure::Of("max", _) => one.max(two),
                _ => one.saturating_add(two),
            }),
            (one, two) => one.or(two),
        };
        Self {
            count: self.count.saturating_add(other.count),
            figure,
            of: self.of.saturating_add(other.of),
        }
    }

    /// The number that is shown.
    fn number(self, measure: Measure<'_>) -> Option<i64> {
        match measure {
            Measure::Count => Some(self.count),
            Measure::Of("avg", _) => self.figure.filter(|_| self.of > 0).map(|sum| sum / self.of),
            Measure::Of(..) => self.figure.filter(|_| self.of > 0),
        }
    }
}

/// A group's key, so that groups can be put in order: without a value last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Of(String),
    None,
}

impl Table {
    pub(super) async fn of<S: Store + Clone + 'static>(
        session: &Session<S>,
        wanted: &Wanted<'_>,
        found: &[AggregateRow],
    ) -> Result<Self, PageError> {
        let locale = &session.viewer.locale;
        let ids: Vec<RecordId> = found
            .iter()
            .flat_map(|row| &row.keys)
            .filter_map(Value::as_id)
            .collect();
        let names = if ids.is_empty() {
            Names::new()
        } else {
            session.store.names(&ids).await?
        };
        let showing = Showing {
            locale,
            registry: session.registry(),
            names: &names,
            today: session.viewer.today(),
        };
        let mut rows: BTreeMap<Key, (Value, Sum, BTreeMap<Key, Sum>)> = BTreeMap::new();
        let mut columns: BTreeMap<Key, (Value, i64)> = BTreeMap::new();
        let mut total = Sum::default();
        for row in found {
            let mut keys = row.keys.iter();
            let first = wanted
                .first
                .and_then(|_| keys.next())
                .cloned()
                .unwrap_or(Value::Null);
            let second = wanted.second.and_then(|_| keys.next()).cloned();
            let sum = Sum::of(row);
            total = total.with(sum, wanted.measure);
            let entry = rows
                .entry(key(session, &first))
                .or_insert_with(|| (first, Sum::default(), BTreeMap::new()));
            entry.1 = entry.1.with(sum, wanted.measure);
            if let Some(second) = second {
                let place = key(session, &second);
                entry.2.insert(place.clone(), sum);
                columns.entry(place).or_insert((second, 0)).1 += sum.count;
            }
        }
        let is_cut = columns.len() > COLUMNS
            || u32::try_from(found.len()).is_ok_and(|found| found >= super::ROWS);
        let shown: Vec<(Key, Value)> = columns
            .into_iter()
            .take(COLUMNS)
            .map(|(key, (value, _))| (key, value))
            .collect();
        let greatest = rows
            .values()
            .filter_map(|(_, sum, _)| sum.number(wanted.measure))
            .max()
            .unwrap_or(0);
        let figure = |sum: Sum| {
            sum.number(wanted.measure)
                .map_or_else(|| "–".to_owned(), |number| written(session, wanted, number))
        };
        let label = |field: Option<&Field>, value: &Value| name_of(&showing, wanted, field, value);
        Ok(Self {
            first: wanted
                .first
                .map(|field| locale.field(wanted.object, field))
                .unwrap_or_default(),
            heads: shown
                .iter()
                .map(|(_, value)| label(wanted.second, value))
                .collect(),
            measure: match wanted.measure {
                Measure::Count => locale.t("report-count").into_owned(),
                Measure::Of(function, field) => locale.t1(
                    &format!("report-{function}"),
                    "field",
                    locale.field(wanted.object, field),
                ),
            },
            rows: rows
                .values()
                .map(|(value, sum, cells)| Row {
                    name: if wanted.first.is_some() {
                        label(wanted.first, value)
                    } else {
                        locale.objects(wanted.object)
                    },
                    href: drill(session, wanted, value),
                    cells: shown
                        .iter()
                        .map(|(key, _)| {
                            cells
                                .get(key)
                                .map_or_else(|| "–".to_owned(), |sum| figure(*sum))
                        })
                        .collect(),
                    figure: figure(*sum),
                    length: share(sum.number(wanted.measure).unwrap_or(0), greatest),
                })
                .collect(),
            total: (rows.len() > 1).then(|| figure(total)),
            is_cut,
        })
    }
}

fn share(number: i64, greatest: i64) -> i64 {
    if number <= 0 || greatest <= 0 {
        return 0;
    }
    i64::try_from(i128::from(number) * 1000 / i128::from(greatest))
        .unwrap_or(1000)
        .clamp(4, 1000)
}

/// Stages stand in their order, everything else in that of its values.
fn key<S: Store>(session: &Session<S>, value: &Value) -> Key {
    match value {
        Value::Null => Key::None,
        Value::Id(id) => match session
            .registry()
            .stages()
            .iter()
            .position(|stage| stage.id == *id)
        {
            Some(place) => Key::Of(format!("{place:06}")),
            None => Key::Of(id.to_string()),
        },
        Value::Int(number) => Key::Of(format!(
            "{:020}",
            i128::from(*number) - i128::from(i64::MIN)
        )),
        Value::Date(date) => Key::Of(date.to_string()),
        Value::DateTime(at) => Key::Of(at.to_string()),
        Value::Time(time) => Key::Of(time.to_string()),
        Value::Bool(yes) => Key::Of(yes.to_string()),
        Value::Text(text) => Key::Of(text.clone()),
        Value::Choices(options) => Key::Of(options.join(";")),
    }
}

fn date_of(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(at) => Some(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        _ => None,
    }
}

fn name_of(
    showing: &Showing<'_>,
    wanted: &Wanted<'_>,
    field: Option<&Field>,
    value: &Value,
) -> String {
    let Some(field) = field else {
        return String::new();
    };
    let none = || showing.locale.t("value-none").into_owned();
    if let (Some(bucket), Some(date)) = (wanted.bucket_of(field), date_of(value)) {
        return match bucket {
            Bucket::Month => format!("{} {}", showing.locale.month(date), date.year()),
            Bucket::Year => date.year().to_string(),
        };
    }
    let shown = showing.value(wanted.object, field, value);
    if shown.is_blank() { none() } else { shown.text }
}

fn written<S: Store>(session: &Session<S>, wanted: &Wanted<'_>, number: i64) -> String {
    let locale = &session.viewer.locale;
    match wanted.measure {
        Measure::Count => locale.count(number.unsigned_abs()),
        Measure::Of(_, field) => match field.kind {
            FieldType::Money => locale.money(crate::home::whole(number)),
            FieldType::Percent => locale.percent(number),
            _ => locale.number(number, field.kind.scale().unwrap_or(0)),
        },
    }
}

/// The list of the records behind a row.
fn drill<S: Store>(session: &Session<S>, wanted: &Wanted<'_>, value: &Value) -> String {
    let mut pairs = Pairs::default();
    if !wanted.filter.is_empty() {
        pairs = pairs.with("filter", &wanted.filter);
    }
    if let Some(field) = wanted.first {
        pairs = pairs.with("filter", narrowed(session, wanted, field, value));
    }
    format!("/{}{}", wanted.object.plural, pairs.to_query())
}

fn narrowed<S: Store>(
    session: &Session<S>,
    wanted: &Wanted<'_>,
    field: &Field,
    value: &Value,
) -> String {
    let name = &field.name;
    if value.is_null() {
        return format!("{name} is null");
    }
    if let (Some(bucket), Some(from)) = (wanted.bucket_of(field), date_of(value)) {
        let until = match bucket {
            Bucket::Month => from.checked_add(1.month()),
            Bucket::Year => from.checked_add(1.year()),
        }
        .unwrap_or(from);
        // Counted from today, as filters of instants write days.
        let offset = |date: Date| {
            let days = (date - session.viewer.today()).get_days();
            if days < 0 {
                format!(":today-{}", days.unsigned_abs())
            } else {
                format!(":today+{days}")
            }
        };
        return format!("{name} >= {} and {name} < {}", offset(from), offset(until));
    }
    let quoted = value
        .to_plain(&field.kind)
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    format!("{name} = \"{quoted}\"")
}
