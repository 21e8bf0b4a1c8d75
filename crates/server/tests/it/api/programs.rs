//! Service accounts, applications and the life of tokens, by the API: from making them to what they open.

use fieldstone_server::database::connect;
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

/// The owner of the workspace north, who asks.
struct Owner<'a> {
    site: &'a Site,
    cookie: String,
}

impl<'a> Owner<'a> {
    async fn of(site: &'a Site) -> Self {
        let cookie = site.sign_in("owner@north.example").await;
        Self { site, cookie }
    }

    async fn ask(&self, method: Method, path: impl AsRef<str>, body: Option<Json>) -> Answer {
        self.site
            .with(&self.cookie, method, path.as_ref(), body)
            .await
    }

    /// A service account of the role member; its place.
    async fn account(&self) -> String {
        let new = json!({ "name": " Nightly ", "role": "member" });
        let made = self.ask(Method::POST, "/service-accounts", Some(new)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let place = format!("/service-accounts/{}", made.body["id"].as_str().unwrap());
        assert_eq!(made.headers["location"], format!("/api/v1{place}"));
        let shown = self.ask(Method::GET, &place, None).await.body;
        assert_eq!(shown, made.body);
        let expected = json!({ "name": "Nightly", "role": "member", "active": true, "tokens": 0 });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&shown[member], value, "{member}");
        }
        place
    }

    /// A confidential application; its place and its secret.
    async fn application(&self) -> (String, String) {
        let new = json!({ "name": "Reports", "redirect_uris": ["https://app.example/cb"], "scopes": ["records.write", "records.read"], "confidential": true });
        let made = self.ask(Method::POST, APPLICATIONS, Some(new)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let secret = made.body["client_secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("fss_"));
        assert_eq!(
            made.body["scopes"],
            json!(["records.read", "records.write"]),
            "in the table's order"
        );
        let place = format!("{APPLICATIONS}/{}", made.body["id"].as_str().unwrap());
        let shown = self.ask(Method::GET, &place, None).await.body;
        assert_eq!(
            (shown.get("client_secret"), &shown["client_id"]),
            (None, &made.body["id"])
        );
        (place, secret)
    }
}

const APPLICATIONS: &str = "/oauth/applications";
const ACCOUNTS: &str = "/records/account";

async fn reads(site: &Site, token: &str) -> StatusCode {
    by_token(site, token, Method::GET, ACCOUNTS, None)
        .await
        .status
}

#[tokio::test]
async fn a_service_account_is_made_of_what_may_be_said() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let place = owner.account().await;
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
        let refused = owner
            .ask(Method::POST, "/service-accounts", Some(body))
            .await;
        let mut named: Vec<&str> = refused.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        named.sort_unstable();
        assert_eq!(
            (refused.status, json!(named)),
            (StatusCode::UNPROCESSABLE_ENTITY, errors),
            "{}",
            refused.body
        );
    }
    let listed = owner.ask(Method::GET, "/service-accounts", None).await.body;
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
async fn a_service_account_has_tokens_within_its_rights() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let place = owner.account().await;
    let tokens = format!("{place}/tokens");
    let wide = json!({ "name": "x", "scopes": ["users.manage"] });
    assert_eq!(
        owner.ask(Method::POST, &tokens, Some(wide)).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let narrow = json!({ "name": "cron", "scopes": ["records.read"], "days": 1 });
    let made = owner.ask(Method::POST, &tokens, Some(narrow)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["token"].as_str().unwrap();
    assert_eq!(reads(&site, secret).await, StatusCode::OK);
    let acme = Some(json!({ "name": "Acme" }));
    assert_eq!(
        by_token(&site, secret, Method::POST, ACCOUNTS, acme)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let listed = owner.ask(Method::GET, &tokens, None).await.body;
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
        owner.ask(Method::DELETE, elsewhere, None).await.status,
        StatusCode::NOT_FOUND
    );
    let token = format!("{tokens}/{}", made.body["id"].as_str().unwrap());
    assert_eq!(
        owner.ask(Method::DELETE, &token, None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        owner.ask(Method::DELETE, &token, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(reads(&site, secret).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_service_account_that_is_switched_off_has_nothing_and_gets_nothing() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let place = owner.account().await;
    let tokens = format!("{place}/tokens");
    let made = owner
        .ask(Method::POST, &tokens, Some(json!({ "name": "cron" })))
        .await;
    let secret = made.body["token"].as_str().unwrap();
    assert_eq!(reads(&site, secret).await, StatusCode::OK);
    let off = json!({ "active": false, "name": "Weekly" });
    let off = owner.ask(Method::PATCH, &place, Some(off)).await.body;
    assert_eq!(
        (&off["active"], &off["name"], &off["tokens"]),
        (&json!(false), &json!("Weekly"), &json!(0))
    );
    assert_eq!(reads(&site, secret).await, StatusCode::UNAUTHORIZED);
    let refused = owner
        .ask(Method::POST, &tokens, Some(json!({ "name": "cron" })))
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let on = json!({ "active": true, "role": "viewer" });
    let on = owner.ask(Method::PATCH, &place, Some(on)).await.body;
    assert_eq!(
        (&on["active"], &on["role"]),
        (&json!(true), &json!("viewer"))
    );
    assert_eq!(
        reads(&site, secret).await,
        StatusCode::UNAUTHORIZED,
        "ended for good"
    );
}

#[tokio::test]
async fn an_application_is_what_it_was_registered_as() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let (place, secret) = owner.application().await;
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
        let refused = owner.ask(Method::PATCH, &place, Some(body.clone())).await;
        let pointed = &refused.body["errors"][0]["pointer"];
        assert_eq!(
            (refused.status, pointed),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{body}"
        );
    }
    let changed = json!({ "name": "Figures", "active": false });
    let changed = owner.ask(Method::PATCH, &place, Some(changed)).await.body;
    assert_eq!(
        (
            &changed["name"],
            &changed["active"],
            &changed["confidential"]
        ),
        (&json!("Figures"), &json!(false), &json!(true))
    );
    let renewed = owner
        .ask(Method::POST, format!("{place}/secret"), Some(json!({})))
        .await;
    assert_eq!(renewed.status, StatusCode::CREATED);
    assert_ne!(renewed.body["client_secret"], json!(secret));
    assert_eq!(
        owner.ask(Method::DELETE, &place, None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        owner.ask(Method::GET, &place, None).await.status,
        StatusCode::NOT_FOUND
    );
    let listed = owner.ask(Method::GET, APPLICATIONS, None).await.body;
    assert_eq!(listed["applications"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_built_in_is_switched_and_no_more() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let device = format!("{APPLICATIONS}/0OC000000device");
    for (method, path, body) in [
        (
            Method::PATCH,
            device.clone(),
            Some(json!({ "name": "Mine" })),
        ),
        (Method::DELETE, device.clone(), None),
        (Method::POST, format!("{device}/secret"), Some(json!({}))),
    ] {
        assert_eq!(
            owner.ask(method, path, body).await.status,
            StatusCode::CONFLICT
        );
    }
    let grant = json!({ "client_id": "fieldstone-device" });
    for (active, status) in [(false, StatusCode::CONFLICT), (true, StatusCode::CREATED)] {
        let switched = owner
            .ask(Method::PATCH, &device, Some(json!({ "active": active })))
            .await;
        assert_eq!(
            (switched.status, &switched.body["active"]),
            (StatusCode::OK, &json!(active))
        );
        let made = owner
            .ask(Method::POST, "/oauth/grants", Some(grant.clone()))
            .await;
        assert_eq!(made.status, status);
    }
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

/// Stages are records by their form, and part of the workspace's schema by what they do: the scope for records is not enough.
#[tokio::test]
async fn a_token_for_records_changes_nothing_that_settings_manage() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let mut tokens = Vec::new();
    for scopes in [
        json!(["records.read", "records.write", "records.delete"]),
        json!([
            "records.read",
            "records.write",
            "records.delete",
            "schema.manage"
        ]),
    ] {
        let wanted = json!({ "name": "cron", "scopes": scopes });
        let made = owner.ask(Method::POST, "/tokens", Some(wanted)).await;
        tokens.push(made.body["token"].as_str().unwrap().to_owned());
    }
    let [records, schema] = [&tokens[0], &tokens[1]];
    let new = json!({ "name": "Partners", "position": 9 });
    let path = "/records/pipeline";
    let refused = by_token(&site, records, Method::POST, path, Some(new.clone())).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let batch = json!({ "changes": [{ "action": "create", "values": new }] });
    let refused = by_token(
        &site,
        records,
        Method::POST,
        "/records/pipeline/batch",
        Some(batch),
    )
    .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let made = by_token(&site, schema, Method::POST, path, Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let made = format!("{path}/{}", made.body["id"].as_str().unwrap());
    let renamed = json!({ "name": "Others" });
    for (method, body) in [
        (Method::PATCH, Some(renamed.clone())),
        (Method::DELETE, None),
    ] {
        let refused = by_token(&site, records, method, &made, body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    }
    let changed = by_token(&site, schema, Method::PATCH, &made, Some(renamed)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
}

/// Who reads a field is what a role is worth: no token changes it, and no session that hasn't proved itself of late.
#[tokio::test]
async fn who_reads_a_field_takes_a_proof() {
    let site = Site::new().await;
    let owner = Owner::of(&site).await;
    let wanted = json!({ "name": "cron", "scopes": ["records.read", "schema.manage"] });
    let made = owner.ask(Method::POST, "/tokens", Some(wanted)).await;
    let token = made.body["token"].as_str().unwrap().to_owned();
    let path = "/objects/account/fields/annual_revenue";
    let hidden = json!({ "read_role": "admin", "write_role": "admin" });
    let refused = by_token(&site, &token, Method::PATCH, path, Some(hidden.clone())).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert_eq!(
        refused.body["type"],
        "urn:fieldstone:problem:session-needed"
    );
    let done = owner.ask(Method::PATCH, path, Some(hidden.clone())).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let owner = Owner::of(&site).await;
    let database = connect(&site.database.owner()).await.unwrap();
    let stale = "UPDATE app.session SET proved_at = now() - interval '11 minutes'";
    database.batch_execute(stale).await.unwrap();
    let shown = json!({ "read_role": "viewer", "write_role": "member" });
    let refused = owner.ask(Method::PATCH, path, Some(shown)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert_eq!(
        refused.body["type"],
        "urn:fieldstone:problem:proof-required"
    );
}
