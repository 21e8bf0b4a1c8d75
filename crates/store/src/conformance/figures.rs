//! Figures of deals that change: they are those of the deals that are there, whatever has happened to them before.

use std::collections::BTreeMap;

use fieldstone_model::{Change, Comparison, Filter, Query, Record, RecordId, Value, query::Path};
use jiff::tz::TimeZone;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use super::{Fixture, Team, creation, day, deletion, instant, restoration, revision, text};
use crate::{Aggregate, Bucket, Function, Store};

const ROUNDS: usize = 24;
const COLUMNS: [&str; 8] = [
    "owner_id",
    "pipeline_id",
    "stage_id",
    "status",
    "probability",
    "close_date",
    "closed_at",
    "amount",
];

/// Picks at random, the same each time.
struct Dice(TestRunner);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        (0..sides).new_tree(&mut self.0).unwrap().current()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }
}

/// Deals are made, moved, given away, deleted and brought back; after each step all figures agree with the deals themselves.
pub async fn figures_follow_every_change<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let mut dice = Dice(TestRunner::deterministic());
    let mut ids = Vec::new();
    for _ in 0..ROUNDS {
        let changes: Vec<Change> = (0..=dice.roll(6))
            .map(|_| change(&team, &mut dice, &mut ids))
            .collect();
        // A change of what is deleted is refused, and its batch with it.
        let _ = team.owner.apply(&changes).await;
        for asked in questions(&team) {
            agrees(&team.viewer, &asked).await;
        }
    }
    assert!(ids.len() > 20, "{} deals", ids.len());
}

fn change<S: Store>(team: &Team<S>, dice: &mut Dice, ids: &mut Vec<RecordId>) -> Change {
    let kind = dice.roll(9);
    if kind > 2
        && let Some(id) = (!ids.is_empty()).then(|| dice.pick(ids))
    {
        return match kind {
            3 => deletion("deal", id),
            4 => restoration("deal", id),
            // Nothing that is counted.
            5 => revision("deal", id, [("next_step", text("call"))]),
            _ => revision("deal", id, values(team, dice)),
        };
    }
    let pairs = values(team, dice).into_iter().chain([("name", text("x"))]);
    let made = creation(&team.owner, "deal", pairs);
    ids.push(made.id());
    made
}

fn values<S: Store>(team: &Team<S>, dice: &mut Dice) -> Vec<(&'static str, Value)> {
    let dates = ["2026-01-01", "2026-01-31", "2026-02-01", "2025-12-31"];
    let stage = dice.pick(team.owner.registry().stages()).id;
    let mut values = vec![("stage_id", Value::Id(stage))];
    if dice.roll(4) > 0 {
        values.push(("amount", Value::Int(dice.pick(&[0, 700, -50, 12_345]))));
    } else if dice.roll(2) == 0 {
        values.push(("amount", Value::Null));
    }
    if dice.roll(4) > 0 {
        values.push(("close_date", day(dice.pick(&dates))));
    }
    if dice.roll(3) == 0 {
        let owners = [team.owner.user().id, team.member.user().id];
        values.push(("owner_id", Value::Id(dice.pick(&owners))));
    }
    if dice.roll(3) == 0 {
        values.push(("probability", Value::Int(dice.pick(&[0, 1_500, 10_000]))));
    }
    values
}

