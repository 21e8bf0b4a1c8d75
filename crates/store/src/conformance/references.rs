//! References: a relation leads to a living record of the right object at the moment it is written.

use fieldstone_model::{RecordId, Value, query::Path};

use super::{
    Fixture, assert_complains, creation, deletion, fetch, make, restoration, revision, text,
};
use crate::Store as _;

/// Missing, deleted, of another object: each is refused and names the field.
pub async fn a_reference_needs_a_living_record_of_the_right_object<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let contact = make(store, "contact", [("last_name", text("Byron"))]).await;
    let gone = make(store, "account", [("name", text("Gone"))]).await;
    store.apply(&[deletion("account", gone)]).await.unwrap();
    let missing = store.new_id("account").unwrap();
    let unknown: RecordId = "zzz0000000000zz".parse().unwrap();
    let id = make(store, "deal", [("name", text("Deal"))]).await;
    for (target, code) in [
        (missing, "missing_reference"),
        (gone, "missing_reference"),
        (contact, "not_a_reference"),
        (unknown, "not_a_reference"),
        (id, "not_a_reference"),
    ] {
        let expected = [("account_id", code)];
        let target = ("account_id", Value::Id(target));
        let change = creation(store, "deal", [("name", text("x")), target.clone()]);
        assert_complains(store.apply(&[change]).await, &expected);
        let change = revision("deal", id, [target]);
        assert_complains(store.apply(&[change]).await, &expected);
    }
    let nobody = ("owner_id", Value::Id(store.new_id("user").unwrap()));
    assert_complains(
        store.apply(&[revision("deal", id, [nobody])]).await,
        &[("owner_id", "missing_reference")],
    );
    store.apply(&[restoration("account", gone)]).await.unwrap();
    let back = revision("deal", id, [("account_id", Value::Id(gone))]);
    store.apply(&[back]).await.unwrap();
    assert_eq!(
        fetch(store, "deal", id).await.get("account_id"),
        &Value::Id(gone)
    );
}

/// What a task is about may be of several objects, and of no others.
pub async fn references_to_several_objects_are_checked<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = make(store, "account", [("name", text("Acme"))]).await;
    let deal = make(store, "deal", [("name", text("Deal"))]).await;
    let product = make(store, "product", [("name", text("Rod"))]).await;
    let about = |id| [("subject", text("t")), ("about_id", Value::Id(id))];
    for target in [account, deal] {
        let id = make(store, "task", about(target)).await;
        assert_eq!(
            fetch(store, "task", id).await.get("about_id"),
            &Value::Id(target)
        );
    }
    let gone = make(store, "deal", [("name", text("Gone"))]).await;
    store.apply(&[deletion("deal", gone)]).await.unwrap();
    for (target, code) in [
        (product, "not_a_reference"),
        (store.user().id, "not_a_reference"),
        (gone, "missing_reference"),
        (store.new_id("lead").unwrap(), "missing_reference"),
    ] {
        let change = creation(store, "task", about(target));
        assert_complains(store.apply(&[change]).await, &[("about_id", code)]);
    }
}

/// Deleting what others refer to leaves the references as they are, and the referring records can still be changed.
pub async fn a_reference_outlives_the_deletion_of_its_target<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = make(store, "account", [("name", text("Acme"))]).await;
    let id = make(
        store,
        "deal",
        [("name", text("Deal")), ("account_id", Value::Id(account))],
    )
    .await;
    store.apply(&[deletion("account", account)]).await.unwrap();
    let paths = ["account_id", "account.name"].map(Path::from_text);
    let deal = store.get("deal", id, &paths).await.unwrap();
    assert_eq!(deal.values, [Value::Id(account), text("Acme")]);
    let unrelated = revision("deal", id, [("amount", Value::Int(5))]);
    store.apply(&[unrelated]).await.unwrap();
    let same = revision(
        "deal",
        id,
        [
            ("account_id", Value::Id(account)),
            ("amount", Value::Int(6)),
        ],
    );
    store.apply(&[same]).await.unwrap();
    let names = store.names(&[account]).await.unwrap();
    assert_eq!(names[&account], "Acme");
}

/// Relations that a tenant added are held to the same.
pub async fn custom_relations_are_checked<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let contact = make(store, "contact", [("last_name", text("Byron"))]).await;
    let account = make(store, "account", [("name", text("Acme"))]).await;
    let id = make(store, "deal", [("name", text("Deal"))]).await;
    for (target, code) in [
        (account, "not_a_reference"),
        (store.new_id("contact").unwrap(), "missing_reference"),
    ] {
        let change = revision("deal", id, [("sponsor_id", Value::Id(target))]);
        assert_complains(store.apply(&[change]).await, &[("sponsor_id", code)]);
    }
    let right = revision("deal", id, [("sponsor_id", Value::Id(contact))]);
    store.apply(&[right]).await.unwrap();
    let paths = ["sponsor.name", "sponsor_id"].map(Path::from_text);
    let deal = store.get("deal", id, &paths).await.unwrap();
    assert_eq!(deal.values, [text("Byron"), Value::Id(contact)]);
    let missing = creation(
        store,
        "inspection",
        [
            ("name", text("x")),
            ("inspector", text("Ines")),
            ("account_id", Value::Id(store.new_id("account").unwrap())),
        ],
    );
    assert_complains(
        store.apply(&[missing]).await,
        &[("account_id", "missing_reference")],
    );
}

/// A batch may make a parent and its children, standard and custom; what it has deleted it can't refer to any more.
pub async fn a_batch_may_refer_to_what_it_makes<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = creation(store, "account", [("name", text("Acme"))]);
    let parent = Value::Id(account.id());
    let children = |parent: &Value| {
        [
            creation(
                store,
                "contact",
                [("last_name", text("Byron")), ("account_id", parent.clone())],
            ),
            creation(
                store,
                "inspection",
                [
                    ("name", text("x")),
                    ("inspector", text("Ines")),
                    ("account_id", parent.clone()),
                ],
            ),
            creation(
                store,
                "note",
                [("title", text("x")), ("about_id", parent.clone())],
            ),
        ]
    };
    let mut changes = vec![account.clone()];
    changes.extend(children(&parent));
    store.apply(&changes).await.unwrap();
    for child in children(&parent) {
        let field = match child.object() {
            "note" => "about_id",
            _ => "account_id",
        };
        let changes = [deletion("account", account.id()), child];
        assert_complains(store.apply(&changes).await, &[(field, "missing_reference")]);
    }
    assert!(!fetch(store, "account", account.id()).await.deleted);
}
