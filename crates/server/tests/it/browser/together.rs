//! Two windows on the same record: both edits arrive, or a person chooses.

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
