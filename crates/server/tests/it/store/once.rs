//! Requests with an idempotency key, on PostgreSQL.

use fieldstone_model::{Change, Query, Role, Value, Values};
use fieldstone_server::{database::connect, store::PgStore};
use fieldstone_store::{
    Store as _, StoreError,
    once::{Answer, Once, OnceStore as _, Outcome},
};
use fieldstone_testkit::TestStores;

fn once(key: &str, request: u8) -> Once {
    let answer = Answer {
        status: 201,
        headers: vec![("location".to_owned(), "/there".to_owned())],
        body: Vec::new(),
    };
    Once {
        key: key.to_owned(),
        request: [request; 32],
        answer,
    }
}

fn creation(store: &PgStore, name: &str) -> [Change; 1] {
    let values = Values::new().with("name", Value::Text(name.to_owned()));
    [Change::Create {
        object: "account".to_owned(),
        id: store.new_id("account").unwrap(),
        values,
    }]
}

async fn count(store: &PgStore) -> u64 {
    store.count(&Query::new("account")).await.unwrap()
}

#[tokio::test]
async fn a_key_has_one_effect_per_user() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("north").await;
    let (_, elsewhere) = database.workspace("south").await;
    let colleague = database.user(tenant, Role::Member).await;
    let request = once("k", 1);
    assert_eq!(store.kept("k", [1; 32]).await.unwrap(), None);
    assert!(matches!(
        store
            .apply_once(&request, &creation(&store, "x"))
            .await
            .unwrap(),
        Outcome::Applied(_)
    ));
    let again = store
        .apply_once(&request, &creation(&store, "x"))
        .await
        .unwrap();
    assert_eq!(again, Outcome::Before(request.answer.clone()));
    let whole = Answer {
        body: b"{\"id\":1}".to_vec(),
        ..request.answer.clone()
    };
    store.keep("k", &whole).await.unwrap();
    assert_eq!(
        store.kept("k", [1; 32]).await.unwrap(),
        Some(Outcome::Before(whole))
    );
    assert_eq!(
        store.kept("k", [2; 32]).await.unwrap(),
        Some(Outcome::Different)
    );
    assert_eq!(
        store
            .apply_once(&once("k", 2), &creation(&store, "x"))
            .await
            .unwrap(),
        Outcome::Different
    );
    assert_eq!(count(&store).await, 1);
    for other in [&colleague, &elsewhere] {
        assert_eq!(other.kept("k", [1; 32]).await.unwrap(), None);
        assert!(matches!(
            other
                .apply_once(&request, &creation(other, "x"))
                .await
                .unwrap(),
            Outcome::Applied(_)
        ));
    }
}

#[tokio::test]
async fn a_refused_request_leaves_no_key() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let refused = store.apply_once(&once("k", 1), &creation(&store, "")).await;
    assert!(matches!(refused, Err(StoreError::Change(..))));
    assert_eq!(store.kept("k", [1; 32]).await.unwrap(), None);
    assert!(matches!(
        store
            .apply_once(&once("k", 1), &creation(&store, "x"))
            .await
            .unwrap(),
        Outcome::Applied(_)
    ));
}

#[tokio::test]
async fn requests_at_the_same_time_have_one_effect() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let attempts = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .apply_once(&once("k", 1), &creation(&store, "x"))
                .await
                .unwrap()
        })
    });
    let mut applied = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Outcome::Applied(_) => applied += 1,
            outcome => assert_eq!(outcome, Outcome::Before(once("k", 1).answer)),
        }
    }
    assert_eq!((applied, count(&store).await), (1, 1));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    store
        .apply_once(&once("k", 1), &creation(&store, "x"))
        .await
        .unwrap();
    let owner = connect(&database.database.owner()).await.unwrap();
    owner
        .execute(
            "UPDATE app.idempotency_key SET created_at = created_at - interval '25 hours'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(store.kept("k", [1; 32]).await.unwrap(), None);
    assert!(matches!(
        store
            .apply_once(&once("k", 2), &creation(&store, "x"))
            .await
            .unwrap(),
        Outcome::Applied(_)
    ));
    assert_eq!(count(&store).await, 2);
}
