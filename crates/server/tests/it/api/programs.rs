//! Service accounts, applications and the life of tokens, by the API: from making them to what they open.

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::{Answer, Site};

async fn by_token(
    site: &Site,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Json>,
) -> Answer {
    let bearer = format!("Bearer {token}");
    site.send(method, path, &[("authorization", &bearer)], body)
        .await
}

#[tokio::test]
async fn a_service_account_is_kept_by_the_api() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    let ask = |method, path: String, body| {
        let (site, owner) = (&site, &owner);
        async move { site.with(owner, method, &path, body).await }
    };
    let made = ask(
        Method::POST,
        "/service-accounts".into(),
        Some(json!({ "name": " Nightly ", "role": "member" })),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(
        (
            &made.body["name"],
            &made.body["role"],
            &made.body["active"],
            &made.body["tokens"]
        ),
        (&json!("Nightly"), &json!("member"), &json!(true), &json!(0))
    );
    let place = format!("/service-accounts/{}", made.body["id"].as_str().unwrap());
    assert_eq!(made.headers["location"], format!("/api/v1{place}"));
    for (body, errors) in [
        (json!({}), json!(["/name"])),
        (json!({ "name": "x", "role": "owner" }), json!(["/role"])),
        (
            json!({ "name": "a\nb", "active": true }),
            json!(["/active", "/name"]),
        ),
        (
            json!({ "name": "x", "email": "mallory@x.example" }),
            json!(["/email"]),
        ),
    ] {
        let refused = ask(Method::POST, "/service-accounts".into(), Some(body)).await;
        let named: Vec<&Json> = refused.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(
            (refused.status, json!(named)),
            (StatusCode::UNPROCESSABLE_ENTITY, errors),
            "{}",
            refused.body
        );
    }
    // A token of its own, with its rights at most.
    let tokens = format!("{place}/tokens");
    let wide = json!({ "name": "x", "scopes": ["users.manage"] });
    assert_eq!(
        ask(Method::POST, tokens.clone(), Some(wide)).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let made = ask(
        Method::POST,
        tokens.clone(),
        Some(json!({ "name": "cron", "scopes": ["records.read"], "days": 1 })),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["token"].as_str().unwrap();
    assert_eq!(
        by_token(&site, secret, Method::GET, "/records/account", None)
            .await
            .status,
        StatusCode::OK
    );
    let acme = Some(json!({ "name": "Acme" }));
    assert_eq!(
        by_token(&site, secret, Method::POST, "/records/account", acme)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let listed = ask(Method::GET, tokens.clone(), None).await.body;
    assert_eq!(listed["tokens"][0]["id"], made.body["id"]);
    assert!(
        !listed.to_string().contains(&secret[10..]),
        "a secret is shown once"
    );
    let elsewhere = format!(
        "/service-accounts/0050000000000zz/tokens/{}",
        made.body["id"].as_str().unwrap()
    );
    assert_eq!(
        ask(Method::DELETE, elsewhere, None).await.status,
        StatusCode::NOT_FOUND
    );
    let token = format!("{tokens}/{}", made.body["id"].as_str().unwrap());
    assert_eq!(
        ask(Method::DELETE, token.clone(), None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        ask(Method::DELETE, token, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        by_token(&site, secret, Method::GET, "/records/account", None)
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );

    // Switched off, it has nothing, and gets nothing.
    let made = ask(
        Method::POST,
        tokens.clone(),
        Some(json!({ "name": "cron" })),
    )
    .await;
    let secret = made.body["token"].as_str().unwrap();
    let off = ask(
        Method::PATCH,
        place.clone(),
        Some(json!({ "active": false, "name": "Weekly" })),
    )
    .await;
    assert_eq!(
        (&off.body["active"], &off.body["name"], &off.body["tokens"]),
        (&json!(false), &json!("Weekly"), &json!(0)),
        "{}",
        off.body
    );
    assert_eq!(
        by_token(&site, secret, Method::GET, "/records/account", None)
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ask(Method::POST, tokens, Some(json!({ "name": "cron" })))
            .await
            .status,
        StatusCode::CONFLICT
    );
    let on = ask(
        Method::PATCH,
        place.clone(),
        Some(json!({ "active": true, "role": "viewer" })),
    )
    .await;
    assert_eq!(
        (&on.body["active"], &on.body["role"]),
        (&json!(true), &json!("viewer"))
    );
    assert_eq!(
        by_token(&site, secret, Method::GET, "/records/account", None)
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let listed = ask(Method::GET, "/service-accounts".into(), None)
        .await
        .body;
    assert_eq!(listed["service_accounts"].as_array().unwrap().len(), 1);
    // Another workspace's owner finds nothing there.
    let stranger = site.sign_in("owner@south.example").await;
    for (method, body) in [
        (Method::GET, None),
        (Method::PATCH, Some(json!({ "active": false }))),
    ] {
        assert_eq!(
            site.with(&stranger, method, &place, body).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn an_application_is_kept_by_the_api() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    let ask = |method, path: String, body| {
        let (site, owner) = (&site, &owner);
        async move { site.with(owner, method, &path, body).await }
    };
    let root = "/oauth/applications";
    let new = json!({ "name": "Reports", "redirect_uris": ["https://app.example/cb"], "scopes": ["records.write", "records.read"], "confidential": true });
    let made = ask(Method::POST, root.into(), Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["client_secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("fss_"));
    assert_eq!(
        made.body["scopes"],
        json!(["records.read", "records.write"]),
        "in the table's order"
    );
    let place = format!("{root}/{}", made.body["id"].as_str().unwrap());
    let shown = ask(Method::GET, place.clone(), None).await.body;
    assert_eq!(
        (shown.get("client_secret"), &shown["client_id"]),
        (None, &made.body["id"])
    );
    for (body, pointer) in [
        (
            json!({ "redirect_uris": ["http://evil.example/"] }),
            "/redirect_uris",
        ),
        (
            json!({ "redirect_uris": ["https://app.example/cb#x"] }),
            "/redirect_uris",
        ),
        (json!({ "redirect_uris": [] }), "/redirect_uris"),
        (
            json!({ "redirect_uris": vec!["https://app.example/cb"; 21] }),
            "/redirect_uris",
        ),
        (json!({ "scopes": ["everything"] }), "/scopes"),
        (
            json!({ "scopes": ["records.read records.write"] }),
            "/scopes",
        ),
        (json!({ "confidential": false }), "/confidential"),
        (json!({ "client_id": "fieldstone-device" }), "/client_id"),
        (json!({ "built_in": true }), "/built_in"),
    ] {
        let refused = ask(Method::PATCH, place.clone(), Some(body.clone())).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{body}"
        );
    }
    let changed = ask(
        Method::PATCH,
        place.clone(),
        Some(json!({ "name": "Figures", "active": false })),
    )
    .await;
    assert_eq!(
        (
            &changed.body["name"],
            &changed.body["active"],
            &changed.body["confidential"]
        ),
        (&json!("Figures"), &json!(false), &json!(true))
    );
    let renewed = ask(Method::POST, format!("{place}/secret"), Some(json!({}))).await;
    assert_eq!(renewed.status, StatusCode::CREATED);
    assert_ne!(renewed.body["client_secret"], json!(secret));

    // What is built in is switched, no more.
    let device = format!("{root}/0OC000000device");
    assert_eq!(
        ask(
            Method::PATCH,
            device.clone(),
            Some(json!({ "name": "Mine" }))
        )
        .await
        .status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        ask(Method::DELETE, device.clone(), None).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        ask(Method::POST, format!("{device}/secret"), Some(json!({})))
            .await
            .status,
        StatusCode::CONFLICT
    );
    let off = ask(
        Method::PATCH,
        device.clone(),
        Some(json!({ "active": false })),
    )
    .await;
    assert_eq!(
        (off.status, &off.body["active"]),
        (StatusCode::OK, &json!(false))
    );
    let grant = json!({ "client_id": "fieldstone-device" });
    assert_eq!(
        ask(Method::POST, "/oauth/grants".into(), Some(grant.clone()))
            .await
            .status,
        StatusCode::CONFLICT
    );
    ask(Method::PATCH, device, Some(json!({ "active": true }))).await;
    assert_eq!(
        ask(Method::POST, "/oauth/grants".into(), Some(grant))
            .await
            .status,
        StatusCode::CREATED
    );

    assert_eq!(
        ask(Method::DELETE, place.clone(), None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        ask(Method::GET, place, None).await.status,
        StatusCode::NOT_FOUND
    );
    let listed = ask(Method::GET, root.into(), None).await.body;
    assert_eq!(listed["applications"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tokens_live_as_long_as_the_workspace_says() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    let path = "/workspace/token-policy";
    let shown = site.with(&owner, Method::GET, path, None).await.body;
    assert_eq!(
        shown,
        json!({ "api_token_days_max": 366, "oauth_access_minutes": 30 })
    );
    for body in [
        json!({ "api_token_days_max": 0 }),
        json!({ "oauth_access_minutes": 61 }),
        json!({ "days": 1 }),
    ] {
        let refused = site.with(&owner, Method::PATCH, path, Some(body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let changed = site
        .with(
            &owner,
            Method::PATCH,
            path,
            Some(json!({ "api_token_days_max": 7 })),
        )
        .await;
    assert_eq!(
        changed.body,
        json!({ "api_token_days_max": 7, "oauth_access_minutes": 30 })
    );
    let long = site
        .with(
            &owner,
            Method::POST,
            "/tokens",
            Some(json!({ "name": "x", "days": 8 })),
        )
        .await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    let short = site
        .with(
            &owner,
            Method::POST,
            "/tokens",
            Some(json!({ "name": "x" })),
        )
        .await;
    assert_eq!(short.status, StatusCode::CREATED, "{}", short.body);
}
