//! Changing records: versions, atomicity, deletion and its undoing.

use fieldstone_model::{Change, Comparison, Filter, Query, RecordId, Value};

use super::{
    Fixture, creation, deletion, fetch, listed, make, refusal, restoration, revision, text, values,
};
use crate::{Applied, ChangeError, Store as _, StoreError};

fn update(id: RecordId, expected: Option<i64>, name: &str) -> Change {
    Change::Update {
        object: "account".to_owned(),
        id,
        expected,
        values: values([("name", text(name))]),
    }
}

/// Version 1, made and changed now by the user, owned by the user unless said otherwise.
pub async fn a_new_record_gets_its_system_fields<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let change = creation(&team.member, "account", [("name", text("Acme"))]);
    let id = change.id();
    let applied = team.member.apply(&[change]).await.unwrap();
    assert_eq!(applied, [Applied { id, version: 1 }]);
    let record = fetch(&team.viewer, "account", id).await;
    let user = Value::Id(team.member.user().id);
    assert_eq!(record.get("version"), &Value::Int(1));
    for field in ["created_by_id", "updated_by_id", "owner_id"] {
        assert_eq!(record.get(field), &user, "{field}");
    }
    assert_eq!(record.get("created_at"), record.get("updated_at"));
    assert!(matches!(record.get("created_at"), Value::DateTime(_)));
    assert_eq!(record.get("deleted_at"), &Value::Null);
    let admin = team.admin.user().id;
    let given = make(
        &team.member,
        "account",
        [("name", text("Given")), ("owner_id", Value::Id(admin))],
    )
    .await;
    let record = fetch(&team.viewer, "account", given).await;
    assert_eq!(record.get("owner_id"), &Value::Id(admin));
    assert_eq!(record.get("created_by_id"), &user);
}

/// Values that are there already: same version, same time stamps, no history.
pub async fn a_change_of_nothing_writes_nothing<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Acme"))]).await;
    let before = fetch(&team.member, "account", id).await;
    for change in [
        update(id, Some(1), "Acme"),
        revision("account", id, []),
        revision("account", id, [("city", Value::Null)]),
        restoration("account", id),
    ] {
        let applied = team.admin.apply(&[change]).await.unwrap();
        assert_eq!(applied, [Applied { id, version: 1 }]);
    }
    assert_eq!(fetch(&team.member, "account", id).await, before);
    assert_eq!(team.member.history(id, None, 10).await.unwrap().len(), 1);
    team.member.apply(&[deletion("account", id)]).await.unwrap();
    let again = team.member.apply(&[deletion("account", id)]).await.unwrap();
    assert_eq!(again, [Applied { id, version: 2 }]);
}

/// An update touches what it names; who changed it and when follow.
pub async fn an_update_moves_the_version_and_keeps_the_rest<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(
        &team.member,
        "account",
        [("name", text("Acme")), ("city", text("Lyon"))],
    )
    .await;
    let before = fetch(&team.member, "account", id).await;
    let applied = team
        .admin
        .apply(&[update(id, Some(1), "Apex")])
        .await
        .unwrap();
    assert_eq!(applied, [Applied { id, version: 2 }]);
    let after = fetch(&team.member, "account", id).await;
    assert_eq!(after.version, 2);
    assert_eq!(after.get("name"), &text("Apex"));
    assert_eq!(after.get("city"), &text("Lyon"));
    assert_eq!(after.get("created_at"), before.get("created_at"));
    assert_eq!(after.get("created_by_id"), before.get("created_by_id"));
    assert_eq!(after.get("updated_by_id"), &Value::Id(team.admin.user().id));
    let emptied = revision("account", id, [("city", Value::Null)]);
    team.member.apply(&[emptied]).await.unwrap();
    let after = fetch(&team.member, "account", id).await;
    assert_eq!((after.version, after.get("city")), (3, &Value::Null));
}

/// Who saw an older version is told the current one, and nothing is written.
pub async fn a_stale_version_is_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Acme"))]).await;
    let change = update(id, Some(1), "Apex");
    team.member.apply(&[change]).await.unwrap();
    let stale = ChangeError::Stale { current: 2 };
    for expected in [1, 3, 0, -1, i64::MAX] {
        let answer = team
            .member
            .apply(&[update(id, Some(expected), "Apis")])
            .await;
        assert_eq!(refusal(answer), (0, stale.clone()), "{expected}");
        let deletion = Change::Delete {
            object: "account".to_owned(),
            id,
            expected: Some(expected),
        };
        assert_eq!(
            refusal(team.member.apply(&[deletion]).await),
            (0, stale.clone())
        );
    }
    let record = fetch(&team.member, "account", id).await;
    assert_eq!((record.version, record.get("name")), (2, &text("Apex")));
    let change = update(id, None, "Whatever is there");
    assert_eq!(team.member.apply(&[change]).await.unwrap()[0].version, 3);
}

