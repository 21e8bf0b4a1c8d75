//! Totals that PostgreSQL keeps of deals: sums of some thousand rows are the figures over a million deals.
//!
//! A row of totals stands for all deals that agree in owner, pipeline, stage, status and probability, and either in the month in which they are
//! to close (`deal_total`) or in the day of UTC on which they were closed (`deal_closed_total`). It has the columns of a deal by their names, so
//! whatever is asked of these alone is asked of totals as it is of deals.

use fieldstone_model::{Comparison, Filter, Object, Value};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Dialect, Param, Writer};
use crate::{Aggregate, Function, Measure};

/// What every row of totals says of its deals.
const KNOWN: [&str; 5] = [
    "owner_id",
    "pipeline_id",
    "stage_id",
    "status",
    "probability",
];
const PLANNED: &str = "close_date";
const CLOSED: &str = "closed_at";

/// The totals that have an aggregate's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Totals {
    /// Those by the month in which deals are to close.
    Planned,
    /// Those by the day on which deals were closed, from an instant on. What is left of its day is counted in the deals themselves.
    Closed { since: Timestamp },
}

impl Totals {
    /// The totals that can answer `aggregate`; none when it asks for more than they know.
    pub(super) fn of(dialect: Dialect, root: &Object, aggregate: &Aggregate) -> Option<Self> {
        if dialect != Dialect::Postgres || root.name != "deal" {
            return None;
        }
        let mut asked = Asked::default();
        asked.filter(&aggregate.filter, true)?;
        for group in &aggregate.groups {
            match (group.path.as_field()?, group.bucket) {
                (PLANNED, Some(_)) => asked.planned = true,
                (CLOSED, Some(_)) => asked.closed = true,
                (known, None) if KNOWN.contains(&known) => {}
                _ => return None,
            }
        }
        aggregate.measures.iter().try_for_each(|measure| {
            let is_amount = measure
                .path
                .as_ref()
                .map(|path| path.as_field() == Some("amount"));
            match (measure.function, is_amount) {
                (Function::Count, None | Some(true)) | (Function::Sum, Some(true)) => Some(()),
                _ => None,
            }
        })?;
        match (asked.planned, asked.closed, asked.since) {
            (false, _, Some(since)) => Some(Self::Closed { since }),
            (_, false, None) => Some(Self::Planned),
            _ => None,
        }
    }

    /// Appends `FROM` and the totals as `t`; the parameters are added to those of `rest`, which has what follows.
    pub(super) fn write_root(self, sql: &mut Writer, rest: &mut Writer) {
        let Self::Closed { since } = self else {
            sql.push(" FROM ").table("deal_total").push(" t");
            return;
        };
        let day = next_day(since);
        let since = rest.remember(Param::Int(since.as_microsecond()));
        let day = rest.remember(Param::Int(day.as_microsecond()));
        let columns = KNOWN.map(|column| format!("c.{column}")).join(", ");
        sql.push(" FROM (SELECT ")
            .push(&columns)
            .push(", c.closed_at, c.records, c.amount, c.amounts FROM ")
            .table("deal_closed_total")
            .push(&format!(" c WHERE c.closed_at >= ${day} UNION ALL SELECT "))
            .push(&columns)
            .push(", c.closed_at, 1, c.amount, (c.amount IS NOT NULL)::integer FROM ")
            .table("deal")
            .push(&format!(
                " c WHERE c.deleted_at IS NULL AND c.closed_at >= ${since} AND c.closed_at < ${day}) t"
            ));
    }

    /// Appends a measure over totals.
    pub(super) fn write_measure(sql: &mut Writer, measure: &Measure) {
        sql.push(match (measure.function, &measure.path) {
            (Function::Sum, _) => "(CASE WHEN sum(t.amounts) > 0 THEN sum(t.amount) END)::text",
            (_, Some(_)) => "coalesce(sum(t.amounts), 0)::bigint",
            (_, None) => "coalesce(sum(t.records), 0)::bigint",
        });
    }
}

/// What an aggregate says of dates.
#[derive(Debug, Default)]
struct Asked {
    planned: bool,
    closed: bool,
    since: Option<Timestamp>,
}

impl Asked {
    /// Notes what `filter` tests; `None` when totals can't tell. `every` record has to match it, unless it is one part of several.
    fn filter(&mut self, filter: &Filter, every: bool) -> Option<()> {
        match filter {
            Filter::All => Some(()),
            Filter::And(parts) => parts.iter().try_for_each(|part| self.filter(part, every)),
            Filter::Or(parts) => parts.iter().try_for_each(|part| self.filter(part, false)),
            Filter::Not(part) => self.filter(part, false),
            Filter::In { path, .. } | Filter::Empty { path } => {
                KNOWN.contains(&path.as_field()?).then_some(())
            }
            Filter::Compare {
                path,
                comparison,
                value,
            } => match (path.as_field()?, comparison, value) {
                // A month is before or after its first day as a whole.
                (PLANNED, Comparison::Less | Comparison::GreaterOrEqual, Value::Date(date))
                    if is_first(*date) =>
                {
                    self.planned = true;
                    Some(())
                }
                (CLOSED, Comparison::GreaterOrEqual, Value::DateTime(since))
                    if every && self.since.is_none() =>
                {
                    self.since = Some(*since);
                    Some(())
                }
                (known, _, _) if KNOWN.contains(&known) => Some(()),
                _ => None,
            },
        }
    }
}

fn is_first(date: Date) -> bool {
    date.day() == 1
}

/// The midnight of UTC at `instant`, or the first one after it.
fn next_day(instant: Timestamp) -> Timestamp {
    let at = instant.to_zoned(TimeZone::UTC);
    let midnight = at.start_of_day().map(|midnight| midnight.timestamp());
    match (midnight, at.tomorrow()) {
        (Ok(midnight), _) if midnight == instant => instant,
        (_, Ok(tomorrow)) => tomorrow
            .start_of_day()
            .map_or(Timestamp::MAX, |day| day.timestamp()),
        _ => Timestamp::MAX,
    }
}
