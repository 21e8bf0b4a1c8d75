//! Inviting, accepting, sending again, withdrawing.

use fieldstone_model::Role;
use http::{StatusCode, header};
use serde_json::json;

use super::team::{Letter, Team, location};
use crate::gate::{cookie_of, text_of};

const NEW_PASSWORD: &str = "a sentence of my own";

async fn invite(team: &mut Team, cookie: &str, email: &str, role: &str) -> Letter {
    let form = [("emails", email), ("role", role), ("language", "en")];
    let answer = team.submit(cookie, "/settings/invitations", &form).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&answer), "/settings/invitations?notice=invited");
    team.letter().await
}

fn acceptance(secret: &str) -> Vec<(&str, &str)> {
    vec![
        ("link", secret),
        ("name", " Bob Builder "),
        ("password", NEW_PASSWORD),
        ("repeat", NEW_PASSWORD),
    ]
}

#[tokio::test]
async fn an_invitation_makes_a_member_once() {
    let mut team = Team::new().await;
    let owner = team.cookie("ann").await;
    let letter = invite(&mut team, &owner, "Bob@south.example", "member").await;
    assert_eq!(letter.to, "Bob@south.example");
    assert_eq!(letter.subject, "Ann invites you to North");
    let list = team.house.page("/settings/invitations", &owner).await;
    assert!(
        list.contains("Bob@south.example") && list.contains(">Open<"),
        "{list}"
    );

    let page = team.open(letter.link()).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()[header::REFERRER_POLICY], "strict-origin");
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
    let page = text_of(page).await;
    assert!(
        page.contains("Ann invites you to North as Member."),
        "{page}"
    );

    // Only the invitation says who they are and what they may do.
    let mut form = acceptance(letter.secret());
    form.extend([("email", "eve@south.example"), ("role", "owner")]);
    let accepted = team.send("/invitation", &form).await;
    assert_eq!(
        (accepted.status(), location(&accepted)),
        (StatusCode::SEE_OTHER, "/")
    );
    let bob = cookie_of(&accepted);
    assert_eq!(team.house.get("/deals", &bob).await, StatusCode::OK);
    let who = "SELECT concat_ws(' ', email, name, role, time_zone) FROM app.\"user\" WHERE email_key LIKE '%south%'";
    assert_eq!(
        team.text(who).await,
        "Bob@south.example Bob Builder member UTC"
    );
    assert_eq!(team.events(2).await, ["session.start", "invitation.accept"]);

    let again = team.send("/invitation", &acceptance(letter.secret())).await;
    assert_eq!(again.status(), StatusCode::GONE);
    assert_eq!(team.open(letter.link()).await.status(), StatusCode::GONE);
    assert_eq!(
        team.try_sign_in("bob@south.example", NEW_PASSWORD)
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    // They are a member, and members invite nobody.
    assert_eq!(
        team.house.get("/settings/invitations", &bob).await,
        StatusCode::FORBIDDEN
    );
    let form = [
        ("emails", "bob@SOUTH.example"),
        ("role", "viewer"),
        ("language", "en"),
    ];
    let told = team.submit(&owner, "/settings/invitations", &form).await;
    assert_eq!(told.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text_of(told)
            .await
            .contains("bob@SOUTH.example is a member already.")
    );
}

