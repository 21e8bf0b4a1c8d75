//! Webhooks by the API: made, changed, asked what they were told, told it again, removed.

use http::{Method, StatusCode};
use serde_json::json;

use super::Site;

#[tokio::test]
async fn a_webhook_lives_by_the_api_alone() {
    let site = Site::new().await;
    let cookie = site.sign_in("owner@north.example").await;
    let ask = async |method: Method, path: &str, body| site.with(&cookie, method, path, body).await;
    let new = json!({ "name": " Warehouse ", "url": "https://hooks.example/in" });
    let made = ask(Method::POST, "/webhooks", Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["secret"].as_str().expect("a secret").to_owned();
    let place = format!("/webhooks/{}", made.body["id"].as_str().unwrap());
    assert_eq!(made.headers["location"], format!("/api/v1{place}"));

    let shown = ask(Method::GET, &place, None).await.body;
    assert_eq!(shown["name"], "Warehouse");
    assert_eq!(shown["active"], true);
    let listed = ask(Method::GET, "/webhooks", None).await.body;
    assert_eq!(listed["webhooks"][0], shown);
    assert!(!listed.to_string().contains(&secret), "{listed}");

    let off = ask(
        Method::PATCH,
        &place,
        Some(json!({ "active": false, "name": "Depot" })),
    )
    .await;
    assert_eq!(
        (&off.body["active"], &off.body["name"]),
        (&json!(false), &json!("Depot"))
    );
    assert_eq!(off.body["url"], "https://hooks.example/in");
    for (body, field) in [
        (json!({ "url": "http://hooks.example/in" }), "url"),
        (json!({ "url": "https://127.0.0.1/in" }), "url"),
        (json!({ "url": "nowhere" }), "url"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x".repeat(256) }), "name"),
        (json!({ "active": "yes" }), "active"),
        (json!({ "secret": "mine" }), "secret"),
    ] {
        let refused = ask(Method::PATCH, &place, Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(
            refused.body.to_string().contains(&format!("/{field}")),
            "{}",
            refused.body
        );
    }

    let renewed = ask(Method::POST, &format!("{place}/secret"), Some(json!({}))).await;
    assert_ne!(
        renewed.body["secret"].as_str().expect("another secret"),
        secret
    );
    let told = ask(Method::GET, &format!("{place}/deliveries"), None).await;
    assert_eq!(told.body, json!({ "deliveries": [] }));
    for unknown in ["00000000-0000-0000-0000-000000000000", "x"] {
        let path = format!("{place}/deliveries/{unknown}/replay");
        let again = ask(Method::POST, &path, Some(json!({}))).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    }

    let gone = ask(Method::DELETE, &place, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(
        ask(Method::GET, &place, None).await.status,
        StatusCode::NOT_FOUND
    );
}
