//! Refusals: every mistake gets the answer that names it, and none is an internal error.

use fieldstone_model::{
    Change, Comparison, Filter, Query, Value,
    query::{Cursor, CursorKey, LIMIT_MAX, Path, QueryError, TERMS_MAX},
};

use super::{
    Fixture, assert_complains, creation, day, deletion, instant, listed, make, refusal, revision,
    text, values,
};
use crate::{Aggregate, ChangeError, Function, Store, StoreError};

#[track_caller]
fn query_error<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> QueryError {
    match answer {
        Err(StoreError::Query(error)) => error,
        other => panic!("a refused query was expected, not {other:?}"),
    }
}

/// Objects and fields that aren't declared, wherever they are named.
pub async fn unknown_names_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let id = make(store, "account", [("name", text("Acme"))]).await;
    for name in ["nothing", "", "accounts", "Account", "account; --"] {
        assert!(matches!(
            store.get(name, id, &[]).await,
            Err(StoreError::UnknownObject(unknown)) if unknown == name
        ));
        assert_eq!(
            query_error(store.list(&Query::new(name)).await),
            QueryError::UnknownObject(name.to_owned())
        );
        assert_eq!(
            query_error(store.count(&Query::new(name)).await),
            QueryError::UnknownObject(name.to_owned())
        );
        assert_eq!(
            query_error(store.aggregate(&Aggregate::new(name).count()).await),
            QueryError::UnknownObject(name.to_owned())
        );
        assert!(matches!(
            store.apply(&[deletion(name, id)]).await,
            Err(StoreError::UnknownObject(_))
        ));
        assert!(matches!(
            store.changes_since(name, None).await,
            Err(StoreError::UnknownObject(_))
        ));
    }
    for path in [
        "nothing",
        "",
        ".",
        "owner.nothing",
        "nothing.name",
        "owner_id.name",
        "name.name",
        "parent.parent.parent.parent.name",
        "tenant_id",
        "name_key",
        "custom",
        "name\"",
    ] {
        let unknown = QueryError::UnknownField(Path::from_text(path).to_string());
        let filter = Filter::equal(path, text("x"));
        let base = Query::new("account");
        for query in [
            base.clone().column(path),
            base.clone().filter(filter.clone()),
            base.clone().filter(Filter::Empty {
                path: Path::from_text(path),
            }),
            base.clone().order(path, false),
        ] {
            assert_eq!(query_error(store.list(&query).await), unknown, "{path}");
        }
        let count = base.filter(filter);
        assert_eq!(query_error(store.count(&count).await), unknown);
        let get = store.get("account", id, &[Path::from_text(path)]).await;
        assert_eq!(query_error(get), unknown);
        let figure = Aggregate::new("account").measure(Function::Count, path);
        assert_eq!(query_error(store.aggregate(&figure).await), unknown);
    }
    let change = revision(
        "account",
        id,
        [("naem", text("x")), ("tenant_id", text("x"))],
    );
    assert_complains(
        store.apply(&[change]).await,
        &[("naem", "unknown_field"), ("tenant_id", "unknown_field")],
    );
}

/// All problems of a change at once, standard and custom fields alike.
pub async fn wrong_values_name_every_field<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let wrong = [
        ("account_id", text("not an id")),
        ("amount", text("12")),
        ("close_date", Value::Int(1)),
        ("description", Value::Bool(true)),
        ("interests", Value::Choices(vec!["lead".to_owned()])),
        ("margin", Value::Int(i64::MAX)),
        ("next_step", Value::Int(1)),
        ("probability", Value::Int(10_001)),
        ("reviewed", text("true")),
        ("reviewed_at", day("2026-01-01")),
        ("seats", Value::Int(i64::MIN)),
        ("source", text("nowhere")),
        ("tier", text("platinum")),
    ];
    let codes = [
        ("account_id", "wrong_type"),
        ("amount", "wrong_type"),
        ("close_date", "wrong_type"),
        ("description", "wrong_type"),
        ("interests", "unknown_choice"),
        ("margin", "out_of_range"),
        ("name", "required"),
        ("next_step", "wrong_type"),
        ("probability", "out_of_range"),
        ("reviewed", "wrong_type"),
        ("reviewed_at", "wrong_type"),
        ("seats", "out_of_range"),
        ("source", "unknown_choice"),
        ("tier", "unknown_choice"),
    ];
    let change = creation(store, "deal", wrong.clone());
    assert_complains(store.apply(&[change]).await, &codes);
    let id = make(store, "deal", [("name", text("Fine"))]).await;
    let mut changed = wrong.to_vec();
    changed.push(("name", Value::Null));
    let change = revision("deal", id, changed);
    assert_complains(store.apply(&[change]).await, &codes);
    let change = creation(
        store,
        "contact",
        [
            ("last_name", text("Byron")),
            ("email", text("not an address")),
            ("phone", text("call me")),
        ],
    );
    assert_complains(
        store.apply(&[change]).await,
        &[("email", "not_an_email"), ("phone", "not_a_phone")],
    );
    let change = creation(
        store,
        "account",
        [
            ("name", text("x")),
            ("website", text("javascript:alert(1)")),
        ],
    );
    assert_complains(store.apply(&[change]).await, &[("website", "not_a_url")]);
    let change = creation(store, "inspection", [("name", text("x"))]);
    assert_complains(store.apply(&[change]).await, &[("inspector", "required")]);
}

