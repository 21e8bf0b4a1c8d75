//! Entity tags: what changed meanwhile is not overwritten, and what didn't isn't sent again.

use http::{Method, StatusCode};
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_stale_tag_is_told_the_current_version() {
    let world = World::new();
    let id = world.make("account", json!({ "name": "Acme" })).await;
    let path = format!("/api/v1/records/account/{id}");
    let rename = |tag: &'static str, name: &'static str| {
        let (world, path) = (&world, &path);
        async move {
            world
                .ask(
                    Method::PATCH,
                    path,
                    &[("if-match", tag)],
                    Some(json!({ "name": name })),
                )
                .await
        }
    };
    assert_eq!(rename("\"1\"", "Apex").await.status, StatusCode::OK);
    for stale in ["\"1\"", "\"3\"", "W/\"2\"", "\"x\"", "2", "\"1\", \"7\""] {
        let answer = rename(stale, "Never").await;
        answer.refused(412);
        assert_eq!(answer.json()["current_version"], 2, "{stale}");
        assert_eq!(answer.header("etag"), "\"2\"");
    }
    assert_eq!(rename("\"1\", \"2\"", "Apis").await.status, StatusCode::OK);
    assert_eq!(rename("*", "Apse").await.status, StatusCode::OK);
    let delete = async |tag: &str| {
        world
            .ask(Method::DELETE, &path, &[("if-match", tag)], None)
            .await
    };
    delete("\"1\"").await.refused(412);
    assert_eq!(delete("\"4\"").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let world = World::new();
    let id = world.make("account", json!({ "name": "Acme" })).await;
    let path = format!("/api/v1/records/account/{id}");
    for (tag, status) in [
        ("\"1\"", 304),
        ("W/\"1\"", 304),
        ("\"0\", \"1\"", 304),
        ("*", 304),
        ("\"2\"", 200),
        ("x", 200),
    ] {
        let answer = world
            .ask(Method::GET, &path, &[("if-none-match", tag)], None)
            .await;
        assert_eq!(answer.status, status, "{tag}");
        assert_eq!(answer.body.is_empty(), status == 304);
        assert_eq!(answer.header("etag"), "\"1\"");
    }
}

#[tokio::test]
async fn a_caller_may_do_without_the_record() {
    let world = World::new();
    let minimal = [("prefer", "respond-async, return=minimal")];
    let created = world
        .ask(
            Method::POST,
            "/api/v1/records/account",
            &minimal,
            Some(json!({ "name": "Acme" })),
        )
        .await;
    assert_eq!(
        (created.status, created.body.as_str()),
        (StatusCode::CREATED, "")
    );
    let path = created.header("location").to_owned();
    let patched = world
        .ask(
            Method::PATCH,
            &path,
            &minimal,
            Some(json!({ "name": "Apex" })),
        )
        .await;
    assert_eq!(
        (patched.status, patched.header("etag")),
        (StatusCode::NO_CONTENT, "\"2\"")
    );
    assert_eq!(world.get(&path).await.json()["name"], "Apex");
}
