//! Lists as their reader arranges them: columns drawn wider and narrower, by mouse and by keys.

use serde_json::json;
use thirtyfour::Key;

use super::{chromium::Browser, hand::chord};

const WIDTH: &str = "return Math.round(document.querySelector('[data-grip=amount]').closest('th').getBoundingClientRect().width)";
const NAME: &str = "return Math.round(document.querySelector('[data-grip=name]').closest('th').getBoundingClientRect().width)";

/// Draws the edge of a column by so many pixels.
async fn drag(browser: &Browser, grip: &str, by: i64) {
    let place = browser
        .run(&format!("const box = document.querySelector('{grip}').getBoundingClientRect(); return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]"))
        .await;
    let (x, y) = (place[0].as_i64().unwrap(), place[1].as_i64().unwrap());
    browser
        .driver
        .action_chain()
        .move_to(x, y)
        .click_and_hold()
        .move_by_offset(by / 2, 0)
        .move_by_offset(by - by / 2, 0)
        .release()
        .perform()
        .await
        .unwrap();
}

/// A browser at the list of the only deal there is.
async fn at_a_list() -> Browser {
    let browser = Browser::signed_in().await;
    browser
        .make("deals", &[("name", "One"), ("amount", "100")])
        .await;
    browser.screen(1280, 800).await;
    browser.open("/deals").await;
    browser.settled().await;
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_drawn_by_mouse_and_keys_and_put_back() {
    let browser = at_a_list().await;
    let usual = browser.run(NAME).await.as_i64().unwrap();
    assert_eq!(
        browser
            .run("return document.querySelector('table.sized')")
            .await,
        json!(null)
    );

    // By mouse: wider, and kept. The next page has it from the server, before any script runs.
    drag(&browser, "[data-grip=name]", 60).await;
    browser.wait_for_text("Column width changed.").await;
    browser.settled().await;
    let drawn = browser.run(NAME).await.as_i64().unwrap();
    assert!((drawn - usual - 60).abs() <= 3, "{usual} then {drawn}");
    let page = browser
        .run_async("return (await fetch('/deals')).text()")
        .await;
    let page = page.as_str().unwrap();
    assert!(
        page.contains(&format!("<col data-field=\"name\" width=\"{drawn}\">")),
        "{page}"
    );
    browser.open("/deals").await;
    browser.settled().await;
    assert_eq!(browser.run(NAME).await, drawn);
    // Other lists are as they were.
    browser.make("accounts", &[("name", "Acme")]).await;
    browser.open("/accounts").await;
    assert_eq!(
        browser
            .run("return document.querySelector('table.sized')")
            .await,
        json!(null)
    );

    by_keys(&browser).await;
    put_back(&browser, drawn).await;
    elsewhere(&browser).await;
    assert_eq!(browser.blocked().await, json!([]));
}

/// Narrower and wider by steps, within limits, and taken back.
async fn by_keys(browser: &Browser) {
    browser.open("/deals").await;
    browser.settled().await;
    let before = browser.run(WIDTH).await.as_i64().unwrap();
    browser
        .run("document.querySelector('[data-grip=amount]').focus()")
        .await;
    browser.key(Key::Right).await;
    chord(browser, Key::Shift, Key::Right + "").await;
    browser.wait_until(WIDTH, before + 16 + 64).await;
    browser.wait_for_text("Column width changed.").await;
    assert_eq!(
        browser
            .run("return document.activeElement.dataset.grip")
            .await,
        "amount",
        "who draws goes on drawing"
    );
    browser.key(Key::Home).await;
    browser.wait_until(WIDTH, 64).await;
    browser.key(Key::Left).await;
    browser.wait_until(WIDTH, 64).await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser
        .run("document.querySelector('.row-link').focus()")
        .await;
    browser
        .wait_until(
            "return document.querySelector('#notices input[name=to]')?.value.includes('amount:')",
            true,
        )
        .await;
    browser.settled().await;
    browser.press_button("Undo").await;
    browser.settled().await;
    browser.wait_until(WIDTH, before + 16 + 64).await;
}

/// All of them at once, and back.
async fn put_back(browser: &Browser, drawn: i64) {
    browser.press_button("Columns").await;
    browser.press_button("Usual widths").await;
    browser
        .wait_for_text("The columns have their usual widths.")
        .await;
    browser
        .wait_until("return document.querySelector('table.sized')", json!(null))
        .await;
    browser.settled().await;
    assert_eq!(
        browser.run("return location.search").await,
        "",
        "the address says nothing of it any more"
    );
    browser.press_button("Undo").await;
    browser.wait_for("table.sized").await;
    browser.wait_until(NAME, drawn).await;
}

/// Where there are no columns, and what isn't kept.
async fn elsewhere(browser: &Browser) {
    // A phone has cards, not columns.
    browser.screen(375, 800).await;
    browser
        .wait_until(
            "return [...document.querySelectorAll('.grip')].some((it) => it.checkVisibility())",
            false,
        )
        .await;
    browser
        .wait_until(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
            0,
        )
        .await;
    // What is no width, or of no column, is not kept.
    browser
        .run_async("await fetch('/deals/widths', { method: 'POST', body: new URLSearchParams({ widths: 'name:999999 nothing:100 amount:x' }) })")
        .await;
    let page = browser
        .run_async("return (await fetch('/deals')).text()")
        .await;
    let page = page.as_str().unwrap();
    assert!(
        page.contains("<col data-field=\"name\" width=\"960\">"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_view_has_widths_of_its_own() {
    let browser = at_a_list().await;
    drag(&browser, "[data-grip=name]", 60).await;
    browser.wait_for_text("Column width changed.").await;
    browser.settled().await;
    let list = browser.run(NAME).await.as_i64().unwrap();

    // It begins with the widths of the list that it is made from, and goes its own way from there.
    browser.press_button("Views").await;
    browser.fill("#view-name", "Mine").await;
    browser.press_button("Save view").await;
    browser.wait_for(".tabs [aria-current]").await;
    browser.settled().await;
    let address = browser
        .run("return location.pathname + location.search")
        .await;
    let address = address.as_str().unwrap().to_owned();
    assert!(address.contains("view="), "{address}");
    assert_eq!(browser.run(NAME).await, list);
    drag(&browser, "[data-grip=name]", 80).await;
    browser.wait_for_text("Column width changed.").await;
    browser.settled().await;
    let own = browser.run(NAME).await.as_i64().unwrap();
    assert!((own - list - 80).abs() <= 3, "{list} then {own}");
    browser.open("/deals").await;
    browser.settled().await;
    assert_eq!(browser.run(NAME).await, list, "the list is as it was");
    drag(&browser, "[data-grip=name]", -100).await;
    browser.wait_for_text("Column width changed.").await;
    browser.settled().await;
    browser.open(&address).await;
    browser.settled().await;
    assert_eq!(browser.run(NAME).await, own, "the view too");

    // The usual ones for the view alone, and back.
    browser.press_button("Columns").await;
    browser.press_button("Usual widths").await;
    browser
        .wait_for_text("The columns have their usual widths.")
        .await;
    browser
        .wait_until("return document.querySelector('table.sized')", json!(null))
        .await;
    browser.settled().await;
    browser.press_button("Undo").await;
    browser.wait_for("table.sized").await;
    browser.wait_until(NAME, own).await;

    // A view that nobody has is the list itself.
    browser
        .run_async("await fetch('/deals/widths', { method: 'POST', body: new URLSearchParams({ widths: 'name:300', view: '0VW000000000000' }) })")
        .await;
    browser.open("/deals").await;
    browser.settled().await;
    browser.wait_until(NAME, 300).await;
    browser.open(&address).await;
    browser.settled().await;
    assert_eq!(browser.run(NAME).await, own);
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relation_of_a_new_record_leads_where_its_field_says() {
    let browser = Browser::signed_in().await;
    let partner = browser.make("accounts", &[("name", "Partner")]).await;
    let partner = partner.rsplit('/').next().unwrap().to_owned();
    for (label, to) in [("Checked by", "user"), ("Partner", "account")] {
        let made = browser
            .run_async(&format!(
                "return (await fetch('/settings/objects/account/fields', {{ method: 'POST', body: new URLSearchParams({}) }})).status",
                json!({ "label": label, "kind": "relation", "to": to, "indexed": "1" })
            ))
            .await;
        assert_eq!(made, 200, "{label}");
    }
    // Whoever makes the record.
    let page = "/settings/objects/account/fields/checked_by_id";
    browser.open(page).await;
    browser.click("input[name=default_maker]").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser.press_button("Save").await;
    browser.wait_for_path("/settings/objects/account").await;
    browser.open(page).await;
    assert_eq!(
        browser
            .run("return document.querySelector('[name=default_maker]').checked")
            .await,
        true
    );
    // Always the same record: found by typing, and refused where there is none of that name.
    let page = "/settings/objects/account/fields/partner_id";
    browser.open(page).await;
    browser.fill("#default", "Nobody of this name").await;
    browser.press_button("Save").await;
    browser.wait_for("#default-error").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
    browser.fill("#default", "Partner").await;
    browser.press_button("Save").await;
    browser.wait_for_path("/settings/objects/account").await;
    browser.open(page).await;
    assert_eq!(
        browser
            .run("return [document.querySelector('[name=default]').value, document.querySelector('#default').value]")
            .await,
        json!([partner, "Partner"])
    );

    // The form shows it, the short form too, and what comes by the API gets it.
    let held = "const form = document.querySelector('#main form.form, #main form'); return ['checked_by_id', 'partner_id'].map((name) => document.querySelector(`[name=${name}]`)?.value)";
    browser.open("/accounts/new").await;
    let shown = browser.run(held).await;
    assert_eq!(shown[1], json!(partner));
    assert_eq!(shown[0].as_str().unwrap().get(..3), Some("005"));
    let quick = browser
        .run_async("return (await fetch('/accounts/quick?with=partner_id')).text()")
        .await;
    assert!(
        quick
            .as_str()
            .unwrap()
            .contains(&format!("value=\"{partner}\"")),
        "{quick}"
    );
    let made = browser
        .run_async("const made = await fetch('/api/v1/records/account', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'By program' }) }); return made.json()")
        .await;
    assert_eq!(made["partner_id"], json!(partner), "{made}");
    assert_eq!(made["checked_by_id"], shown[0]);
    // What is cleared in the form stays empty.
    browser.open("/accounts/new").await;
    browser.fill("#field-name", "Cleared").await;
    browser.fill("#field-partner_id", "").await;
    browser
        .run("document.querySelector('[name=partner_id]').value = ''")
        .await;
    browser.click("#main form button.primary").await;
    browser.wait_for_text("Account “Cleared” created.").await;
    let path = browser.path().await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let record = browser
        .run_async(&format!(
            "return (await fetch('/api/v1/records/account/{id}')).json()"
        ))
        .await;
    assert_eq!(record["partner_id"], json!(null), "{record}");
}
