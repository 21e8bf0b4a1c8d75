//! The shapes that scripts rely on, as snapshots.

use http::Method;
use serde_json::json;

use super::{World, pretty, request};

#[tokio::test]
async fn descriptions() {
    let world = World::new();
    let mut objects = world.get("/api/v1/objects").await.json();
    objects["objects"].as_array_mut().unwrap().retain(|object| {
        ["deal", "stage", "user", "inspection"].contains(&object["name"].as_str().unwrap())
    });
    insta::assert_snapshot!("objects", pretty(&objects));
    insta::assert_snapshot!(
        "object",
        pretty(&world.get("/api/v1/objects/inspection").await.json())
    );
    let mut session = world.get("/api/v1/session").await.json();
    session["user"]["id"] = json!("(the user's id)");
    insta::assert_snapshot!("session", pretty(&session));
}

#[tokio::test]
async fn custom_objects_and_fields() {
    let world = World::new();
    let ask = async |method: Method, path: &str, body: serde_json::Value| {
        let request = request(method, &format!("/api/v1/objects{path}"), &[], Some(body));
        world.send(Some(&world.team.admin), request).await
    };
    let made = ask(
        Method::POST,
        "",
        json!({ "name": "boat", "plural": "boats", "label": "Boat", "plural_label": "Boats" }),
    )
    .await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, "/api/v1/objects/boat")
    );
    let errors = ask(
        Method::POST,
        "",
        json!({ "name": 1, "colour": "red", "label": "Boat", "plural": "boats" }),
    )
    .await
    .refused(422);
    assert_eq!(
        errors,
        [
            "/colour unknown_field",
            "/name wrong_type",
            "/plural_label required"
        ]
    );
    for (field, expected) in [
        (
            json!({ "name": "length", "type": "decimal", "scale": 1, "label": "Length" }),
            json!({ "type": "decimal", "scale": 1 }),
        ),
        (
            json!({ "name": "home_id", "type": "relation", "to": "account", "label": "Home" }),
            json!({ "type": "relation", "to": ["account"] }),
        ),
        (
            json!({ "name": "about_id", "type": "any_relation", "to": ["account", "deal"], "label": "About" }),
            json!({ "type": "any_relation", "to": ["account", "deal"] }),
        ),
        (
            json!({ "name": "rig", "type": "choice", "options": ["sloop", { "value": "ketch", "label": "Ketch" }], "label": "Rig" }),
            json!({ "type": "choice", "options": [{ "value": "sloop" }, { "value": "ketch", "label": "Ketch" }] }),
        ),
        (
            json!({ "name": "motto", "type": "text", "max": 20, "label": "Motto" }),
            json!({ "type": "text", "max": 20 }),
        ),
    ] {
        let made = ask(Method::POST, "/deal/fields", field).await;
        assert_eq!(made.status, 201, "{made:?}");
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&made.json()[name], value);
        }
    }
    for (field, errors) in [
        (json!({ "name": "x", "label": "X" }), vec!["/type required"]),
        (
            json!({ "name": "x", "label": "X", "type": "magic" }),
            vec!["/type unknown_choice"],
        ),
        (
            json!({ "name": "x", "label": "X", "type": "choice", "options": [1] }),
            vec!["/options wrong_type"],
        ),
        (
            json!({ "name": "x", "label": "X", "type": "text", "max": -1 }),
            vec!["/max wrong_type"],
        ),
        (
            json!({ "name": "x", "label": "X", "type": "date", "max": 5, "required": "yes" }),
            vec!["/max unknown_field", "/required wrong_type"],
        ),
    ] {
        assert_eq!(
            ask(Method::POST, "/deal/fields", field).await.refused(422),
            errors
        );
    }
}

#[tokio::test]
async fn custom_objects_and_fields_change_and_go() {
    let world = World::new();
    let ask = async |method: Method, path: &str, body: serde_json::Value| {
        let request = request(method, &format!("/api/v1/objects{path}"), &[], Some(body));
        world.send(Some(&world.team.admin), request).await
    };
    let relabelled = ask(
        Method::PATCH,
        "/deal/fields/territory",
        json!({ "label": "Region" }),
    )
    .await;
    assert_eq!(relabelled.json()["label"], "Region");
    ask(
        Method::PATCH,
        "/deal/fields/amount",
        json!({ "label": "Money" }),
    )
    .await
    .refused(404);
    let delete = async |path: &str| {
        let request = request(Method::DELETE, &format!("/api/v1/objects{path}"), &[], None);
        world.send(Some(&world.team.admin), request).await
    };
    assert_eq!(delete("/deal/fields/territory").await.status, 204);
    assert_eq!(delete("/inspection").await.status, 204);
    delete("/deal").await.refused(404);
    delete("/deal/fields/amount").await.refused(404);
}

#[tokio::test]
async fn refusals() {
    let world = World::new();
    let invalid = world
        .post(
            "/api/v1/records/deal",
            json!({ "nmae": "x", "amount": "1,5" }),
        )
        .await;
    insta::assert_snapshot!("invalid", pretty(&invalid.json()));
    let parameter = world.get("/api/v1/records/deal?filter=amount").await;
    insta::assert_snapshot!("parameter", pretty(&parameter.json()));
    let missing = world.get("/api/v1/records/deal/0060000000000Aa").await;
    insta::assert_snapshot!("missing", pretty(&missing.json()));
}

#[tokio::test]
async fn tokens() {
    let world = World::new();
    let made = world
        .post(
            "/api/v1/tokens",
            json!({ "name": " nightly ", "scopes": ["records.read"], "days": 1 }),
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    insta::assert_snapshot!("token", pretty(&made.json()));
    for (body, errors) in [
        (json!({}), vec!["/name required"]),
        (
            json!({ "name": "x", "scopes": ["users.manage"] }),
            vec!["/scopes unknown_choice"],
        ),
        (
            json!({ "name": "x", "scopes": [] }),
            vec!["/scopes required"],
        ),
        (
            json!({ "name": " ", "days": 367, "x": 1 }),
            vec!["/days out_of_range", "/name required", "/x unknown_field"],
        ),
    ] {
        assert_eq!(
            world.post("/api/v1/tokens", body).await.refused(422),
            errors
        );
    }
}
