//! What becomes of programs when the people change for whom they act.

use fieldstone_model::{Clock as _, IdSource, Role, SystemClock};
use fieldstone_server::identity::workspace::{self, NewUser};
use fieldstone_server::identity::{PasswordHasher, PasswordPolicy};
use http::{StatusCode, header};
use secrecy::SecretString;

use super::desk::{DEVICE, Desk, VERIFIER, encode};
use crate::gate::{PASSWORD, cookie_of, text_of};

impl Desk {
    /// Somebody else of the workspace at the desk: their cookie is used from now on.
    async fn sit_down(&mut self, email: &str, role: Role) {
        let hasher = PasswordHasher::new(&PasswordPolicy::default()).unwrap();
        let phc = hasher.hash(&SecretString::from(PASSWORD)).await.unwrap();
        let row = self
            .owner
            .query_one("SELECT tenant_id FROM app.workspace", &[])
            .await
            .unwrap();
        let tenant = row.get::<_, &str>(0).parse().unwrap();
        let new = NewUser {
            email,
            name: "Bob",
            role,
            password_phc: Some(&phc),
            locale: "en",
            time_zone: "UTC",
        };
        workspace::add_user(
            &mut self.owner,
            &IdSource::default(),
            tenant,
            &new,
            SystemClock.now(),
        )
        .await
        .unwrap();
        let form = encode(&[("email", email), ("password", PASSWORD)]);
        self.cookie = cookie_of(&self.house.sign_in(form).await);
    }
}

#[tokio::test]
async fn a_program_may_what_its_person_may_now() {
    let mut desk = Desk::new().await;
    desk.sit_down("bob@north.example", Role::Member).await;
    let (access, refresh) = desk.device().await;
    let write = |name: &'static str| {
        let (desk, access) = (&desk, access.as_str());
        async move {
            desk.call(
                "POST",
                "/api/v1/records/account",
                access,
                &format!("{{\"name\":\"{name}\"}}"),
            )
            .await
            .0
        }
    };
    assert_eq!(write("one").await, StatusCode::CREATED);
    // Lowered, on the next request; raised, again.
    desk.sql("UPDATE app.\"user\" SET role = 'viewer' WHERE email = 'bob@north.example'")
        .await;
    assert_eq!(write("two").await, StatusCode::FORBIDDEN);
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    desk.sql("UPDATE app.\"user\" SET role = 'member' WHERE email = 'bob@north.example'")
        .await;
    assert_eq!(write("three").await, StatusCode::CREATED);
    // Deactivated, nothing; and nothing comes back with them.
    desk.sql("UPDATE app.\"user\" SET active = false WHERE email = 'bob@north.example'")
        .await;
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    desk.refresh(DEVICE, &refresh)
        .await
        .refused("invalid_grant");
    desk.sql("UPDATE app.\"user\" SET active = true WHERE email = 'bob@north.example'")
        .await;
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    desk.refresh(DEVICE, &refresh)
        .await
        .refused("invalid_grant");
}