/// One refused change takes all others of its batch with it, those before and those after.
pub async fn a_batch_applies_all_or_nothing<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let kept = make(store, "account", [("name", text("Kept"))]).await;
    let changes = [
        creation(store, "account", [("name", text("Before"))]),
        update(kept, None, "Changed"),
        deletion("account", kept),
        creation(store, "account", [("city", text("No name"))]),
        creation(store, "account", [("name", text("After"))]),
    ];
    let (index, error) = refusal(store.apply(&changes).await);
    assert_eq!(index, 3);
    assert!(matches!(error, ChangeError::Invalid(_)));
    assert_eq!(listed(&team.viewer, Query::new("account")).await, ["Kept"]);
    assert_eq!(fetch(store, "account", kept).await.version, 1);
    assert!(matches!(
        store.get("account", changes[0].id(), &[]).await,
        Err(StoreError::NotFound(_))
    ));
    let search = Query {
        search: Some("before".to_owned()),
        ..Query::new("account")
    };
    assert_eq!(store.count(&search).await.unwrap(), 0);
}

/// Later changes of a batch build on earlier ones, of the same record too.
pub async fn changes_of_one_batch_see_each_other<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let made = creation(store, "account", [("name", text("One"))]);
    let id = made.id();
    let second = Change::Update {
        object: "account".to_owned(),
        id,
        expected: Some(1),
        values: values([("city", text("Lyon"))]),
    };
    let changes = [
        made,
        second,
        update(id, Some(2), "Three"),
        deletion("account", id),
        restoration("account", id),
        revision("account", id, [("city", text("Rome"))]),
    ];
    let applied = store.apply(&changes).await.unwrap();
    let versions: Vec<_> = applied.iter().map(|applied| applied.version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    let record = fetch(store, "account", id).await;
    assert_eq!((record.version, record.deleted), (6, false));
    assert_eq!(record.get("name"), &text("Three"));
    assert_eq!(record.get("city"), &text("Rome"));
    assert_eq!(store.history(id, None, 10).await.unwrap().len(), 6);
    let stale = [update(id, Some(6), "Seven"), update(id, Some(6), "Eight")];
    let (index, error) = refusal(store.apply(&stale).await);
    assert_eq!((index, error), (1, ChangeError::Stale { current: 7 }));
    assert_eq!(fetch(store, "account", id).await.version, 6);
}

/// However often a batch changes a record, it is found by what it is in the end, and by nothing it was on the way.
pub async fn a_batch_leaves_no_trace_of_states_between<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let chosen = |option: &str| Value::Choices(vec![option.to_owned()]);
    let made = creation(
        store,
        "deal",
        [
            ("name", text("First")),
            ("territory", text("North")),
            ("contract_number", text("C-1")),
            ("interests", chosen("gold")),
            ("tier", text("gold")),
        ],
    );
    let id = made.id();
    let changes = [
        made,
        revision(
            "deal",
            id,
            [("name", text("Second")), ("tier", Value::Null)],
        ),
        revision(
            "deal",
            id,
            [
                ("interests", chosen("tin")),
                ("contract_number", Value::Null),
            ],
        ),
        deletion("deal", id),
        restoration("deal", id),
        revision(
            "deal",
            id,
            [("name", text("Third")), ("contract_number", text("C-3"))],
        ),
        deletion("deal", id),
    ];
    store.apply(&changes).await.unwrap();
    let taken = make(
        store,
        "deal",
        [("name", text("Other")), ("contract_number", text("C-3"))],
    )
    .await;
    let duplicate = store.apply(&[restoration("deal", id)]).await;
    super::assert_complains(duplicate, &[("contract_number", "duplicate")]);
    store
        .apply(&[deletion("deal", taken), restoration("deal", id)])
        .await
        .unwrap();
    let found = async |word: &str| {
        let query = Query {
            search: Some(word.to_owned()),
            ..Query::new("deal")
        };
        store.count(&query).await.unwrap()
    };
    assert_eq!(
        [
            found("first").await,
            found("second").await,
            found("third north").await
        ],
        [0, 0, 1]
    );
    let matching = async |filter: Filter| {
        let query = Query::new("deal").filter(filter);
        store.count(&query).await.unwrap()
    };
    let contains = |option: &str| Filter::compare("interests", Comparison::Contains, text(option));
    assert_eq!(matching(contains("gold")).await, 0);
    assert_eq!(matching(contains("tin")).await, 1);
    assert_eq!(matching(Filter::equal("tier", text("gold"))).await, 0);
    assert_eq!(
        matching(Filter::equal("contract_number", text("C-1"))).await,
        0
    );
    assert_eq!(
        matching(Filter::equal("contract_number", text("c-3"))).await,
        1
    );
}

