//! A salesperson's day and an admin's day, from signing in to the last click; told with the mouse, and again with nothing but keys.

use serde_json::json;
use thirtyfour::Key;

use super::{
    chromium::{Browser, PASSWORD},
    hand::{Hand, chord},
};

async fn sign_in(browser: &Browser, hand: Hand) {
    browser.driver.delete_all_cookies().await.unwrap();
    browser.open("/sign-in").await;
    hand.fill(browser, "#email", "owner@localhost").await;
    hand.fill(browser, "#password", PASSWORD).await;
    match hand {
        Hand::Mouse => browser.click("button.primary").await,
        Hand::Keys => browser.key(Key::Enter).await,
    }
    browser.wait_for_path("/").await;
}

async fn salesperson(hand: Hand) {
    let browser = &Browser::signed_in().await;
    let account = browser
        .make("accounts", &[("name", "Acme"), ("city", "Berlin")])
        .await;
    browser
        .make(
            "deals",
            &[
                ("name", "Hundred lifts"),
                ("account_id", account.rsplit('/').next().unwrap()),
                ("amount", "100000"),
            ],
        )
        .await;
    sign_in(browser, hand).await;

    // The customer, found and mended.
    hand.find(browser, "acme", "Acme").await;
    browser.wait_for_path(&account).await;
    hand.press(browser, "a.change[hx-get*='name=city']").await;
    hand.fill(browser, "#field-city", "Bonn").await;
    browser.key(Key::Enter).await;
    browser.wait_for_text("Saved.").await;
    browser.settled().await;
    browser.wait_for_text("Bonn").await;

    // Something to do tomorrow, and a call that was had.
    hand.press(browser, "button[hx-get^='/tasks/quick']").await;
    hand.fill(browser, "#quick-task-field-subject", "Send the offer")
        .await;
    hand.send(browser, "form.quick button.primary").await;
    browser
        .wait_until(
            "return document.querySelector('.timeline').innerText.includes('Send the offer')",
            true,
        )
        .await;
    browser.settled().await;
    hand.press(browser, "button[hx-get^='/calls/quick']").await;
    hand.fill(browser, "#quick-call-field-subject", "Asked for the price")
        .await;
    hand.send(browser, "form.quick button.primary").await;
    browser
        .wait_until(
            "return document.querySelector('.timeline').innerText.includes('Asked for the price')",
            true,
        )
        .await;
    browser.settled().await;

    board(browser, hand).await;
    import(browser, hand).await;
    assert_eq!(browser.blocked().await, json!([]));
}

/// A deal goes one stage on, and then is lost: asked why, and said so.
async fn board(browser: &Browser, hand: Hand) {
    match hand {
        Hand::Mouse => browser.open("/deals/board").await,
        Hand::Keys => hand.find(browser, "board", "Board").await,
    }
    browser.wait_for_path("/deals/board").await;
    let lane = "const all = [...document.querySelectorAll('.lane')]; return all.indexOf(document.querySelector('[data-card]')?.closest('.lane'))";
    browser.wait_until(lane, 0).await;
    hand.move_card(browser, 1).await;
    browser.wait_for_text("moved.").await;
    browser.wait_until(lane, 1).await;
    browser.settled().await;
    let lanes = browser
        .run("return [...document.querySelectorAll('.lane')].findIndex((it) => it.classList.contains('lost'))")
        .await;
    let lost = usize::try_from(lanes.as_u64().expect("a lane for what is lost")).unwrap();
    hand.move_card(browser, lost - 1).await;
    hand.fill(browser, "#lost_reason", "Too dear").await;
    hand.press(browser, "form button.primary").await;
    browser
        .wait_until(
            "return document.querySelector('.lane.lost [data-card]') !== null",
            true,
        )
        .await;
    browser.settled().await;
    hand.press(browser, ".lane.lost .row-link").await;
    browser.wait_for_text("Too dear").await;
    browser.settled().await;
}

