//! `/readyz`: each thing that it looks at, broken for real.

use std::fs;
use std::sync::Arc;

use fieldstone_server::attachments::ObjectStorage;
use fieldstone_server::database::connect;
use fieldstone_server::platform::{Platform, routes};
use fieldstone_vault::{FileKeys, Vault};
use http::{Request, StatusCode};
use jiff::SignedDuration;
use serde_json::Value as Json;
use tower::ServiceExt as _;

use crate::gate::{House, text_of};

/// What a server on this platform answers, asked for the first time.
async fn ask(platform: &Platform) -> (StatusCode, Json) {
    let request = Request::get("/readyz")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = routes(platform).unwrap().oneshot(request).await.unwrap();
    let status = answer.status();
    (
        status,
        serde_json::from_str(&text_of(answer).await).unwrap(),
    )
}

/// The one that isn't as it should be among `list`, with its reason.
fn wrong(report: &Json, list: &str) -> Vec<(String, String)> {
    let checks = report[list].as_array().unwrap().iter();
    checks
        .filter(|check| check["ok"] == false)
        .map(|check| {
            let text = |name: &str| check[name].as_str().unwrap().to_owned();
            (text("name"), text("reason"))
        })
        .collect()
}

/// A platform with keys and objects in folders, and a backup and a drill that were made a moment ago.
async fn whole(house: &House) -> Platform {
    let folder = house.folder.path();
    let vault = Vault::new(Arc::new(FileKeys::own(&folder.join("vault")).unwrap()));
    fs::create_dir(folder.join("objects")).unwrap();
    let mut platform = house.platform.clone();
    platform.objects = Some(ObjectStorage::folder(&folder.join("objects"), vault.clone()).unwrap());
    platform.accounts.vault = vault;
    platform.folders = vec![folder.to_owned()];
    note(house, "backup", "now()", true).await;
    note(house, "drill", "now()", true).await;
    house.clock.set();
    platform
}

async fn note(house: &House, kind: &str, at: &str, ok: bool) {
    let owner = connect(&house.database.owner()).await.unwrap();
    let sql = format!(
        "INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ('{kind}', {at}, {at}, {ok}, '{{}}')"
    );
    owner.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_whole_server_is_ready_and_warns_of_nothing() {
    let house = House::new().await;
    let platform = whole(&house).await;
    let (status, report) = ask(&platform).await;
    assert_eq!(status, StatusCode::OK, "{report:#}");
    let names = |list: &str| {
        let checks = report[list].as_array().unwrap().iter();
        checks
            .map(|check| check["name"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("checks"), ["database", "migrations", "clock", "disk"]);
    assert_eq!(
        names("warnings"),
        [
            "objects",
            "secrets",
            "room",
            "backup",
            "restore drill",
            "archive",
            "sync horizon"
        ]
    );
    assert!(
        wrong(&report, "warnings")
            .iter()
            .all(|(name, _)| name == "room"),
        "{report:#}"
    );
}

#[tokio::test]
async fn what_serving_needs_takes_a_server_away_when_it_breaks() {
    let house = House::new().await;
    let platform = whole(&house).await;

    let mut unreachable = platform.clone();
    unreachable.databases.app.user("fieldstone_nobody");
    let (status, report) = ask(&unreachable).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(wrong(&report, "checks")[0].0, "database", "{report:#}");

    let mut full = platform.clone();
    full.folders.push(house.folder.path().join("gone"));
    let (status, report) = ask(&full).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(wrong(&report, "checks")[0].0, "disk", "{report:#}");

    house.clock.add(SignedDuration::from_secs(40));
    let (status, report) = ask(&platform).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (name, reason) = wrong(&report, "checks").remove(0);
    assert_eq!(name, "clock");
    assert!(reason.contains("differ by"), "{reason}");
    house.clock.set();

    let owner = connect(&house.database.owner()).await.unwrap();
    let last = "DELETE FROM app.schema_history WHERE version = (SELECT max(version) FROM app.schema_history)";
    owner.batch_execute(last).await.unwrap();
    let (status, report) = ask(&platform).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (name, reason) = wrong(&report, "checks").remove(0);
    assert_eq!(name, "migrations");
    assert!(reason.contains("this server needs"), "{reason}");
}

#[tokio::test]
async fn what_others_provide_is_warned_of_when_it_breaks() {
    let house = House::new().await;
    let platform = whole(&house).await;
    let folder = house.folder.path();
    let warned = async |name: &str| {
        let (status, report) = ask(&platform).await;
        assert_eq!(status, StatusCode::OK, "{report:#}");
        let warnings = wrong(&report, "warnings");
        let found = warnings.iter().find(|(found, _)| found == name);
        let shown = format!("{report}");
        assert!(
            !shown.contains(folder.to_str().unwrap()),
            "where it lies is nobody's business"
        );
        found.map(|(_, reason)| reason.clone())
    };

    fs::rename(folder.join("objects"), folder.join("elsewhere")).unwrap();
    assert!(warned("objects").await.unwrap().contains("does not answer"));
    fs::rename(folder.join("elsewhere"), folder.join("objects")).unwrap();
    assert_eq!(warned("objects").await, None);

    fs::rename(folder.join("vault"), folder.join("elsewhere")).unwrap();
    assert!(warned("secrets").await.unwrap().contains("goes on"));
    fs::rename(folder.join("elsewhere"), folder.join("vault")).unwrap();
    assert_eq!(warned("secrets").await, None);

    note(
        &house,
        "backup",
        "now() - interval '27 hours 5 minutes'",
        true,
    )
    .await;
    assert_eq!(
        warned("backup").await.unwrap(),
        "the last one is 27 hours old"
    );
    note(&house, "backup", "now()", false).await;
    assert_eq!(warned("backup").await.unwrap(), "the last one failed");
    note(&house, "drill", "now() - interval '9 days'", true).await;
    assert!(warned("restore drill").await.is_some());
}

/// A transaction that stays open holds devices back, and is told of once it has done so for a while.
#[tokio::test]
async fn a_transaction_that_stays_open_is_warned_of() {
    let house = House::new().await;
    let platform = whole(&house).await;
    let router = routes(&platform).unwrap();
    let held = async || {
        let request = Request::get("/readyz")
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let report: Json = serde_json::from_str(&text_of(answer).await).unwrap();
        wrong(&report, "warnings")
            .into_iter()
            .find(|(name, _)| name == "sync horizon")
    };
    let mut owner = connect(&house.database.owner()).await.unwrap();
    let open = owner.transaction().await.unwrap();
    open.batch_execute("SELECT pg_current_xact_id()")
        .await
        .unwrap();
    let other = connect(&house.database.owner()).await.unwrap();
    other
        .batch_execute("SELECT pg_current_xact_id()")
        .await
        .unwrap();
    assert_eq!(held().await, None);
    house.clock.add(SignedDuration::from_mins(7));
    let (_, reason) = held().await.unwrap();
    assert!(reason.contains("more than 7 minutes"), "{reason}");
    open.rollback().await.unwrap();
    house.clock.add(SignedDuration::from_secs(2));
    assert_eq!(held().await, None);
}
