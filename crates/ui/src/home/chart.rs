//! The charts of the home page: numbers, and how long each bar is. A table holds what a chart shows.

use std::collections::BTreeMap;

use fieldstone_model::{Comparison, Filter, RecordId, StageKind, Value};
use fieldstone_store::{Aggregate, Bucket, Function, Store};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{Whose, number, text, whole};
use crate::{error::PageError, request::Session};

/// Months ahead in which open deals are to close.
const AHEAD: i32 = 6;
/// Months that have passed.
const PAST: i32 = 6;
/// The length of the longest bar.
const LONGEST: i64 = 1000;

/// Open deals by stage, pipeline after pipeline.
pub(super) struct Stages {
    pub(super) rows: Vec<StageRow>,
    /// How many open deals there are, and what they come to.
    pub(super) count: i64,
    pub(super) amount: i64,
}

pub(super) struct StageRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) amount: String,
    pub(super) weighted: String,
    pub(super) count: String,
    /// Out of a thousand, the amount and what of it is likely.
    pub(super) length: i64,
    pub(super) likely: i64,
}

/// Amounts by month, one or two kinds of them.
pub(super) struct Months {
    pub(super) columns: Vec<Month>,
    pub(super) is_empty: bool,
}

pub(super) struct Month {
    /// The short name, and the whole one.
    pub(super) name: String,
    pub(super) full: String,
    pub(super) bars: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) amount: String,
    pub(super) count: String,
    /// Height out of a thousand, and where it begins from the top.
    pub(super) height: i64,
    pub(super) top: i64,
}

fn share(amount: i64, greatest: i64) -> i64 {
    if greatest <= 0 || amount <= 0 {
        return 0;
    }
    let share = i128::from(amount) * i128::from(LONGEST) / i128::from(greatest);
    // What is there at all can be seen.
    i64::try_from(share).unwrap_or(LONGEST).clamp(8, LONGEST)
}

/// Open deals by stage. Grouped by probability as well, since a deal may have another one than its stage.
pub(super) async fn stages<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
) -> Result<Stages, PageError> {
    let locale = &session.viewer.locale;
    let asked = Aggregate::new("deal")
        .filter(whose.filter(session))
        .filter(Filter::equal("status", text("open")))
        .group("stage_id", None)
        .group("probability", None)
        .count()
        .measure(Function::Sum, "amount");
    let found = session.store.aggregate(&asked).await?;
    let mut sums: BTreeMap<RecordId, (i64, i64, i128)> = BTreeMap::new();
    for row in &found {
        let Some(stage) = row.keys.first().and_then(Value::as_id) else {
            continue;
        };
        let chance = row.keys.get(1).and_then(Value::as_int).unwrap_or(0);
        let (count, amount) = (number(Some(row), 0), number(Some(row), 1));
        let sum = sums.entry(stage).or_default();
        sum.0 += count;
        sum.1 = sum.1.saturating_add(amount);
        sum.2 += i128::from(amount) * i128::from(chance) / 10_000;
    }
    let greatest = sums.values().map(|sum| sum.1).max().unwrap_or(0);
    let total = |at: usize| {
        found
            .iter()
            .fold(0_i64, |sum, row| sum.saturating_add(number(Some(row), at)))
    };
    let stages = session
        .registry()
        .stages()
        .iter()
        .filter(|stage| stage.kind == StageKind::Open);
    let rows = stages.map(|stage| {
        let (count, amount, weighted) = sums.get(&stage.id).copied().unwrap_or_default();
        let weighted = i64::try_from(weighted).unwrap_or(i64::MAX);
        let pairs = whose
            .pairs()
            .with("filter", format!("stage_id = \"{}\"", stage.id));
        StageRow {
            name: stage.name.clone(),
            href: format!("/deals{}", pairs.to_query()),
            amount: locale.money(whole(amount)),
            weighted: locale.money(whole(weighted)),
            count: locale.count(count.unsigned_abs()),
            length: share(amount, greatest),
            likely: share(weighted, greatest),
        }
    });
    Ok(Stages {
        rows: rows.collect(),
        count: total(0),
        amount: total(1),
    })
}

