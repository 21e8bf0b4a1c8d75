//! The demo workspaces, as their people find them.

use fieldstone_testkit::{Server, ServerOptions};
use serde_json::Value;

use super::chromium::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_opens_for_its_people_and_each_sees_their_own_workspace() {
    let browser = Browser::beside(Server::start(&ServerOptions::demo())).await;
    let demo = browser.server.demo();
    let people: Vec<&Value> = demo["users"].as_array().unwrap().iter().collect();
    let sales = people[0]["workspace"].as_str().unwrap();
    let of = |workspace: &str, role: &str| {
        *people
            .iter()
            .find(|it| it["workspace"] == workspace && it["role"] == role)
            .unwrap()
    };

    sign_in(&browser, of(sales, "member")).await;
    browser.wait_for_text("My open tasks").await;
    let mine = browser.text("#navigation .workspace").await;
    page_through(&browser).await;
    let deal = browser
        .run("return document.querySelector('a.row-link').pathname")
        .await;
    let deal = deal.as_str().unwrap();

    sign_out(&browser).await;
    sign_in(&browser, of(sales, "viewer")).await;
    assert_eq!(browser.text("#navigation .workspace").await, mine);
    browser.open("/deals").await;
    browser.wait_for("tr[data-row]").await;
    assert!(!browser.text("#main").await.contains("New deal"));
    browser.open("/deals/new").await;
    browser
        .wait_for_text("Your role in this workspace doesn’t allow this.")
        .await;

    sign_out(&browser).await;
    let other = people.iter().find(|it| it["workspace"] != sales).unwrap();
    sign_in(&browser, of(other["workspace"].as_str().unwrap(), "owner")).await;
    assert_ne!(browser.text("#navigation .workspace").await, mine);
    browser.open(deal).await;
    browser
        .wait_for_text("There is nothing at this address.")
        .await;
}

/// Thousands of deals: a page, the next, back, the largest, the most urgent of one's own.
async fn page_through(browser: &Browser) {
    browser.open("/deals").await;
    let first = browser.names().await;
    assert_eq!(first.len(), 50);
    browser.press_button("Next").await;
    browser.wait_for("a[rel=prev]").await;
    browser.settled().await;
    let second = browser.names().await;
    assert_eq!(second.len(), 50);
    browser.press_button("Previous").await;
    browser
        .wait_until(
            "return document.querySelector('a.row-link').innerText",
            first[0].clone(),
        )
        .await;
    browser.press_button("Amount").await;
    browser.wait_for("th[aria-sort=descending]").await;
    browser
        .open("/deals?filter=owner_id+%3D+:me&filter=status+%3D+open&sort=close_date")
        .await;
    browser.wait_for_text("Owner is me").await;
    browser.wait_for_text("Status is Open").await;
    browser.wait_for("tr[data-row]").await;
}

async fn sign_in(browser: &Browser, person: &Value) {
    browser.open("/sign-in").await;
    browser
        .fill("#email", person["email"].as_str().unwrap())
        .await;
    browser
        .fill("#password", person["password"].as_str().unwrap())
        .await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
}

async fn sign_out(browser: &Browser) {
    browser.click("form[action='/sign-out'] button").await;
    browser.wait_for_path("/sign-in").await;
}
