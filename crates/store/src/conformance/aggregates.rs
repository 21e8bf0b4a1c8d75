//! Aggregates: figures over groups of records.

use fieldstone_model::{
    Change, Comparison, Filter, Value, Values, query::QueryError, value::NUMBER_MAX,
};

use super::{Fixture, Team, creation, day, deletion, instant, make, text};
use crate::{Aggregate, AggregateRow, Bucket, Function, Store, StoreError};

fn row(keys: &[Value], figures: &[Value]) -> AggregateRow {
    AggregateRow {
        keys: keys.to_vec(),
        figures: figures.to_vec(),
    }
}

async fn deals<S: Store>(team: &Team<S>) -> [fieldstone_model::RecordId; 2] {
    let store = &team.member;
    let first = make(store, "account", [("name", text("Acme"))]).await;
    let second = make(store, "account", [("name", text("Bolt"))]).await;
    let rows = [
        (
            Some(first),
            Some(100),
            Some("2026-01-31"),
            Some("partner"),
            Some(5),
        ),
        (
            Some(first),
            Some(-50),
            Some("2026-01-01"),
            Some("email"),
            Some(7),
        ),
        (
            Some(second),
            Some(1_000),
            Some("2026-02-01"),
            Some("partner"),
            None,
        ),
        (None, None, Some("2025-12-31"), None, Some(-2)),
        (None, Some(7), None, Some("email"), None),
    ];
    let changes: Vec<_> = rows
        .into_iter()
        .map(|(account, amount, date, source, seats)| {
            let mut pairs = vec![("name", text("x"))];
            pairs.extend(account.map(|id| ("account_id", Value::Id(id))));
            pairs.extend(amount.map(|amount| ("amount", Value::Int(amount))));
            pairs.extend(date.map(|date| ("close_date", day(date))));
            pairs.extend(date.map(|date| ("renewal", day(date))));
            pairs.extend(source.map(|source| ("source", text(source))));
            pairs.extend(seats.map(|seats| ("seats", Value::Int(seats))));
            creation(store, "deal", pairs)
        })
        .collect();
    store.apply(&changes).await.unwrap();
    [first, second]
}

/// Counts, sums, smallest and largest, without groups.
pub async fn figures_over_everything<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    deals(&team).await;
    let aggregate = Aggregate::new("deal")
        .count()
        .measure(Function::Count, "amount")
        .measure(Function::Sum, "amount")
        .measure(Function::Min, "amount")
        .measure(Function::Max, "close_date")
        .measure(Function::Min, "renewal")
        .measure(Function::Sum, "seats")
        .measure(Function::Max, "seats")
        .measure(Function::Count, "account_id");
    let rows = team.viewer.aggregate(&aggregate).await.unwrap();
    let figures = [
        Value::Int(5),
        Value::Int(4),
        Value::Int(1_057),
        Value::Int(-50),
        day("2026-02-01"),
        day("2025-12-31"),
        Value::Int(10),
        Value::Int(7),
        Value::Int(3),
    ];
    assert_eq!(rows, [row(&[], &figures)]);
    let filtered = aggregate.filter(Filter::compare(
        "account.name",
        Comparison::Equal,
        text("acme"),
    ));
    let rows = team.viewer.aggregate(&filtered).await.unwrap();
    assert_eq!(
        rows[0].figures[..3],
        [Value::Int(2), Value::Int(2), Value::Int(50)]
    );
}

/// Without groups there is one row even over nothing; with groups there is none.
pub async fn figures_over_nothing<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let aggregate = Aggregate::new("deal")
        .count()
        .measure(Function::Sum, "amount")
        .measure(Function::Max, "close_date");
    let rows = team.viewer.aggregate(&aggregate).await.unwrap();
    assert_eq!(rows, [row(&[], &[Value::Int(0), Value::Null, Value::Null])]);
    let grouped = aggregate.group("source", None);
    assert!(team.viewer.aggregate(&grouped).await.unwrap().is_empty());
}

