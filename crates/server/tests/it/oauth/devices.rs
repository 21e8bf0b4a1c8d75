//! A device signs in without a browser: a session first, then a grant.

use http::{Request, StatusCode, header};
use serde_json::{Value as Json, json};

use super::desk::{DEVICE, Desk};
use crate::gate::text_of;

async fn ask(desk: &Desk, cookie: &str, body: Json, site: Option<&str>) -> (StatusCode, Json) {
    let mut request = Request::post("/api/v1/oauth/grants")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, cookie);
    if let Some(site) = site {
        request = request.header("sec-fetch-site", site);
    }
    let response = desk.house.ask(request, body.to_string()).await;
    let status = response.status();
    (
        status,
        serde_json::from_str(&text_of(response).await).unwrap(),
    )
}

#[tokio::test]
async fn a_session_gets_a_device_its_tokens() {
    let desk = Desk::new().await;
    let body = json!({ "client_id": DEVICE, "label": "Ann's tablet" });
    let (status, answer) = ask(&desk, &desk.cookie, body.clone(), None).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let access = answer["access_token"].as_str().unwrap();
    assert_eq!(desk.opens(access).await, StatusCode::OK);
    assert_eq!(answer["scope"], "records.read records.write records.delete");
    let listed = desk.house.page("/api/v1/oauth/grants", &desk.cookie).await;
    let listed: Json = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["grants"][0]["label"], "Ann's tablet");
    assert_eq!(listed["grants"][0]["id"], answer["grant"]);
    assert!(
        desk.house
            .page("/settings/connected", &desk.cookie)
            .await
            .contains("Ann&#39;s tablet")
    );

    // The session may end: the device goes on.
    let grant = answer["grant"].as_str().unwrap();
    desk.sql("UPDATE app.session SET ended_at = now()").await;
    assert_eq!(desk.opens(access).await, StatusCode::OK);
    let refreshed = desk
        .refresh(DEVICE, answer["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, StatusCode::OK);
    // Until the person signs it out.
    let cookie = desk.house.cookie().await;
    let request = Request::delete(format!("/api/v1/oauth/grants/{grant}"))
        .header(header::COOKIE, &cookie)
        .header("sec-fetch-site", "same-origin");
    assert_eq!(
        desk.house.ask(request, "").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(desk.opens(access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        desk.opens(&refreshed.text("access_token")).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn nothing_but_the_field_app_and_nothing_without_a_fresh_session() {
    let desk = Desk::new().await;
    let app = desk
        .register("public", "https://app.example/cb", &["records.read"])
        .await;
    let device = json!({ "client_id": DEVICE });
    for (body, status) in [
        (json!({ "client_id": app.client_id }), 422),
        (json!({}), 422),
        (json!({ "client_id": DEVICE, "scope": "users.manage" }), 422),
        (json!({ "client_id": DEVICE, "scope": "" }), 422),
        (
            json!({ "client_id": DEVICE, "label": "x".repeat(256) }),
            422,
        ),
        (json!({ "client_id": DEVICE, "user": "somebody" }), 422),
        (json!([]), 400),
    ] {
        assert_eq!(
            ask(&desk, &desk.cookie, body.clone(), None).await.0,
            status,
            "{body}"
        );
    }
    let cross = ask(&desk, &desk.cookie, device.clone(), Some("cross-site")).await;
    assert_eq!(cross.0, StatusCode::FORBIDDEN);
    // A token doesn't make a longer-lived one.
    let (access, _) = desk.device().await;
    let answer = desk
        .call("POST", "/api/v1/oauth/grants", &access, &device.to_string())
        .await;
    assert_eq!(answer.0, StatusCode::FORBIDDEN, "{answer:?}");
    // Switched off, it is off for everything.
    let off = "/settings/applications/0OC000000device/activation";
    let switched = desk.house.post(off, &desk.cookie, "active=no").await;
    assert_eq!(switched.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        ask(&desk, &desk.cookie, device.clone(), None).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    let page = desk
        .ask(&Desk::query(DEVICE, super::desk::LOOPBACK, &[]))
        .await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    let removed = desk
        .house
        .post(
            "/settings/applications/0OC000000device/deletion",
            &desk.cookie,
            "",
        )
        .await;
    assert_eq!(removed.status(), StatusCode::FORBIDDEN);
    let switched = desk.house.post(off, &desk.cookie, "active=yes").await;
    assert_eq!(switched.status(), StatusCode::SEE_OTHER);
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    // A proof of eleven minutes ago is none.
    desk.sql("UPDATE app.session SET proved_at = now() - interval '11 minutes'")
        .await;
    let cookie = desk.house.cookie().await;
    desk.sql("UPDATE app.session SET proved_at = now() - interval '11 minutes'")
        .await;
    let (status, problem) = ask(&desk, &cookie, device, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(problem["type"], "urn:fieldstone:problem:proof-required");
}