/// Open deals by the month in which they are to close.
pub(super) async fn closing<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
    today: Date,
) -> Result<Months, PageError> {
    let first = today.first_of_month();
    let end = first.checked_add(AHEAD.months()).unwrap_or(first);
    let asked = Aggregate::new("deal")
        .filter(whose.filter(session))
        .filter(Filter::equal("status", text("open")))
        .filter(Filter::compare(
            "close_date",
            Comparison::GreaterOrEqual,
            Value::Date(first),
        ))
        .filter(Filter::compare(
            "close_date",
            Comparison::Less,
            Value::Date(end),
        ))
        .group("close_date", Some(Bucket::Month))
        .count()
        .measure(Function::Sum, "amount");
    let mut sums: BTreeMap<(Date, usize), (i64, i64)> = BTreeMap::new();
    for row in session.store.aggregate(&asked).await? {
        if let Some(month) = row.keys.first().and_then(month_of) {
            sums.insert((month, 0), (number(Some(&row), 0), number(Some(&row), 1)));
        }
    }
    Ok(months(session, first, AHEAD, 1, &sums))
}

/// Won against lost, by the month in which they closed.
pub(super) async fn closed<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
    today: Date,
) -> Result<Months, PageError> {
    let first = today
        .first_of_month()
        .checked_sub((PAST - 1).months())
        .unwrap_or(today);
    // Months of instants are those of UTC.
    let since = first
        .to_zoned(TimeZone::UTC)
        .map_err(|_| PageError::Failed)?;
    let asked = Aggregate::new("deal")
        .filter(whose.filter(session))
        .filter(Filter::compare(
            "closed_at",
            Comparison::GreaterOrEqual,
            Value::DateTime(since.timestamp()),
        ))
        .group("closed_at", Some(Bucket::Month))
        .group("status", None)
        .count()
        .measure(Function::Sum, "amount");
    let mut sums: BTreeMap<(Date, usize), (i64, i64)> = BTreeMap::new();
    for row in session.store.aggregate(&asked).await? {
        let kind = match row.keys.get(1).and_then(Value::as_text) {
            Some("won") => 0,
            Some("lost") => 1,
            _ => continue,
        };
        if let Some(month) = row.keys.first().and_then(month_of) {
            sums.insert(
                (month, kind),
                (number(Some(&row), 0), number(Some(&row), 1)),
            );
        }
    }
    Ok(months(session, first, PAST, 2, &sums))
}

/// The month that a bucket's key names.
fn month_of(key: &Value) -> Option<Date> {
    match key {
        Value::Date(date) => Some(date.first_of_month()),
        Value::DateTime(at) => Some(at.to_zoned(TimeZone::UTC).date().first_of_month()),
        _ => None,
    }
}

fn months<S: Store>(
    session: &Session<S>,
    first: Date,
    count: i32,
    kinds: usize,
    sums: &BTreeMap<(Date, usize), (i64, i64)>,
) -> Months {
    let locale = &session.viewer.locale;
    let greatest = sums.values().map(|sum| sum.1).max().unwrap_or(0);
    let columns = (0..count)
        .filter_map(|at| first.checked_add(at.months()).ok())
        .map(|month| {
            let bars = (0..kinds).map(|kind| {
                let (count, amount) = sums.get(&(month, kind)).copied().unwrap_or_default();
                let height = share(amount, greatest);
                Bar {
                    amount: locale.money(whole(amount)),
                    count: locale.count(count.unsigned_abs()),
                    height,
                    top: LONGEST - height,
                }
            });
            let name = locale.month(month);
            Month {
                full: format!("{name} {}", month.year()),
                name,
                bars: bars.collect(),
            }
        });
    Months {
        columns: columns.collect(),
        is_empty: greatest <= 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_amounts() {
        assert_eq!(share(50, 100), 500);
        assert_eq!(share(1, 1_000_000), 8, "what is there can be seen");
        assert_eq!(share(0, 100), 0);
        assert_eq!(share(5, 0), 0);
        assert_eq!(share(i64::MAX, i64::MAX), LONGEST);
    }
}
