//! Devices from outside: an order to erase reaches one that has no session any more, and what administrators set reaches them all.

use axum::{body::to_bytes, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_protocol::{
    MEDIA_TYPE,
    device::{Erasure, Registered, Registration, Standing, WipeOrder},
    frame::{Limits, encode, one_line},
    guard::{Reaction, SignedPolicy},
    hello::{Hello, Versions, Welcome},
    push::{Kind, Mutation, PushRequest},
};
use http::{Request, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::gate::{House, PASSWORD, text_of};

const LINE: Limits = Limits {
    lines: 1,
    bytes: 1 << 20,
};

async fn cookie_of(house: &House, email: &str) -> String {
    let form = format!("email={email}&password={}", PASSWORD.replace(' ', "+"));
    let answer = house.sign_in(form).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn read<T: DeserializeOwned>(response: Response) -> T {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    one_line(&bytes, LINE).unwrap()
}

async fn say(house: &House, cookie: &str, path: &str, body: &impl Serialize) -> Response {
    let request = Request::post(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::CONTENT_ENCODING, "zstd");
    house.ask(request, encode([body]).unwrap()).await
}

async fn form(house: &House, cookie: &str, path: &str, body: &str) -> Response {
    let request = Request::post(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.ask(request, body.to_owned()).await
}

async fn page(house: &House, cookie: &str, path: &str) -> (StatusCode, String) {
    let answer = house
        .ask(Request::get(path).header(header::COOKIE, cookie), "")
        .await;
    (answer.status(), text_of(answer).await)
}

async fn register(house: &House, cookie: &str, name: &str) -> Registered {
    let registration = Registration {
        installation: format!("installation of {name}"),
        name: name.to_owned(),
        platform: "linux".to_owned(),
        app: "fieldstone-device 0.1.0".to_owned(),
        login_key: None,
    };
    let answer = say(house, cookie, "/api/v1/sync/devices", &registration).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    read(answer).await
}

async fn standing(house: &House, registered: &Registered, secret: &str) -> Response {
    let path = format!("/api/v1/sync/devices/{}/standing", registered.device);
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {secret}"));
    house.ask(request, "").await
}

async fn erasure(house: &House, registered: &Registered, receipt: &str) -> StatusCode {
    let path = format!("/api/v1/sync/devices/{}/erasure", registered.device);
    let erasure = Erasure {
        receipt: receipt.to_owned(),
    };
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::CONTENT_ENCODING, "zstd");
    house
        .ask(request, encode([&erasure]).unwrap())
        .await
        .status()
}

fn is_signed(key: &str, text: &str, signature: &str) -> bool {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    let key = STANDARD.decode(key).unwrap();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text.as_bytes(), &STANDARD.decode(signature).unwrap())
        .is_ok()
}

#[tokio::test]
async fn a_lost_device_is_told_to_erase_everything_and_says_that_it_has() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    house.join("ben@north.example", "member").await;
    let ben = cookie_of(&house, "ben@north.example").await;
    let phone = register(&house, &ben, "Ben’s phone").await;
    let answer = standing(&house, &phone, &phone.secret).await;
    assert_eq!(read::<Standing>(answer).await, Standing::Welcome);
    // Without the secret nothing is told, and a receipt can't be guessed.
    assert_eq!(
        standing(&house, &phone, "guessed").await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        erasure(&house, &phone, "guessed").await,
        StatusCode::FORBIDDEN
    );

    let (status, text) = page(&house, &owner, "/settings/devices?of=everybody").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains("Ben’s phone") && text.contains("Somebody"),
        "{text}"
    );
    let (_, mine) = page(&house, &owner, "/settings/devices").await;
    assert!(!mine.contains("Ben’s phone"), "{mine}");

    let path = format!("/settings/devices/{}/wipe", phone.device);
    assert_eq!(page(&house, &owner, &path).await.0, StatusCode::OK);
    let done = form(&house, &owner, &path, "").await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    // Its session has ended with it, and the order is good for this device only.
    let asked = page(&house, &ben, "/api/v1/sync/devices").await;
    assert_eq!(asked.0, StatusCode::UNAUTHORIZED, "{}", asked.1);
    let answer = standing(&house, &phone, &phone.secret).await;
    let Standing::Wipe(order) = read(answer).await else {
        panic!("no order")
    };
    let text = WipeOrder::signed_text(phone.device, order.ordered_at);
    assert!(is_signed(&phone.wipe_key, &text, &order.signature));
    let elsewhere = WipeOrder::signed_text("fD0000000000000".parse().unwrap(), order.ordered_at);
    assert!(!is_signed(&phone.wipe_key, &elsewhere, &order.signature));

    assert_eq!(
        erasure(&house, &phone, "guessed").await,
        StatusCode::FORBIDDEN
    );
    for _ in 0..2 {
        let noted = erasure(&house, &phone, &order.receipt).await;
        assert_eq!(noted, StatusCode::NO_CONTENT);
    }
    let (_, text) = page(&house, &owner, "/settings/devices?of=everybody").await;
    assert!(text.contains(">Erased</span>"), "{text}");
    let (_, log) = page(&house, &owner, "/settings/audit").await;
    assert!(
        log.contains("ordered a device to erase everything"),
        "{log}"
    );
    assert!(log.contains("said that it has erased everything"), "{log}");
}