/// Deletion hides, restoration brings back everything as it was.
pub async fn deleted_records_come_back_whole<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let id = make(
        store,
        "deal",
        [
            ("name", text("Big one")),
            ("amount", Value::Int(500)),
            ("territory", text("North")),
            ("contract_number", text("C-1")),
        ],
    )
    .await;
    let before = fetch(store, "deal", id).await;
    let deletion = store.apply(&[deletion("deal", id)]).await.unwrap();
    assert_eq!(deletion[0].version, 2);
    assert!(listed(store, Query::new("deal")).await.is_empty());
    let restoration = store.apply(&[restoration("deal", id)]).await.unwrap();
    assert_eq!(restoration[0].version, 3);
    let after = fetch(store, "deal", id).await;
    assert!(!after.deleted);
    for (column, value) in before.iter() {
        if !["version", "updated_at"].contains(&column.name.as_str()) {
            assert_eq!(after.get(&column.name), value, "{}", column.name);
        }
    }
    let search = Query {
        search: Some("north".to_owned()),
        ..Query::new("deal")
    };
    assert_eq!(listed(store, search).await, ["Big one"]);
}

/// A deleted record is restored first; its deletion is no staleness.
pub async fn a_deleted_record_is_not_changed<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Gone"))]).await;
    team.member.apply(&[deletion("account", id)]).await.unwrap();
    for expected in [None, Some(2)] {
        let answer = team.member.apply(&[update(id, expected, "Back")]).await;
        assert_eq!(refusal(answer), (0, ChangeError::Deleted));
    }
    assert_eq!(
        fetch(&team.member, "account", id).await.get("name"),
        &text("Gone")
    );
}

/// An id is used once, also when its record is deleted; its prefix says which object it belongs to.
pub async fn taken_ids_and_wrong_objects_are_refused<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let made = creation(store, "account", [("name", text("First"))]);
    store.apply(std::slice::from_ref(&made)).await.unwrap();
    assert_eq!(
        refusal(store.apply(std::slice::from_ref(&made)).await),
        (0, ChangeError::IdTaken)
    );
    store
        .apply(&[deletion("account", made.id())])
        .await
        .unwrap();
    assert_eq!(
        refusal(store.apply(std::slice::from_ref(&made)).await),
        (0, ChangeError::IdTaken)
    );
    let twice = creation(store, "account", [("name", text("Twice"))]);
    let answer = store.apply(&[twice.clone(), twice]).await;
    assert_eq!(refusal(answer), (1, ChangeError::IdTaken));
    let wrong = [
        Change::Create {
            object: "contact".to_owned(),
            id: store.new_id("account").unwrap(),
            values: values([("last_name", text("Byron"))]),
        },
        revision("contact", made.id(), [("last_name", text("Byron"))]),
        deletion("contact", made.id()),
        restoration("contact", made.id()),
    ];
    for change in wrong {
        let answer = store.apply(&[change]).await;
        assert_eq!(refusal(answer), (0, ChangeError::WrongObject));
    }
    assert!(matches!(
        store.get("contact", made.id(), &[]).await,
        Err(StoreError::NotFound(_))
    ));
}

/// What isn't there can't be read, changed, deleted or restored.
pub async fn missing_records_are_not_found<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = team.member.new_id("account").unwrap();
    for change in [
        update(id, None, "x"),
        update(id, Some(1), "x"),
        deletion("account", id),
        restoration("account", id),
    ] {
        let answer = team.member.apply(&[change]).await;
        assert_eq!(refusal(answer), (0, ChangeError::NotFound));
    }
    let answer = team.member.get("account", id, &[]).await;
    assert!(matches!(answer, Err(StoreError::NotFound(missing)) if missing == id));
    assert!(team.member.new_id("nothing").is_none());
}

/// No changes: nothing happens, without complaint.
pub async fn empty_batches_are_fine<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    assert!(team.member.apply(&[]).await.unwrap().is_empty());
}

/// Hundreds of records of several objects at once, answered in the order given.
pub async fn large_batches_keep_their_order<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let changes: Vec<Change> = (0..300)
        .map(|at| match at % 3 {
            0 => creation(store, "account", [("name", text(format!("A{at:03}")))]),
            1 => creation(store, "deal", [("name", text(format!("D{at:03}")))]),
            _ => creation(
                store,
                "inspection",
                [
                    ("name", text(format!("I{at:03}"))),
                    ("inspector", text("Ines")),
                ],
            ),
        })
        .collect();
    let applied = store.apply(&changes).await.unwrap();
    assert_eq!(applied.len(), 300);
    for (change, applied) in changes.iter().zip(&applied) {
        assert_eq!((change.id(), 1), (applied.id, applied.version));
    }
    for object in ["account", "deal", "inspection"] {
        assert_eq!(store.count(&Query::new(object)).await.unwrap(), 100);
    }
    let updates: Vec<Change> = applied
        .iter()
        .zip(&changes)
        .map(|(applied, change)| revision(change.object(), applied.id, [("name", text("Renamed"))]))
        .collect();
    let renamed = store.apply(&updates).await.unwrap();
    assert!(renamed.iter().all(|applied| applied.version == 2));
}
