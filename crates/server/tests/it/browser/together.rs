//! Two windows, and two people with browsers of their own, on the same record: both edits arrive, or a person chooses.

use fieldstone_testkit::{Server, ServerOptions};

use super::chromium::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overwritten_unseen() {
    let browser = Browser::signed_in().await;
    let page = browser
        .make("deals", &[("name", "Shared"), ("amount", "100")])
        .await;
    let first = browser.driver.window().await.unwrap();
    let edit = format!("{page}/edit");
    browser.open(&edit).await;

    let second = browser.driver.new_tab().await.unwrap();
    let save = async |fields: &[(&str, &str)]| {
        browser
            .driver
            .switch_to_window(second.clone())
            .await
            .unwrap();
        browser.open(&edit).await;
        for (field, value) in fields {
            browser.fill(field, value).await;
        }
        browser.press_button("Save").await;
        browser.wait_for_text("Saved").await;
        browser
            .driver
            .switch_to_window(first.clone())
            .await
            .unwrap();
    };

    // Different fields.
    save(&[("#field-next_step", "Call them")]).await;
    browser.fill("#field-lost_reason", "None yet").await;
    browser.press_button("Save").await;
    browser
        .wait_for_text("together with changes that somebody else made")
        .await;
    browser.wait_for_text("Call them").await;
    browser.wait_for_text("None yet").await;

    // The same field.
    browser.open(&edit).await;
    save(&[("#field-amount", "700"), ("#field-next_step", "Visit them")]).await;
    browser.fill("#field-amount", "500").await;
    browser.press_button("Save").await;
    browser.wait_for_text("Nothing has been overwritten").await;
    browser.wait_for_text("before: €100").await;
    browser.wait_for_text("Visit them").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser
        .click("fieldset.collision label:nth-of-type(2) input")
        .await;
    browser.press_button("Save").await;
    browser.wait_for_path(&page).await;
    browser.wait_for_text("€500").await;
    assert!(browser.text(".facts").await.len() > 10);
    browser.wait_for_text("Visit them").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_overwrite_nothing_of_each_other() {
    let ann = Browser::beside(Server::start(&ServerOptions::demo())).await;
    let bob = ann.another().await;
    ann.sign_in_as("owner").await;
    bob.sign_in_as("member").await;
    let page = bob
        .make("deals", &[("name", "Shared"), ("amount", "100")])
        .await;
    let edit = format!("{page}/edit");

    // Different fields: both arrive, and who saves second is told.
    for browser in [&ann, &bob] {
        browser.open(&edit).await;
    }
    ann.fill("#field-next_step", "Call them").await;
    ann.press_button("Save").await;
    ann.wait_for_text("Saved").await;
    bob.fill("#field-lost_reason", "None yet").await;
    bob.press_button("Save").await;
    bob.wait_for_text("together with changes that somebody else made")
        .await;
    bob.wait_for_text("Call them").await;
    bob.wait_for_text("None yet").await;
    // The same field: who saves second sees what happened, and chooses.
    for browser in [&ann, &bob] {
        browser.open(&edit).await;
    }
    ann.fill("#field-amount", "700").await;
    ann.press_button("Save").await;
    ann.wait_for_text("Saved").await;
    bob.fill("#field-amount", "500").await;
    bob.press_button("Save").await;
    bob.wait_for_text("Nothing has been overwritten").await;
    bob.wait_for_text("before: €100").await;
    ann.open(&page).await;
    ann.wait_for_text("€700").await;
    bob.click("fieldset.collision label:nth-of-type(2) input")
        .await;
    bob.press_button("Save").await;
    bob.wait_for_path(&page).await;
    bob.wait_for_text("€500").await;
    for browser in [&ann, &bob] {
        assert_eq!(browser.violations().await, Vec::<String>::new());
    }
}