/// A file comes in and is taken back.
async fn import(browser: &Browser, hand: Hand) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts.csv");
    std::fs::write(
        &path,
        "First name,Last name,Email\nAda,King,ada@example.com\nAlan,Ray,alan@example.com\n",
    )
    .unwrap();
    match hand {
        Hand::Mouse => browser.open("/imports/new?object=contact").await,
        Hand::Keys => {
            hand.find(browser, "contacts", "Contacts").await;
            browser.wait_for_path("/contacts").await;
            hand.press(browser, "a[href^='/imports/new']").await;
        }
    }
    browser.wait_for_path("/imports/new").await;
    hand.file(browser, "#file", path.to_str().unwrap()).await;
    hand.press(browser, "form button.primary").await;
    browser.wait_for("form.import-draft").await;
    browser.settled().await;
    hand.press(browser, "button[value='start']").await;
    browser.wait_for_text("Complete").await;
    browser.settled().await;
    hand.press(browser, "form[action$='/undo'] button").await;
    browser.wait_for_text("2 records deleted").await;
    browser.settled().await;
    browser.open("/contacts").await;
    browser.wait_for_text("No contacts yet").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_salesperson_has_a_day_with_the_mouse() {
    salesperson(Hand::Mouse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_salesperson_has_a_day_by_keys_alone() {
    salesperson(Hand::Keys).await;
}

async fn admin(hand: Hand) {
    let browser = &Browser::signed_in().await;
    for (name, amount) in [("One", "100"), ("Two", "250")] {
        browser
            .make("deals", &[("name", name), ("amount", amount)])
            .await;
    }
    sign_in(browser, hand).await;

    // A field with a default, and where it stands.
    browser.open("/settings/objects/deal").await;
    hand.fill(browser, "#label", "Region").await;
    hand.choose(browser, "#kind", "choice").await;
    hand.fill(browser, "#options", "North").await;
    browser.key(Key::Enter).await;
    browser.keys("South").await;
    hand.fill(browser, "#default", "North").await;
    hand.tick(browser, "input[name=indexed]").await;
    hand.send(browser, "form.new-field button.primary").await;
    browser.wait_for("a.row-link[href$='/fields/region']").await;
    browser.settled().await;
    hand.press(browser, "a[href$='/deal/order']").await;
    browser.wait_for_path("/settings/objects/deal/order").await;
    let last = "const fields = [...document.querySelectorAll('[data-place]')].map((it) => it.dataset.place); return fields.indexOf('region')";
    let before = browser.run(last).await.as_i64().unwrap();
    hand.press(browser, "button[name=up][value=region]").await;
    browser.wait_until(last, before - 1).await;
    browser.settled().await;
    assert_eq!(
        browser.run("return document.activeElement.value").await,
        "region",
        "what was moved has the focus"
    );
    if hand == Hand::Keys {
        chord(browser, Key::Shift, Key::Up + "").await;
    } else {
        hand.press(browser, "button[name=up][value=region]").await;
    }
    browser.wait_until(last, before - 2).await;
    browser.settled().await;
    browser.open("/deals/new").await;
    browser
        .wait_until(
            "return document.querySelector('[name=region]').selectedOptions[0].label",
            "North",
        )
        .await;

    view(browser, hand).await;
    report(browser, hand).await;
    automation(browser, hand).await;
    assert_eq!(browser.blocked().await, json!([]));
}

/// A list with a filter, under a name.
async fn view(browser: &Browser, hand: Hand) {
    browser.open("/deals").await;
    hand.press(browser, "details[data-filter] summary").await;
    hand.choose(browser, "#filter-field", "Amount").await;
    browser.wait_for("#filter-test").await;
    hand.choose(browser, "#filter-test", "is more than").await;
    hand.fill(browser, "#filter-value", "200").await;
    browser.key(Key::Enter).await;
    browser
        .wait_until("return document.querySelectorAll('a.row-link').length", 1)
        .await;
    browser.settled().await;
    hand.press(browser, "details.filter:has(#view-name) summary")
        .await;
    hand.fill(browser, "#view-name", "Large").await;
    browser.key(Key::Enter).await;
    browser
        .wait_until(
            "return document.querySelector('.tabs [aria-current]')?.innerText ?? ''",
            "Large",
        )
        .await;
    browser.settled().await;
}

/// A report, kept and put on a dashboard; its rows lead to the records.
async fn report(browser: &Browser, hand: Hand) {
    browser
        .open("/reports?object=deal&by=status&measure=sum:amount")
        .await;
    part(browser, hand, "Amount", "is more than", "1", 1).await;
    browser.wait_for_text("Amount is more than €1").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    hand.press(browser, "details.filter:has(#report-name) summary")
        .await;
    hand.fill(browser, "#report-name", "By status").await;
    browser.key(Key::Enter).await;
    browser.wait_for("details.filter .view-list").await;
    browser.settled().await;
    hand.press(browser, "a[href='/dashboards']").await;
    browser.wait_for_path("/dashboards").await;
    browser.wait_for_text("No dashboards yet").await;
    hand.press(browser, "details.filter:has(#dashboard-name) summary")
        .await;
    hand.fill(browser, "#dashboard-name", "Monday").await;
    hand.press(browser, "button[value=make]").await;
    browser.wait_for_text("Nothing on it yet").await;
    browser.settled().await;
    hand.press(browser, "details.filter:has(#add-report) summary")
        .await;
    hand.press(browser, "button[value=add]").await;
    browser.wait_for(".dashboard table.bars").await;
    browser.settled().await;
    browser.wait_for_text("€350").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    hand.press(browser, ".dashboard table.bars tbody a").await;
    browser.wait_for_path("/deals").await;
    assert_eq!(browser.names().await.len(), 2);
}

/// Picks one part of a condition and adds it.
async fn part(browser: &Browser, hand: Hand, field: &str, test: &str, value: &str, after: usize) {
    hand.choose(browser, "#if-field", field).await;
    let shown = format!(
        "return [...document.querySelectorAll('#filter-test option')].some((it) => it.label === '{test}')"
    );
    browser.wait_until(&shown, true).await;
    browser.settled().await;
    hand.choose(browser, "#filter-test", test).await;
    if !value.is_empty() {
        hand.fill(browser, "#filter-value", value).await;
    }
    hand.press(browser, "#if-add").await;
    if value == "much" {
        return;
    }
    parts(browser, after).await;
}

async fn parts(browser: &Browser, count: usize) {
    let shown = "return document.querySelectorAll('.condition .chip').length";
    browser.wait_until(shown, count).await;
    browser.settled().await;
}

/// A rule that makes a task, tried and switched on.
async fn automation(browser: &Browser, hand: Hand) {
    browser.open("/settings/automation/new?object=deal").await;
    hand.fill(browser, "#name", "Welcome").await;
    // The condition is put together as filters are: two parts, one with an alternative, one taken away again.
    part(browser, hand, "Name", "contains", "e", 1).await;
    part(browser, hand, "Amount", "is more than", "much", 1).await;
    browser.wait_for("#filter-value-error").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    hand.fill(browser, "#filter-value", "1").await;
    hand.press(browser, "#if-add").await;
    parts(browser, 2).await;
    hand.press(browser, ".condition .chip:nth-child(2) .or")
        .await;
    browser.wait_for(".condition .instead").await;
    browser.settled().await;
    part(browser, hand, "Amount", "is empty", "", 2).await;
    part(browser, hand, "Next step", "has a value", "", 3).await;
    hand.press(browser, "#if-remove-2").await;
    parts(browser, 2).await;
    assert_eq!(
        browser
            .run("return document.querySelector('#filter').value")
            .await,
        "name contains \"e\" and ((amount > \"1.00\") or (amount is null))"
    );
    browser
        .wait_for_text("Amount is more than €1 or Amount is empty")
        .await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    hand.tick(browser, "input[name=task]").await;
    hand.fill(browser, "#task_subject", "Say hello").await;
    hand.send(browser, "form.rule button.primary").await;
    browser.wait_for("form[action$='/activation'] button").await;
    browser.settled().await;
    hand.press(browser, "a[href$='/trial']").await;
    browser.wait_for_text("Say hello").await;
    browser.settled().await;
    browser.driver.back().await.unwrap();
    browser.wait_for("form[action$='/activation'] button").await;
    browser.settled().await;
    hand.press(browser, "form[action$='/activation'] button")
        .await;
    browser.wait_for_text("Switch off").await;
    browser.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_has_a_day_with_the_mouse() {
    admin(Hand::Mouse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_has_a_day_by_keys_alone() {
    admin(Hand::Keys).await;
}
