//! The page of one record: facts, related lists, history, deleting and restoring.

use axum::http::StatusCode;
use fieldstone_model::{Role, Value, Values};

use crate::app::{App, text};

#[tokio::test]
async fn a_record_shows_its_facts_relations_and_history() {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    app.change(
        &app.colleague,
        "deal",
        deal,
        Values::new()
            .with("amount", Value::Int(2_000_000))
            .with("stage_id", Value::Id(app.stage(2))),
    )
    .await;
    insta::assert_snapshot!(app.partial(&format!("/deals/{deal}")).await.stable());
}

#[tokio::test]
async fn related_lists_lead_to_all_of_them_and_to_a_new_one() {
    let app = App::new();
    let (account, _, _) = app.company().await;
    for at in 0..7 {
        app.make(
            "deal",
            Values::new()
                .with("name", text(&format!("Deal {at}")))
                .with("account_id", Value::Id(account)),
        )
        .await;
    }
    let page = app.get(&format!("/accounts/{account}")).await;
    page.shows("All deals")
        .shows(&format!(
            "/deals/new?account_id={account}&#38;back=%2Faccounts%2F{account}"
        ))
        .shows("Moses Frase");
    let form = app
        .get(&format!(
            "/deals/new?account_id={account}&back=%2Faccounts%2F{account}"
        ))
        .await;
    form.shows(&format!("name=\"account_id\" value=\"{account}\""))
        .shows("value=\"Acme\"")
        .shows(&format!("name=\"back\" value=\"/accounts/{account}\""));
    let all = app
        .get(&format!("/deals?filter=account_id+%3D+%22{account}%22"))
        .await;
    all.shows("Account is Acme").shows("Deal 0");
}

#[tokio::test]
async fn deleting_asks_nothing_and_can_be_undone() {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    let page = format!("/deals/{deal}");
    let deleted = app
        .post(&format!("{page}/deletion"), &[("version", "1")])
        .await;
    let list = app.get(deleted.location()).await;
    list.shows("Deal “Acme – GTX Pro” deleted.")
        .shows("Undo")
        .shows(&format!("action=\"{page}/restoration\""))
        .hides("row-link");
    app.get(&page)
        .await
        .shows("This record is deleted.")
        .shows("Mar 10, 2026")
        .hides("/edit\"");
    app.get("/deals/deleted").await.shows("Acme – GTX Pro");
    assert_eq!(app.get(&format!("{page}/edit")).await.location(), page);

    let restored = app
        .post(&format!("{page}/restoration"), &[("back", "/deals")])
        .await;
    app.get(restored.location())
        .await
        .shows("restored.")
        .shows("row-link");
    app.get(&page)
        .await
        .shows("Renate Achterberg restored this record")
        .hides("This record is deleted.");
}

#[tokio::test]
async fn deleting_what_somebody_else_has_just_changed_is_refused() {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    app.change(
        &app.colleague,
        "deal",
        deal,
        Values::new().with("next_step", text("Call")),
    )
    .await;
    let answer = app
        .post(&format!("/deals/{deal}/deletion"), &[("version", "1")])
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer
        .shows("This changed meanwhile")
        .shows("Back to the list");
    app.get("/deals").await.shows("row-link");
}

#[tokio::test]
async fn a_viewer_sees_but_is_offered_no_change() {
    let app = App::new().with_role(Role::Viewer);
    let (_, _, deal) = app.company().await;
    let page = format!("/deals/{deal}");
    app.get(&page)
        .await
        .shows("GTX Pro")
        .hides("/edit\"")
        .hides("/deletion")
        .hides("/new?");
    app.get("/deals").await.hides("/deals/new");
    for (path, fields) in [
        (format!("{page}/deletion"), &[][..]),
        ("/deals".into(), &[("name", "x")]),
        (page.clone(), &[("version", "1")]),
        (format!("{page}/restoration"), &[]),
    ] {
        assert_eq!(
            app.post(&path, fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    for path in ["/deals/new".into(), format!("{page}/edit")] {
        app.get(&path)
            .await
            .shows("Your role in this workspace doesn’t allow this.");
    }
}

#[tokio::test]
async fn history_goes_back_page_by_page() {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    for at in 0..40 {
        app.change(
            &app.colleague,
            "deal",
            deal,
            Values::new().with("next_step", text(&format!("Step {at}"))),
        )
        .await;
    }
    let page = app.get(&format!("/deals/{deal}")).await;
    page.shows("Step 39")
        .hides("Step 18<")
        .shows("Show older changes");
    let older = page
        .body
        .split("hx-get=\"")
        .find(|part| part.split('"').next().unwrap().contains("/history?"))
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&");
    app.partial(&older)
        .await
        .shows("Step 19")
        .hides("Step 39")
        .hides("<title>");
    app.get(&older)
        .await
        .shows("<!doctype html>")
        .shows("History of Acme – GTX Pro");
}