/// Nobody sets ids, versions, time stamps or what rules compute.
pub async fn system_and_derived_fields_are_read_only<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.owner;
    let read_only = [
        ("closed_at", instant("2026-01-01T00:00:00Z")),
        ("created_at", instant("2026-01-01T00:00:00Z")),
        ("created_by_id", Value::Id(store.user().id)),
        ("deleted_at", instant("2026-01-01T00:00:00Z")),
        ("id", Value::Id(store.new_id("deal").unwrap())),
        ("pipeline_id", Value::Null),
        ("status", text("won")),
        ("updated_at", Value::Null),
        ("updated_by_id", Value::Null),
        ("version", Value::Int(7)),
    ];
    let expected = read_only.clone().map(|(field, _)| (field, "read_only"));
    let mut pairs = read_only.to_vec();
    let change = revision(
        "deal",
        make(store, "deal", [("name", text("Fine"))]).await,
        pairs.clone(),
    );
    assert_complains(store.apply(&[change]).await, &expected);
    pairs.push(("name", text("New")));
    let change = creation(store, "deal", pairs);
    assert_complains(store.apply(&[change]).await, &expected);
}

/// Lengths count characters; NUL and other control characters are refused; nothing is cut.
pub async fn long_and_dirty_texts_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let cases = [
        ("name", "x".repeat(256), "too_long"),
        ("name", "x".repeat(10_000), "too_long"),
        ("name", "ä".repeat(256), "too_long"),
        ("name", "a\0b".to_owned(), "control_character"),
        ("name", "a\nb".to_owned(), "control_character"),
        ("remark", "\u{7}".to_owned(), "control_character"),
        ("remark", "ö".repeat(101), "too_long"),
        ("territory", "x".repeat(61), "too_long"),
        ("description", "x".repeat(32_001), "too_long"),
        ("description", "a\0b".to_owned(), "control_character"),
        ("story", "a\0b".to_owned(), "control_character"),
    ];
    for (field, value, code) in cases {
        let pairs = [("name", text("Fine")), (field, text(value))];
        let change = creation(store, "deal", pairs);
        assert_complains(store.apply(&[change]).await, &[(field, code)]);
    }
    assert_eq!(store.count(&Query::new("deal")).await.unwrap(), 0);
}

/// Limits of pages, columns, orders and filters.
pub async fn queries_outside_the_limits_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.viewer;
    let base = || Query::new("deal");
    for limit in [0, LIMIT_MAX + 1, u32::MAX] {
        let answer = store.list(&base().limit(limit)).await;
        assert_eq!(query_error(answer), QueryError::BadLimit, "{limit}");
    }
    assert!(store.list(&base().limit(LIMIT_MAX)).await.is_ok());
    let four = ["name", "amount", "status", "source"]
        .iter()
        .fold(base(), |query, field| query.order(field, false));
    assert_eq!(query_error(store.list(&four).await), QueryError::TooLarge);
    let wide = base().columns(std::iter::repeat_n("name", 101));
    assert_eq!(query_error(store.list(&wide).await), QueryError::TooLarge);
    let terms = |count: usize| {
        base().filter(Filter::Or(vec![
            Filter::equal("amount", Value::Int(1));
            count
        ]))
    };
    let many = store.list(&terms(TERMS_MAX + 1)).await;
    assert_eq!(query_error(many), QueryError::TooLarge);
    assert!(store.list(&terms(TERMS_MAX)).await.is_ok());
    let within = base().filter(Filter::In {
        path: Path::from_text("amount"),
        values: vec![Value::Int(1); TERMS_MAX + 1],
    });
    assert_eq!(query_error(store.list(&within).await), QueryError::TooLarge);
}