/// What home, board and reports ask, and what they might.
fn questions<S: Store>(team: &Team<S>) -> Vec<Aggregate> {
    let sums = || {
        Aggregate::new("deal")
            .count()
            .measure(Function::Count, "amount")
            .measure(Function::Sum, "amount")
    };
    let status = |status: &str| Filter::equal("status", text(status));
    let closed =
        |since: &str| Filter::compare("closed_at", Comparison::GreaterOrEqual, instant(since));
    let closing =
        |comparison: Comparison, date: &str| Filter::compare("close_date", comparison, day(date));
    let mine = Filter::equal("owner_id", Value::Id(team.owner.user().id));
    let stages = team.owner.registry().stages();
    let two = Filter::In {
        path: Path::from_text("stage_id"),
        values: stages.iter().take(2).map(|it| Value::Id(it.id)).collect(),
    };
    let month = Some(Bucket::Month);
    vec![
        sums(),
        sums().filter(mine.clone()).filter(status("open")),
        sums().filter(Filter::Not(Box::new(status("open")))),
        sums().filter(Filter::Or(vec![status("won"), two.clone()])),
        sums()
            .filter(two)
            .group("stage_id", None)
            .group("probability", None),
        sums().group("status", None).group("owner_id", None),
        sums().group("close_date", month),
        sums()
            .group("close_date", Some(Bucket::Year))
            .group("pipeline_id", None),
        sums()
            .filter(closing(Comparison::GreaterOrEqual, "2026-01-01"))
            .filter(closing(Comparison::Less, "2026-02-01"))
            .group("close_date", month),
        // In the middle of a month, and with the month's last day.
        sums().filter(closing(Comparison::GreaterOrEqual, "2026-01-02")),
        sums().filter(closing(Comparison::LessOrEqual, "2026-01-01")),
        sums().group("closed_at", month).group("status", None),
        sums()
            .filter(closed("2026-01-01T00:00:00Z"))
            .group("closed_at", month)
            .group("status", None),
        // Within a day, before and after noon.
        sums().filter(closed("2026-01-31T11:59:59Z")).filter(mine),
        sums()
            .filter(closed("2026-01-31T12:00:00.000001Z"))
            .group("stage_id", None),
        sums()
            .filter(closed("2025-12-31T12:00:00Z"))
            .group("closed_at", Some(Bucket::Year)),
        sums()
            .filter(closed("2025-12-31T13:00:00Z"))
            .filter(closing(Comparison::Less, "2026-02-01")),
    ]
}

async fn agrees<S: Store>(store: &S, asked: &Aggregate) {
    let query = Query::new("deal")
        .filter(asked.filter.clone())
        .columns(COLUMNS)
        .limit(200);
    let page = store.list(&query).await.unwrap();
    assert!(page.next.is_none());
    let mut sums: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    if asked.groups.is_empty() {
        sums.insert("[]".to_owned(), (0, 0, 0));
    }
    for record in &page.records {
        let sum = sums
            .entry(format!("{:?}", keys(asked, record)))
            .or_default();
        let amount = record.get("amount").as_int();
        sum.0 += 1;
        sum.1 += i64::from(amount.is_some());
        sum.2 += amount.unwrap_or(0);
    }
    let figures = |(records, amounts, amount): (i64, i64, i64)| {
        let amount = if amounts == 0 {
            Value::Null
        } else {
            Value::Int(amount)
        };
        vec![Value::Int(records), Value::Int(amounts), amount]
    };
    let expected: BTreeMap<String, Vec<Value>> = sums
        .into_iter()
        .map(|(keys, sum)| (keys, figures(sum)))
        .collect();
    let rows = store.aggregate(asked).await.unwrap();
    let found: BTreeMap<String, Vec<Value>> = rows
        .into_iter()
        .map(|row| (format!("{:?}", row.keys), row.figures))
        .collect();
    assert_eq!(found, expected, "{asked:?}");
}

/// The groups that a record belongs to.
fn keys(asked: &Aggregate, record: &Record) -> Vec<Value> {
    let key = |group: &crate::Group| {
        let value = record.get(&group.path.to_string()).clone();
        let date = match (&value, group.bucket) {
            (_, None) => return value,
            (Value::Date(date), _) => *date,
            (Value::DateTime(at), _) => at.to_zoned(TimeZone::UTC).date(),
            _ => return Value::Null,
        };
        Value::Date(match group.bucket {
            Some(Bucket::Year) => date.first_of_year(),
            _ => date.first_of_month(),
        })
    };
    asked.groups.iter().map(key).collect()
}
