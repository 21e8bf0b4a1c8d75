//! What is known of somebody outside: found, taken away, erased.

use fieldstone_server::database::connect;
use http::StatusCode;
use serde_json::Value as Json;

use crate::gate::{House, text_of};

async fn records(house: &House, cookie: &str) -> Vec<String> {
    let page = house
        .page("/settings/personal-data?q=planted", cookie)
        .await;
    page.split("name=\"id\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_known_of_somebody_is_found_exported_and_erased() {
    let house = House::new().await;
    let owner = house.cookie().await;
    assert!(
        !house
            .page("/settings/personal-data", &owner)
            .await
            .contains("name=\"id\"")
    );
    assert!(
        house
            .page("/settings/personal-data?q=planted", &owner)
            .await
            .contains("Nothing was found")
    );
    for (object, form) in [
        (
            "contacts",
            "last_name=Planted&first_name=Petra&email=petra%40planted.example",
        ),
        ("leads", "last_name=Planted&company=Kestrel"),
        ("contacts", "last_name=Somebody&first_name=Else"),
    ] {
        let made = house.post(&format!("/{object}"), &owner, form).await;
        assert_eq!(
            made.status(),
            StatusCode::SEE_OTHER,
            "{}",
            text_of(made).await
        );
    }
    let found = records(&house, &owner).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let ticked = found
        .iter()
        .map(|id| format!("id={id}"))
        .collect::<Vec<_>>()
        .join("&");

    let exported = house
        .post("/settings/personal-data/export", &owner, ticked.clone())
        .await;
    assert_eq!(exported.status(), StatusCode::OK);
    assert!(
        exported.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment; filename=\"personal-data-")
    );
    let data: Json = serde_json::from_str(&text_of(exported).await).unwrap();
    let told = data["records"].as_array().unwrap();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .any(|record| record["record"]["email"] == "petra@planted.example"),
        "{data:#}"
    );
    assert!(
        told.iter()
            .all(|record| record["history"][0]["action"] == "created")
    );

    let viewer = house.join("viewer@north.example", "viewer").await;
    let refused = house
        .post("/settings/personal-data/erasure", &viewer, ticked.clone())
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let erased = house
        .post("/settings/personal-data/erasure", &owner, ticked)
        .await;
    assert_eq!(
        erased.status(),
        StatusCode::SEE_OTHER,
        "{}",
        text_of(erased).await
    );
    assert!(records(&house, &owner).await.is_empty());
    let client = connect(&house.database.owner()).await.unwrap();
    for (table, column) in [
        ("contact", "id"),
        ("lead", "id"),
        ("history", "record_id"),
        ("search_token", "record_id"),
        ("field_value", "record_id"),
    ] {
        let sql = format!("SELECT count(*) FROM app.{table} WHERE {column} = ANY ($1)");
        let left: i64 = client.query_one(&sql, &[&found]).await.unwrap().get(0);
        assert_eq!(left, 0, "{table}");
    }
    let noted: i64 = client
        .query_one("SELECT count(*) FROM app.audit_event WHERE action IN ('personal_data.export', 'personal_data.erase')", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(noted, 2);
    let others: i64 = client
        .query_one("SELECT count(*) FROM app.contact", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(others, 1);
}
