//! The forecast: open deals by owner and by the month in which they are to close, as they stand and weighted by their chance.

use std::collections::BTreeMap;

use askama::Template;
use fieldstone_model::{Comparison, Filter, RecordId, Value};
use fieldstone_store::{Aggregate, Function, Store};
use futures_util::future::try_join_all;
use jiff::{ToSpan as _, civil::Date};

use crate::{
    error::PageError,
    home::{Whose, number, whole},
    request::{PageResult, Pairs, Session},
};

/// Months ahead, this one among them.
const MONTHS: i32 = 6;

#[derive(Template)]
#[template(path = "forecast/forecast.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    whose: Whose,
    columns: Vec<String>,
    rows: Vec<Row>,
    total: Option<Row>,
}

struct Row {
    name: String,
    cells: Vec<Cell>,
}

/// Amounts of one owner in one month; nothing when there is no deal.
struct Cell {
    amount: Option<String>,
    weighted: String,
    count: String,
    href: String,
}

/// Count, amount and weighted amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: i64,
    amount: i64,
    weighted: i128,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.amount = self.amount.saturating_add(other.amount);
        self.weighted += other.weighted;
    }
}

/// A column: what is overdue, then each month, then all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Option<Date>,
    until: Option<Date>,
}

/// `GET /forecast?whose=mine`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let whose = Whose::of(&session, Whose::All);
    let locale = &session.viewer.locale;
    let spans = spans(session.viewer.today()).ok_or(PageError::Invalid)?;
    let asked: Vec<Aggregate> = spans
        .iter()
        .map(|span| {
            Aggregate::new("deal")
                .filter(whose.filter(&session))
                .filter(Filter::equal("status", Value::Text("open".to_owned())))
                .filter(span.filter())
                .group("owner_id", None)
                .group("probability", None)
                .count()
                .measure(Function::Sum, "amount")
        })
        .collect();
    let found = try_join_all(asked.iter().map(|asked| session.store.aggregate(asked))).await?;
    let mut sums: BTreeMap<RecordId, Vec<Sum>> = BTreeMap::new();
    for (at, rows) in found.iter().enumerate() {
        for row in rows {
            let Some(owner) = row.keys.first().and_then(Value::as_id) else {
                continue;
            };
            let chance = row.keys.get(1).and_then(Value::as_int).unwrap_or(0);
            let amount = number(Some(row), 1);
            let of_owner = sums
                .entry(owner)
                .or_insert_with(|| vec![Sum::default(); spans.len()]);
            if let Some(sum) = of_owner.get_mut(at) {
                sum.add(Sum {
                    count: number(Some(row), 0),
                    amount,
                    weighted: weighted(amount, chance),
                });
            }
        }
    }
    let owners: Vec<RecordId> = sums.keys().copied().collect();
    let names = if owners.is_empty() {
        crate::shown::Names::new()
    } else {
        session.store.names(&owners).await?
    };
    let mut total = vec![Sum::default(); spans.len()];
    for of_owner in sums.values() {
        for (sum, of_all) in of_owner.iter().zip(&mut total) {
            of_all.add(*sum);
        }
    }
    let row = |name: String, owner: Option<RecordId>, sums: &[Sum]| Row {
        name,
        cells: cells(&session, whose, owner, &spans, sums),
    };
    let mut rows: Vec<Row> = sums
        .iter()
        .map(|(owner, sums)| {
            let name = names.get(owner).cloned();
            let name = name.unwrap_or_else(|| locale.t("person-unknown").into_owned());
            row(name, Some(*owner), sums)
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let all = locale.t("report-total").into_owned();
    let columns = spans.iter().map(|span| match (span.from, span.until) {
        (None, Some(_)) => locale.t("forecast-late").into_owned(),
        (Some(from), _) => format!("{} {}", locale.month(from), from.year()),
        (None, None) => all.clone(),
    });
    let page = Page {
        columns: columns.collect(),
        total: (rows.len() > 1).then(|| row(all.clone(), None, &total)),
        rows,
        whose,
        session: &session,
    };
    Ok(session.page(locale.t("forecast"), &page))
}

/// A chance is stored in hundredths of a percent, an amount in hundredths.
fn weighted(amount: i64, chance: i64) -> i128 {
    i128::from(amount) * i128::from(chance) / 10_000
}

fn spans(today: Date) -> Option<Vec<Span>> {
    let first = today.first_of_month();
    let mut spans = vec![Span {
        from: None,
        until: Some(first),
    }];
    for month in 0..MONTHS {
        let from = first.checked_add(month.months()).ok()?;
        let until = first.checked_add((month + 1).months()).ok()?;
        spans.push(Span {
            from: Some(from),
            until: Some(until),
        });
    }
    Some(spans)
}

impl Span {
    fn filter(self) -> Filter {
        let compare =
            |comparison, day: Date| Filter::compare("close_date", comparison, Value::Date(day));
        let from = self
            .from
            .map(|day| compare(Comparison::GreaterOrEqual, day));
        let until = self.until.map(|day| compare(Comparison::Less, day));
        match (from, until) {
            (Some(from), Some(until)) => from.and(until),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Filter::All,
        }
    }
}

fn cells<S: Store>(
    session: &Session<S>,
    whose: Whose,
    owner: Option<RecordId>,
    spans: &[Span],
    sums: &[Sum],
) -> Vec<Cell> {
    let locale = &session.viewer.locale;
    let cell = |(span, sum): (&Span, &Sum)| {
        let mut pairs = match owner {
            Some(owner) => Pairs::default().with("filter", format!("owner_id = \"{owner}\"")),
            None => whose.pairs(),
        };
        pairs = pairs.with("filter", "status = \"open\"");
        if let Some(from) = span.from {
            pairs = pairs.with("filter", format!("close_date >= {from}"));
        }
        if let Some(until) = span.until {
            pairs = pairs.with("filter", format!("close_date < {until}"));
        }
        let likely = i64::try_from(sum.weighted).unwrap_or(i64::MAX);
        Cell {
            amount: (sum.count > 0).then(|| locale.money(whole(sum.amount))),
            weighted: locale.money(whole(likely)),
            count: locale.count(sum.count.unsigned_abs()),
            href: format!("/deals{}", pairs.to_query()),
        }
    };
    spans.iter().zip(sums).map(cell).collect()
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    fn is_mine(&self) -> bool {
        self.whose == Whose::Mine
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn months_follow_each_other_without_a_gap() {
        let spans = spans(date(2026, 11, 22)).unwrap();
        assert_eq!(spans.len(), 7);
        assert_eq!(spans[0].until, Some(date(2026, 11, 1)));
        for (one, next) in spans.iter().zip(&spans[1..]) {
            assert_eq!(one.until, next.from);
        }
        assert_eq!(spans[6].until, Some(date(2027, 5, 1)));
    }

    #[test]
    fn what_is_likely_is_weighted_by_the_chance() {
        assert_eq!(weighted(1_000_000, 2_500), 250_000);
        assert_eq!(weighted(i64::MAX, 10_000), i128::from(i64::MAX));
    }
}
