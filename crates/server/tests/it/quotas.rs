//! Quotas: what is refused to a full workspace, by every way in, and what is there again when there is room.

use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::response::Response;
use fieldstone_protocol::MEDIA_TYPE;
use fieldstone_protocol::device::{Registered, Registration};
use fieldstone_protocol::frame::{Limits, encode, one_line};
use fieldstone_protocol::push::{Edit, Kind, Mutation, Outcome, PushAnswer, PushRequest};
use fieldstone_server::attachments::ObjectStorage;
use fieldstone_server::database::connect;
use fieldstone_server::identity::workspace;
use fieldstone_server::quotas::{self, Quota};
use http::{Method, Request, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::gate::{House, text_of};

async fn limit(house: &House, quota: Quota) {
    let mut owner = connect(&house.database.owner()).await.unwrap();
    let tenant = workspace::find(&owner, "north").await.unwrap().id;
    quotas::set(&mut owner, tenant, &quota, house.clock.set())
        .await
        .unwrap();
}

async fn used(house: &House) -> (i64, i64) {
    let owner = connect(&house.database.owner()).await.unwrap();
    let tenant = workspace::find(&owner, "north").await.unwrap().id;
    let usage = quotas::of(&owner, tenant).await.unwrap();
    (usage.records, usage.bytes)
}

async fn call(
    house: &House,
    cookie: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json");
    let answer = house.ask(request, body.to_string()).await;
    let status = answer.status();
    let text = text_of(answer).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn make(house: &House, cookie: &str, name: &str) -> (StatusCode, Value) {
    let path = "/api/v1/records/account";
    call(house, cookie, Method::POST, path, &json!({ "name": name })).await
}

fn is_full((status, problem): &(StatusCode, Value)) -> bool {
    // 401 and 403 would sign a device out, 404 and 409 let it give a file up.
    *status == StatusCode::UNPROCESSABLE_ENTITY
        && problem["type"] == "urn:fieldstone:problem:workspace-full"
}

#[tokio::test]
async fn a_full_workspace_takes_no_more_records_by_any_way_and_changes_those_it_has() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let (_, first) = make(&house, &cookie, "First").await;
    let task = json!({ "subject": "Call", "due_date": "2026-03-02", "repeat": "weekly" });
    let tasks = "/api/v1/records/task";
    let (status, task) = call(&house, &cookie, Method::POST, tasks, &task).await;
    assert_eq!(status, StatusCode::CREATED, "{task}");
    let (records, _) = used(&house).await;
    let quota = Quota {
        records: Some(records + 1),
        ..Quota::default()
    };
    limit(&house, quota).await;
    assert_eq!(make(&house, &cookie, "Second").await.0, StatusCode::CREATED);

    // By the API, alone and among others; on a page.
    assert!(is_full(&make(&house, &cookie, "Third").await));
    let page = house.post("/accounts", &cookie, "name=Third").await;
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let text = text_of(page).await;
    assert!(text.contains("This workspace is full"), "{text}");
    // By a device: refused with a reason, and not kept, so that it can be sent again as it is.
    let device = register(&house, &cookie).await;
    let mutation = creation("001zzzzzzzzzzz1", "By a device");
    for _ in 0..2 {
        let outcome = push(&house, &cookie, &device, &mutation).await;
        let Outcome::Rejected { rejection } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(rejection.code, "workspace_full");
        assert!(rejection.message.contains("full"), "{}", rejection.message);
    }
    // What follows in the same request for a record that there was no room for waits with it, and isn't kept either.
    let change = Mutation {
        uuid: "1".repeat(32),
        sequence: 2,
        kind: Kind::Update,
        ..mutation.clone()
    };
    for _ in 0..2 {
        let outcomes = push_all(
            &house,
            &cookie,
            &device,
            &[mutation.clone(), change.clone()],
        )
        .await;
        let is_full = |it: &Outcome| matches!(it, Outcome::Rejected { rejection } if rejection.code == "workspace_full");
        assert!(outcomes.iter().all(is_full), "{outcomes:?}");
    }
    assert_eq!(used(&house).await.0, records + 1, "nothing was half made");
    // What is there can be changed and deleted.
    let path = format!("/api/v1/records/account/{}", first["id"].as_str().unwrap());
    let (status, _) = call(
        &house,
        &cookie,
        Method::PATCH,
        &path,
        &json!({ "name": "Changed" }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);

    // A task that repeats can be finished: the next one is made, and counted.
    let path = format!("{tasks}/{}", task["id"].as_str().unwrap());
    let done = json!({ "status": "done" });
    let (status, answer) = call(&house, &cookie, Method::PATCH, &path, &done).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(used(&house).await.0, records + 2);
    let (status, first) = call(
        &house,
        &cookie,
        Method::POST,
        tasks,
        &json!({ "subject": "Another", "due_date": "2026-03-02", "repeat": "weekly" }),
    )
    .await;
    assert!(
        is_full(&(status, first)),
        "one that follows none has no room"
    );

    let page = house.page("/settings/usage", &cookie).await;
    assert!(page.contains("usage") && page.contains("Full"), "{page}");

    // Room: the same change of the device is taken now.
    let quota = Quota {
        records: Some(records + 4),
        ..Quota::default()
    };
    limit(&house, quota).await;
    let outcome = push(&house, &cookie, &device, &mutation).await;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    assert_eq!(make(&house, &cookie, "Third").await.0, StatusCode::CREATED);
    assert!(is_full(&make(&house, &cookie, "Fourth").await));
    limit(&house, Quota::default()).await;
    assert_eq!(make(&house, &cookie, "Fourth").await.0, StatusCode::CREATED);
    let log = house.page("/settings/audit", &cookie).await;
    assert!(log.contains("limits"), "the workspace sees it: {log}");
}

#[tokio::test]
async fn files_have_a_limit_of_their_own() {
    let mut house = House::new().await;
    let folder = house.folder.path().join("objects");
    std::fs::create_dir(&folder).unwrap();
    let vault = house.platform.accounts.vault.clone();
    house.platform.objects = Some(ObjectStorage::folder(&folder, vault).unwrap());
    let house = house.restarted();
    let cookie = house.cookie().await;
    let (_, account) = make(&house, &cookie, "First").await;
    let quota = Quota {
        bytes: Some(1_000),
        ..Quota::default()
    };
    limit(&house, quota).await;
    let announce = async |name: &str, size: u64| {
        let values = json!({ "name": name, "about_id": account["id"] });
        let path = "/api/v1/records/attachment";
        let (_, file) = call(&house, &cookie, Method::POST, path, &values).await;
        let path = format!("{path}/{}/upload", file["id"].as_str().unwrap());
        let announced = json!({ "content_type": "text/plain", "size": size });
        let answer = call(&house, &cookie, Method::POST, &path, &announced).await;
        (path, answer)
    };
    let (path, answer) = announce("one.txt", 900).await;
    assert!(answer.0.is_success(), "{answer:?}");
    assert_eq!(used(&house).await.1, 900);
    let (_, refused) = announce("two.txt", 101).await;
    assert!(is_full(&refused), "{refused:?}");
    let (_, answer) = announce("three.txt", 100).await;
    assert!(answer.0.is_success(), "{answer:?}");
    // Announced anew, an upload counts as what it is then.
    let smaller = json!({ "content_type": "text/plain", "size": 10 });
    let answer = call(&house, &cookie, Method::POST, &path, &smaller).await;
    assert!(answer.0.is_success(), "{answer:?}");
    assert_eq!(used(&house).await.1, 110);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let quota = Quota {
        requests_per_minute: Some(20),
        ..Quota::default()
    };
    limit(&house, quota).await;
    // It counts from the moment that a server reads it, which is within a minute.
    let house = house.restarted();
    let cookie_too = house.cookie().await;
    let ask = async |cookie: &str| {
        let request = Request::get("/api/v1/objects").header(header::COOKIE, cookie);
        house.ask(request, "").await
    };
    for _ in 0..10 {
        assert_eq!(ask(&cookie).await.status(), StatusCode::OK);
        assert_eq!(ask(&cookie_too).await.status(), StatusCode::OK);
    }
    let refused = ask(&cookie).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: i64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=4).contains(&wait), "{wait}");
    let text = text_of(refused).await;
    assert!(
        text.contains("urn:fieldstone:problem:too-many-requests"),
        "{text}"
    );
    // Whoever is asked too often by a token can end it, and everything else, all the same; and prove who they are for that.
    for (method, path) in [
        (Method::DELETE, "/api/v1/tokens/0AT000000000000"),
        (Method::DELETE, "/api/v1/sync/devices/0DV000000000000"),
        (Method::DELETE, "/api/v1/membership/email-change"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::PATCH, "/api/v1/members/005000000000000"),
        (Method::PATCH, "/api/v1/service-accounts/005000000000000"),
        (Method::POST, "/api/v1/sync/devices/0DV000000000000/wipe"),
        (Method::POST, "/api/v1/session/proof"),
    ] {
        let ended = call(&house, &cookie, method, path, &json!({})).await;
        assert_ne!(ended.0, StatusCode::TOO_MANY_REQUESTS, "{path}: {ended:?}");
        assert!(!ended.0.is_server_error(), "{path}: {ended:?}");
    }
    // What makes something counts like everything else.
    for path in [
        "/api/v1/tokens",
        "/api/v1/sync/devices",
        "/api/v1/oauth/grants",
        "/api/v1/service-accounts",
        "/api/v1/session/totp",
    ] {
        let made = call(&house, &cookie, Method::POST, path, &json!({})).await;
        assert_eq!(made.0, StatusCode::TOO_MANY_REQUESTS, "{path}: {made:?}");
    }
    // Pages are for people, and go on.
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::OK);
    house.clock.add(SignedDuration::from_secs(wait));
    assert_eq!(ask(&cookie).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn servers_count_requests_together() {
    let house = House::new().await;
    let quota = Quota {
        requests_per_minute: Some(20),
        ..Quota::default()
    };
    limit(&house, quota).await;
    // Its time stands still for as long as this takes: nothing comes back meanwhile.
    let owner = connect(&house.database.owner()).await.unwrap();
    let ahead = "INSERT INTO app.request_use (tenant_id, taken, at)
        SELECT tenant_id, 0, clock_timestamp() + interval '59 seconds' FROM app.workspace_quota";
    assert_eq!(owner.execute(ahead, &[]).await.unwrap(), 1);
    let one = house.restarted();
    let cookie = one.cookie().await;
    let other = house.restarted();
    let ask = async |node: &House| {
        let request = Request::get("/api/v1/objects").header(header::COOKIE, &cookie);
        node.ask(request, "").await.status()
    };
    for _ in 0..12 {
        assert_eq!(ask(&one).await, StatusCode::OK);
    }
    // Within seconds the other one knows, and lets through what is left and not another twenty.
    let settled = async |least: f64| {
        let begun = Instant::now();
        loop {
            let sql = "SELECT coalesce(sum(taken), 0) FROM app.request_use";
            let taken: f64 = owner.query_one(sql, &[]).await.unwrap().get(0);
            if taken > least {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{taken}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    settled(11.5).await;
    assert_eq!(ask(&other).await, StatusCode::OK);
    settled(12.5).await;
    let mut taken = 0;
    while taken < 20 && ask(&other).await == StatusCode::OK {
        taken += 1;
    }
    assert!((5..=8).contains(&taken), "{taken}");
    // And the first one hears of that in turn.
    while ask(&one).await == StatusCode::OK {
        taken += 1;
        assert!(taken < 15, "it never hears of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask(&other).await, StatusCode::TOO_MANY_REQUESTS);
    // It is the database's time that counts: no server's clock has moved.
    let older = "UPDATE app.request_use SET at = clock_timestamp() - interval '1 minute'";
    assert_eq!(owner.execute(older, &[]).await.unwrap(), 1);
    let begun = Instant::now();
    while ask(&other).await != StatusCode::OK {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn say(house: &House, cookie: &str, path: &str, body: &impl serde::Serialize) -> Response {
    let request = Request::post(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::CONTENT_ENCODING, "zstd");
    house.ask(request, encode([body]).unwrap()).await
}

async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> T {
    let limits = Limits {
        lines: 1,
        bytes: 1 << 20,
    };
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    one_line(&bytes, limits).unwrap()
}

async fn register(house: &House, cookie: &str) -> Registered {
    let registration = Registration {
        installation: "an installation".to_owned(),
        name: "Van".to_owned(),
        platform: "linux".to_owned(),
        app: "fieldstone-device 0.1.0".to_owned(),
        login_key: None,
    };
    let answer = say(house, cookie, "/api/v1/sync/devices", &registration).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    read(answer).await
}

fn creation(id: &str, name: &str) -> Mutation {
    let wanted = |value: &str| Edit {
        base: Value::Null,
        wanted: value.into(),
    };
    Mutation {
        uuid: "0".repeat(32),
        sequence: 1,
        object: "account".to_owned(),
        record: id.parse().unwrap(),
        kind: Kind::Create,
        fields: [("name".to_owned(), wanted(name))].into(),
    }
}

async fn push(house: &House, cookie: &str, device: &Registered, mutation: &Mutation) -> Outcome {
    let mut outcomes = push_all(house, cookie, device, std::slice::from_ref(mutation)).await;
    outcomes.remove(0)
}

async fn push_all(
    house: &House,
    cookie: &str,
    device: &Registered,
    mutations: &[Mutation],
) -> Vec<Outcome> {
    let request = PushRequest {
        protocol: 1,
        device: device.device,
        mutations: mutations.to_vec(),
    };
    let asked = Request::post("/api/v1/sync/push")
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::CONTENT_ENCODING, "zstd");
    let answer = house.ask(asked, request.to_bytes().unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let results = PushAnswer::from_bytes(&bytes).unwrap().results;
    results.into_iter().map(|result| result.outcome).collect()
}

#[tokio::test]
async fn those_who_write_at_once_never_wait_to_be_counted() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let tenant = workspace::find(&owner, "north").await.unwrap().id;
    let (before, _) = used(&house).await;
    let parts = async || -> i64 {
        let sql = "SELECT count(*) FROM app.workspace_use WHERE tenant_id = $1";
        let row = owner.query_one(sql, &[&tenant.as_str()]).await.unwrap();
        row.get(0)
    };
    // More than there were parts once, each in the middle of a transaction; two of them count twice.
    let mut writers = Vec::new();
    for number in 0..20 {
        let writer = connect(&house.database.owner()).await.unwrap();
        writer
            .batch_execute("BEGIN; SET LOCAL lock_timeout = '100ms'")
            .await
            .unwrap();
        for _ in 0..=i32::from(number < 2) {
            writer
                .execute("SELECT app.note_use($1, 1, 0)", &[&tenant.as_str()])
                .await
                .unwrap();
        }
        writers.push(writer);
    }
    for (number, writer) in writers.iter().enumerate() {
        let end = if number == 7 { "ROLLBACK" } else { "COMMIT" };
        writer.batch_execute(end).await.unwrap();
    }
    assert_eq!(used(&house).await.0, before + 21);
    let made = parts().await;
    assert!(made <= 21, "{made}");
    // Whoever comes later takes what is free.
    for writer in &writers {
        writer
            .execute("SELECT app.note_use($1, 1, 0)", &[&tenant.as_str()])
            .await
            .unwrap();
    }
    assert_eq!(used(&house).await.0, before + 41);
    assert_eq!(parts().await, made);
}
