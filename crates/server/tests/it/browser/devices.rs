//! The pages about devices: what waits for a person, which devices there are, what they get.

use fieldstone_protocol::{
    MEDIA_TYPE,
    device::{Registered, Registration},
    frame::{Limits, encode, one_line},
    push::{Edit, Kind, Mutation, Outcome, PushAnswer, PushRequest},
};
use serde_json::json;

use super::{accessibility::inspect, chromium::Browser};

const LINE: Limits = Limits {
    lines: 1,
    bytes: 1 << 20,
};

/// Says something as a device with the session of the browser.
async fn say(browser: &Browser, path: &str, body: Vec<u8>) -> Vec<u8> {
    let cookies = browser.driver.get_all_cookies().await.unwrap();
    let cookies: Vec<String> = cookies
        .iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    let url = browser.server.url();
    let answer = browser
        .server
        .client()
        .post(format!("{url}{path}"))
        .header("cookie", cookies.join("; "))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", MEDIA_TYPE)
        .header("content-encoding", "zstd")
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one person's way through the pages")]
async fn what_devices_bring_is_settled_and_what_they_get_is_chosen() {
    let browser = Browser::at_the_door().await;
    browser.fill("#password", super::chromium::PASSWORD).await;
    browser.fill("#repeat", super::chromium::PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
    let empty = [
        ("no device", "/settings/devices".to_owned()),
        ("no conflict", "/conflicts".to_owned()),
        ("standard record sets", "/settings/record-sets".to_owned()),
        ("no quarantine", "/settings/sealed".to_owned()),
        ("device policy", "/settings/device-policy".to_owned()),
    ];
    let mut wrong = inspect(&browser, &empty).await;

    let registration = Registration {
        installation: "i".to_owned(),
        name: "Ada’s phone, the one with the cracked screen".to_owned(),
        platform: "android".to_owned(),
        app: "fieldstone-device 0.1.0".to_owned(),
        login_key: None,
    };
    let body = encode([&registration]).unwrap();
    let registered: Registered =
        one_line(&say(&browser, "/api/v1/sync/devices", body).await, LINE).unwrap();
    let account = browser
        .make("accounts", &[("name", "Wind park"), ("city", "Ulm")])
        .await;
    let record = account.rsplit('/').next().unwrap().parse().unwrap();
    let edit = |base: &str, wanted: &str| Edit {
        base: json!(base),
        wanted: json!(wanted),
    };
    let mutation = |sequence: u64, kind, field: &str, edit| Mutation {
        uuid: format!("{sequence:032x}"),
        sequence,
        object: "account".to_owned(),
        record,
        kind,
        fields: [(field.to_owned(), edit)].into(),
    };
    let mut both = mutation(1, Kind::Update, "name", edit("Windpark", "Wind park Nord"));
    both.fields
        .insert("industry".to_owned(), edit("retail", "energy"));
    both.fields
        .insert("city".to_owned(), edit("Aalen", "Ravensburg"));
    let request = PushRequest {
        protocol: 1,
        device: registered.device,
        mutations: vec![
            both,
            mutation(2, Kind::Delete, "name", edit("Windpark", "")),
        ],
    };
    let answer = say(&browser, "/api/v1/sync/push", request.to_bytes().unwrap()).await;
    let answer = PushAnswer::from_bytes(&answer).unwrap();
    let conflicts: Vec<String> = answer
        .results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Conflict { conflict, .. } => format!("/conflicts/{conflict}"),
            outcome => panic!("no conflict: {outcome:?}"),
        })
        .collect();
    let set = "return await fetch('/settings/record-sets', { method: 'POST', body: new URLSearchParams([['name', 'Accounts nearby'], \
        ['root', 'account'], ['filter', 'city = \"Ulm\"'], ['via', 'contact.account_id'], ['via', 'contact.account_id/task.about_id']]) }).then(answer => answer.url);";
    browser.run_async(set).await;
    let sets = browser
        .run_async("const page = await fetch('/settings/record-sets').then(answer => answer.text()); \
            return [...new DOMParser().parseFromString(page, 'text/html').querySelectorAll('.card a')].map(link => link.getAttribute('href'));")
        .await;
    let own = sets
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let full = [
        ("devices", "/settings/devices?of=everybody".to_owned()),
        (
            "wipe",
            format!("/settings/devices/{}/wipe", registered.device),
        ),
        ("conflicts", "/conflicts".to_owned()),
        ("conflict", conflicts[0].clone()),
        ("conflict of a deletion", conflicts[1].clone()),
        ("record with a conflict", account.clone()),
        ("record sets", "/settings/record-sets".to_owned()),
        ("new record set", "/settings/record-sets/new".to_owned()),
        ("record set", own),
    ];
    wrong.extend(inspect(&browser, &full).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The navigation counts them; a box that is ticked opens what hangs on it; a choice settles.
    browser.screen(1280, 800).await;
    browser.open("/settings/record-sets/new").await;
    browser.click("[id='via-contact.account_id']").await;
    browser
        .wait_for("[id='via-contact.account_id/task.about_id']")
        .await;
    // Which records begin it is put together as filters are, and follows what they are of.
    browser.choose("#if-field", "City").await;
    browser.wait_for("#filter-test").await;
    browser.settled().await;
    browser.fill("#filter-value", "Ulm").await;
    browser.click("#if-add").await;
    browser
        .wait_until(
            "return document.querySelector('#filter').value",
            "owner_id = :me and city contains \"Ulm\"",
        )
        .await;
    browser.settled().await;
    browser
        .wait_for("[id='via-contact.account_id/task.about_id']")
        .await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser.choose("#root", "Deals").await;
    browser
        .wait_until(
            "return [...document.querySelectorAll('#if-field option')].some((it) => it.label === 'Amount')",
            true,
        )
        .await;
    browser.open("/deals").await;
    browser.wait_for(".waiting[hx-get] .count").await;
    browser.click(".waiting a[href='/conflicts']").await;
    browser.wait_for_path("/conflicts").await;
    browser.open(&conflicts[0]).await;
    for (field, side) in [("name", "mine"), ("industry", "theirs"), ("city", "other")] {
        browser
            .click(&format!("[name='choose:{field}'][value='{side}']"))
            .await;
    }
    browser.fill("[name='city']", "Biberach").await;
    browser.click(".settle button.primary").await;
    browser.wait_for_path("/conflicts").await;
    browser.open(&account).await;
    let text = browser
        .run("return document.querySelector('main').innerText")
        .await;
    let text = text.as_str().unwrap();
    assert!(
        text.contains("Wind park Nord") && text.contains("Biberach"),
        "{text}"
    );
}
