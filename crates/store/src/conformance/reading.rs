//! Reading records: columns, presence, names, the stream of changes.

use fieldstone_model::{
    Query, RecordId, Value,
    query::{Path, Presence},
};
use jiff::civil;

use super::{
    Fixture, day, deletion, fetch, instant, list, listed, make, restoration, revision, text,
};
use crate::{Store as _, StoreError};

/// Columns come in the order asked for, and nothing else comes.
pub async fn a_record_has_the_columns_asked_for<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(
        &team.member,
        "account",
        [("name", text("Acme")), ("city", text("Lyon"))],
    )
    .await;
    let paths = ["city", "name", "version", "industry"].map(Path::from_text);
    let record = team.viewer.get("account", id, &paths).await.unwrap();
    assert_eq!((record.id, record.version, record.deleted), (id, 1, false));
    let names: Vec<_> = record
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["city", "name", "version", "industry"]);
    assert_eq!(
        record.values,
        [text("Lyon"), text("Acme"), Value::Int(1), Value::Null]
    );
}

/// Every field of the object, in the registry's order, system fields included.
pub async fn a_record_without_columns_named_has_all_fields<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    for (object, name_field) in [
        ("account", "name"),
        ("task", "subject"),
        ("inspection", "name"),
    ] {
        let mut pairs = vec![(name_field, text("One"))];
        if object == "inspection" {
            pairs.push(("inspector", text("Ines")));
        }
        let id = make(&team.member, object, pairs).await;
        let record = fetch(&team.member, object, id).await;
        let expected: Vec<_> = team
            .member
            .registry()
            .object(object)
            .unwrap()
            .fields
            .clone();
        let names: Vec<_> = record.columns.iter().map(|column| &column.name).collect();
        assert_eq!(
            names,
            expected
                .iter()
                .map(|field| &*field.name)
                .collect::<Vec<_>>()
        );
        let kinds: Vec<_> = record.columns.iter().map(|column| &column.kind).collect();
        assert_eq!(
            kinds,
            expected.iter().map(|field| &field.kind).collect::<Vec<_>>()
        );
        assert_eq!(record.get("id"), &Value::Id(id));
        let page = list(&team.member, &Query::new(object)).await;
        assert_eq!(page.records, [record]);
    }
}

/// `account.owner.name` is the name of the owner of the deal's account; an empty relation on the way gives null.
pub async fn dotted_columns_read_through_relations<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let parent = make(&team.owner, "account", [("name", text("Mother"))]).await;
    let account = make(
        &team.member,
        "account",
        [("name", text("Acme")), ("parent_id", Value::Id(parent))],
    )
    .await;
    let with = make(
        &team.member,
        "deal",
        [("name", text("With")), ("account_id", Value::Id(account))],
    )
    .await;
    let without = make(&team.member, "deal", [("name", text("Without"))]).await;
    let paths = [
        "account.name",
        "account.parent.name",
        "account.parent.owner.name",
        "stage.pipeline.name",
        "account.version",
        "account.parent.id",
    ];
    let query = Query::new("deal").columns(paths).order("name", false);
    let page = list(&team.viewer, &query).await;
    assert_eq!(page.records.len(), 2);
    assert_eq!(
        page.records[0].values,
        [
            text("Acme"),
            text("Mother"),
            text("Olive Owner"),
            text("Sales"),
            Value::Int(1),
            Value::Id(parent)
        ]
    );
    assert_eq!(page.records[0].id, with);
    let empty = [
        Value::Null,
        Value::Null,
        Value::Null,
        text("Sales"),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(page.records[1].values, empty);
    let got = team
        .viewer
        .get("deal", without, &paths.map(Path::from_text))
        .await
        .unwrap();
    assert_eq!(got.values, empty);
}

/// A deleted record says that it is deleted, and keeps its values.
pub async fn a_deleted_record_is_still_read<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Gone"))]).await;
    team.member.apply(&[deletion("account", id)]).await.unwrap();
    let record = fetch(&team.viewer, "account", id).await;
    assert!(record.deleted);
    assert_eq!(record.get("name"), &text("Gone"));
    assert!(matches!(record.get("deleted_at"), Value::DateTime(_)));
    assert_eq!(record.version, 2);
}

