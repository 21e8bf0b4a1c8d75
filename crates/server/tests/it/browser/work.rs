//! A day's work by mouse: set up, sign in, list, sort, filter, search, create, edit, delete and undo.

use super::chromium::{Browser, PASSWORD};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_set_up_and_its_owner_comes_back() {
    let browser = Browser::at_the_door().await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#repeat", "something else entirely").await;
    browser.click("button.primary").await;
    browser.wait_for_text("The two passwords differ").await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#repeat", PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
    let email = "owner@localhost";

    browser.click("form[action='/sign-out'] button").await;
    browser.wait_for_path("/sign-in").await;
    browser.wait_for_text("You are signed out.").await;
    browser.open("/deals?sort=-amount").await;
    browser.wait_for_path("/sign-in").await;
    browser.fill("#email", email).await;
    browser.fill("#password", "not the password").await;
    browser.click("button.primary").await;
    browser.wait_for_text("That combination isn’t right.").await;
    assert_eq!(
        browser
            .run("return document.getElementById('email').value")
            .await,
        email
    );
    assert_eq!(
        browser
            .run("return document.getElementById('password').value")
            .await,
        ""
    );
    browser.fill("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/deals").await;
    assert_eq!(browser.run("return location.search").await, "?sort=-amount");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_made_found_changed_deleted_and_brought_back() {
    let browser = Browser::signed_in().await;
    browser
        .make("accounts", &[("name", "Acme"), ("city", "Berlin")])
        .await;
    for (name, amount) in [
        ("Small one", "100"),
        ("Large one", "90,000.50"),
        ("Middle one", "5000"),
    ] {
        browser
            .make("deals", &[("name", name), ("amount", amount)])
            .await;
    }

    // Made through the form, the account found by typing.
    browser.open("/deals").await;
    browser.press_button("New deal").await;
    browser.wait_for_path("/deals/new").await;
    browser.press_button("Save").await;
    browser
        .wait_for_text("Enter a value; this field is required.")
        .await;
    browser.fill("#field-name", "Acme <b>first</b>").await;
    browser.fill("#field-account_id", "ac").await;
    browser.click("[role=option][data-label='Acme']").await;
    browser.fill("#field-amount", "1,234.50").await;
    browser.press_button("Save").await;
    browser
        .wait_for_text("Deal “Acme <b>first</b>” created.")
        .await;
    browser.wait_for_text("€1,234.50").await;
    let page = browser.path().await;
    assert!(page.starts_with("/deals/006"), "{page}");
    assert_eq!(
        browser.run("return location.search").await,
        "",
        "the message is not in the address any more"
    );

    sort_and_filter(&browser).await;
    count_and_search(&browser).await;
    change_and_delete(&browser, &page).await;
    assert_eq!(browser.blocked().await, serde_json::json!([]));
}

async fn sort_and_filter(browser: &Browser) {
    // Sorted by a click on the head, and back.
    browser.click("#navigation a[href='/deals']").await;
    browser.wait_for_path("/deals").await;
    browser.press_button("Amount").await;
    browser.wait_for("th[aria-sort=descending]").await;
    assert_eq!(
        browser.names().await,
        ["Large one", "Middle one", "Acme <b>first</b>", "Small one"]
    );
    browser.press_button("Amount").await;
    browser.wait_for("th[aria-sort=ascending]").await;
    assert_eq!(
        browser.names().await.first().map(String::as_str),
        Some("Small one")
    );

    // Filtered; the value's control follows the field.
    browser.click("details.filter summary").await;
    browser.choose("#filter-field", "Amount").await;
    browser.choose("#filter-test", "is more than").await;
    browser.fill("#filter-value", "1000").await;
    browser.press_button("Add filter").await;
    browser.wait_for_text("Amount is more than €1,000").await;
    assert_eq!(
        browser.names().await,
        ["Acme <b>first</b>", "Middle one", "Large one"]
    );
    browser.click("details.filter summary").await;
    browser.choose("#filter-field", "Account").await;
    browser.fill("#filter-value", "acm").await;
    browser.click("[role=option][data-label='Acme']").await;
    browser.press_button("Add filter").await;
    browser.wait_for_text("Account is Acme").await;
    assert_eq!(browser.names().await, ["Acme <b>first</b>"]);
    browser.click(".chip a:not(.or)").await;
    browser
        .wait_until("return document.querySelectorAll('.chip').length", 1)
        .await;
}

async fn count_and_search(browser: &Browser) {
    // Counted only when asked.
    browser.open("/deals").await;
    browser.press_button("Count records").await;
    browser.wait_for_text("4 records").await;

    // Found from anywhere.
    browser.fill("#navigation input[name=q]", "acme").await;
    browser
        .run("document.querySelector('#navigation form').requestSubmit()")
        .await;
    browser.wait_for_path("/search").await;
    browser.wait_for_text("Berlin").await;
    assert!(
        browser
            .names()
            .await
            .contains(&"Acme <b>first</b>".to_owned())
    );
}

async fn change_and_delete(browser: &Browser, page: &str) {
    // Changed.
    browser.open(page).await;
    browser.press_button("Edit").await;
    browser.wait_for_path(&format!("{page}/edit")).await;
    browser.choose("#field-stage_id", "Negotiation").await;
    browser.fill("#field-amount", "many").await;
    browser.press_button("Save").await;
    browser
        .wait_for_text("Enter a number with at most 2 decimals")
        .await;
    assert_eq!(
        browser.run("return document.activeElement.id").await,
        "field-amount"
    );
    browser.fill("#field-amount", "2000").await;
    browser.press_button("Save").await;
    browser.wait_for_path(page).await;
    browser.wait_for_text("Saved.").await;
    browser.wait_for_text("Negotiation").await;
    assert!(
        browser.text(".timeline").await.contains("€1,234.50"),
        "the history shows what it was"
    );

    // Deleted without a question, and brought back.
    browser.press_button("Delete").await;
    browser.wait_for_path("/deals").await;
    browser
        .wait_for_text("Deal “Acme <b>first</b>” deleted.")
        .await;
    assert!(
        !browser
            .names()
            .await
            .contains(&"Acme <b>first</b>".to_owned())
    );
    browser.press_button("Undo").await;
    browser.wait_for_text("restored.").await;
    browser
        .wait_until("return document.querySelectorAll('a.row-link').length", 4)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_shows_the_page_before() {
    let browser = Browser::signed_in().await;
    browser.make("accounts", &[("name", "Acme")]).await;
    browser.click("#navigation a[href='/accounts']").await;
    browser.wait_for_path("/accounts").await;
    browser.click("a.row-link").await;
    browser.wait_for_text("What happened").await;
    assert_eq!(browser.text("#navigation [aria-current]").await, "Accounts");
    browser.driver.back().await.unwrap();
    browser.wait_for_path("/accounts").await;
    browser.wait_for("tr[data-row]").await;
    browser.driver.back().await.unwrap();
    browser.wait_for_path("/").await;
    browser.wait_for_text("Hello,").await;
    assert_eq!(browser.text("#navigation [aria-current]").await, "Home");
    // Records must not stay in the browser's storage.
    assert_eq!(browser.run("return [...Object.values(sessionStorage), ...Object.values(localStorage)].join().includes('Acme')").await, false);
}
