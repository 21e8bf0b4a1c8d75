//! Bad input of every kind: a clear refusal that names what is wrong.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::{World, request};

async fn raw(world: &World, content_type: Option<&str>, body: impl Into<Body>) -> super::Answer {
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/records/account");
    if let Some(content_type) = content_type {
        builder = builder.header("content-type", content_type);
    }
    world
        .send(Some(&world.team.member), builder.body(body.into()).unwrap())
        .await
}

#[tokio::test]
async fn bodies_that_are_no_json_objects() {
    let world = World::new();
    let json = Some("application/json");
    for (content_type, status) in [
        (None, 415),
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
    ] {
        raw(&world, content_type, "{\"name\":\"x\"}")
            .await
            .refused(status);
    }
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"\"x\"",
        b"{\"name\":\"x\"} y",
        b"{\"name\":\"x\",\"name\":\"y\"}",
        b"{\"name\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\\ud800\"}",
    ] {
        raw(&world, json, body).await.refused(400);
    }
    raw(
        &world,
        json,
        format!("{{\"name\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000)),
    )
    .await
    .refused(400);
    raw(&world, json, vec![b' '; 1024 * 1024 + 1])
        .await
        .refused(413);
    raw(&world, json, vec![b' '; 20 * 1024 * 1024])
        .await
        .refused(413);
}

#[tokio::test]
async fn values_of_every_wrong_kind_are_named_at_once() {
    let world = World::new();
    let answer = world
        .post(
            "/api/v1/records/deal",
            json!({
                "name": ["x"], "amount": "1,5", "probability": 101, "close_date": "2026-02-30", "account_id": "x", "reviewed": "yes",
                "interests": "gold", "source": 1, "seats": 1.5, "call_at": "25:00", "reviewed_at": "-009999-01-01T00:00:00Z", "nothing": 1,
                "status": "won", "id": "0060000000000Aa", "margin": 1e2,
            }),
        )
        .await;
    assert_eq!(
        answer.refused(422),
        [
            "/account_id not_a_reference",
            "/amount not_a_number",
            "/call_at not_a_time",
            "/close_date not_a_date",
            "/id read_only",
            "/name wrong_type",
            "/nothing unknown_field",
            "/reviewed wrong_type",
            "/reviewed_at not_a_date_time",
            "/seats not_a_number",
            "/source wrong_type",
            "/status read_only",
        ]
    );
    let answer = world
        .post(
            "/api/v1/records/deal",
            json!({ "name": "x".repeat(10_000), "probability": 101, "interests": ["lead"] }),
        )
        .await;
    assert_eq!(
        answer.refused(422),
        [
            "/interests unknown_choice",
            "/name too_long",
            "/probability out_of_range"
        ]
    );
    let answer = world
        .post("/api/v1/records/account", json!({ "a/b~c": 1, "": 2 }))
        .await;
    assert_eq!(
        answer.refused(422),
        ["/ unknown_field", "/a~1b~0c unknown_field"]
    );
    world
        .make("account", json!({ "name": "x", "external_id": "E" }))
        .await;
    let answer = world
        .post(
            "/api/v1/records/account",
            json!({ "name": "y", "external_id": "e" }),
        )
        .await;
    assert_eq!(answer.refused(422), ["/external_id duplicate"]);
    let count = world.get("/api/v1/records/deal/count").await.json();
    assert_eq!(count["count"], 0);
}

#[tokio::test]
async fn addresses_that_lead_nowhere() {
    let world = World::new();
    for (path, status) in [
        ("/api/v1/nothing", 404),
        ("/api/v1/records/nothing", 404),
        ("/api/v1/records/deals", 404),
        ("/api/v1/objects/nothing", 404),
        ("/api/v1/records/deal/x", 404),
        ("/api/v1/records/deal/0010000000000Aa", 404),
        ("/api/v1/records/deal/0060000000000Aa", 404),
        ("/api/v1/records/%FF", 400),
        ("/api/v1/records/deal/%C3%28", 400),
        ("/api/v1/records/deal?filter=%FF", 400),
    ] {
        world.get(path).await.refused(status);
    }
    for (path, expected) in [
        ("filter=amount", "filter syntax"),
        ("filter=nothing+=+1", "filter unknown_field"),
        ("filter=amount+=+x", "filter not_a_number"),
        ("filter=description+=+x", "filter not_filterable"),
        ("filter=status+contains+x", "filter bad_comparison"),
        ("order=description", "order not_sortable"),
        ("order=a,b,c,d", "order too_large"),
        ("order=nothing", "order unknown_field"),
        ("columns=nothing", "columns unknown_field"),
        ("limit=0", "limit bad_limit"),
        ("limit=201", "limit bad_limit"),
        ("limit=-1", "limit bad_limit"),
        ("limit=99999999999999999999", "limit bad_limit"),
        ("cursor=garbage", "cursor bad_cursor"),
        ("cursor=eyJrIjpbXSwiaSI6IngifQ", "cursor bad_cursor"),
        ("deleted=maybe", "deleted unknown_choice"),
        ("sort=name", "sort unknown_parameter"),
        ("limit=1&limit=2", "limit repeated"),
    ] {
        let answer = world.get(&format!("/api/v1/records/deal?{path}")).await;
        assert_eq!(answer.refused(400), [expected], "{path}");
    }
    for (query, parameter) in [
        ("group=amount:week", "group"),
        ("measures=average:amount", "measures"),
        ("measures=sum", "measures"),
        ("limit=0", "limit"),
        ("group=nothing", "group"),
        ("measures=sum:name", "measures"),
    ] {
        let places = world
            .get(&format!("/api/v1/records/deal/aggregate?{query}"))
            .await
            .refused(400);
        assert!(places[0].starts_with(parameter), "{places:?}");
    }
    world.get("/api/v1/search").await.refused(400);
    world
        .get("/api/v1/search?q=x&objects=nothing")
        .await
        .refused(404);
}

#[tokio::test]
async fn methods_that_an_address_does_not_take() {
    let world = World::new();
    for (method, path, allow) in [
        (
            Method::PUT,
            "/api/v1/records/deal/0060000000000Aa",
            "GET,HEAD,PATCH,DELETE",
        ),
        (Method::DELETE, "/api/v1/records/deal", "GET,HEAD,POST"),
        (Method::POST, "/api/v1/search", "GET,HEAD"),
    ] {
        let answer = world
            .send(Some(&world.team.member), request(method, path, &[], None))
            .await;
        answer.refused(405);
        let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
        let mut expected: Vec<_> = allow.split(',').collect();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected);
    }
}
