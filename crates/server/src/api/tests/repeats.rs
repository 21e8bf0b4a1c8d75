//! Idempotency keys.

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::{Answer, World, request};

async fn post(world: &World, path: &str, key: &str, body: &Json) -> Answer {
    world
        .ask(
            Method::POST,
            path,
            &[("idempotency-key", key)],
            Some(body.clone()),
        )
        .await
}

#[tokio::test]
async fn a_repeated_request_has_one_effect_and_one_answer() {
    let world = World::new();
    let accounts = "/api/v1/records/account";
    let body = json!({ "name": "Acme", "external_id": "E-1" });
    let first = post(&world, accounts, "k1", &body).await;
    assert_eq!(first.status, StatusCode::CREATED);
    world
        .patch(first.header("location"), json!({ "name": "Changed since" }))
        .await;
    let again = post(&world, accounts, "k1", &body).await;
    assert_eq!(
        (again.status, &again.body),
        (StatusCode::CREATED, &first.body)
    );
    for name in ["location", "etag"] {
        assert_eq!(again.header(name), first.header(name));
    }
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
    let other = post(&world, accounts, "k1", &json!({ "name": "Acme" })).await;
    assert_eq!(other.refused(422), ["Idempotency-Key reused"]);
    let elsewhere = post(&world, "/api/v1/records/product", "k1", &body).await;
    elsewhere.refused(422);
    // Another person's keys are their own.
    let request = request(
        Method::POST,
        accounts,
        &[("idempotency-key", "k1")],
        Some(json!({ "name": "Acme" })),
    );
    assert_eq!(
        world.send(Some(&world.team.admin), request).await.status,
        StatusCode::CREATED
    );
    let count = world.get("/api/v1/records/account/count").await.json();
    assert_eq!(count["count"], 2);
}

#[tokio::test]
async fn a_refused_request_may_be_tried_again() {
    let world = World::new();
    let accounts = "/api/v1/records/account";
    let body = json!({ "name": "Acme", "external_id": "E-1" });
    let id = world.make("account", body.clone()).await;
    post(&world, accounts, "k1", &body).await.refused(422);
    world
        .ask(Method::DELETE, &format!("{accounts}/{id}"), &[], None)
        .await;
    assert_eq!(
        post(&world, accounts, "k1", &body).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn batches_and_conversions_repeat_too() {
    let world = World::new();
    let batch = json!({ "changes": [{ "action": "create", "values": { "name": "x" } }] });
    let path = "/api/v1/records/account/batch";
    let first = post(&world, path, "b", &batch).await;
    assert_eq!(post(&world, path, "b", &batch).await.body, first.body);
    let lead = world.make("lead", json!({ "last_name": "Byron" })).await;
    let path = format!("/api/v1/records/lead/{lead}/conversion");
    let first = post(&world, &path, "c", &json!({})).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let again = post(&world, &path, "c", &json!({})).await;
    assert_eq!(
        (again.status, &again.body),
        (StatusCode::CREATED, &first.body)
    );
    let count = world.get("/api/v1/records/account/count").await.json();
    assert_eq!(count["count"], 2);
}

#[tokio::test]
async fn keys_that_can_not_be_used() {
    let world = World::new();
    for key in ["", "ä", &"x".repeat(256)] {
        let answer = post(
            &world,
            "/api/v1/records/account",
            key,
            &json!({ "name": "x" }),
        )
        .await;
        answer.refused(400);
    }
}
