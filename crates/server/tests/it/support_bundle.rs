//! The support bundle: it helps, and holds nothing of anybody's data and no secret.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::telemetry::{House, PASSWORD};

/// What the server keeps secret in its data folder.
fn secrets(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            secrets(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.extend(
                text.split_whitespace()
                    .filter(|word| word.len() >= 20)
                    .map(str::to_owned),
            );
        }
    }
}

#[tokio::test]
async fn a_support_bundle_helps_and_names_nobody() {
    let house = House::start();
    let link = house.set_up().await;
    let credentials = json!({"email": "planted@owner.example", "password": PASSWORD});
    let (_, _, cookies) = house
        .call(Method::POST, "/api/v1/session", &credentials)
        .await;
    let account = json!({
        "name": "Planted Account", "description": "Planted description, +49 30 7151823",
    });
    let (status, made, _) = house
        .call(Method::POST, "/api/v1/records/account", &account)
        .await;
    assert_eq!(status, 201, "{made}");
    let (_, token, _) = house
        .call(
            Method::POST,
            "/api/v1/tokens",
            &json!({"name": "Planted token"}),
        )
        .await;
    let object = json!({"name": "planted_thing", "label": "Planted thing"});
    house.call(Method::POST, "/api/v1/objects", &object).await;

    let file = house.server.data().with_file_name("bundle.json");
    house.operate(&["support-bundle", file.to_str().unwrap()]);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let bundle: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["has_migration"], bundle["knows_migration"]);
    let workspaces = bundle["workspaces"].as_array().unwrap();
    let is_the_planted_one = |workspace: &Json| {
        workspace["people"] == 1 && workspace["records"].as_i64().is_some_and(|it| it >= 1)
    };
    assert!(workspaces.iter().any(is_the_planted_one), "{workspaces:?}");
    assert!(
        bundle["events_of_a_week"]["session.start"]
            .as_i64()
            .unwrap()
            >= 1
    );
    assert!(bundle["database"]["tables"].as_array().unwrap().len() > 20);

    let mut hidden = vec![PASSWORD.to_owned(), link, "7151823".to_owned()];
    hidden.extend(cookies);
    hidden.push(token["token"].as_str().unwrap().to_owned());
    hidden.push(house.server.data().to_str().unwrap().to_owned());
    secrets(&house.server.data().join("secrets"), &mut hidden);
    assert!(hidden.len() > 10, "there are secrets to be sought");
    for secret in &hidden {
        assert!(!text.contains(secret.as_str()), "{secret}: {text}");
    }
    for canary in ["planted", "owner.example"] {
        assert!(!text.to_lowercase().contains(canary), "{canary}: {text}");
    }
    // Never over what is there.
    let again = std::process::Command::new(fieldstone_testkit::binary())
        .args(["support-bundle", file.to_str().unwrap(), "--data"])
        .arg(house.server.data())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}
