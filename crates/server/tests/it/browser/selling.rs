//! A salesperson's day: records come out of a file, move over the board, are listed, changed in place and in numbers, told about and merged.

use std::io::Write as _;

use fieldstone_testkit::{Person, Server, ServerOptions};
use serde_json::json;
use thirtyfour::Key;

use super::{
    chromium::Browser,
    hand::{Hand, chord},
};

const DEALS: &str = "Verkaufschance;Kunde;Betrag;Abschlussdatum;Phase\n\
    Erstes Geschäft;Möbel Maier;1.234,50;31.12.2027;Qualification\n\
    <script>alert(1)</script>;Möbel Maier;99,00;01.02.2028;Qualification\n\
    Ohne Betrag;Haus & Hof;;;Qualification\n\
    Falsch;Haus & Hof;viel;;Qualification\n";

async fn bring(browser: &Browser, object: &str, name: &str, content: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(content)
        .unwrap();
    browser.open(&format!("/imports/new?object={object}")).await;
    let input = browser
        .driver
        .find(thirtyfour::By::Css("#file"))
        .await
        .unwrap();
    input.send_keys(path.to_str().unwrap()).await.unwrap();
    browser.press_button("Go on").await;
    browser.wait_for("form.import-draft").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_imported_taken_back_and_imported_again() {
    let browser = Browser::signed_in().await;
    // As a spreadsheet in Germany saves it: Windows-1252, semicolons, decimal commas.
    let bytes: Vec<u8> = DEALS
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    for _ in 0..2 {
        bring(&browser, "deal", "geschäfte.csv", &bytes).await;
        let targets = browser.run("return [...document.querySelectorAll('.import-draft td select')].map((it) => it.value)").await;
        assert_eq!(
            targets,
            json!([
                "name",
                "account_id:account.name",
                "amount",
                "close_date",
                "stage_id:stage.name"
            ])
        );
        browser
            .choose("#missing", "is created (records only)")
            .await;
        browser.press_button("Check again").await;
        browser.wait_until("return [...document.querySelectorAll('.import-rows .tag')].map((it) => it.innerText).join()", "new,new,new,fails").await;
        browser.press_button("Import").await;
        browser.wait_for_text("Complete").await;
        browser.wait_for_text("Download the failed rows").await;
        let failed = browser
            .run_async("return (await fetch(document.querySelector('a[download]').href)).text()")
            .await;
        let failed = failed.as_str().unwrap();
        assert!(
            failed.starts_with("Verkaufschance,Kunde,Betrag,Abschlussdatum,Phase,error\n"),
            "{failed}"
        );
        assert!(failed.contains("Falsch,Haus & Hof,viel"), "{failed}");
        let import = browser.path().await;

        browser.open("/deals?sort=-amount").await;
        assert_eq!(
            browser.names().await,
            [
                "Erstes Geschäft",
                "<script>alert(1)</script>",
                "Ohne Betrag"
            ]
        );
        browser.wait_for_text("€1,234.50").await;
        assert_eq!(
            browser
                .run("return document.querySelectorAll('#main script').length")
                .await,
            0
        );
        browser.open("/accounts").await;
        assert_eq!(browser.names().await, ["Haus & Hof", "Möbel Maier"]);

        browser.open(&import).await;
        browser.press_button("Undo this import").await;
        browser
            .wait_for_text("This import was taken back: 5 records deleted, 0 set back.")
            .await;
        browser.open("/deals").await;
        browser.wait_for_text("No deals yet").await;
    }
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_built_on_stays_when_an_import_is_taken_back() {
    let browser = Browser::signed_in().await;
    bring(
        &browser,
        "account",
        "firmen.csv",
        "Firma\nAlpha\nBeta\nGamma\n".as_bytes(),
    )
    .await;
    browser.press_button("Import").await;
    browser.wait_for_text("Complete").await;
    let import = browser.path().await;
    let of = |name: &str| {
        format!(
            "const page = await (await fetch('/accounts')).text(); const doc = new DOMParser().parseFromString(page, 'text/html'); return [...doc.querySelectorAll('a.row-link')].find((it) => it.innerText === '{name}' || it.textContent === '{name}').getAttribute('href')"
        )
    };
    let alpha = browser.run_async(&of("Alpha")).await;
    let alpha = alpha.as_str().unwrap().to_owned();
    browser
        .make(
            "deals",
            &[
                ("name", "Built on"),
                ("account_id", alpha.rsplit('/').next().unwrap()),
            ],
        )
        .await;
    let beta = browser.run_async(&of("Beta")).await;
    browser.open(beta.as_str().unwrap()).await;
    browser.click("a.change[hx-get*='name=founded']").await;
    browser.fill("#field-founded", "1999").await;
    browser.key(Key::Enter).await;
    browser.wait_for_text("Saved.").await;
    browser.open(&import).await;
    browser.press_button("Undo this import").await;
    browser
        .wait_for_text("This import was taken back: 1 records deleted")
        .await;
    browser.wait_for_text("other records refer to it").await;
    browser.wait_for_text("changed since").await;
    browser.open("/accounts").await;
    assert_eq!(browser.names().await, ["Alpha", "Beta"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deals_move_over_the_board_and_say_why_they_were_lost() {
    let browser = Browser::signed_in().await;
    for name in ["One", "Two"] {
        browser
            .make("deals", &[("name", name), ("amount", "100")])
            .await;
    }
    browser.open("/deals/board").await;
    let lanes = "return [...document.querySelectorAll('.lane')].map((it) => it.querySelectorAll('[data-card]').length).join()";
    let before = browser.run(lanes).await;
    assert!(before.as_str().unwrap().starts_with("2,0"), "{before}");
    // By keys alone: the first card to the next stage, and back by undo.
    browser
        .run("document.querySelector('[data-card] .row-link').focus()")
        .await;
    browser
        .driver
        .action_chain()
        .key_down(Key::Shift)
        .send_keys(Key::Right + "")
        .key_up(Key::Shift)
        .perform()
        .await
        .unwrap();
    browser.wait_for_text("moved.").await;
    browser.wait_until("return [...document.querySelectorAll('.lane')].slice(0, 2).map((it) => it.querySelectorAll('[data-card]').length).join()", "1,1").await;
    browser.press_button("Undo").await;
    browser.wait_for_text("Undone.").await;
    browser
        .wait_until(
            "return document.querySelector('.lane').querySelectorAll('[data-card]').length",
            2,
        )
        .await;
    // Lost: asked why.
    browser.run("document.querySelector('[data-move]').click(); const form = document.querySelector('form.move'); form.elements.stage_id.value = document.querySelector('.lane.lost').dataset.stage; form.requestSubmit()").await;
    browser.wait_for("#lost_reason").await;
    browser.fill("#lost_reason", "Too <b>dear</b>").await;
    browser.press_button("Mark as lost").await;
    browser
        .wait_until(
            "return document.querySelector('.lane.lost').querySelectorAll('[data-card]').length",
            1,
        )
        .await;
    browser.click(".lane.lost .row-link").await;
    browser.wait_for_text("Too <b>dear</b>").await;
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_refused_puts_the_card_back_and_says_why() {
    let browser = Browser::signed_in().await;
    for name in ["One", "Two", "Three"] {
        browser
            .make("deals", &[("name", name), ("amount", "100")])
            .await;
    }
    browser.open("/deals/board").await;
    browser.settled().await;
    let first = "return [...document.querySelector('.lane').querySelectorAll('.row-link')].map((it) => it.innerText).join()";
    let second =
        "return document.querySelectorAll('.lane')[1].querySelectorAll('[data-card]').length";
    let order = browser.run(first).await;
    // Somebody takes the next stage away while the board is shown.
    let removed = browser
        .run_async("const stage = document.querySelectorAll('.lane')[1].dataset.stage; return (await fetch(`/stages/${stage}/deletion`, { method: 'POST', body: new URLSearchParams({ version: 1 }) })).status")
        .await;
    assert_eq!(removed, 200);
    let middle = "[...document.querySelector('.lane').querySelectorAll('.row-link')][1]";
    browser.run(&format!("{middle}.focus()")).await;
    chord(&browser, Key::Shift, Key::Right + "").await;
    browser
        .wait_for_text("Stage: That record doesn’t exist any more.")
        .await;
    assert_eq!(browser.path().await, "/deals/board", "the board stays");
    assert_eq!(browser.run(first).await, order, "the card is where it was");
    assert_eq!(browser.run(second).await, 0);
    assert_eq!(
        browser
            .run(&format!("return document.activeElement === {middle}"))
            .await,
        true
    );
    assert_eq!(browser.violations().await, Vec::<String>::new());

    // Without an answer it goes back as well.
    browser.open("/deals/board").await;
    browser.settled().await;
    let order = browser.run(first).await;
    let offline = |offline: bool| json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.devtools("Network.enable", json!({})).await;
    browser
        .devtools("Network.emulateNetworkConditions", offline(true))
        .await;
    browser.run(&format!("{middle}.focus()")).await;
    chord(&browser, Key::Shift, Key::Right + "").await;
    browser.wait_for("#notices .notice").await;
    browser.wait_until(first, order).await;
    browser
        .devtools("Network.emulateNetworkConditions", offline(false))
        .await;
    // And then it moves.
    browser.run(&format!("{middle}.focus()")).await;
    chord(&browser, Key::Shift, Key::Right + "").await;
    browser.wait_for_text("moved.").await;
    browser.wait_until(second, 1).await;
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_may_no_longer_be_moved_goes_back_and_says_why() {
    let browser = Browser::beside(Server::start(&ServerOptions::demo())).await;
    browser.sign_in_as("member").await;
    browser.open("/deals/board").await;
    browser.settled().await;
    let cards = "return [...document.querySelectorAll('.lane')].map((lane) => [...lane.querySelectorAll('[data-card] .row-link')].map((it) => it.pathname).join()).join(';')";
    let before = browser.run(cards).await;
    let board = browser.driver.window().await.unwrap();

    // Meanwhile the role is lowered, and its person signs in again beside the board.
    let owner = browser.another().await;
    owner.sign_in_as("owner").await;
    let email = Person::of_demo(&browser.server, "member").email;
    let lowered = owner
        .run_async(&format!("const found = await (await fetch('/api/v1/members?search={email}')).json(); return (await fetch(`/api/v1/members/${{found.members[0].id}}`, {{ method: 'PATCH', headers: {{ 'content-type': 'application/json' }}, body: JSON.stringify({{ role: 'viewer' }}) }})).status"))
        .await;
    assert_eq!(lowered, 204);
    let beside = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(beside).await.unwrap();
    browser.sign_in_as("member").await;
    browser.driver.switch_to_window(board).await.unwrap();

    for hand in [Hand::Mouse, Hand::Keys] {
        hand.move_card(&browser, 1).await;
        browser
            .wait_for_text("Your role in this workspace doesn’t allow this.")
            .await;
        assert_eq!(browser.path().await, "/deals/board", "the board stays");
        browser.wait_until(cards, before.clone()).await;
    }
    assert_eq!(browser.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_kept_changed_in_numbers_and_exported() {
    let browser = Browser::signed_in().await;
    for (name, city) in [("Acme", "Berlin"), ("Bolt", "Berlin"), ("Core", "Bonn")] {
        browser
            .make("accounts", &[("name", name), ("city", city)])
            .await;
    }
    // A view with an alternative: Berlin or Bonn.
    browser.open("/accounts").await;
    browser.click("details[data-filter] summary").await;
    browser.choose("#filter-field", "City").await;
    browser.choose("#filter-test", "is").await;
    browser.fill("#filter-value", "Berlin").await;
    browser.press_button("Add filter").await;
    browser.wait_for_text("City is Berlin").await;
    assert_eq!(browser.names().await, ["Acme", "Bolt"]);
    browser.click(".chip a.or").await;
    browser.wait_for_text("Or, as an alternative").await;
    browser.choose("#filter-field", "City").await;
    browser.choose("#filter-test", "is").await;
    browser.fill("#filter-value", "Bonn").await;
    browser.press_button("Add filter").await;
    browser
        .wait_for_text("City is Berlin or City is Bonn")
        .await;
    assert_eq!(browser.names().await, ["Acme", "Bolt", "Core"]);
    browser.press_button("Views").await;
    browser.fill("#view-name", "In <i>B</i>").await;
    browser.press_button("Save view").await;
    browser
        .wait_until(
            "return document.querySelector('.tabs [aria-current]')?.innerText ?? ''",
            "In <i>B</i>",
        )
        .await;

    // Two at once, and back.
    browser.open("/accounts").await;
    browser.run("document.querySelectorAll('td.tick input').forEach((it, at) => { if (at < 2) it.click(); })").await;
    browser.press_button("Change selected").await;
    browser.wait_for("#bulk-field").await;
    browser.choose("#bulk-field", "City").await;
    browser.fill("#field-city", "Paris").await;
    browser.press_button("Set in all of them").await;
    browser.wait_for_text("2 accounts changed").await;
    browser.press_button("Undo").await;
    browser.wait_for_path("/accounts").await;
    assert!(!browser.text("#main").await.contains("Paris"));
    browser
        .run("document.querySelectorAll('td.tick input').forEach((it) => it.click())")
        .await;
    browser.press_button("Delete selected").await;
    browser.wait_for_text("3 accounts deleted").await;
    browser.press_button("Undo").await;
    browser
        .wait_until("return document.querySelectorAll('a.row-link').length", 3)
        .await;

    let export = browser
        .run_async("const answer = await fetch('/exports/accounts', { method: 'POST', body: new URLSearchParams([['format', 'csv'], ['query', '?column=city&filter=city = \"Bonn\"']]) }); return answer.text();")
        .await;
    let export = export.as_str().unwrap();
    assert!(export.starts_with("ID,Name,City\r\n001"), "{export}");
    assert!(export.ends_with(",Core,Bonn\r\n"), "{export}");
    browser.open("/settings/audit?action=records.export").await;
    browser.wait_for_text("exported records").await;
    assert_eq!(browser.blocked().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_changed_in_place_told_about_and_merged() {
    let browser = Browser::signed_in().await;
    let page = browser
        .make("accounts", &[("name", "Acme"), ("city", "Berlin")])
        .await;
    let other = browser
        .make("accounts", &[("name", "ACME Inc."), ("phone", "030 1")])
        .await;
    browser
        .make(
            "contacts",
            &[
                ("last_name", "King"),
                ("account_id", other.rsplit('/').next().unwrap()),
            ],
        )
        .await;

    browser.open(&page).await;
    browser.click("a.change[hx-get*='name=city']").await;
    browser.fill("#field-city", "Bonn").await;
    browser.key(Key::Enter).await;
    browser.wait_for_text("Saved.").await;
    browser.press_button("Undo").await;
    browser.wait_for_text("Undone.").await;
    browser.wait_for_text("Berlin").await;

    browser.press_button("Note").await;
    browser.fill("#quick-note-field-title", "Met them").await;
    browser
        .fill(
            "#quick-note-field-body",
            "**Bold** <script>alert(1)</script> [x](javascript:alert(1))",
        )
        .await;
    browser
        .run("document.querySelector('form.quick').requestSubmit()")
        .await;
    browser.wait_for(".timeline .prose strong").await;
    assert_eq!(
        browser
            .run("return document.querySelectorAll('.prose script, .prose a').length")
            .await,
        0
    );

    browser.press_button("Merge").await;
    browser.wait_for("#merge-with").await;
    browser.fill("#merge-with", "acme i").await;
    browser.click("[role=option][data-label='ACME Inc.']").await;
    browser.press_button("Compare").await;
    browser.wait_for_text("030 1").await;
    browser
        .run("document.querySelector('form.form .submit .primary').click()")
        .await;
    browser.wait_for_text("Both records are now").await;
    browser.wait_for_text("King").await;
    browser.wait_for_text("030 1").await;

    // Found again by the palette, without a mouse.
    browser.open("/tasks").await;
    browser
        .driver
        .action_chain()
        .key_down(Key::Control)
        .send_keys("k")
        .key_up(Key::Control)
        .perform()
        .await
        .unwrap();
    browser.wait_for("#palette-list a[role=option]").await;
    browser.keys("acm").await;
    browser.wait_until("return document.querySelector('#palette-list [aria-selected=true] span')?.innerText ?? ''", "Acme").await;
    browser.key(Key::Enter).await;
    browser.wait_for_path(&page).await;
    assert_eq!(browser.blocked().await, json!([]));
}
