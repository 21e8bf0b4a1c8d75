//! Members, invitations and one's own membership: what is read from bodies, and how refusals are told.

use serde_json::{Value as Json, json};

use super::{Answer, World, request};

async fn invite(world: &World, body: Json) -> Answer {
    let ask = request(http::Method::POST, "/api/v1/invitations", &[], Some(body));
    world.send(Some(&world.team.owner), ask).await
}

fn codes(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            (text("pointer"), text("code"))
        })
        .collect()
}

#[tokio::test]
async fn nobody_at_all_is_no_invitation() {
    let world = World::new();
    let empty = invite(&world, json!({ "emails": [], "role": "member" })).await;
    empty.refused(422);
    assert_eq!(codes(&empty), [("/emails".into(), "required".into())]);
    // Rights come before what is asked for: an empty list doesn't get past them.
    for body in [json!({ "emails": [], "role": "viewer" }), json!({})] {
        let ask = request(http::Method::POST, "/api/v1/invitations", &[], Some(body));
        world.send(Some(&world.team.viewer), ask).await.refused(403);
    }
}

#[tokio::test]
async fn each_address_is_checked_and_pointed_at() {
    let world = World::new();
    let body = json!({ "emails": ["a@x.example", "nobody", "b@x.example\r\nBcc: c@x.example"], "role": "member" });
    let refused = invite(&world, body).await;
    refused.refused(422);
    assert_eq!(
        codes(&refused),
        [
            ("/emails/1".into(), "bad_email".into()),
            ("/emails/2".into(), "bad_email".into())
        ]
    );
    let many: Vec<String> = (0..51).map(|n| format!("p{n}@x.example")).collect();
    invite(&world, json!({ "emails": many, "role": "member" }))
        .await
        .refused(422);
    for body in [
        json!({ "emails": ["a@x.example"], "role": "emperor" }),
        json!({ "emails": "a@x.example", "role": "member" }),
        json!({ "emails": ["a@x.example"], "role": "member", "language": "tlh" }),
        json!({ "emails": ["a@x.example"], "role": "member", "active": true }),
        json!({ "emails": ["a@x.example"] }),
    ] {
        invite(&world, body).await.refused(422);
    }
    let made = invite(
        &world,
        json!({ "emails": ["A@x.example", "a@X.example"], "role": "member" }),
    )
    .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["invitations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_have_names() {
    let world = World::new();
    let kind = |answer: &Answer| answer.json()["type"].as_str().unwrap().to_owned();
    let above = request(
        http::Method::POST,
        "/api/v1/invitations",
        &[],
        Some(json!({ "emails": ["a@x.example"], "role": "owner" })),
    );
    let above = world.send(Some(&world.team.admin), above).await;
    above.refused(403);
    assert!(kind(&above).ends_with(":above-own-role"));
    let member = "/api/v1/members/005000000000001";
    for (method, path, body, status, ending) in [
        (
            "PATCH",
            member,
            json!({ "role": "viewer" }),
            409,
            ":last-owner",
        ),
        ("PATCH", member, json!({}), 422, ":invalid"),
        ("PATCH", member, json!({ "active": "no" }), 422, ":invalid"),
        (
            "PATCH",
            member,
            json!({ "email": "me@x.example" }),
            422,
            ":invalid",
        ),
        (
            "POST",
            "/api/v1/membership/email-change",
            json!({ "email": "bob@x.example" }),
            409,
            ":already-member",
        ),
        (
            "POST",
            "/api/v1/membership/email-change",
            json!({ "email": "bob@x.example", "user_id": "005000000000001" }),
            422,
            ":invalid",
        ),
        (
            "POST",
            "/api/v1/invitations/0IV000000000001/letter",
            Json::Null,
            429,
            ":too-often",
        ),
        (
            "DELETE",
            "/api/v1/invitations/0IV000000000001",
            Json::Null,
            404,
            ":not-found",
        ),
    ] {
        let body = (!body.is_null()).then_some(body);
        let ask = request(method.parse().unwrap(), path, &[], body);
        let answer = world.send(Some(&world.team.owner), ask).await;
        answer.refused(status);
        assert!(
            kind(&answer).ends_with(ending),
            "{method} {path}: {answer:?}"
        );
    }
}
