//! Unique fields: no two living records of one tenant share a value, whatever its case.

use fieldstone_model::{Query, Value};

use super::{
    Fixture, assert_complains, creation, deletion, fetch, listed, make, refusal, restoration,
    revision, text,
};
use crate::{ChangeError, Store as _};

/// Refused on creation and on change, naming the field; the other record stays.
pub async fn no_two_living_records_share_a_unique_value<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let account = |name: &str, external: &str| {
        creation(
            store,
            "account",
            [("name", text(name)), ("external_id", text(external))],
        )
    };
    store.apply(&[account("First", "E-1")]).await.unwrap();
    let duplicate = [("external_id", "duplicate")];
    assert_complains(store.apply(&[account("Second", "E-1")]).await, &duplicate);
    let other = account("Other", "E-2");
    let id = other.id();
    store.apply(&[other]).await.unwrap();
    let take = revision("account", id, [("external_id", text("E-1"))]);
    assert_complains(store.apply(&[take]).await, &duplicate);
    let keep = revision(
        "account",
        id,
        [("external_id", text("E-2")), ("city", text("Bern"))],
    );
    store.apply(&[keep]).await.unwrap();
    // Another object has values of its own.
    let contact = [("last_name", text("Byron")), ("external_id", text("E-1"))];
    make(store, "contact", contact).await;
    let query = Query::new("account").order("name", false);
    assert_eq!(listed(store, query).await, ["First", "Other"]);
}

/// "ABC", "abc" and "àbc " are one value; a record may change the case of its own.
pub async fn unique_values_compare_folded<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let product = |code: &str| {
        creation(
            store,
            "product",
            [("name", text("Rod")), ("code", text(code))],
        )
    };
    let first = product("Ábc 1");
    let id = first.id();
    store.apply(&[first]).await.unwrap();
    for code in ["ábc 1", "ABC 1", "abc  1"] {
        assert_complains(
            store.apply(&[product(code)]).await,
            &[("code", "duplicate")],
        );
    }
    store.apply(&[product("abc1")]).await.unwrap();
    let recased = revision("product", id, [("code", text("ABC 1"))]);
    store.apply(&[recased]).await.unwrap();
    assert_eq!(
        fetch(store, "product", id).await.get("code"),
        &text("ABC 1")
    );
}

/// Deletion frees a value; who comes back to find it taken is refused, and stays deleted.
pub async fn a_deleted_record_frees_its_value_and_may_not_take_it_back<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for (object, field) in [("account", "external_id"), ("deal", "contract_number")] {
        let old = make(store, object, [("name", text("Old")), (field, text("X1"))]).await;
        store.apply(&[deletion(object, old)]).await.unwrap();
        let new = make(store, object, [("name", text("New")), (field, text("x1"))]).await;
        assert_complains(
            store.apply(&[restoration(object, old)]).await,
            &[(field, "duplicate")],
        );
        assert!(fetch(store, object, old).await.deleted);
        let free = revision(object, new, [(field, Value::Null)]);
        store
            .apply(&[free, restoration(object, old)])
            .await
            .unwrap();
        let taken = revision(object, new, [(field, text("X1"))]);
        assert_complains(store.apply(&[taken]).await, &[(field, "duplicate")]);
        // Twice deleted is no conflict.
        store.apply(&[deletion(object, old)]).await.unwrap();
        let taken = revision(object, new, [(field, text("X1"))]);
        store.apply(&[taken, deletion(object, new)]).await.unwrap();
    }
}

/// Within a batch, in order: a value is free once it was given up, and taken once it was given.
pub async fn a_batch_sees_its_own_duplicates<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for (object, field) in [("account", "external_id"), ("deal", "contract_number")] {
        let record =
            |value: &str| creation(store, object, [("name", text("x")), (field, text(value))]);
        let (index, error) = refusal(store.apply(&[record("A"), record("B"), record("a")]).await);
        assert_eq!(index, 2, "{error:?}");
        assert!(matches!(error, ChangeError::Invalid(_)));
        assert_eq!(store.count(&Query::new(object)).await.unwrap(), 0);
        let first = record("A");
        let id = first.id();
        store
            .apply(&[
                first,
                revision(object, id, [(field, text("B"))]),
                record("A"),
                deletion(object, id),
                record("B"),
            ])
            .await
            .unwrap();
        assert_eq!(store.count(&Query::new(object)).await.unwrap(), 2);
    }
}

/// No value is not a value: any number of records may have none.
pub async fn empty_values_are_never_duplicates<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for _ in 0..3 {
        make(
            store,
            "account",
            [("name", text("x")), ("external_id", Value::Null)],
        )
        .await;
        make(store, "deal", [("name", text("x"))]).await;
    }
    assert_eq!(store.count(&Query::new("account")).await.unwrap(), 3);
}
