//! Authorization codes: what leads to one, what one gives, and every way of getting more out of it.

use http::{Request, StatusCode, header};

use super::desk::{DEVICE, Desk, LOOPBACK, VERIFIER, challenge, encode, parameter};
use crate::gate::text_of;

const APP: &str = "https://app.example/cb";

#[tokio::test]
async fn an_application_gets_what_the_person_allows_and_no_more() {
    let desk = Desk::new().await;
    let app = desk
        .register("public", APP, &["records.read", "users.manage"])
        .await;
    let query = Desk::query(&app.client_id, APP, &[("scope", Some("records.read"))]);
    let page = desk.ask(&query).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("form-action 'self' https://app.example;"),
        "{policy}"
    );
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"),
        "{policy}"
    );
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let page = text_of(page).await;
    assert!(
        page.contains("Reports asks for access") && page.contains("See records"),
        "{page}"
    );
    assert!(!page.contains("Manage people"), "{page}");

    let location = desk.decide(&query, "allow").await;
    assert!(
        location.starts_with("https://app.example/cb?code=fsc_"),
        "{location}"
    );
    assert_eq!(parameter(&location, "state").as_deref(), Some("st&te"));
    assert_eq!(
        parameter(&location, "iss").as_deref(),
        Some("https://crm.example")
    );
    let code = parameter(&location, "code").unwrap();
    let answer = desk.redeem(&app.client_id, APP, &code, VERIFIER).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["scope"], "records.read");
    assert_eq!(answer.body["expires_in"], 1800);
    let access = answer.text("access_token");
    assert!(access.starts_with("fsa_"));
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    // What the owner may, and the application was registered for, but wasn't asked for.
    let users = desk.call("GET", "/api/v1/audit-events", &access, "").await;
    assert_eq!(users.0, StatusCode::FORBIDDEN, "{users:?}");
    let write = desk
        .call(
            "POST",
            "/api/v1/records/account",
            &access,
            r#"{"name":"x"}"#,
        )
        .await;
    assert_eq!(write.0, StatusCode::FORBIDDEN, "{write:?}");
    // A program proves nothing and has no business on pages.
    let token = desk
        .call("POST", "/api/v1/tokens", &access, r#"{"name":"x"}"#)
        .await;
    assert_eq!(token.0, StatusCode::FORBIDDEN);
    assert!(token.1.contains("session-needed"), "{token:?}");
    let pages = desk.call("GET", "/settings/tokens", &access, "").await;
    assert_eq!(pages.0, StatusCode::SEE_OTHER);
    for (action, number) in [
        ("consent.give", 1),
        ("grant.start", 1),
        ("application.add", 1),
    ] {
        assert_eq!(desk.logged(action).await, number, "{action}");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let desk = Desk::new().await;
    let app = desk.register("public", APP, &["records.read"]).await;
    for address in [
        "https://evil.example/cb",
        "https://app.example/cb/",
        "https://app.example/cb?x=1",
        "https://app.example/cb#x",
        "https://app.example/x/../cb",
        "https://app.example/%63b",
        "https://app.example:8443/cb",
        "https://me@app.example/cb",
        "https://app.example@evil.example/cb",
        "HTTPS://app.example/cb",
        "http://app.example/cb",
        "//app.example/cb",
        "",
    ] {
        // Whatever else is wrong, too.
        for changes in [vec![], vec![("response_type", Some("token"))]] {
            let response = desk
                .ask(&Desk::query(&app.client_id, address, &changes))
                .await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{address}");
            assert!(
                !response.headers().contains_key(header::LOCATION),
                "{address}"
            );
        }
    }
    for address in [
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:1/callback",
        "http://[::1]:1/other",
        "http://127.0.0.1:1/callback#x",
        "HTTP://127.0.0.1:1/callback",
        "APP.fieldstone.device:/callback",
    ] {
        let response = desk.ask(&Desk::query(DEVICE, address, &[])).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{address}");
    }
    for address in [
        LOOPBACK,
        "http://127.0.0.1:1/callback",
        "http://[::1]:65535/callback",
        "app.fieldstone.device:/callback",
    ] {
        let response = desk.ask(&Desk::query(DEVICE, address, &[])).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
    }
    let unknown = desk.ask(&Desk::query("0OC000000000000", APP, &[])).await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_request_out_of_order_is_told_to_its_application() {
    let desk = Desk::new().await;
    let app = desk.register("public", APP, &["records.read"]).await;
    for (changes, error) in [
        (
            vec![("code_challenge_method", Some("plain"))],
            "invalid_request",
        ),
        (vec![("code_challenge", None)], "invalid_request"),
        (
            vec![("code_challenge", None), ("code_challenge_method", None)],
            "invalid_request",
        ),
        (
            vec![
                ("code_challenge", Some(VERIFIER)),
                ("code_challenge_method", Some("plain")),
            ],
            "invalid_request",
        ),
        (
            vec![("response_type", Some("token"))],
            "unsupported_response_type",
        ),
        (vec![("scope", Some("records.write"))], "invalid_scope"),
        (vec![("scope", Some("everything"))], "invalid_scope"),
    ] {
        let response = desk.ask(&Desk::query(&app.client_id, APP, &changes)).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{changes:?}");
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        assert!(
            location.starts_with("https://app.example/cb?error="),
            "{location}"
        );
        assert_eq!(
            parameter(location, "error").as_deref(),
            Some(error),
            "{location}"
        );
        assert_eq!(parameter(location, "state").as_deref(), Some("st&te"));
        assert_eq!(
            parameter(location, "iss").as_deref(),
            Some("https://crm.example")
        );
    }
    let location = desk
        .decide(&Desk::query(&app.client_id, APP, &[]), "deny")
        .await;
    assert_eq!(
        parameter(&location, "error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(parameter(&location, "code"), None);
    assert_eq!(desk.logged("consent.refuse").await, 1);
}

#[tokio::test]
async fn a_code_is_good_for_one_try_of_its_own_application() {
    let desk = Desk::new().await;
    let other = "https://other.example/cb";
    let app = desk.register("public", APP, &["records.read"]).await;
    let rival = desk.register("public", other, &["records.read"]).await;
    let mine = app.client_id.as_str();
    // Each of these spends the code, so the right try after it is too late.
    for (client, address, verifier) in [
        (rival.client_id.as_str(), APP, VERIFIER),
        (mine, other, VERIFIER),
        (mine, "https://app.example/cb?", VERIFIER),
        (
            mine,
            APP,
            "another-verifier-that-is-long-enough-to-be-one-0",
        ),
        (mine, APP, challenge(VERIFIER).as_str()),
        (mine, APP, "short"),
    ] {
        let code = desk.code(mine, APP).await;
        desk.redeem(client, address, &code, verifier)
            .await
            .refused("invalid_grant");
        desk.redeem(mine, APP, &code, VERIFIER)
            .await
            .refused("invalid_grant");
    }
    // A missing verifier is no verifier.
    let code = desk.code(mine, APP).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", mine),
        ("redirect_uri", APP),
        ("code", code.as_str()),
    ];
    desk.token(&form).await.refused("invalid_request");
    // Sixty seconds, and no session after the session.
    let code = desk.code(mine, APP).await;
    desk.sql("UPDATE app.oauth_code SET expires_at = now() WHERE used_at IS NULL")
        .await;
    desk.redeem(mine, APP, &code, VERIFIER)
        .await
        .refused("invalid_grant");
    let code = desk.code(mine, APP).await;
    desk.sql("UPDATE app.oauth_client SET active = false WHERE NOT built_in")
        .await;
    desk.redeem(mine, APP, &code, VERIFIER)
        .await
        .refused("invalid_client");
    desk.sql("UPDATE app.oauth_client SET active = true").await;
    let lifetime = "SELECT max(expires_at - created_at) = interval '60 seconds' FROM app.oauth_code WHERE expires_at > now()";
    desk.code(mine, APP).await;
    assert!(
        desk.owner
            .query_one(lifetime, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    let code = desk.code(mine, APP).await;
    desk.sql("UPDATE app.session SET ended_at = now()").await;
    desk.redeem(mine, APP, &code, VERIFIER)
        .await
        .refused("invalid_grant");
    desk.redeem(mine, APP, "fsc_", VERIFIER)
        .await
        .refused("invalid_grant");
    assert_eq!(desk.logged("grant.refuse").await, 8);
    assert_eq!(desk.logged("grant.start").await, 0);
}

#[tokio::test]
async fn a_code_that_comes_twice_takes_back_what_it_gave() {
    let desk = Desk::new().await;
    let code = desk.code(DEVICE, LOOPBACK).await;
    let first = desk.redeem(DEVICE, LOOPBACK, &code, VERIFIER).await;
    let (access, refresh) = (first.text("access_token"), first.text("refresh_token"));
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    desk.redeem(DEVICE, LOOPBACK, &code, VERIFIER)
        .await
        .refused("invalid_grant");
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    desk.refresh(DEVICE, &refresh)
        .await
        .refused("invalid_grant");
    assert_eq!(desk.logged("grant.reuse").await, 1);
}

#[tokio::test]
async fn a_confidential_application_proves_itself_each_time() {
    let desk = Desk::new().await;
    let app = desk.register("confidential", APP, &["records.read"]).await;
    let basic = |secret: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{secret}", app.client_id))
        )
    };
    let form = |code: &str| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("redirect_uri", APP.to_owned()),
            ("code", code.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ]
    };
    let code = desk.code(&app.client_id, APP).await;
    let fields = form(&code);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // Who doesn't prove itself spends nothing.
    for wrong in [
        None,
        Some(basic("")),
        Some(basic("fss_wrong")),
        Some(format!("Bearer {}", app.secret)),
    ] {
        let mut fields = fields.clone();
        if wrong.is_none() {
            fields.push(("client_id", &app.client_id));
        }
        desk.send("/oauth/token", &fields, wrong.as_deref())
            .await
            .refused("invalid_client");
    }
    let answer = desk
        .send("/oauth/token", &fields, Some(&basic(&app.secret)))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let refresh = answer.text("refresh_token");
    desk.refresh(&app.client_id, &refresh)
        .await
        .refused("invalid_client");
    let mut again = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    again.extend([
        ("client_id", app.client_id.as_str()),
        ("client_secret", app.secret.as_str()),
    ]);
    assert_eq!(desk.token(&again).await.status, StatusCode::OK);
    // Consent is remembered: it knows who it is, and goes to a domain of its own.
    let query = Desk::query(&app.client_id, APP, &[]);
    let response = desk.ask(&query).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(parameter(location, "code").is_some(), "{location}");
    // Withdrawn, it has to ask again.
    let withdraw = format!("/settings/connected/{}/withdrawal", app.client_id);
    assert_eq!(
        desk.house.post(&withdraw, &desk.cookie, "").await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(desk.ask(&query).await.status(), StatusCode::OK);
    assert_eq!(desk.logged("consent.withdraw").await, 1);
    // A new secret, and the old one is worth nothing.
    let renew = format!("/settings/applications/{}/secret", app.client_id);
    let page = text_of(desk.house.post(&renew, &desk.cookie, "").await).await;
    assert!(page.contains("fss_") && !page.contains(&app.secret));
    desk.token(&again).await.refused("invalid_client");
}

/// What was allowed was allowed to that application at that address, with what it could ask for then.
#[tokio::test]
async fn consent_and_grants_follow_what_an_application_becomes() {
    const ELSEWHERE: &str = "https://elsewhere.example/cb";
    let desk = Desk::new().await;
    let app = desk
        .register("public", APP, &["records.read", "records.write"])
        .await;
    let change = async |address: &str, scopes: &[&str]| {
        let mut form = vec![("name", "Reports"), ("redirect_uris", address)];
        form.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let path = format!("/settings/applications/{}", app.client_id);
        let changed = desk.house.post(&path, &desk.cookie, encode(&form)).await;
        assert_eq!(changed.status(), StatusCode::SEE_OTHER);
    };
    let grant = async |address: &str| {
        let code = desk.code(&app.client_id, address).await;
        let answer = desk.redeem(&app.client_id, address, &code, VERIFIER).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.text("access_token")
    };
    let is_remembered = async |address: &str| {
        let answer = desk.ask(&Desk::query(&app.client_id, address, &[])).await;
        answer.status() == StatusCode::SEE_OTHER
    };
    let token = grant(APP).await;
    assert!(is_remembered(APP).await);

    // Another address: nobody is sent there without being asked, and who has signed in stays so.
    change(ELSEWHERE, &["records.read", "records.write"]).await;
    assert!(!is_remembered(ELSEWHERE).await);
    assert_eq!(desk.opens(&token).await, StatusCode::OK);

    // Less to ask for: whoever got more is asked again.
    let wider = grant(ELSEWHERE).await;
    change(ELSEWHERE, &["records.read"]).await;
    assert!(!is_remembered(ELSEWHERE).await);
    for token in [token, wider] {
        assert_eq!(desk.opens(&token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(desk.logged("grant.end").await, 2);
}

#[tokio::test]
async fn what_a_program_on_this_computer_asks_is_asked_each_time() {
    let desk = Desk::new().await;
    desk.device().await;
    let response = desk.ask(&Desk::query(DEVICE, LOOPBACK, &[])).await;
    assert_eq!(
        response.status(),
        StatusCode::OK,
        "anybody's program could be behind it"
    );
    assert!(
        text_of(response)
            .await
            .contains("Fieldstone field app asks for access")
    );
}

#[tokio::test]
async fn only_this_sites_page_agrees_and_only_after_a_recent_proof() {
    let desk = Desk::new().await;
    let query = Desk::query(DEVICE, LOOPBACK, &[]);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let request = Request::post("/oauth/authorize")
            .header(name, value)
            .header(header::COOKIE, &desk.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = desk
            .house
            .ask(request, format!("{query}&decision=allow"))
            .await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
    for decision in [
        "",
        "&decision=",
        "&decision=yes",
        "&decision=deny&decision=allow",
    ] {
        let response = desk
            .house
            .post(
                "/oauth/authorize",
                &desk.cookie,
                format!("{query}{decision}"),
            )
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{decision}");
    }
    desk.sql("UPDATE app.session SET proved_at = now() - interval '11 minutes'")
        .await;
    let fresh = desk.house.cookie().await;
    assert_ne!(fresh, desk.cookie);
    desk.sql("UPDATE app.session SET proved_at = now() - interval '11 minutes'")
        .await;
    let request = Request::get(format!("/oauth/authorize?{query}")).header(header::COOKIE, &fresh);
    let response = desk.house.ask(request, "").await;
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(
        location.starts_with("/confirm?return_to=%2Foauth%2Fauthorize"),
        "{location}"
    );
    let response = desk
        .house
        .post(
            "/oauth/authorize",
            &fresh,
            format!("{query}&decision=allow"),
        )
        .await;
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(location.starts_with("/confirm"), "{location}");
    let codes = "SELECT count(*) FROM app.oauth_code";
    assert_eq!(
        desk.owner
            .query_one(codes, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0
    );
    // Nobody signed in comes back here afterwards.
    let response = desk
        .house
        .ask(Request::get(format!("/oauth/authorize?{query}")), "")
        .await;
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(
        location.starts_with("/sign-in?to=%2Foauth%2Fauthorize%3Fclient%5Fid"),
        "{location}"
    );
}
