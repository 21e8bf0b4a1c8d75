//! What others do reaches a page that is open, and its person.

use serde_json::{Value, json};

use super::chromium::{Browser, PASSWORD};

/// Somebody else in the workspace, at work through the API.
struct Colleague {
    client: reqwest::Client,
    token: String,
    url: String,
}

impl Colleague {
    async fn beside(browser: &Browser) -> Self {
        let client = browser.server.client();
        let url = browser.server.url().to_owned();
        let credentials = json!({ "email": "owner@localhost", "password": PASSWORD });
        let request = client.post(format!("{url}/api/v1/session"));
        assert_eq!(
            request.json(&credentials).send().await.unwrap().status(),
            201
        );
        let post = async |path: &str, body: Value| -> Value {
            let request = client.post(format!("{url}{path}")).json(&body);
            request.send().await.unwrap().json().await.unwrap()
        };
        let made = post(
            "/api/v1/service-accounts",
            json!({"name": "Nightly", "role": "member"}),
        )
        .await;
        let id = made["id"].as_str().expect("an id");
        let path = format!("/api/v1/service-accounts/{id}/tokens");
        let token = post(
            &path,
            json!({"name": "work", "scopes": ["records.read", "records.write"]}),
        )
        .await;
        Self {
            token: token["token"].as_str().expect("a token").to_owned(),
            client: browser.server.client(),
            url,
        }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.url));
        let answer = request
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_what_others_change_and_takes_nothing_from_the_reader() {
    let browser = Browser::signed_in().await;
    let colleague = Colleague::beside(&browser).await;
    let page = browser.make("deals", &[("name", "Shared")]).await;
    let id = page.rsplit('/').next().unwrap().to_owned();
    let record = format!("/api/v1/records/deal/{id}");
    let change = async |next: &str| {
        let body = json!({ "next_step": next });
        colleague.send("PATCH", &record, body).await;
    };
    let told = "return document.querySelector('#notices [data-changed] p')?.textContent ?? ''";

    // On the record's page: what stands there stays until its reader wants to see the change.
    browser.open(&page).await;
    change("Call them").await;
    browser
        .wait_until(told, "Nightly changed this a moment ago.")
        .await;
    assert!(!browser.text("#main").await.contains("Call them"));
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser.press_button("Show").await;
    browser.wait_for_text("Call them").await;

    // In a list, and while editing.
    browser.open("/deals").await;
    browser
        .wait_until("return document.body.dataset.live ?? ''", "object=deal")
        .await;
    change("Visit them").await;
    browser
        .wait_until(told, "Nightly changed something in this list.")
        .await;
    browser.open(&format!("{page}/edit")).await;
    browser.fill("#field-lost_reason", "None yet").await;
    change("Write to them").await;
    browser
        .wait_until(
            told,
            "Nightly changed this meanwhile. What you enter is kept, and saving merges it.",
        )
        .await;
    browser.press_button("Save").await;
    browser.wait_for_text("Write to them").await;
    browser.wait_for_text("None yet").await;
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_told_what_concerns_them() {
    let browser = Browser::signed_in().await;
    let colleague = Colleague::beside(&browser).await;
    let me = browser
        .run_async("return (await fetch('/api/v1/session')).json()")
        .await;
    let (my_id, my_name) = (
        me["user"]["id"].as_str().unwrap().to_owned(),
        me["user"]["name"].as_str().unwrap().to_owned(),
    );
    let page = browser.make("accounts", &[("name", "Quarrystone")]).await;
    let id = page.rsplit('/').next().unwrap().to_owned();

    // Followed by keyboard alone; the count comes without a look.
    browser.open(&page).await;
    browser
        .run("document.querySelector('form[action$=\"/follow\"] button').focus()")
        .await;
    browser.key(thirtyfour::Key::Enter).await;
    browser
        .wait_for("form[action$='/follow'] button[aria-pressed=true]")
        .await;
    let record = format!("/api/v1/records/account/{id}");
    colleague
        .send("PATCH", &record, json!({"city": "Bonn"}))
        .await;
    let count = "return document.querySelector('[data-told] [data-count]')?.textContent ?? ''";
    browser.wait_until(count, "1").await;

    // Named in a note, and given a record.
    let note = json!({"title": "Met", "about_id": id, "body": format!("Ask @{my_name}, please")});
    colleague.send("POST", "/api/v1/records/note", note).await;
    let lead = json!({"last_name": "King", "owner_id": my_id});
    colleague.send("POST", "/api/v1/records/lead", lead).await;
    browser.wait_until(count, "3").await;
    browser.keys("gb").await;
    browser.wait_for_path("/notifications").await;
    browser.wait_for_text("Nightly changed “Quarrystone”").await;
    browser
        .wait_for_text("Nightly mentioned you in “Quarrystone”")
        .await;
    browser.wait_for_text("Nightly gave you “King”").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser.open("/notifications").await;
    browser.settled().await;
    assert_eq!(browser.run(count).await, json!(""));

    // Not told what they don't want to be told.
    browser.open("/settings/notifications").await;
    browser.click("input[value=follow]").await;
    browser.press_button("Save").await;
    browser.wait_for_text("Your choice is saved.").await;
    colleague
        .send("PATCH", &record, json!({"city": "Berlin"}))
        .await;
    let note = json!({"title": "Later", "about_id": id, "body": format!("@{my_name} again")});
    colleague.send("POST", "/api/v1/records/note", note).await;
    browser.wait_until(count, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_offered_after_an_at_sign() {
    let browser = Browser::signed_in().await;
    let page = browser.make("accounts", &[("name", "Quarrystone")]).await;
    browser.open(&page).await;
    browser.press_button("Note").await;
    browser.fill("#quick-note-field-title", "Met").await;
    let me = browser
        .run_async("return (await (await fetch('/api/v1/session')).json()).user.name")
        .await;
    let name = me.as_str().unwrap().to_owned();
    let begun: String = name.chars().take(3).collect();
    browser
        .fill("#quick-note-field-body", &format!("Ask @{begun}"))
        .await;
    browser
        .wait_for("#people [role=option][aria-selected=true]")
        .await;
    browser.key(thirtyfour::Key::Enter).await;
    browser
        .wait_until(
            "return document.querySelector('#quick-note-field-body').value",
            format!("Ask @{name} "),
        )
        .await;
    assert_eq!(browser.blocked().await, json!([]));
}
