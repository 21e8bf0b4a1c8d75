//! Tenants: what one workspace holds, another neither sees nor touches, nor learns of by any answer.

use fieldstone_model::{Change, Filter, Query, Value, query::Presence};

use super::{
    Fixture, assert_complains, creation, deletion, fetch, listed, make, refusal, restoration,
    revision, text, values,
};
use crate::{Aggregate, ChangeError, Store as _, StoreError};

/// Not by id, list, count, figure, search, name, history or change mark.
pub async fn another_tenant_sees_nothing<F: Fixture>(fixture: &F) {
    let (ours, theirs) = (fixture.workspace().await, fixture.workspace().await);
    let id = make(
        &ours.owner,
        "account",
        [("name", text("Secret")), ("external_id", text("S-1"))],
    )
    .await;
    let deal = make(
        &ours.owner,
        "deal",
        [
            ("name", text("Secret deal")),
            ("contract_number", text("S-1")),
        ],
    )
    .await;
    let mine = ours.owner.changes_since("account", None).await.unwrap();
    let stranger = &theirs.owner;
    assert!(matches!(
        stranger.get("account", id, &[]).await,
        Err(StoreError::NotFound(_))
    ));
    for object in ["account", "deal"] {
        let query = Query {
            presence: Presence::All,
            ..Query::new(object)
        };
        assert!(listed(stranger, query.clone()).await.is_empty());
        assert_eq!(stranger.count(&query).await.unwrap(), 0);
        let search = Query {
            search: Some("secret".to_owned()),
            ..query
        };
        assert!(listed(stranger, search).await.is_empty());
        let figures = stranger
            .aggregate(&Aggregate::new(object).count())
            .await
            .unwrap();
        assert_eq!(figures[0].figures, [Value::Int(0)]);
        for mark in [None, Some(&mine.mark)] {
            if let Ok(changes) = stranger.changes_since(object, mark).await {
                assert!(changes.records.is_empty());
            }
        }
    }
    let unique = Filter::equal("contract_number", text("S-1"));
    assert!(
        listed(stranger, Query::new("deal").filter(unique))
            .await
            .is_empty()
    );
    let user = ours.member.user().id;
    assert!(stranger.names(&[id, deal, user]).await.unwrap().is_empty());
    assert!(stranger.history(id, None, 10).await.unwrap().is_empty());
    let users = listed(stranger, Query::new("user")).await;
    assert_eq!(users.len(), 4);
    assert!(matches!(
        stranger.get("user", user, &[]).await,
        Err(StoreError::NotFound(_))
    ));
}

/// Every change answers as if the record weren't there, and references to it are missing.
pub async fn another_tenant_changes_nothing<F: Fixture>(fixture: &F) {
    let (ours, theirs) = (fixture.workspace().await, fixture.workspace().await);
    let id = make(&ours.owner, "account", [("name", text("Secret"))]).await;
    let gone = make(&ours.owner, "account", [("name", text("Gone"))]).await;
    ours.owner
        .apply(&[deletion("account", gone)])
        .await
        .unwrap();
    let before = fetch(&ours.owner, "account", id).await;
    let stranger = &theirs.owner;
    for change in [
        revision("account", id, [("name", text("Mine"))]),
        Change::Update {
            object: "account".to_owned(),
            id,
            expected: Some(1),
            values: values([("name", text("Mine"))]),
        },
        deletion("account", id),
        restoration("account", gone),
    ] {
        let answer = stranger.apply(&[change]).await;
        assert_eq!(refusal(answer), (0, ChangeError::NotFound));
    }
    let user = ours.member.user().id;
    for (object, field, target) in [
        ("deal", "account_id", id),
        ("deal", "owner_id", user),
        ("inspection", "account_id", id),
    ] {
        let mut pairs = vec![("name", text("x")), (field, Value::Id(target))];
        if object == "inspection" {
            pairs.push(("inspector", text("Ines")));
        }
        let answer = stranger.apply(&[creation(stranger, object, pairs)]).await;
        assert_complains(answer, &[(field, "missing_reference")]);
    }
    let about = [("title", text("x")), ("about_id", Value::Id(id))];
    let answer = stranger.apply(&[creation(stranger, "note", about)]).await;
    assert_complains(answer, &[("about_id", "missing_reference")]);
    assert_eq!(fetch(&ours.owner, "account", id).await, before);
    assert!(fetch(&ours.owner, "account", gone).await.deleted);
}

/// An id or a unique value that another tenant has is free here, so nobody learns of it.
pub async fn the_same_id_and_value_live_in_two_tenants<F: Fixture>(fixture: &F) {
    let (ours, theirs) = (fixture.workspace().await, fixture.workspace().await);
    for (object, field) in [("account", "external_id"), ("deal", "contract_number")] {
        let change = |name: &str| Change::Create {
            object: object.to_owned(),
            id: match object {
                "account" => "0010000000000Aa".parse().unwrap(),
                _ => "0060000000000Aa".parse().unwrap(),
            },
            values: values([("name", text(name)), (field, text("X-1"))]),
        };
        let id = change("").id();
        ours.member.apply(&[change("Ours")]).await.unwrap();
        theirs.member.apply(&[change("Theirs")]).await.unwrap();
        let rename = revision(object, id, [("name", text("Theirs, renamed"))]);
        theirs.member.apply(&[rename]).await.unwrap();
        let our_record = fetch(&ours.viewer, object, id).await;
        assert_eq!(
            (our_record.version, our_record.get("name")),
            (1, &text("Ours"))
        );
        theirs.member.apply(&[deletion(object, id)]).await.unwrap();
        assert!(!fetch(&ours.viewer, object, id).await.deleted);
        let names = ours.viewer.names(&[id]).await.unwrap();
        assert_eq!(names[&id], "Ours");
        assert_eq!(ours.viewer.history(id, None, 10).await.unwrap().len(), 1);
    }
}
