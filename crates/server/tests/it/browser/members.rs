//! People come in by invitation, forget their passwords and change roles, with the letters read from the outbox.

use std::fs;
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use serde_json::{Value, json};

use super::accessibility::inspect;
use super::chromium::{Browser, PASSWORD};

const EMAIL: &str = "bob@acme.example";
const NEW_PASSWORD: &str = "quite another sentence";

/// The link of the letter to `to` whose subject contains `subject`, once it is there. The letter is taken out of the box.
async fn link(browser: &Browser, to: &str, subject: &str) -> String {
    let outbox = browser.server.data().join("outbox");
    let started = Instant::now();
    loop {
        let files = fs::read_dir(&outbox).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let Some(bytes) = fs::read(&path)
                .ok()
                .filter(|_| path.extension().is_some_and(|it| it == "eml"))
            else {
                continue;
            };
            let letter = MessageParser::default().parse(&bytes).expect("a letter");
            let is_to = letter.to().and_then(|to| to.first()?.address()) == Some(to);
            if !is_to || !letter.subject().unwrap_or_default().contains(subject) {
                continue;
            }
            let text = letter.body_text(0).expect("a text").into_owned();
            fs::remove_file(&path).expect("the letter to be taken");
            let link = text.lines().find(|line| line.contains("?link="));
            return link.expect("a link").to_owned();
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "no letter to {to} about {subject}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The path and query of an address of the server's.
fn path<'a>(browser: &Browser, link: &'a str) -> &'a str {
    link.strip_prefix(browser.server.url())
        .expect("a link to this server")
}

async fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.open("/sign-in").await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
}

/// The owner, as a program that is signed in beside the browser.
async fn owner(browser: &Browser) -> reqwest::Client {
    let client = browser.server.client();
    let credentials = json!({ "email": "owner@localhost", "password": PASSWORD });
    let request = client.post(format!("{}/api/v1/session", browser.server.url()));
    let answer = request.json(&credentials).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    client
}

async fn set_role(browser: &Browser, owner: &reqwest::Client, role: &str) {
    let members = format!("{}/api/v1/members", browser.server.url());
    let found: Value = owner
        .get(format!("{members}?search=bob"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = found["members"][0]["id"].as_str().unwrap().to_owned();
    let change = owner
        .patch(format!("{members}/{id}"))
        .json(&json!({ "role": role }));
    assert_eq!(change.send().await.unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_invited_joins_and_gets_another_role() {
    let browser = Browser::signed_in().await;
    browser.open("/settings/members").await;
    browser.wait_for_text("owner@localhost").await;
    browser.press_button("Invite people").await;
    browser.wait_for_path("/settings/invitations/new").await;
    browser.fill("#emails", "nobody").await;
    browser.press_button("Send invitations").await;
    browser
        .wait_for_text("“nobody” is not an e-mail address.")
        .await;
    browser.fill("#emails", EMAIL).await;
    browser.choose("#role", "Viewer").await;
    browser.press_button("Send invitations").await;
    browser.wait_for_path("/settings/invitations").await;
    browser
        .wait_for_text("Invited. The letters are on their way.")
        .await;
    browser.wait_for_text(EMAIL).await;
    let mut wrong = inspect(
        &browser,
        &[("invitations", "/settings/invitations".to_owned())],
    )
    .await;

    let link = link(&browser, EMAIL, "invites you").await;
    browser.open("/").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.wait_for_path("/sign-in").await;
    let join = path(&browser, &link).to_owned();
    wrong.extend(inspect(&browser, &[("invitation", join.clone())]).await);
    browser.open(&join).await;
    browser.fill("#name", "Bob Builder").await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#repeat", PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
    browser.wait_for_text("Hello, Bob").await;
    browser.open(&join).await;
    browser.wait_for_text("This link no longer works").await;

    browser.open("/deals").await;
    browser.wait_for_text("No deals yet").await;
    assert!(!browser.text("#main").await.contains("New deal"));
    let owner = owner(&browser).await;
    set_role(&browser, &owner, "member").await;
    browser.open("/deals").await;
    browser.wait_for_text("New deal").await;
    set_role(&browser, &owner, "viewer").await;
    browser.open("/deals").await;
    browser.wait_for_path("/sign-in").await;

    sign_in(&browser, "owner@localhost", PASSWORD).await;
    browser.open("/settings/members").await;
    browser.press_button("Bob Builder").await;
    browser
        .wait_for_text("Their sessions, tokens and open invitations end at once.")
        .await;
    let bob = browser.path().await;
    wrong.extend(inspect(&browser, &[("member", bob)]).await);
    browser.press_button("Deactivate").await;
    browser
        .wait_for_text("Deactivated. All sessions and tokens have ended.")
        .await;
    browser.wait_for_text("Reactivate").await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_and_a_new_address() {
    let browser = Browser::signed_in().await;
    browser.open("/settings/membership").await;
    browser.press_button("Change e-mail address").await;
    browser.wait_for_path("/settings/membership/email").await;
    browser.fill("#email", EMAIL).await;
    browser.press_button("Send letters").await;
    browser.wait_for_text("Two letters are on their way").await;
    let new = link(&browser, EMAIL, "Confirm your new address").await;
    let old = link(&browser, "owner@localhost", "about to change").await;
    let new = path(&browser, &new).to_owned();
    let mut wrong = inspect(
        &browser,
        &[
            (
                "membership with a change",
                "/settings/membership".to_owned(),
            ),
            ("change of address", path(&browser, &old).to_owned()),
        ],
    )
    .await;
    browser.open(&new).await;
    browser.press_button("Confirm").await;
    browser
        .wait_for_text("Now answer the letter to owner@localhost")
        .await;
    browser.open(path(&browser, &old)).await;
    browser.press_button("Confirm").await;
    browser
        .wait_for_text("From now on, sign in with bob@acme.example")
        .await;

    browser.open("/").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.wait_for_path("/sign-in").await;
    browser.press_button("Forgot your password?").await;
    browser.wait_for_path("/forgotten-password").await;
    browser.fill("#email", EMAIL).await;
    browser.press_button("Send letter").await;
    browser.wait_for_text("a letter is on its way to it").await;
    let reset = link(&browser, EMAIL, "A new password").await;
    let reset = path(&browser, &reset).to_owned();
    wrong.extend(inspect(&browser, &[("password reset", reset.clone())]).await);
    browser.open(&reset).await;
    browser.fill("#password", NEW_PASSWORD).await;
    browser.fill("#repeat", NEW_PASSWORD).await;
    browser.press_button("Change password").await;
    browser.wait_for_path("/sign-in").await;
    browser
        .wait_for_text("Your password has been changed. Sign in with it.")
        .await;
    sign_in(&browser, EMAIL, NEW_PASSWORD).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