#[tokio::test]
async fn nobody_decides_about_devices_above_them() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    let tablet = register(&house, &owner, "Ann’s tablet").await;
    house.join("admin@north.example", "admin").await;
    house.join("ben@north.example", "member").await;
    for email in ["admin@north.example", "ben@north.example"] {
        let cookie = cookie_of(&house, email).await;
        let path = format!("/settings/devices/{}/wipe", tablet.device);
        let status = form(&house, &cookie, &path, "").await.status();
        assert!(
            [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status),
            "{email}: {status}"
        );
        let path = format!("/settings/devices/{}/revocation", tablet.device);
        let status = form(&house, &cookie, &path, "").await.status();
        assert!(!status.is_redirection(), "{email}: {status}");
    }
    let answer = standing(&house, &tablet, &tablet.secret).await;
    assert_eq!(read::<Standing>(answer).await, Standing::Welcome);
    // One's own can always be taken off the list.
    let path = format!("/settings/devices/{}/revocation", tablet.device);
    assert!(
        form(&house, &owner, &path, "")
            .await
            .status()
            .is_redirection()
    );
    let answer = standing(&house, &tablet, &tablet.secret).await;
    assert_eq!(read::<Standing>(answer).await, Standing::Revoked);
}

async fn hello(house: &House, cookie: &str, registered: &Registered) -> Welcome {
    let hello = Hello {
        protocol: Versions::OURS,
        app: "fieldstone-device 0.2.0".to_owned(),
        device: Some(registered.device),
    };
    let answer = say(house, cookie, "/api/v1/sync/hello", &hello).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await
}

#[tokio::test]
async fn what_a_workspace_asks_of_its_devices_reaches_them_signed() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    let tablet = register(&house, &owner, "Tablet").await;
    let first = hello(&house, &owner, &tablet).await;
    assert_eq!(first.policy.interval_s, 300);
    assert!(first.guard.is_none() && first.sealing_key == tablet.sealing_key);
    assert!(tablet.sealing_key.is_some());

    let path = "/settings/device-policy";
    let wrong = form(
        &house,
        &owner,
        path,
        "interval=5&offline=x&storage=&sealed=yes",
    )
    .await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text_of(wrong).await.contains("offline-error"));
    let body = "interval=60&offline=24&storage=500&debugger=erase&machine=report";
    assert!(
        form(&house, &owner, path, body)
            .await
            .status()
            .is_redirection()
    );
    let told = hello(&house, &owner, &tablet).await;
    assert_eq!(told.policy.interval_s, 60);
    assert_eq!(told.policy.offline_max_s, Some(86_400));
    assert_eq!(told.policy.storage_max, Some(500_000_000));
    assert!(!told.policy.may_keep_sealed && told.sealing_key.is_none());
    let guard = told.guard.unwrap();
    let text = SignedPolicy::signed_text(&guard.text);
    assert!(is_signed(&tablet.wipe_key, &text, &guard.signature));
    assert!(!is_signed(&tablet.wipe_key, &guard.text, &guard.signature));
    let policy = guard.policy().unwrap();
    assert_eq!(policy.version, 1);
    assert_eq!(policy.debugger, Some(Reaction::Erase));
    assert_eq!(
        (policy.machine, policy.root),
        (Some(Reaction::Report), None)
    );

    // A new key is what is sealed to from now on; orders are signed with the one that the device knows.
    let body = "interval=60&offline=&storage=&sealed=yes";
    form(&house, &owner, path, body).await;
    let replaced = form(&house, &owner, "/settings/device-policy/keys", "").await;
    assert!(replaced.status().is_redirection());
    let told = hello(&house, &owner, &tablet).await;
    assert_eq!(told.sealing_key.unwrap().kid, 2);
    let guard = told.guard.unwrap();
    assert_eq!(guard.policy().unwrap().version, 2);
    let text = SignedPolicy::signed_text(&guard.text);
    assert!(is_signed(&tablet.wipe_key, &text, &guard.signature));
    let (_, devices) = page(&house, &owner, "/settings/devices").await;
    assert!(devices.contains("fieldstone-device 0.2.0"), "{devices}");
}

