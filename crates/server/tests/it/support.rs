//! Access for support: only when an owner gives it, only what was given, only while it lasts.

use fieldstone_server::database::connect;
use fieldstone_server::identity::{support, workspace};
use http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::gate::{House, text_of};

const EMAIL: &str = "vera@operator.example";

async fn told(house: &House, sql: &str) {
    let owner = connect(&house.database.owner()).await.unwrap();
    owner.batch_execute(sql).await.unwrap();
}

/// The secret of a link for an operator, if an owner has let them in.
async fn link(house: &House, email: &str) -> Option<String> {
    let owner = connect(&house.database.owner()).await.unwrap();
    let tenant = workspace::find(&owner, "north").await.unwrap().id;
    let made = support::make_link(&owner, tenant, email, house.clock.set()).await;
    made.unwrap().map(|(secret, _)| secret.to_string())
}

async fn give(house: &House, cookie: &str, more: &str) {
    let form = format!("operator=Vera+Operator&email={EMAIL}&reason=A+slow+report&hours=4{more}")
        .replace('@', "%40");
    let given = house.post("/settings/support", cookie, form).await;
    assert_eq!(
        given.status(),
        StatusCode::SEE_OTHER,
        "{}",
        text_of(given).await
    );
}

/// The cookie of whoever comes in by a link; nothing when it lets nobody in.
async fn enter(house: &House, secret: &str) -> Option<String> {
    let request = Request::post("/support-entry")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = house.ask(request, format!("link={secret}")).await;
    if answer.status() == StatusCode::GONE {
        return None;
    }
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}

async fn call(house: &House, cookie: &str, method: Method, path: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json");
    let body = json!({ "name": "Somebody" }).to_string();
    house.ask(request, body).await.status()
}

async fn log(house: &House) -> Vec<(String, serde_json::Value)> {
    let owner = connect(&house.database.owner()).await.unwrap();
    let sql = "SELECT action, detail FROM app.audit_event WHERE action LIKE 'support_access.%' ORDER BY seq";
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn an_owner_lets_somebody_in_who_only_reads_and_ends_it_by_a_click() {
    let house = House::new().await;
    let owner = house.cookie().await;
    let made = house.post("/accounts", &owner, "name=Kestrel+Ltd").await;
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    assert!(link(&house, EMAIL).await.is_none(), "nobody was let in");
    assert!(enter(&house, "anything").await.is_none());

    for (form, said) in [
        ("operator=&email=a%40b.example&hours=4", "Say who it is"),
        (
            "operator=Vera&email=nobody&hours=4",
            "e-mail address of the person",
        ),
    ] {
        let slip = house.post("/settings/support", &owner, form).await;
        assert_eq!(slip.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(text_of(slip).await.contains(said));
    }
    give(&house, &owner, "").await;
    let page = house.page("/settings/support", &owner).await;
    for part in [
        "Vera Operator",
        EMAIL,
        "A slow report",
        "reads only",
        "never came in",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        link(&house, "other@operator.example").await.is_none(),
        "it is for the one who is named"
    );
    let secret = link(&house, EMAIL).await.unwrap();
    let shown = house
        .page(&format!("/support-entry?link={secret}"), "")
        .await;
    assert!(
        shown.contains("Vera Operator enters the workspace North"),
        "{shown}"
    );
    let cookie = enter(&house, &secret).await.unwrap();
    assert!(enter(&house, &secret).await.is_none(), "once");

    // They read, and that is all.
    let list = house.page("/accounts", &cookie).await;
    assert!(list.contains("Kestrel Ltd"), "{list}");
    assert_eq!(
        call(&house, &cookie, Method::GET, "/api/v1/records/account").await,
        StatusCode::OK
    );
    for (method, path) in [
        (Method::POST, "/api/v1/records/account"),
        (Method::POST, "/api/v1/tokens"),
        (Method::GET, "/api/v1/tokens"),
        (Method::POST, "/api/v1/sync/devices"),
        (Method::POST, "/api/v1/session/totp"),
        (Method::POST, "/accounts"),
        (Method::POST, "/settings/profile"),
        (Method::POST, "/settings/calendar"),
        (Method::GET, "/settings/members"),
        (Method::GET, "/settings/support"),
    ] {
        let status = call(&house, &cookie, method.clone(), path).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }

    // The owner sees it and ends it, and it ends at that moment.
    let page = house.page("/settings/support", &owner).await;
    assert!(page.contains("came in once"), "{page}");
    let id = page
        .split("/settings/support/")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let path = format!("/settings/support/{id}/end");
    let ended = house.post(&path, &owner, "").await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER);
    let status = call(&house, &cookie, Method::GET, "/api/v1/records/account").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(link(&house, EMAIL).await.is_none());
    let again = house.post(&path, &owner, "").await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let page = house.page("/settings/support", &owner).await;
    assert!(page.contains("Ended by Ann"), "{page}");

    let log = log(&house).await;
    let actions: Vec<&str> = log.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "support_access.give",
            "support_access.use",
            "support_access.end"
        ]
    );
    assert_eq!(log[0].1["reason"], "A slow report");
    assert_eq!(log[1].1["email"], EMAIL);
}

