//! The same work by keyboard alone.

use thirtyfour::Key;

use super::chromium::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_can_be_reached_and_done_by_keys() {
    let browser = Browser::signed_in().await;
    browser.keys("?").await;
    browser
        .wait_until("return document.getElementById('keys').open", true)
        .await;
    browser.wait_for_text("Next, previous row").await;
    browser.key(Key::Escape).await;
    browser
        .wait_until("return document.getElementById('keys').open", false)
        .await;

    browser.keys("ga").await;
    browser.wait_for_path("/accounts").await;
    assert_eq!(
        browser.run("return document.activeElement.tagName").await,
        "H1",
        "a new page takes the focus"
    );
    for name in ["Acme", "Beta"] {
        browser.keys("n").await;
        browser.wait_for_path("/accounts/new").await;
        browser
            .wait_until("return document.activeElement.id", "field-name")
            .await;
        browser.keys(name).await;
        browser
            .driver
            .action_chain()
            .key_down(Key::Control)
            .send_keys(Key::Enter + "")
            .key_up(Key::Control)
            .perform()
            .await
            .unwrap();
        browser
            .wait_for_text(&format!("Account “{name}” created."))
            .await;
        browser.settled().await;
        browser.keys("ga").await;
        browser.wait_for_path("/accounts").await;
    }

    browser.keys("jj").await;
    browser
        .wait_until("return document.activeElement.innerText", "Beta")
        .await;
    browser.keys("k").await;
    browser
        .wait_until("return document.activeElement.innerText", "Acme")
        .await;
    browser.key(Key::Enter).await;
    browser.wait_for_text("What happened").await;
    browser.settled().await;
    browser.keys("e").await;
    browser
        .wait_until("return document.activeElement.id", "field-name")
        .await;
    assert!(browser.path().await.ends_with("/edit"));

    choose_a_relation(&browser).await;
    search(&browser).await;
}

/// A relation, chosen from its list without the mouse.
async fn choose_a_relation(browser: &Browser) {
    browser.open("/contacts/new").await;
    browser.fill("#field-last_name", "Frase").await;
    browser.fill("#field-account_id", "").await;
    browser.key(Key::Down).await;
    browser.wait_for("[role=option][data-label='Beta']").await;
    browser.keys("be").await;
    browser
        .wait_until(
            "return document.querySelectorAll('[role=option][data-id]').length",
            1,
        )
        .await;
    browser.key(Key::Down).await;
    browser.wait_until("return document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.dataset.label ?? ''", "Beta").await;
    browser.key(Key::Enter).await;
    browser
        .wait_until("return document.activeElement.value", "Beta")
        .await;
    assert_eq!(
        browser
            .run("return document.activeElement.getAttribute('aria-expanded')")
            .await,
        "false"
    );
    browser
        .driver
        .action_chain()
        .key_down(Key::Control)
        .send_keys(Key::Enter + "")
        .key_up(Key::Control)
        .perform()
        .await
        .unwrap();
    browser.wait_for_text("Contact “Frase” created.").await;
    browser.settled().await;
}

async fn search(browser: &Browser) {
    browser.keys("/").await;
    browser
        .wait_until("return document.activeElement.name", "q")
        .await;
    browser.keys("acme").await;
    browser.key(Key::Enter).await;
    browser.wait_for_path("/search").await;
    assert_eq!(browser.names().await, ["Acme"]);
    // Letters typed into a field are letters.
    browser
        .run("document.querySelector('#main input[name=q]').focus()")
        .await;
    browser.keys("gd?n").await;
    assert_eq!(browser.path().await, "/search");
}
