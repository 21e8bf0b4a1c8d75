//! Roles, access, leaving: what real products got wrong, and what follows from a change.

use fieldstone_model::{RecordId, Role};
use http::{Request, StatusCode, header};
use serde_json::{Value as Json, json};

use super::team::{Team, location};
use crate::gate::{cookie_of, text_of};

async fn owner_id(team: &Team) -> RecordId {
    team.text("SELECT id FROM app.\"user\" WHERE role = 'owner'")
        .await
        .parse()
        .unwrap()
}

async fn set_role(team: &Team, cookie: &str, id: RecordId, role: &str) -> (StatusCode, String) {
    let path = format!("/settings/members/{id}/role");
    let answer = team.submit(cookie, &path, &[("role", role)]).await;
    (answer.status(), text_of(answer).await)
}

async fn set_active(team: &Team, cookie: &str, id: RecordId, active: &str) -> (StatusCode, String) {
    let path = format!("/settings/members/{id}/access");
    let answer = team.submit(cookie, &path, &[("active", active)]).await;
    (answer.status(), text_of(answer).await)
}

#[tokio::test]
async fn a_removed_member_comes_back_with_nothing_they_had() {
    let mut team = Team::new().await;
    let bob = team.add("bob", Role::Member).await;
    let (ann, cookie) = (team.cookie("ann").await, team.cookie("bob").await);
    let (status, made) = team
        .call(&cookie, "POST", "/tokens", json!({ "name": "nightly" }))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let token = made["token"].as_str().unwrap().to_owned();
    let by_token = async |team: &Team| {
        let request = Request::get("/api/v1/records/account")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        team.house.ask(request, "").await.status()
    };
    let grant = json!({ "client_id": "fieldstone-device" });
    let (_, tokens) = team.call(&cookie, "POST", "/oauth/grants", grant).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    let by_device = async |team: &Team| team.house.call("/api/v1/records/account", &access).await;
    let by_refresh = async |team: &Team| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "fieldstone-device"),
            ("refresh_token", refresh.as_str()),
        ];
        team.send("/oauth/token", &form).await.status()
    };
    assert_eq!(team.house.get("/deals", &cookie).await, StatusCode::OK);
    assert_eq!(by_token(&team).await, StatusCode::OK);
    assert_eq!(by_device(&team).await, StatusCode::OK);

    assert_eq!(
        set_active(&team, &ann, bob, "no").await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(by_device(&team).await, StatusCode::UNAUTHORIZED);
    assert_eq!(by_refresh(&team).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        team.house.get("/deals", &cookie).await,
        StatusCode::SEE_OTHER,
        "the old session"
    );
    assert_eq!(by_token(&team).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        team.try_sign_in("bob@north.example", crate::gate::PASSWORD)
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
    let list = team.house.page("/settings/members", &ann).await;
    assert!(list.contains("Deactivated"), "{list}");

    assert_eq!(
        set_active(&team, &ann, bob, "yes").await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.house.get("/deals", &cookie).await,
        StatusCode::SEE_OTHER,
        "it stays ended"
    );
    assert_eq!(
        by_token(&team).await,
        StatusCode::UNAUTHORIZED,
        "so does the token"
    );
    assert_eq!(by_device(&team).await, StatusCode::UNAUTHORIZED);
    assert_eq!(by_refresh(&team).await, StatusCode::BAD_REQUEST);
    team.cookie("bob").await;
    let events = team.events(4).await;
    assert!(
        events.contains(&"user.reactivate".to_owned())
            && events.contains(&"user.deactivate".to_owned()),
        "{events:?}"
    );
}

#[tokio::test]
async fn nobody_raises_themselves_or_reaches_above() {
    let mut team = Team::new().await;
    let ann = owner_id(&team).await;
    let (carl, dora) = (
        team.add("carl", Role::Admin).await,
        team.add("dora", Role::Admin).await,
    );
    let admin = team.cookie("carl").await;
    for target in [carl, dora] {
        let (status, page) = set_role(&team, &admin, target, "owner").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            page.contains("id=\"role-error\"")
                && page.contains("Only somebody with at least this role"),
            "{page}"
        );
    }
    // A second owner, so that it is not the rule of the last one that refuses.
    team.add("olga", Role::Owner).await;
    assert_eq!(
        set_role(&team, &admin, ann, "viewer").await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        set_active(&team, &admin, ann, "no").await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let page = team
        .house
        .page(&format!("/settings/members/{ann}"), &admin)
        .await;
    assert!(
        !page.contains("name=\"role\"") && !page.contains("name=\"active\""),
        "{page}"
    );
    for (path, change, status) in [
        (carl, json!({ "role": "owner" }), StatusCode::FORBIDDEN),
        (ann, json!({ "active": false }), StatusCode::FORBIDDEN),
        (
            ann,
            json!({ "email": "carl@north.example" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let (found, _) = team
            .call(&admin, "PATCH", &format!("/members/{path}"), change)
            .await;
        assert_eq!(found, status);
    }
    let roles = "SELECT string_agg(name || ' ' || role || ' ' || active, ', ' ORDER BY name) FROM app.\"user\"";
    assert_eq!(
        team.text(roles).await,
        "Ann owner true, carl admin true, dora admin true, olga owner true"
    );
}

#[tokio::test]
async fn the_last_owner_stays_until_there_is_another() {
    let mut team = Team::new().await;
    let ann = owner_id(&team).await;
    let bob = team.add("bob", Role::Member).await;
    let cookie = team.cookie("ann").await;
    let (status, page) = set_role(&team, &cookie, ann, "admin").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("This is the last owner. Make somebody else an owner first."),
        "{page}"
    );
    let (status, page) = set_active(&team, &cookie, ann, "no").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("The last owner can’t be deactivated."),
        "{page}"
    );
    let leaving = team
        .submit(
            &cookie,
            "/settings/membership/departure",
            &[("leave", "yes")],
        )
        .await;
    assert_eq!(leaving.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text_of(leaving).await.contains("You are the last owner."));
    assert_eq!(
        team.call(&cookie, "DELETE", "/membership", json!(null))
            .await
            .0,
        StatusCode::CONFLICT
    );

    // Ownership is handed over by appointing another owner.
    assert_eq!(
        set_role(&team, &cookie, bob, "owner").await.0,
        StatusCode::SEE_OTHER
    );
    let left = team
        .submit(
            &cookie,
            "/settings/membership/departure",
            &[("leave", "yes")],
        )
        .await;
    assert_eq!(location(&left), "/sign-in?after=left");
    assert_eq!(
        team.house.get("/deals", &cookie).await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(team.events(1).await, ["user.leave"]);
    let bob = team.cookie("bob").await;
    assert_eq!(
        team.call(&bob, "DELETE", "/membership", json!(null))
            .await
            .0,
        StatusCode::CONFLICT
    );
    let gone = team
        .submit(
            &bob,
            &format!("/settings/members/{ann}/access"),
            &[("active", "yes")],
        )
        .await;
    assert_eq!(gone.status(), StatusCode::SEE_OTHER);
}

/// Two owners who leave at the same moment: one of them is the last by then, and stays.
#[tokio::test]
async fn two_owners_who_leave_at_once_leave_one_behind() {
    let mut team = Team::new().await;
    for round in 0..5 {
        let name = format!("owner{round}");
        team.add(&name, Role::Owner).await;
        let cookies = [team.cookie("ann").await, team.cookie(&name).await];
        let leave = async |cookie: &str| {
            let left = team.call(cookie, "DELETE", "/membership", json!(null));
            left.await.0
        };
        let (first, second) = tokio::join!(leave(&cookies[0]), leave(&cookies[1]));
        let mut answers = [first, second];
        answers.sort();
        assert_eq!(answers, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);
        let owners = "SELECT count(*)::text FROM app.\"user\" WHERE role = 'owner' AND active AND deleted_at IS NULL";
        assert_eq!(team.text(owners).await, "1");
        // As it was, for the next round.
        for sql in [
            "UPDATE app.\"user\" SET active = true, role = 'owner' WHERE name LIKE 'Ann%' RETURNING 'done'",
            "UPDATE app.\"user\" SET role = 'member' WHERE name NOT LIKE 'Ann%' RETURNING 'done'",
        ] {
            team.text(sql).await;
        }
    }
}

/// Opens a page with a session that gets another secret on the way; answers that.
async fn renewed(team: &Team, path: &str, cookie: &str) -> (StatusCode, String) {
    let request = Request::get(path).header(header::COOKIE, cookie);
    let page = team.house.ask(request, axum::body::Body::empty()).await;
    (page.status(), cookie_of(&page))
}

#[tokio::test]
async fn a_role_counts_from_the_next_request_and_a_lower_one_signs_out() {
    let mut team = Team::new().await;
    let bob = team.add("bob", Role::Viewer).await;
    let (ann, cookie) = (team.cookie("ann").await, team.cookie("bob").await);
    assert_eq!(
        team.house.get("/deals/new", &cookie).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        set_role(&team, &ann, bob, "member").await.0,
        StatusCode::SEE_OTHER
    );
    let (status, cookie) = renewed(&team, "/deals/new", &cookie).await;
    assert_eq!(status, StatusCode::OK, "the session goes on");
    assert_eq!(
        set_role(&team, &ann, bob, "admin").await.0,
        StatusCode::SEE_OTHER
    );
    let (status, cookie) = renewed(&team, "/settings/members", &cookie).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        set_role(&team, &ann, bob, "viewer").await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.house.get("/settings/members", &cookie).await,
        StatusCode::SEE_OTHER,
        "signed out"
    );
    let again = team.cookie("bob").await;
    assert_eq!(
        team.house.get("/settings/members", &again).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        team.house.get("/deals/new", &again).await,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn members_are_listed_searched_and_paged() {
    let mut team = Team::new().await;
    for n in 0..60 {
        team.add(&format!("p{n:02}"), Role::Member).await;
    }
    let cookie = team.cookie("ann").await;
    let page = team.house.page("/settings/members", &cookie).await;
    assert_eq!(page.matches("data-row").count(), 50);
    assert!(page.contains("rel=\"next\""));
    let found = team.house.page("/settings/members?q=P07%40", &cookie).await;
    assert_eq!(found.matches("data-row").count(), 1);
    assert!(
        team.house
            .page("/settings/members?q=%25", &cookie)
            .await
            .contains("Nobody found")
    );
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, answer) = team
            .call(
                &cookie,
                "GET",
                &format!("/members?limit=25{cursor}"),
                json!(null),
            )
            .await;
        assert_eq!(status, StatusCode::OK);
        let names = answer["members"].as_array().unwrap().iter();
        seen.extend(names.map(|member| member["name"].as_str().unwrap().to_owned()));
        match &answer["next"] {
            Json::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(seen.len(), 61);
    assert!(
        seen.is_sorted_by_key(|name| name.to_lowercase()),
        "{seen:?}"
    );
    let (_, answer) = team
        .call(&cookie, "GET", "/members?search=ann", json!(null))
        .await;
    let ann = &answer["members"][0];
    assert_eq!(
        (&ann["role"], &ann["active"]),
        (&json!("owner"), &json!(true))
    );
    assert!(ann["last_seen_at"].is_string(), "{ann}");
    for bad in [
        "/members?limit=0",
        "/members?cursor=x",
        "/members?nothing=1",
    ] {
        assert_eq!(
            team.call(&cookie, "GET", bad, json!(null)).await.0,
            StatusCode::BAD_REQUEST
        );
    }
}

#[tokio::test]
async fn other_workspaces_are_out_of_reach() {
    let mut team = Team::new().await;
    let new = fieldstone_server::identity::workspace::NewWorkspace {
        name: "South",
        slug: "south",
        owner: fieldstone_server::identity::workspace::NewUser {
            email: "sue@south.example",
            name: "Sue",
            role: Role::Owner,
            password_phc: None,
            locale: "en",
            time_zone: "UTC",
        },
    };
    let ids = fieldstone_model::IdSource::default();
    let (_, sue) = fieldstone_server::identity::workspace::create(
        &mut team.owner,
        &ids,
        &new,
        crate::tenancy::workspaces::now(),
    )
    .await
    .unwrap();
    let cookie = team.cookie("ann").await;
    assert_eq!(
        team.house
            .get(&format!("/settings/members/{sue}"), &cookie)
            .await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        set_role(&team, &cookie, sue, "viewer").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        set_active(&team, &cookie, sue, "no").await.0,
        StatusCode::NOT_FOUND
    );
    assert!(
        !team
            .house
            .page("/settings/members?q=sue", &cookie)
            .await
            .contains("south")
    );
    // An address of another workspace is free here, and nothing tells that it is known there.
    let form = [
        ("emails", "sue@south.example"),
        ("role", "member"),
        ("language", "en"),
    ];
    assert_eq!(
        team.submit(&cookie, "/settings/invitations", &form)
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    let asked = team
        .submit(
            &cookie,
            "/settings/membership/email",
            &[("email", "sue@south.example")],
        )
        .await;
    assert_eq!(asked.status(), StatusCode::SEE_OTHER);
    let active = team
        .text("SELECT string_agg(name || active, ' ' ORDER BY name) FROM app.\"user\"")
        .await;
    assert_eq!(active, "Anntrue Suetrue");
}

/// A list of nobody is a mistake, not a success, and never everybody.
#[tokio::test]
async fn nothing_ticked_changes_nothing() {
    let team = Team::new().await;
    let cookie = team.cookie("ann").await;
    for name in ["One", "Two"] {
        let made = team.call(&cookie, "POST", "/records/account", json!({ "name": name }));
        assert_eq!(made.await.0, StatusCode::CREATED);
    }
    for form in [
        vec![("do", "delete")],
        vec![("do", "delete"), ("id", "")],
        vec![("do", "set"), ("field", "city"), ("value", "Oslo")],
    ] {
        let answer = team.submit(&cookie, "/accounts/bulk", &form).await;
        assert!(!answer.status().is_server_error(), "{form:?}");
    }
    let left = "SELECT count(*)::text FROM app.account WHERE deleted_at IS NULL AND city IS NULL";
    assert_eq!(team.text(left).await, "2");
    let nobody = json!({ "emails": [], "role": "member" });
    let (status, problem) = team.call(&cookie, "POST", "/invitations", nobody).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
}