#[tokio::test]
async fn access_that_may_change_records_changes_nothing_else_and_ends_by_itself() {
    let house = House::new().await;
    let owner = house.cookie().await;
    give(&house, &owner, "&write=yes").await;
    let secret = link(&house, EMAIL).await.unwrap();
    // A workspace that asks everybody for a second factor lets them in all the same: they came by a link of the installation.
    told(&house, "UPDATE app.workspace SET totp_required = true").await;
    let cookie = enter(&house, &secret).await.unwrap();
    told(&house, "UPDATE app.workspace SET totp_required = false").await;
    let request = Request::post("/api/v1/records/account")
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, &cookie)
        .header(header::CONTENT_TYPE, "application/json");
    let made = house.ask(request, r#"{"name":"Somebody"}"#).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: serde_json::Value = serde_json::from_str(&text_of(made).await).unwrap();
    let follow = format!("/accounts/{}/follow", made["id"].as_str().unwrap());
    for (method, path) in [
        (Method::POST, "/api/v1/tokens"),
        (Method::POST, "/settings/profile"),
        (Method::POST, "/api/v1/objects"),
        (Method::POST, "/exports/accounts"),
        (Method::POST, "/imports"),
        (Method::POST, "/accounts/views"),
        (Method::POST, follow.as_str()),
        (Method::POST, "/dashboards"),
        (Method::POST, "/api/v1/membership/email-change"),
        (Method::DELETE, "/api/v1/membership"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::POST, "/api/v1/sync/push"),
    ] {
        let status = call(&house, &cookie, method.clone(), path).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }

    // Its time is over: the database lets nobody in, whether or not anybody has noted the end.
    let spare = link(&house, EMAIL).await.unwrap();
    told(
        &house,
        "UPDATE app.support_access SET ends_at = now() - interval '1 second'",
    )
    .await;
    let status = call(&house, &cookie, Method::GET, "/api/v1/records/account").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(enter(&house, &spare).await.is_none());
    assert!(link(&house, EMAIL).await.is_none());
    assert_eq!(log(&house).await.len(), 2);
    // Noted once, and the person is switched off.
    for _ in 0..2 {
        told(&house, "SELECT app.expire_support_accesses()").await;
    }
    let log = log(&house).await;
    assert_eq!(log.len(), 3);
    assert_eq!(log[2].0, "support_access.end");
    assert_eq!(log[2].1["by"], "time");
    let page = house.page("/settings/support", &owner).await;
    assert!(
        page.contains("Ended") && !page.contains("Open until"),
        "{page}"
    );
    // Nobody gives such a person a password.
    let owner = connect(&house.database.owner()).await.unwrap();
    let sql = "UPDATE app.user_secret s SET password_phc = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA'
        FROM app.\"user\" u WHERE u.id = s.user_id AND u.kind = 'support'";
    let refused = owner.batch_execute(sql).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501");
}