#[tokio::test]
async fn a_record_set_is_looked_at_before_it_is_published() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    let (status, text) = page(&house, &owner, "/settings/record-sets").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("Standard selection"), "{text}");
    let (status, text) = page(&house, &owner, "/settings/record-sets/new").await;
    assert_eq!(status, StatusCode::OK, "{text}");

    let path = "/settings/record-sets";
    let preview = |body: &'static str| form(&house, &owner, "/settings/record-sets/preview", body);
    let text = text_of(preview("root=user&filter=").await).await;
    assert!(text.contains("Total"), "one person is there: {text}");
    let text =
        text_of(preview("root=account&filter=owner_id+%3D+%3Ame&via=contact.account_id").await)
            .await;
    assert!(text.contains("brings nothing to Ann"), "{text}");
    assert!(
        text.contains("value=\"contact.account_id/task.about_id\""),
        "{text}"
    );
    let text = text_of(preview("root=account&filter=colour+%3D+1").await).await;
    assert!(text.contains("can’t be read as a filter"), "{text}");

    let bad = form(&house, &owner, path, "name=&root=account&filter=").await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text_of(bad).await.contains("name-error"));
    let body = "name=Ulm&audience=role%3Amember&root=account&filter=city+%3D+%22Ulm%22&interval=60&via=contact.account_id";
    let done = form(&house, &owner, path, body).await;
    assert_eq!(
        done.status(),
        StatusCode::SEE_OTHER,
        "{}",
        text_of(done).await
    );
    let (_, text) = page(&house, &owner, path).await;
    // The standard ones have become the workspace's own.
    assert!(
        !text.contains("Standard selection")
            && text.contains(">Ulm<")
            && text.contains("Pipelines"),
        "{text}"
    );
    let id = text
        .split("/settings/record-sets/")
        .find(|part| part.contains("<strong>Ulm</strong>"))
        .unwrap();
    let at = format!("{path}/{}", &id[..15]);
    let (_, text) = page(&house, &owner, &at).await;
    assert!(
        text.contains("value=\"contact.account_id\" checked"),
        "{text}"
    );
    let body = body.replace("Ulm&", "Ulm+2&") + "&version=1";
    assert!(
        form(&house, &owner, &at, &body)
            .await
            .status()
            .is_redirection()
    );
    let stale = form(&house, &owner, &at, &body).await;
    assert_eq!(stale.status(), StatusCode::CONFLICT);
    assert!(text_of(stale).await.contains("Somebody else has published"));
    let (_, text) = page(&house, &owner, &at).await;
    assert!(
        text.contains("Version 2") && text.contains("Version 1"),
        "{text}"
    );
    let removed = form(&house, &owner, &format!("{at}/deletion"), "").await;
    assert!(removed.status().is_redirection());
    assert_eq!(page(&house, &owner, &at).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_session_that_a_device_has_by_now_ends_with_it() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    house.join("ben@north.example", "member").await;
    let first = cookie_of(&house, "ben@north.example").await;
    let phone = register(&house, &first, "Ben’s phone").await;
    // The session of its login has ended, and Ben has signed in on it again.
    let second = cookie_of(&house, "ben@north.example").await;
    hello(&house, &second, &phone).await;
    assert_eq!(
        page(&house, &second, "/api/v1/sync/devices").await.0,
        StatusCode::OK
    );
    let wipe = format!("/settings/devices/{}/wipe", phone.device);
    let done = form(&house, &owner, &wipe, "").await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        page(&house, &second, "/api/v1/sync/devices").await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_token_that_may_only_read_pushes_nothing() {
    let house = House::new().await;
    let owner = cookie_of(&house, "ann@north.example").await;
    let phone = register(&house, &owner, "Ann’s phone").await;
    let token = async |scopes: &[&str]| {
        let wanted = serde_json::json!({ "name": "backup", "scopes": scopes });
        let request = Request::post("/api/v1/tokens")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &owner)
            .header(header::CONTENT_TYPE, "application/json");
        let made = house.ask(request, wanted.to_string()).await;
        assert_eq!(made.status(), StatusCode::CREATED);
        let made: serde_json::Value = serde_json::from_str(&text_of(made).await).unwrap();
        format!("Bearer {}", made["token"].as_str().unwrap())
    };
    let push = async |bearer: &str, kind| {
        let request = PushRequest {
            protocol: 1,
            device: phone.device,
            mutations: vec![Mutation {
                uuid: "0".repeat(32),
                sequence: 1,
                object: "account".to_owned(),
                record: "001000000000001".parse().unwrap(),
                kind,
                fields: std::collections::BTreeMap::new(),
            }],
        };
        let asked = Request::post("/api/v1/sync/push")
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .header(header::CONTENT_ENCODING, "zstd");
        house.ask(asked, request.to_bytes().unwrap()).await.status()
    };
    let reads = token(&["records.read"]).await;
    assert_eq!(push(&reads, Kind::Update).await, StatusCode::FORBIDDEN);
    let writes = token(&["records.read", "records.write"]).await;
    assert_eq!(push(&writes, Kind::Update).await, StatusCode::OK);
    assert_eq!(push(&writes, Kind::Delete).await, StatusCode::FORBIDDEN);
}