/// Lists and counts hold living records, deleted ones or both, as asked.
pub async fn a_list_shows_living_records_unless_asked<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    make(&team.member, "account", [("name", text("Here"))]).await;
    let gone = make(&team.member, "account", [("name", text("Gone"))]).await;
    team.member
        .apply(&[deletion("account", gone)])
        .await
        .unwrap();
    let query = |presence| Query {
        presence,
        ..Query::new("account").order("name", false)
    };
    for (presence, names) in [
        (Presence::Living, &["Here"][..]),
        (Presence::Deleted, &["Gone"]),
        (Presence::All, &["Gone", "Here"]),
    ] {
        assert_eq!(listed(&team.viewer, query(presence)).await, names);
        let count = team.viewer.count(&query(presence)).await.unwrap();
        assert_eq!(count, names.len() as u64);
    }
    team.member
        .apply(&[restoration("account", gone)])
        .await
        .unwrap();
    assert_eq!(
        listed(&team.viewer, query(Presence::Living)).await,
        ["Gone", "Here"]
    );
    assert!(
        listed(&team.viewer, query(Presence::Deleted))
            .await
            .is_empty()
    );
}

/// Ids sort by time, so newest first is by id, largest first.
pub async fn without_an_order_the_newest_come_first<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    for name in ["first", "second", "third"] {
        make(&team.member, "account", [("name", text(name))]).await;
    }
    assert_eq!(
        listed(&team.viewer, Query::new("account")).await,
        ["third", "second", "first"]
    );
}

/// Names of several objects at once; records that don't exist are absent, users have names too.
pub async fn names_are_found_for_any_object<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let account = make(&team.member, "account", [("name", text("Acme"))]).await;
    let contact = make(
        &team.member,
        "contact",
        [("first_name", text("Ada")), ("last_name", text("Byron"))],
    )
    .await;
    let task = make(&team.member, "task", [("subject", text("Call Ada"))]).await;
    let nobody: RecordId = "0010000000000zz".parse().unwrap();
    let unknown: RecordId = "zzz0000000000zz".parse().unwrap();
    let user = team.member.user().id;
    let names = team
        .viewer
        .names(&[account, contact, task, nobody, unknown, user, account])
        .await
        .unwrap();
    assert_eq!(names.len(), 4);
    assert_eq!(names[&account], "Acme");
    assert_eq!(names[&contact], "Ada Byron");
    assert_eq!(names[&task], "Call Ada");
    assert_eq!(names[&user], "Mia Member");
    assert!(team.viewer.names(&[]).await.unwrap().is_empty());
}

/// Ids that differ by case alone are two records, in byte order.
pub async fn ids_differ_by_case<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let ids: Vec<RecordId> = [
        "0060000000000aA",
        "0060000000000Aa",
        "0060000000000AA",
        "0060000000000aa",
    ]
    .iter()
    .map(|id| id.parse().unwrap())
    .collect();
    for id in &ids {
        let change = fieldstone_model::Change::Create {
            object: "deal".to_owned(),
            id: *id,
            values: super::values([("name", text(id.as_str()))]),
        };
        team.member.apply(&[change]).await.unwrap();
    }
    let mut sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sorted.sort();
    let query = Query::new("deal").order("id", false);
    assert_eq!(listed(&team.viewer, query).await, sorted);
    for id in &ids {
        assert_eq!(
            fetch(&team.viewer, "deal", *id).await.get("name"),
            &text(id.as_str())
        );
    }
    let other: RecordId = "0060000000000AB".parse().unwrap();
    assert!(matches!(
        team.viewer.get("deal", other, &[]).await,
        Err(StoreError::NotFound(_))
    ));
}