/// By option, by related record, by month, by year, by two at once; in ascending order of the groups.
pub async fn groups_by_choice_relation_and_month<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let [first, second] = deals(&team).await;
    let base = || {
        Aggregate::new("deal")
            .count()
            .measure(Function::Sum, "amount")
    };
    let int = Value::Int;
    let cases = [
        (
            base().group("source", None),
            vec![
                row(&[text("email")], &[int(2), int(-43)]),
                row(&[text("partner")], &[int(2), int(1_100)]),
                row(&[Value::Null], &[int(1), Value::Null]),
            ],
        ),
        (
            base().group("account_id", None),
            vec![
                row(&[Value::Id(first)], &[int(2), int(50)]),
                row(&[Value::Id(second)], &[int(1), int(1_000)]),
                row(&[Value::Null], &[int(2), int(7)]),
            ],
        ),
        (
            base().group("account.name", None),
            vec![
                row(&[text("Acme")], &[int(2), int(50)]),
                row(&[text("Bolt")], &[int(1), int(1_000)]),
                row(&[Value::Null], &[int(2), int(7)]),
            ],
        ),
        (
            base().group("close_date", Some(Bucket::Month)),
            vec![
                row(&[day("2025-12-01")], &[int(1), Value::Null]),
                row(&[day("2026-01-01")], &[int(2), int(50)]),
                row(&[day("2026-02-01")], &[int(1), int(1_000)]),
                row(&[Value::Null], &[int(1), int(7)]),
            ],
        ),
        (
            base().group("renewal", Some(Bucket::Year)),
            vec![
                row(&[day("2025-01-01")], &[int(1), Value::Null]),
                row(&[day("2026-01-01")], &[int(3), int(1_050)]),
                row(&[Value::Null], &[int(1), int(7)]),
            ],
        ),
        (
            base().group("seats", None),
            vec![
                row(&[int(-2)], &[int(1), Value::Null]),
                row(&[int(5)], &[int(1), int(100)]),
                row(&[int(7)], &[int(1), int(-50)]),
                row(&[Value::Null], &[int(2), int(1_007)]),
            ],
        ),
        (
            base()
                .group("source", None)
                .group("close_date", Some(Bucket::Year)),
            vec![
                row(&[text("email"), day("2026-01-01")], &[int(1), int(-50)]),
                row(&[text("email"), Value::Null], &[int(1), int(7)]),
                row(&[text("partner"), day("2026-01-01")], &[int(2), int(1_100)]),
                row(&[Value::Null, day("2025-01-01")], &[int(1), Value::Null]),
            ],
        ),
    ];
    for (aggregate, expected) in cases {
        let rows = team.viewer.aggregate(&aggregate).await.unwrap();
        assert_eq!(rows, expected, "{:?}", aggregate.groups);
        let few = Aggregate {
            limit: 2,
            ..aggregate
        };
        let rows = team.viewer.aggregate(&few).await.unwrap();
        assert_eq!(rows, expected[..2]);
    }
    let at = "2026-01-01T00:30:00+01:00";
    let call = [("subject", text("x")), ("at", instant(at))];
    make(&team.member, "call", call).await;
    let months = Aggregate::new("call")
        .count()
        .group("at", Some(Bucket::Month));
    assert_eq!(
        team.viewer.aggregate(&months).await.unwrap(),
        [row(&[day("2025-12-01")], &[int(1)])]
    );
}