#[tokio::test]
async fn nobody_grants_an_application_more_than_they_have() {
    let mut desk = Desk::new().await;
    let address = "https://app.example/cb";
    let app = desk
        .register(
            "public",
            address,
            &["records.read", "users.manage", "workspace.own"],
        )
        .await;
    desk.sit_down("bob@north.example", Role::Viewer).await;
    let code = desk.code(&app.client_id, address).await;
    let answer = desk.redeem(&app.client_id, address, &code, VERIFIER).await;
    assert_eq!(answer.body["scope"], "records.read");
    // Nor does it grow with the person.
    desk.sql("UPDATE app.\"user\" SET role = 'admin' WHERE email = 'bob@north.example'")
        .await;
    let access = answer.text("access_token");
    assert_eq!(
        desk.call("GET", "/api/v1/audit-events", &access, "")
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_removed_application_leaves_nothing() {
    let desk = Desk::new().await;
    let address = "https://app.example/cb";
    let app = desk.register("public", address, &["records.read"]).await;
    let code = desk.code(&app.client_id, address).await;
    let answer = desk.redeem(&app.client_id, address, &code, VERIFIER).await;
    let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    let remove = format!("/settings/applications/{}/deletion", app.client_id);
    assert_eq!(
        desk.house.post(&remove, &desk.cookie, "").await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    desk.refresh(&app.client_id, &refresh)
        .await
        .refused("invalid_client");
    assert_eq!(desk.logged("application.remove").await, 1);
}

#[tokio::test]
async fn api_tokens_are_made_shown_and_revoked_on_their_page() {
    let mut desk = Desk::new().await;
    desk.sit_down("bob@north.example", Role::Member).await;
    let make = |form: Vec<(&'static str, &'static str)>| {
        let (house, cookie) = (&desk.house, &desk.cookie);
        async move { house.post("/settings/tokens", cookie, encode(&form)).await }
    };
    for wrong in [
        vec![("name", ""), ("scope", "records.read"), ("days", "30")],
        vec![("name", "x"), ("days", "30")],
        vec![("name", "x"), ("scope", "users.manage"), ("days", "30")],
        vec![("name", "x"), ("scope", "records.read"), ("days", "367")],
        vec![("name", "x"), ("scope", "records.read"), ("days", "0")],
    ] {
        assert_eq!(
            make(wrong.clone()).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong:?}"
        );
    }
    let answer = make(vec![
        ("name", "nightly"),
        ("scope", "records.read"),
        ("days", "30"),
    ])
    .await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let page = text_of(answer).await;
    let token = page
        .split(">fst_")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let token = format!("fst_{token}");
    assert_eq!(desk.opens(&token).await, StatusCode::OK);
    assert_eq!(
        desk.call("POST", "/api/v1/records/account", &token, "{}")
            .await
            .0,
        StatusCode::FORBIDDEN
    );
    let list = desk.house.page("/settings/tokens", &desk.cookie).await;
    assert!(
        list.contains("nightly") && list.contains(&token[..8]) && !list.contains(&token),
        "{list}"
    );
    assert!(!list.contains(">Never<"), "its use is shown: {list}");
    let revocation = list
        .split("action=\"/settings/tokens/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let revocation = format!("/settings/tokens/{revocation}");
    assert_eq!(
        desk.house
            .post(&revocation, &desk.cookie, "")
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(desk.opens(&token).await, StatusCode::UNAUTHORIZED);
    // The workspace's policy bounds what is made from now on, whoever asks for more.
    desk.sql("UPDATE app.workspace SET settings = settings || '{\"api_token_days_max\": 7}'")
        .await;
    assert_eq!(
        make(vec![
            ("name", "x"),
            ("scope", "records.read"),
            ("days", "30")
        ])
        .await
        .status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        make(vec![
            ("name", "x"),
            ("scope", "records.read"),
            ("days", "7")
        ])
        .await
        .status(),
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_service_account_has_tokens_and_nothing_else() {
    let desk = Desk::new().await;
    let form = encode(&[("name", "Nightly export"), ("role", "member")]);
    let made = desk
        .house
        .post("/settings/service-accounts", &desk.cookie, form)
        .await;
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    let path = made.headers()[header::LOCATION]
        .to_str()
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();
    for role in ["owner", "king", ""] {
        let form = encode(&[("name", "x"), ("role", role)]);
        let refused = desk
            .house
            .post("/settings/service-accounts", &desk.cookie, form)
            .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{role}");
    }
    let form = encode(&[
        ("name", "cron"),
        ("scope", "records.read"),
        ("scope", "records.write"),
        ("days", "30"),
    ]);
    let made = desk
        .house
        .post(&format!("{path}/tokens"), &desk.cookie, form)
        .await;
    let page = text_of(made).await;
    let token = format!(
        "fst_{}",
        page.split(">fst_")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
    );
    let written = desk
        .call("POST", "/api/v1/records/account", &token, r#"{"name":"x"}"#)
        .await;
    assert_eq!(written.0, StatusCode::CREATED, "{written:?}");
    assert!(
        written.1.contains(&id),
        "it acts in its own name: {}",
        written.1
    );
    // The database lets nobody sign in as one, whatever the server might do.
    for sql in [
        "SELECT app.set_password((SELECT tenant_id FROM app.workspace), $1, '$argon2id$x')",
        "INSERT INTO app.setup_link SELECT tenant_id, '0SL000000000000', $1, sha256('x'), now(), now(), NULL FROM app.workspace",
        "INSERT INTO app.session SELECT tenant_id, '0SS000000000000', $1, sha256('x'), now(), now(), now(), now() FROM app.workspace",
        "UPDATE app.\"user\" SET role = 'owner' WHERE id = $1",
        "UPDATE app.\"user\" SET kind = 'person' WHERE id = $1",
    ] {
        assert!(desk.owner.execute(sql, &[&id]).await.is_err(), "{sql}");
    }
    // Lowered and switched off like anybody.
    let form = encode(&[("name", "Nightly export"), ("role", "viewer")]);
    assert_eq!(
        desk.house.post(&path, &desk.cookie, form).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        desk.call("POST", "/api/v1/records/account", &token, r#"{"name":"y"}"#)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(desk.opens(&token).await, StatusCode::OK);
    let switch = format!("{path}/activation");
    for (active, status) in [
        ("no", StatusCode::UNAUTHORIZED),
        ("yes", StatusCode::UNAUTHORIZED),
    ] {
        let form = encode(&[("active", active)]);
        assert_eq!(
            desk.house.post(&switch, &desk.cookie, form).await.status(),
            StatusCode::SEE_OTHER
        );
        assert_eq!(desk.opens(&token).await, status, "{active}");
    }
    for action in [
        "service_account.add",
        "service_account.update",
        "service_account.disable",
        "service_account.enable",
        "api_token.add",
    ] {
        assert_eq!(desk.logged(action).await, 1, "{action}");
    }
}

#[tokio::test]
async fn a_members_token_is_not_an_admins_to_make_or_take() {
    let mut desk = Desk::new().await;
    let admin = desk.cookie.clone();
    desk.sit_down("bob@north.example", Role::Member).await;
    let form = encode(&[("name", "mine"), ("scope", "records.read"), ("days", "30")]);
    let made = desk
        .house
        .post("/settings/tokens", &desk.cookie, form.clone())
        .await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let row = desk
        .owner
        .query_one("SELECT id, user_id FROM app.api_token", &[])
        .await
        .unwrap();
    let (token, bob): (String, String) = (row.get(0), row.get(1));
    for path in [
        format!("/settings/tokens/{token}/revocation"),
        format!("/settings/service-accounts/{bob}/tokens/{token}/revocation"),
        format!("/settings/service-accounts/{bob}/tokens"),
    ] {
        let refused = desk.house.post(&path, &admin, form.clone()).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // A member has no page for applications at all.
    assert_eq!(
        desk.house.get("/settings/applications", &desk.cookie).await,
        StatusCode::FORBIDDEN
    );
}