#[tokio::test]
async fn what_is_wrong_stands_beside_the_field_and_uses_nothing_up() {
    let mut team = Team::new().await;
    let owner = team.cookie("ann").await;
    let letter = invite(&mut team, &owner, "bob@south.example", "member").await;
    let secret = letter.secret();
    for (form, text) in [
        (
            vec![
                ("link", secret),
                ("name", " "),
                ("password", NEW_PASSWORD),
                ("repeat", NEW_PASSWORD),
            ],
            "Enter your name.",
        ),
        (
            vec![
                ("link", secret),
                ("name", "Bob"),
                ("password", "short"),
                ("repeat", "short"),
            ],
            "role=\"alert\"",
        ),
        // Their own address.
        (
            vec![
                ("link", secret),
                ("name", "Bob"),
                ("password", "bob@south.example1"),
                ("repeat", "bob@south.example1"),
            ],
            "role=\"alert\"",
        ),
        (
            vec![
                ("link", secret),
                ("name", "Bob"),
                ("password", NEW_PASSWORD),
                ("repeat", "another"),
            ],
            "The two passwords differ.",
        ),
    ] {
        let answer = team.send("/invitation", &form).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = text_of(answer).await;
        assert!(page.contains(text), "{page}");
        assert!(!page.contains(NEW_PASSWORD));
    }
    // A page of another site can't accept for somebody.
    let foreign = http::Request::post("/invitation")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let form = serde_urlencoded::to_string(acceptance(secret)).unwrap();
    assert_eq!(
        team.house.ask(foreign, form).await.status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        team.send("/invitation", &acceptance(secret)).await.status(),
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_link_ends_when_sent_again_withdrawn_or_after_a_week() {
    let mut team = Team::new().await;
    let owner = team.cookie("ann").await;
    let first = invite(&mut team, &owner, "bob@south.example", "member").await;
    let id = team.text("SELECT id FROM app.invitation").await;
    let letter = format!("/settings/invitations/{id}/letter");
    let soon = team.submit(&owner, &letter, &[]).await;
    assert_eq!(soon.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text_of(soon).await.contains("A letter has just been sent."));

    team.text("UPDATE app.invitation SET sent_at = sent_at - interval '2 minutes' RETURNING id")
        .await;
    assert_eq!(
        team.submit(&owner, &letter, &[]).await.status(),
        StatusCode::SEE_OTHER
    );
    // Dead from the moment it was asked for, not only once the new letter is out.
    assert_eq!(team.open(first.link()).await.status(), StatusCode::GONE);
    let second = team.letter().await;
    assert_eq!(team.open(first.link()).await.status(), StatusCode::GONE);
    assert_eq!(team.open(second.link()).await.status(), StatusCode::OK);

    team.text("UPDATE app.mail_link SET expires_at = now() RETURNING id")
        .await;
    team.text("UPDATE app.invitation SET expires_at = now() RETURNING id")
        .await;
    assert_eq!(team.open(second.link()).await.status(), StatusCode::GONE);
    assert_eq!(
        team.send("/invitation", &acceptance(second.secret()))
            .await
            .status(),
        StatusCode::GONE
    );
    assert!(
        team.house
            .page("/settings/invitations", &owner)
            .await
            .contains(">Expired<")
    );

    // An expired one is no obstacle to another.
    let third = invite(&mut team, &owner, "bob@south.example", "viewer").await;
    let form = [
        ("emails", "bob@south.example"),
        ("role", "viewer"),
        ("language", "en"),
    ];
    let twice = team.submit(&owner, "/settings/invitations", &form).await;
    assert!(
        text_of(twice)
            .await
            .contains("bob@south.example is invited already.")
    );
    let id = team
        .text("SELECT id FROM app.invitation WHERE withdrawn_at IS NULL")
        .await;
    let withdraw = format!("/settings/invitations/{id}/withdrawal");
    assert_eq!(
        team.submit(&owner, &withdraw, &[]).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.send("/invitation", &acceptance(third.secret()))
            .await
            .status(),
        StatusCode::GONE
    );
    assert_eq!(
        team.submit(&owner, &withdraw, &[]).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "it is withdrawn already"
    );
    assert!(team.letters().await.is_empty());
    assert_eq!(
        team.events(3).await,
        [
            "invitation.withdraw",
            "invitation.send",
            "invitation.resend"
        ]
    );
}

#[tokio::test]
async fn a_withdrawn_invitation_is_not_sent_any_more() {
    let mut team = Team::new().await;
    let owner = team.cookie("ann").await;
    let (status, made) = team
        .call(
            &owner,
            "POST",
            "/invitations",
            json!({ "emails": ["bob@south.example"], "role": "member" }),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!(
        "/invitations/{}",
        made["invitations"][0]["id"].as_str().unwrap()
    );
    assert_eq!(
        team.call(&owner, "DELETE", &path, json!(null)).await.0,
        StatusCode::NO_CONTENT
    );
    assert!(team.letters().await.is_empty());
}

#[tokio::test]
async fn nobody_invites_above_themselves_and_invitations_end_with_their_inviter() {
    let mut team = Team::new().await;
    let carl = team.add("carl", Role::Admin).await;
    let admin = team.cookie("carl").await;
    let form = [
        ("emails", "bob@south.example"),
        ("role", "owner"),
        ("language", "en"),
    ];
    let refused = team.submit(&admin, "/settings/invitations", &form).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text_of(refused)
            .await
            .contains("Nobody grants or takes a role above their own.")
    );
    assert!(
        !team
            .house
            .page("/settings/invitations/new", &admin)
            .await
            .contains("value=\"owner\"")
    );
    let (status, _) = team
        .call(
            &admin,
            "POST",
            "/invitations",
            json!({ "emails": ["bob@south.example"], "role": "owner" }),
        )
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    // An admin neither sends an owner's invitation again nor takes it back.
    let owner = team.cookie("ann").await;
    let for_an_owner = invite(&mut team, &owner, "olga@south.example", "owner").await;
    let id = team
        .text("SELECT id FROM app.invitation WHERE role = 'owner'")
        .await;
    for action in ["letter", "withdrawal"] {
        let path = format!("/settings/invitations/{id}/{action}");
        assert_eq!(
            team.submit(&admin, &path, &[]).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    assert_eq!(
        team.open(for_an_owner.link()).await.status(),
        StatusCode::OK
    );

    // Whoever is shut out or loses the right leaves no door open behind them.
    let letter = invite(&mut team, &admin, "mallory@south.example", "admin").await;
    let change = json!({ "role": "member" });
    assert_eq!(
        team.call(&owner, "PATCH", &format!("/members/{carl}"), change)
            .await
            .0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        team.send("/invitation", &acceptance(letter.secret()))
            .await
            .status(),
        StatusCode::GONE
    );
    assert_eq!(
        team.open(for_an_owner.link()).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_operator_invites_too() {
    let mut team = Team::new().await;
    let new = fieldstone_server::identity::workspace::NewInvitation {
        email: "bob@south.example",
        role: Role::Owner,
        locale: "de",
    };
    let ids = fieldstone_model::IdSource::default();
    let now = crate::tenancy::workspaces::now();
    fieldstone_server::identity::workspace::invite(&team.owner, &ids, team.tenant, &new, now)
        .await
        .unwrap();
    let letter = team.letter().await;
    assert!(
        letter.subject.contains("lädt Sie zu North ein"),
        "{}",
        letter.subject
    );
    assert_eq!(team.open(letter.link()).await.status(), StatusCode::OK);
    let event = "SELECT actor || ' ' || action FROM app.audit_event ORDER BY seq DESC LIMIT 1";
    assert_eq!(team.text(event).await, "operator invitation.send");
}
