//! The calendar by mouse and by keys: things go to another day or hour at once, it is said so, and it can be taken back.

use serde_json::json;
use thirtyfour::{By, Key};

use super::chromium::Browser;

/// Where an entry stands: its day and its hour.
const PLACE: &str = "const cell = document.querySelector('[data-entry]')?.closest('td'); return cell ? [cell.dataset.day, cell.dataset.time ?? null] : null";

async fn with_shift(browser: &Browser, key: Key) {
    browser
        .driver
        .action_chain()
        .key_down(Key::Shift)
        .send_keys(key + "")
        .key_up(Key::Shift)
        .perform()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_moved_by_mouse_and_by_keys_and_back() {
    let browser = Browser::signed_in().await;
    browser
        .make(
            "tasks",
            &[
                ("subject", "Ring Acme"),
                ("due_date", "2027-03-10"),
                ("status", "open"),
                ("priority", "normal"),
            ],
        )
        .await;
    let month = "/calendar?reach=month&date=2027-03-10";
    browser.open(month).await;
    browser.wait_for("[data-entry]").await;
    let entry = browser
        .driver
        .find(By::Css("[data-entry] a"))
        .await
        .unwrap();
    let cell = browser
        .driver
        .find(By::Css("td[data-day='2027-03-12']"))
        .await
        .unwrap();
    browser
        .driver
        .action_chain()
        .drag_and_drop_element(&entry, &cell)
        .perform()
        .await
        .unwrap();
    browser.wait_for_text("“Ring Acme” is on").await;
    browser.settled().await;
    browser.wait_until(PLACE, json!(["2027-03-12", null])).await;
    // It was told where it is announced, and what was moved has the focus.
    browser
        .wait_until(
            "return document.querySelector('[aria-live] .notice, [role=status] .notice') !== null",
            true,
        )
        .await;
    browser.press_button("Undo").await;
    browser.wait_until(PLACE, json!(["2027-03-10", null])).await;
    browser.settled().await;

    // By keys: from day to day, from week to week, then over the hours of a day.
    browser
        .run("document.querySelector('[data-entry] a').focus()")
        .await;
    for (key, day) in [
        (Key::Right, "2027-03-11"),
        (Key::Down, "2027-03-18"),
        (Key::Up, "2027-03-11"),
    ] {
        with_shift(&browser, key).await;
        browser.wait_until(PLACE, json!([day, null])).await;
        browser
            .wait_until(
                "return document.activeElement.matches('[data-entry] a')",
                true,
            )
            .await;
        browser.settled().await;
    }
    browser.open("/calendar?reach=week&date=2027-03-10").await;
    browser.wait_until(PLACE, json!(["2027-03-11", ""])).await;
    browser
        .run("document.querySelector('[data-entry] a').focus()")
        .await;
    for time in ["07:00", "08:00"] {
        with_shift(&browser, Key::Down).await;
        browser.wait_until(PLACE, json!(["2027-03-11", time])).await;
        browser
            .wait_until(
                "return document.activeElement.matches('[data-entry] a')",
                true,
            )
            .await;
        browser.settled().await;
    }
    browser.wait_for_text("8:00").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    assert_eq!(browser.blocked().await, json!([]));
}
