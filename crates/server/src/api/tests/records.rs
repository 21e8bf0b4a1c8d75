//! Records from creation to restoration, lists, figures, history, batches, conversion.

use http::{Method, StatusCode};
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_record_lives_its_life() {
    let world = World::new();
    let account = world.make("account", json!({ "name": "Acme" })).await;
    let created = world
        .post("/api/v1/records/deal", json!({ "name": "Big one", "amount": 1234.5, "account_id": account, "close_date": "2026-04-01", "interests": ["tin", "gold"] }))
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(created.header("cache-control"), "no-store");
    let deal = created.json();
    let path = format!("/api/v1/records/deal/{}", deal["id"].as_str().unwrap());
    assert_eq!(created.header("location"), path);
    assert_eq!(deal["amount"].to_string(), "1234.50");
    assert_eq!(deal["status"], "open");
    assert_eq!(deal["interests"], json!(["gold", "tin"]));

    let shown = world.get(&path).await;
    assert_eq!((shown.status, shown.json()), (StatusCode::OK, deal));
    let some = world
        .get(&format!("{path}?columns=account.name,amount"))
        .await
        .json();
    assert_eq!(
        some,
        json!({ "id": some["id"], "version": 1, "account.name": "Acme", "amount": some["amount"] })
    );

    let patched = world
        .patch(&path, json!({ "amount": "99.90", "close_date": null }))
        .await;
    assert_eq!(
        (patched.status, patched.header("etag")),
        (StatusCode::OK, "\"2\"")
    );
    let patched = patched.json();
    assert_eq!(patched["amount"].to_string(), "99.90");
    assert!(patched["close_date"].is_null());

    let deleted = world.ask(Method::DELETE, &path, &[], None).await;
    assert_eq!(
        (deleted.status, deleted.body.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    let gone = world.get(&path).await;
    assert_eq!(gone.status, StatusCode::OK);
    assert!(gone.json()["deleted_at"].is_string());
    world
        .patch(&path, json!({ "amount": 1 }))
        .await
        .refused(409);
    assert_eq!(
        world.ask(Method::DELETE, &path, &[], None).await.status,
        StatusCode::NO_CONTENT
    );
    let only = world
        .get("/api/v1/records/deal?deleted=only&columns=name")
        .await
        .json();
    assert_eq!(only["records"][0]["name"], "Big one");

    let back = world
        .ask(Method::POST, &format!("{path}/restoration"), &[], None)
        .await;
    assert_eq!(
        (back.status, back.header("etag")),
        (StatusCode::OK, "\"4\"")
    );
    assert!(back.json()["deleted_at"].is_null());

    let history = world.get(&format!("{path}/history?limit=3")).await.json();
    let actions: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, ["restored", "deleted", "updated"]);
    assert_eq!(history["entries"][0]["by"]["name"], "Mia Member");
    let fields = &history["entries"][2]["fields"];
    assert_eq!(fields[0]["field"], "amount");
    assert_eq!(fields[0]["new"].to_string(), "99.90");
    let older = world
        .get(&format!("{path}/history?before={}", history["next"]))
        .await
        .json();
    assert_eq!(older["entries"][0]["action"], "created");
    assert!(older["next"].is_null());
    world
        .get("/api/v1/records/deal/0060000000000zz/history")
        .await
        .refused(404);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::new();
    for (name, amount) in [("a", 10), ("b", 30), ("c", 20), ("d", 5)] {
        world
            .make("deal", json!({ "name": name, "amount": amount }))
            .await;
    }
    let names = |page: &serde_json::Value| -> Vec<String> {
        let records = page["records"].as_array().unwrap().iter();
        records
            .map(|record| record["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let base = "/api/v1/records/deal?columns=name&filter=amount+%3E%3D+10+and+owner_id+%3D+:me&order=-amount&limit=2";
    let first = world.get(base).await.json();
    assert_eq!(names(&first), ["b", "c"]);
    assert!(first["previous"].is_null());
    let second = world
        .get(&format!(
            "{base}&cursor={}",
            first["next"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(names(&second), ["a"]);
    assert!(second["next"].is_null());
    let back = world
        .get(&format!(
            "{base}&cursor={}",
            second["previous"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(names(&back), ["b", "c"]);

    let count = world
        .get("/api/v1/records/deal/count?filter=amount+%3C+15")
        .await
        .json();
    assert_eq!(count, json!({ "count": 2 }));
    let figures = world
        .get("/api/v1/records/deal/aggregate?group=status&measures=count,sum:amount,max:close_date")
        .await;
    assert_eq!(
        figures.body,
        r#"{"rows":[{"group":{"status":"open"},"figures":{"count":4,"sum:amount":65.00,"max:close_date":null}}]}"#
    );
    let found = world.get("/api/v1/search?q=mia&limit=3").await.json();
    assert_eq!(found["results"][0]["object"], "user");
}

#[tokio::test]
async fn batches_are_all_or_nothing() {
    let world = World::new();
    let id = world.make("account", json!({ "name": "Old" })).await;
    let path = "/api/v1/records/account/batch";
    let good = json!({ "changes": [
        { "action": "create", "values": { "name": "New" } },
        { "action": "update", "id": id, "version": 1, "values": { "city": "Bern" } },
        { "action": "delete", "id": id },
        { "action": "restore", "id": id },
    ] });
    let answer = world.post(path, good.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let versions: Vec<_> = answer.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["version"].clone())
        .collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    let stale = world.post(path, good).await;
    stale.refused(409);
    assert_eq!(stale.json()["current_version"], 4);
    let bad = json!({ "changes": [{ "action": "create", "values": { "name": "Never" } }, { "action": "create", "values": { "city": "Bern", "parent_id": id } }] });
    assert_eq!(
        world.post(path, bad).await.refused(422),
        ["/changes/1/values/name required"]
    );
    for (changes, expected) in [
        (
            json!([{ "action": "create", "values": { "nmae": 1, "founded": "x" } }]),
            vec![
                "/changes/0/values/founded not_a_number",
                "/changes/0/values/nmae unknown_field",
            ],
        ),
        (
            json!([{ "action": "destroy" }]),
            vec!["/changes/0/action unknown_choice"],
        ),
        (
            json!([{ "action": "delete" }]),
            vec!["/changes/0/id required"],
        ),
        (
            json!([{ "action": "delete", "id": "x" }]),
            vec!["/changes/0/id not_a_reference"],
        ),
        (
            json!([{ "action": "delete", "id": id, "version": "1" }]),
            vec!["/changes/0/version wrong_type"],
        ),
        (
            json!([{ "action": "delete", "id": id, "values": {} }]),
            vec!["/changes/0/values unknown_field"],
        ),
        (json!([1]), vec!["/changes/0 wrong_type"]),
        (json!([]), vec!["/changes wrong_type"]),
        (json!({}), vec!["/changes wrong_type"]),
    ] {
        assert_eq!(
            world
                .post(path, json!({ "changes": changes }))
                .await
                .refused(422),
            expected,
            "{changes}"
        );
    }
    let many: Vec<_> = (0..201)
        .map(|_| json!({ "action": "create", "values": { "name": "x" } }))
        .collect();
    world
        .post(path, json!({ "changes": many }))
        .await
        .refused(422);
    let count = world.get("/api/v1/records/account/count").await.json();
    assert_eq!(count["count"], 2);
}

#[tokio::test]
async fn leads_are_converted_once() {
    let world = World::new();
    let id = world
        .make(
            "lead",
            json!({ "first_name": "Ada", "last_name": "Byron", "company": "Engines" }),
        )
        .await;
    let path = format!("/api/v1/records/lead/{id}/conversion");
    assert_eq!(
        world
            .post(&path, json!({ "deal_name": " ", "x": 1 }))
            .await
            .refused(422),
        ["/deal_name required", "/x unknown_field"]
    );
    let missing = json!({ "account_id": "0010000000000zz" });
    assert_eq!(
        world.post(&path, missing).await.refused(422),
        ["/contact/account_id missing_reference"]
    );
    let stale = world
        .ask(
            Method::POST,
            &path,
            &[("if-match", "\"9\"")],
            Some(json!({})),
        )
        .await;
    stale.refused(412);
    let done = world
        .ask(
            Method::POST,
            &path,
            &[("if-match", "\"1\"")],
            Some(json!({ "deal_name": "Engine" })),
        )
        .await;
    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    let made = done.json();
    let deal = world
        .get(&format!(
            "/api/v1/records/deal/{}?columns=name,account.name,contact.name",
            made["deal_id"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(
        (&deal["name"], &deal["account.name"], &deal["contact.name"]),
        (&json!("Engine"), &json!("Engines"), &json!("Ada Byron"))
    );
    world.post(&path, json!({})).await.refused(409);
    world
        .post("/api/v1/records/lead/00Q0000000000zz/conversion", json!({}))
        .await
        .refused(404);
    world
        .post("/api/v1/records/deal/00Q0000000000zz/conversion", json!({}))
        .await
        .refused(404);
}