/// Each grouping puts its records without a value after the others, as orders do.
pub async fn groups_without_a_value_come_last<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    for (source, tier) in [
        (None, Some("tin")),
        (Some("email"), None),
        (None, None),
        (Some("email"), Some("tin")),
        (Some("website"), Some("gold")),
    ] {
        let mut pairs = vec![("name", text("x"))];
        pairs.extend(source.map(|source| ("source", text(source))));
        pairs.extend(tier.map(|tier| ("tier", text(tier))));
        make(&team.member, "deal", pairs).await;
    }
    let aggregate = Aggregate::new("deal")
        .count()
        .group("source", None)
        .group("tier", None);
    let rows = team.viewer.aggregate(&aggregate).await.unwrap();
    let keys: Vec<_> = rows.into_iter().map(|row| row.keys).collect();
    assert_eq!(
        keys,
        [
            vec![text("email"), text("tin")],
            vec![text("email"), Value::Null],
            vec![text("website"), text("gold")],
            vec![Value::Null, text("tin")],
            vec![Value::Null, Value::Null],
        ]
    );
}

/// Deleted records count for nothing.
pub async fn figures_leave_deleted_records_out<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(
        &team.member,
        "deal",
        [("name", text("x")), ("amount", Value::Int(5))],
    )
    .await;
    let aggregate = Aggregate::new("deal")
        .count()
        .measure(Function::Sum, "amount");
    let rows = team.viewer.aggregate(&aggregate).await.unwrap();
    assert_eq!(rows, [row(&[], &[Value::Int(1), Value::Int(5)])]);
    team.member.apply(&[deletion("deal", id)]).await.unwrap();
    let rows = team.viewer.aggregate(&aggregate).await.unwrap();
    assert_eq!(rows, [row(&[], &[Value::Int(0), Value::Null])]);
}

/// No number of records makes a sum fail: one that leaves the range of figures is shown as its end.
pub async fn sums_beyond_the_range_stop_at_its_end<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = make(
        store,
        "account",
        [
            ("name", text("x")),
            ("annual_revenue", Value::Int(NUMBER_MAX)),
        ],
    )
    .await;
    // One more than 2⁶³ has room for.
    for _ in 0..2 {
        let contacts: Vec<_> = (0..4_612)
            .map(|_| {
                let pairs = [("last_name", text("x")), ("account_id", Value::Id(account))];
                creation(store, "contact", pairs)
            })
            .collect();
        store.apply(&contacts).await.unwrap();
    }
    let sum = async |from: &str| {
        let sum = Aggregate::new(from).measure(Function::Sum, "account.annual_revenue");
        store.aggregate(&sum).await.unwrap()
    };
    assert_eq!(sum("contact").await, [row(&[], &[Value::Int(i64::MAX)])]);
    let update = Change::Update {
        object: "account".to_owned(),
        id: account,
        expected: None,
        values: Values::new().with("annual_revenue", Value::Int(-NUMBER_MAX)),
    };
    store.apply(&[update]).await.unwrap();
    assert_eq!(sum("contact").await, [row(&[], &[Value::Int(-i64::MAX)])]);
}

/// Sums of texts, months of numbers, groups by long text: refused by name.
pub async fn unfit_figures_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let base = || Aggregate::new("deal");
    for (aggregate, error) in [
        (
            base().measure(Function::Sum, "name"),
            QueryError::BadComparison("name".to_owned()),
        ),
        (
            base().measure(Function::Max, "source"),
            QueryError::BadComparison("source".to_owned()),
        ),
        (
            base().measure(Function::Sum, "close_date"),
            QueryError::BadComparison("close_date".to_owned()),
        ),
        (
            base().count().group("amount", Some(Bucket::Month)),
            QueryError::BadComparison("amount".to_owned()),
        ),
        (
            base().count().group("description", None),
            QueryError::BadComparison("description".to_owned()),
        ),
        (
            base().count().group("interests", None),
            QueryError::BadComparison("interests".to_owned()),
        ),
        (
            base()
                .count()
                .group("source", None)
                .group("tier", None)
                .group("status", None),
            QueryError::TooLarge,
        ),
        (
            Aggregate {
                limit: 0,
                ..base().count()
            },
            QueryError::TooLarge,
        ),
    ] {
        match team.viewer.aggregate(&aggregate).await {
            Err(StoreError::Query(refused)) => assert_eq!(refused, error),
            other => panic!("{error:?} was expected, not {other:?}"),
        }
    }
}
