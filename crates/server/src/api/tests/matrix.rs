//! Every role on every route: what the table of capabilities says, and nothing else.
//!
//! The rows come from `ROUTES`, so a new route is tested without being mentioned here, and one without a row doesn't exist.

use fieldstone_model::{Capability, Needs, Rights, Role};
use http::{Method, StatusCode};
use serde_json::json;

use super::{World, request};
use crate::api::{ROOT, ROUTES};

/// A body that no route has anything against as JSON.
fn body(method: &Method) -> Option<serde_json::Value> {
    matches!(*method, Method::POST | Method::PATCH).then(|| json!({}))
}

/// A path of the route, to something that isn't there. Rights come before existence.
fn address(path: &str) -> String {
    let path = path
        .replace("{object}", "account")
        .replace("{field}", "nothing")
        .replace("{id}", "0010000000000zz");
    format!("{ROOT}{path}")
}

#[tokio::test]
async fn every_role_may_call_what_its_capabilities_say() {
    let world = World::new();
    let stores = [
        &world.team.viewer,
        &world.team.member,
        &world.team.admin,
        &world.team.owner,
    ];
    let mut refusals = 0;
    for route in ROUTES {
        let path = address(route.path);
        // Nobody has to be signed in there: the device proves itself with its own secret.
        let asks_the_device = route.path.ends_with("/standing");
        let ask = || request(route.method.clone(), &path, &[], body(&route.method));
        for (role, store) in Role::ALL.into_iter().zip(stores) {
            let allowed = route
                .needs
                .capability()
                .is_none_or(|capability| role.can(capability));
            let answer = world.send(Some(store), ask()).await;
            // A device that isn't registered is let through first, and told so then.
            let refused =
                answer.status == StatusCode::FORBIDDEN && !answer.body.contains(":unknown-device");
            assert_eq!(
                refused, !allowed,
                "{role} {} {path}: {answer:?}",
                route.method
            );
            assert_eq!(
                answer.status == StatusCode::UNAUTHORIZED,
                asks_the_device,
                "{role} {} {path}",
                route.method
            );
            assert!(!answer.status.is_server_error(), "{answer:?}");
            refusals += usize::from(refused);
        }
        let nobody = world.send(None, ask()).await;
        let expected = route.needs != Needs::Nothing || asks_the_device;
        assert_eq!(
            nobody.status == StatusCode::UNAUTHORIZED,
            expected,
            "{} {path}",
            route.method
        );
    }
    assert!(
        refusals >= 12,
        "a viewer and a member are refused at several routes"
    );
}

/// The matrix as people read it: a change shows in review.
#[test]
fn the_matrix_is_the_published_one() {
    let rows: Vec<String> = ROUTES
        .iter()
        .map(|route| {
            format!(
                "{:6} {:44} {}",
                route.method.as_str(),
                route.path,
                route.needs
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn a_token_narrows_a_role_and_never_widens_it() {
    let scopes = ["records.read".to_owned(), "users.manage".to_owned()];
    let rights = Rights::new(Role::Member, &scopes);
    assert!(rights.can(Capability::RecordsRead));
    assert!(
        !rights.can(Capability::RecordsWrite),
        "not in the token's scopes"
    );
    assert!(!rights.can(Capability::UsersManage), "not the role's");
    assert_eq!(
        rights.capabilities().collect::<Vec<_>>(),
        [Capability::RecordsRead]
    );
    assert!(Rights::new(Role::Member, &[]).can(Capability::RecordsWrite));
}

#[tokio::test]
async fn what_a_viewer_may_not_do_stays_undone() {
    let world = World::new();
    let id = world.make("account", json!({ "name": "Acme" })).await;
    let account = format!("/api/v1/records/account/{id}");
    for (method, path) in [
        (Method::PATCH, account.clone()),
        (Method::DELETE, account.clone()),
        (Method::POST, format!("{account}/restoration")),
        (Method::POST, "/api/v1/records/account".to_owned()),
    ] {
        let request = request(
            method.clone(),
            &path,
            &[],
            body(&method).map(|_| json!({ "name": "Mine" })),
        );
        world
            .send(Some(&world.team.viewer), request)
            .await
            .refused(403);
    }
    // Nothing to do is no way past the question whether one may.
    let nothing = Some(json!({ "changes": [] }));
    let batch = request(Method::POST, "/api/v1/records/account/batch", &[], nothing);
    world
        .send(Some(&world.team.viewer), batch)
        .await
        .refused(403);
    let shown = world.get(&account).await.json();
    assert_eq!(
        (&shown["name"], &shown["version"]),
        (&json!("Acme"), &json!(1))
    );
    // Settings are records that need more than the route says: the store knows.
    let pipeline = json!({ "name": "Mine", "position": 1 });
    world
        .post("/api/v1/records/pipeline", pipeline)
        .await
        .refused(403);
    world
        .post("/api/v1/records/user", json!({ "name": "x" }))
        .await
        .refused(403);
}
