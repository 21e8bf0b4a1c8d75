//! Two steps at the door, a device signed out from another, and a proof that is asked for again: in a browser, as people do it.

use std::process::Command;

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::{DEFAULT_DATABASE, connect};
use serde_json::json;

use super::accessibility::inspect;
use super::chromium::{Browser, PASSWORD};

/// What an authenticator with this seed shows now.
fn code(seed: &str) -> String {
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", &seed.replace(' ', "")])
        .output()
        .expect("oathtool runs; install the package oathtool");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Changes what time has to do with the browser's server.
async fn sql(browser: &Browser, sql: &str) {
    let data_dir = DataDir::open(browser.server.data()).unwrap();
    let mut admin = admin_config(&data_dir).unwrap();
    admin.dbname(DEFAULT_DATABASE);
    let client = connect(&admin).await.unwrap();
    client.batch_execute(sql).await.unwrap();
}

async fn give_password(browser: &Browser) {
    browser.open("/sign-in").await;
    browser.fill("#email", "owner@localhost").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/sign-in/code").await;
}

/// Gives the password and a recovery code.
async fn stand_in(browser: &Browser, recovery: &str) {
    give_password(browser).await;
    browser
        .run("document.querySelector('details').open = true")
        .await;
    browser.fill("#recovery", recovery).await;
    browser.click("details form button").await;
}

async fn sign_out(browser: &Browser) {
    browser.open("/").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.wait_for_path("/sign-in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authenticator_is_set_up_and_asked_for_and_a_recovery_code_stands_in() {
    let browser = Browser::signed_in().await;
    browser.open("/settings/two-step").await;
    browser
        .click("form[action='/settings/two-step/setup'] button")
        .await;
    browser.wait_for_path("/settings/two-step/setup").await;
    browser.wait_for("svg.qr").await;
    let seed = browser
        .run("return document.querySelector('#seed').textContent")
        .await;
    let seed = seed.as_str().unwrap().to_owned();
    browser.fill("#code", "000000").await;
    browser
        .click("form[action='/settings/two-step/confirmation'] button")
        .await;
    browser.wait_for_text("That code isn’t right").await;
    browser.fill("#code", &code(&seed)).await;
    browser
        .click("form[action='/settings/two-step/confirmation'] button")
        .await;
    browser.wait_for("#recovery-codes").await;
    let shown = browser.text("#recovery-codes").await;
    let codes: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(codes.len(), 10, "{shown}");
    let mut wrong = inspect(&browser, &[("two steps", "/settings/two-step".to_owned())]).await;

    // At the door: the code of now, once the step that set it up is over.
    sign_out(&browser).await;
    sql(&browser, "UPDATE app.totp SET last_step = 0").await;
    give_password(&browser).await;
    wrong.extend(inspect(&browser, &[("code", "/sign-in/code?to=%2F".to_owned())]).await);
    browser.open("/deals").await;
    browser.wait_for_path("/sign-in").await;
    give_password(&browser).await;
    browser.fill("#code", &code(&seed)).await;
    browser
        .click("form[action='/sign-in/code'] button.primary")
        .await;
    browser.wait_for_path("/").await;

    // Without the phone.
    sign_out(&browser).await;
    stand_in(&browser, codes[0]).await;
    browser.wait_for_path("/").await;
    sign_out(&browser).await;
    stand_in(&browser, codes[0]).await;
    browser.wait_for_text("That code isn’t right").await;
    stand_in(&browser, codes[1]).await;
    browser.wait_for_path("/").await;
    browser.open("/settings/two-step").await;
    browser
        .wait_for_text("You have 8 recovery codes left.")
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_signed_out_from_another_and_a_proof_is_asked_for_again() {
    let browser = Browser::signed_in().await;
    // Another device of the same person.
    let other = browser.server.client();
    let credentials = json!({ "email": "owner@localhost", "password": PASSWORD });
    let sessions = format!("{}/api/v1/session", browser.server.url());
    let begun = other
        .post(&sessions)
        .json(&credentials)
        .send()
        .await
        .unwrap();
    assert_eq!(begun.status(), 201);
    assert_eq!(other.get(&sessions).send().await.unwrap().status(), 200);
    browser.open("/settings/sessions").await;
    browser.wait_for_text("This one").await;
    browser
        .click("form[action='/settings/sessions/end'] button")
        .await;
    browser.wait_for_text("Signed out there.").await;
    assert_eq!(other.get(&sessions).send().await.unwrap().status(), 401);
    browser.open("/deals").await;
    browser.wait_for_path("/deals").await;

    // Ten minutes later, what weighs much asks again, and leads back.
    let stale = "UPDATE app.session SET proved_at = now() - interval '11 minutes'; UPDATE app.\"user\" SET member_version = member_version + 1";
    sql(&browser, stale).await;
    browser.open("/deals").await;
    browser.wait_for_path("/deals").await;
    browser.open("/settings/invitations/new").await;
    browser.wait_for_path("/confirm").await;
    browser.fill("#password", "not the password").await;
    browser.click("button.primary").await;
    browser.wait_for_text("That isn’t your password.").await;
    let wrong = browser.violations().await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/settings/invitations/new").await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