/// A cursor fits the order it was made for, or is refused; one made up by hand never breaks anything.
pub async fn cursors_of_other_queries_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for at in 0..4 {
        make(
            store,
            "deal",
            [("name", text("x")), ("amount", Value::Int(at))],
        )
        .await;
    }
    let page = store
        .list(&Query::new("deal").order("amount", false).limit(2))
        .await
        .unwrap();
    let other = Query {
        cursor: page.next,
        ..Query::new("deal")
            .order("amount", false)
            .order("name", true)
    };
    assert_eq!(query_error(store.list(&other).await), QueryError::BadCursor);
    let wild = [
        CursorKey::Int(i64::MAX),
        CursorKey::Int(i64::MIN),
        CursorKey::Text("x".to_owned()),
        CursorKey::Text("\0".to_owned()),
        CursorKey::Text("y".repeat(5_000)),
        CursorKey::Null,
    ];
    let deal = store.registry().object("deal").unwrap().clone();
    for field in deal.fields.iter().filter(|field| field.is_sortable()) {
        for (key, backward) in wild.iter().flat_map(|key| [(key, false), (key, true)]) {
            let query = Query {
                cursor: Some(Cursor {
                    keys: vec![key.clone()],
                    id: "0060000000000Aa".parse().unwrap(),
                    backward,
                }),
                ..Query::new("deal").order(&field.name, false)
            };
            let answer = store.list(&query).await;
            assert!(
                matches!(
                    &answer,
                    Ok(_) | Err(StoreError::Query(QueryError::BadCursor))
                ),
                "{} after {key:?}: {answer:?}",
                field.name
            );
        }
    }
}

/// Long texts and unindexed custom fields aren't filtered or sorted by; comparisons suit the type.
pub async fn filters_on_long_or_unindexed_fields_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.viewer;
    let list = async |query: Query| query_error(store.list(&query).await);
    for field in ["description", "story", "remark"] {
        let refused = QueryError::NotFilterable(field.to_owned());
        let filter = Filter::equal(field, text("x"));
        assert_eq!(list(Query::new("deal").filter(filter)).await, refused);
        let empty = Filter::Empty {
            path: Path::from_text(field),
        };
        let inverse = Filter::Not(Box::new(empty));
        assert_eq!(list(Query::new("deal").filter(inverse)).await, refused);
        assert_eq!(
            list(Query::new("deal").order(field, false)).await,
            QueryError::NotSortable(field.to_owned())
        );
    }
    for (object, field) in [("deal", "interests"), ("task", "about_id")] {
        assert_eq!(
            list(Query::new(object).order(field, false)).await,
            QueryError::NotSortable(field.to_owned())
        );
    }
    for (field, comparison, value) in [
        ("amount", Comparison::Contains, Value::Int(1)),
        ("tier", Comparison::StartsWith, text("g")),
        ("reviewed", Comparison::Less, Value::Bool(true)),
        ("interests", Comparison::Equal, text("gold")),
        (
            "account_id",
            Comparison::Less,
            Value::Id("0010000000000Aa".parse().unwrap()),
        ),
    ] {
        let filter = Filter::compare(field, comparison, value);
        assert_eq!(
            list(Query::new("deal").filter(filter)).await,
            QueryError::BadComparison(field.to_owned())
        );
    }
    for (field, value) in [
        ("amount", text("1")),
        ("amount", Value::Null),
        ("name", Value::Int(1)),
        ("close_date", instant("2026-01-01T00:00:00Z")),
        ("account_id", text("0010000000000Aa")),
        ("tier", text("a\0b")),
        ("status", text("a\0b")),
    ] {
        for filter in [
            Filter::equal(field, value.clone()),
            Filter::In {
                path: Path::from_text(field),
                values: vec![value.clone()],
            },
        ] {
            let error = list(Query::new("deal").filter(filter)).await;
            assert!(
                matches!(&error, QueryError::BadValue { field: named, .. } if named == field),
                "{field} {value:?}: {error:?}"
            );
        }
    }
    // NUL can't be stored, so folded text never has it; asking for it is answered, not failed.
    let filter = Filter::compare("name", Comparison::Contains, text("a\0b"));
    assert!(
        listed(store, Query::new("deal").filter(filter))
            .await
            .is_empty()
    );
    let search = Query {
        search: Some("a\0b".to_owned()),
        ..Query::new("deal")
    };
    assert!(listed(store, search).await.is_empty());
}

/// The refusal names the change by its place.
pub async fn the_failing_change_is_named<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let fine = |name: &str| creation(store, "account", [("name", text(name))]);
    let missing = Change::Update {
        object: "account".to_owned(),
        id: store.new_id("account").unwrap(),
        expected: None,
        values: values([("name", text("x"))]),
    };
    let (index, error) = refusal(
        store
            .apply(&[fine("a"), fine("b"), missing, fine("c")])
            .await,
    );
    assert_eq!((index, error), (2, ChangeError::NotFound));
}