/// The whole range of each type, unchanged by the journey.
pub async fn every_value_comes_back_as_written<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let largest = fieldstone_model::value::NUMBER_MAX;
    let cases: Vec<(&str, Value)> = vec![
        ("amount", Value::Int(largest)),
        ("amount", Value::Int(-largest)),
        ("amount", Value::Int(0)),
        ("probability", Value::Int(1)),
        ("close_date", day("0001-01-01")),
        ("close_date", day("1582-10-10")),
        ("close_date", day("1969-12-31")),
        ("close_date", day("2000-02-29")),
        ("close_date", day("9999-12-31")),
        ("renewal", day("0001-01-01")),
        ("renewal", day("9999-12-31")),
        ("reviewed_at", instant("0001-01-01T00:00:00Z")),
        ("reviewed_at", instant("1969-12-31T23:59:59.999999Z")),
        ("reviewed_at", instant("2026-03-29T01:30:00.123456Z")),
        ("reviewed_at", instant("9999-12-30T22:00:00Z")),
        ("call_at", Value::Time(civil::time(0, 0, 0, 0))),
        ("call_at", Value::Time(civil::time(23, 59, 59, 999_999_000))),
        ("reviewed", Value::Bool(false)),
        ("reviewed", Value::Bool(true)),
        ("seats", Value::Int(-largest)),
        ("margin", Value::Int(largest)),
        ("name", text("x")),
        (
            "name",
            text("Zoë O'Hara — “quoted” \\ \"double\" 🌾 %_ ' OR 1=1 --"),
        ),
        ("name", text("ﷺ".repeat(255))),
        ("description", text("two\nlines\tand a tab\r\n")),
        ("description", text("ö".repeat(32_000))),
        ("remark", text("{\"json\": [null, 1e5]}")),
        ("story", text("null")),
        ("remark", text("null")),
        ("tier", text("silver")),
        (
            "interests",
            Value::Choices(vec!["gold".to_owned(), "tin".to_owned()]),
        ),
    ];
    for (field, value) in &cases {
        let mut pairs = vec![("name", text("Round trip"))];
        pairs.retain(|(name, _)| name != field);
        pairs.push((*field, value.clone()));
        let id = make(&team.member, "deal", pairs).await;
        assert_eq!(
            fetch(&team.member, "deal", id).await.get(field),
            value,
            "created {field}"
        );
    }
    let id = make(&team.member, "deal", [("name", text("Updated"))]).await;
    for (field, value) in &cases {
        team.member
            .apply(&[revision("deal", id, [(*field, value.clone())])])
            .await
            .unwrap();
        assert_eq!(
            fetch(&team.member, "deal", id).await.get(field),
            value,
            "updated {field}"
        );
    }
}

/// No mark gives everything; a mark gives what was made, changed, deleted or restored after it, and nothing else.
pub async fn changes_since_a_mark_are_all_and_only_those<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(make(store, "account", [("name", text(name))]).await);
    }
    make(store, "product", [("name", text("Elsewhere"))]).await;
    store.apply(&[deletion("account", ids[4])]).await.unwrap();
    let all = store.changes_since("account", None).await.unwrap();
    let seen: Vec<_> = all.records.iter().map(|record| record.id).collect();
    assert_eq!(seen, ids);
    assert!(all.records[4].deleted);
    assert_eq!(all.records[0], fetch(store, "account", ids[0]).await);

    let quiet = store
        .changes_since("account", Some(&all.mark))
        .await
        .unwrap();
    assert!(quiet.records.is_empty());

    store
        .apply(&[revision("account", ids[2], [("city", text("Rome"))])])
        .await
        .unwrap();
    store.apply(&[deletion("account", ids[1])]).await.unwrap();
    store
        .apply(&[restoration("account", ids[4])])
        .await
        .unwrap();
    let added = make(store, "account", [("name", text("f"))]).await;
    make(store, "product", [("name", text("Elsewhere too"))]).await;
    for mark in [&all.mark, &quiet.mark] {
        let changes = store.changes_since("account", Some(mark)).await.unwrap();
        let seen: Vec<_> = changes
            .records
            .iter()
            .map(|record| (record.id, record.version, record.deleted))
            .collect();
        assert_eq!(
            seen,
            [
                (ids[1], 2, true),
                (ids[2], 2, false),
                (ids[4], 3, false),
                (added, 1, false)
            ]
        );
        let rest = store
            .changes_since("account", Some(&changes.mark))
            .await
            .unwrap();
        assert!(rest.records.is_empty());
    }
}
