//! Custom fields and objects go wherever standard ones go.

use fieldstone_model::{Comparison, Filter, Query, Value};

use super::{
    Fixture, assert_complains, creation, day, deletion, fetch, listed, make, restoration, revision,
    text,
};
use crate::{Aggregate, Function, Store as _};

fn chosen(options: &[&str]) -> Value {
    Value::Choices(options.iter().map(|option| (*option).to_owned()).collect())
}

/// Written with the standard fields, changed one by one, read back typed.
pub async fn custom_fields_are_written_and_read<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let id = make(
        store,
        "deal",
        [
            ("name", text("Deal")),
            ("amount", Value::Int(5)),
            ("territory", text("North")),
            ("seats", Value::Int(12)),
            ("margin", Value::Int(1_500)),
            ("renewal", day("2027-01-31")),
            ("reviewed", Value::Bool(false)),
            ("tier", text("gold")),
            ("remark", text("fine")),
        ],
    )
    .await;
    let changes = [
        revision("deal", id, [("seats", Value::Int(13))]),
        revision(
            "deal",
            id,
            [("remark", Value::Null), ("amount", Value::Int(6))],
        ),
        revision("deal", id, [("interests", chosen(&["silver"]))]),
    ];
    for change in changes {
        store.apply(&[change]).await.unwrap();
    }
    let deal = fetch(&team.viewer, "deal", id).await;
    assert_eq!(deal.version, 4);
    for (field, value) in [
        ("amount", Value::Int(6)),
        ("territory", text("North")),
        ("seats", Value::Int(13)),
        ("margin", Value::Int(1_500)),
        ("renewal", day("2027-01-31")),
        ("reviewed", Value::Bool(false)),
        ("tier", text("gold")),
        ("remark", Value::Null),
        ("story", Value::Null),
        ("interests", chosen(&["silver"])),
    ] {
        assert_eq!(deal.get(field), &value, "{field}");
    }
    let history = store.history(id, None, 1).await.unwrap();
    assert_eq!(history[0].fields[0].new, chosen(&["silver"]));
}

/// Made, listed, filtered, sorted, searched, counted, summed, deleted and restored like any other.
pub async fn custom_objects_behave_like_standard_ones<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = make(store, "account", [("name", text("Acme"))]).await;
    let mut ids = Vec::new();
    for (name, fine, on) in [
        ("b", Some(500), "2026-01-01"),
        ("a", None, "2026-02-01"),
        ("c", Some(100), "2026-03-01"),
    ] {
        let mut pairs = vec![
            ("name", text(name)),
            ("inspector", text("Ines")),
            ("account_id", Value::Id(account)),
            ("inspected_on", day(on)),
            ("findings", text(format!("Rust on {name} pipes"))),
        ];
        pairs.extend(fine.map(|fine| ("fine", Value::Int(fine))));
        ids.push(make(store, "inspection", pairs).await);
    }
    assert_eq!(
        ids[0].prefix(),
        store.registry().object("inspection").unwrap().prefix_str()
    );
    let query = || Query::new("inspection");
    assert_eq!(
        listed(store, query().order("fine", true)).await,
        ["b", "c", "a"]
    );
    let late = Filter::compare("inspected_on", Comparison::Greater, day("2026-01-15"));
    assert_eq!(
        listed(store, query().filter(late).order("name", false)).await,
        ["a", "c"]
    );
    let search = Query {
        search: Some("rust pipe".to_owned()),
        ..query()
    };
    assert_eq!(store.count(&search).await.unwrap(), 3);
    let sum = Aggregate::new("inspection")
        .count()
        .measure(Function::Sum, "fine")
        .group("account.name", None);
    let rows = store.aggregate(&sum).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].keys, [text("Acme")]);
    assert_eq!(rows[0].figures, [Value::Int(3), Value::Int(600)]);
    store
        .apply(&[deletion("inspection", ids[0])])
        .await
        .unwrap();
    assert_eq!(
        listed(store, query().order("name", false)).await,
        ["a", "c"]
    );
    store
        .apply(&[restoration("inspection", ids[0])])
        .await
        .unwrap();
    let record = fetch(store, "inspection", ids[0]).await;
    assert_eq!((record.version, record.get("fine")), (3, &Value::Int(500)));
    assert_eq!(store.names(&ids).await.unwrap()[&ids[1]], "a");
    assert_eq!(store.history(ids[0], None, 10).await.unwrap().len(), 3);
    assert_eq!(
        store
            .changes_since("inspection", None)
            .await
            .unwrap()
            .records
            .len(),
        3
    );
}

/// Numbers and texts; the message names the field.
pub async fn unique_custom_fields_are_unique<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let inspection = |certificate| {
        creation(
            store,
            "inspection",
            [
                ("name", text("x")),
                ("inspector", text("Ines")),
                ("certificate", Value::Int(certificate)),
            ],
        )
    };
    store.apply(&[inspection(7)]).await.unwrap();
    store.apply(&[inspection(8)]).await.unwrap();
    let answer = store.apply(&[inspection(7)]).await;
    assert_complains(answer, &[("certificate", "duplicate")]);
    let deal = |number: &str| {
        creation(
            store,
            "deal",
            [("name", text("x")), ("contract_number", text(number))],
        )
    };
    let first = deal("Ä-1");
    let id = first.id();
    store.apply(&[first]).await.unwrap();
    assert_complains(
        store.apply(&[deal("a-1")]).await,
        &[("contract_number", "duplicate")],
    );
    let moved = revision("deal", id, [("contract_number", text("B-1"))]);
    store.apply(&[moved, deal("a-1")]).await.unwrap();
}

/// Options come back in the order the field lists them, each once; no options is no value.
pub async fn multiple_choices_keep_the_order_of_the_field<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let id = make(
        store,
        "deal",
        [
            ("name", text("x")),
            ("interests", chosen(&["tin", "gold", "tin"])),
        ],
    )
    .await;
    assert_eq!(
        fetch(store, "deal", id).await.get("interests"),
        &chosen(&["gold", "tin"])
    );
    let same = revision("deal", id, [("interests", chosen(&["tin", "gold"]))]);
    assert_eq!(store.apply(&[same]).await.unwrap()[0].version, 1);
    let none = revision("deal", id, [("interests", chosen(&[]))]);
    assert_eq!(store.apply(&[none]).await.unwrap()[0].version, 2);
    assert_eq!(
        fetch(store, "deal", id).await.get("interests"),
        &Value::Null
    );
}

/// What was emptied is found by `Empty` and no more by its old value.
pub async fn emptied_fields_are_found_empty<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let cases = [
        ("territory", text("North")),
        ("seats", Value::Int(5)),
        ("contract_number", text("C-1")),
        ("tier", text("gold")),
    ];
    for (field, value) in cases {
        let id = make(
            store,
            "deal",
            [("name", text(field)), (field, value.clone())],
        )
        .await;
        let equal = || Query::new("deal").filter(Filter::equal(field, value.clone()));
        assert_eq!(listed(store, equal()).await, [field]);
        let emptied = revision("deal", id, [(field, Value::Null)]);
        store.apply(&[emptied]).await.unwrap();
        assert!(listed(store, equal()).await.is_empty());
        let empty = Filter::Empty {
            path: field.to_owned().into(),
        };
        let query = Query::new("deal").filter(empty).order("name", false);
        assert!(listed(store, query).await.contains(&field.to_owned()));
    }
}
