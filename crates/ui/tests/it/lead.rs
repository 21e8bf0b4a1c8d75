//! Converting leads.

use axum::http::StatusCode;
use fieldstone_model::Values;
use fieldstone_store::Store as _;

use crate::app::{App, text};

async fn lead(app: &App, company: &str) -> (fieldstone_model::RecordId, String) {
    let id = app
        .make(
            "lead",
            Values::new()
                .with("first_name", text("Ada"))
                .with("last_name", text("King"))
                .with("company", text(company))
                .with("email", text("ada@example.com")),
        )
        .await;
    (id, format!("/leads/{id}/conversion"))
}

#[tokio::test]
async fn a_lead_becomes_an_account_a_contact_and_a_deal() {
    let app = App::new();
    let (id, path) = lead(&app, "Analytical Engines").await;
    app.get(&format!("/leads/{id}")).await.shows("Convert lead");
    app.get(&path)
        .await
        .shows("New account “Analytical Engines”");
    let form = app.form(&path).await;
    let done = app
        .fill(&form, &path, &[("deal_name", "First engine")])
        .await;
    assert!(done.location().starts_with("/deals/"));
    app.get(done.location())
        .await
        .shows("First engine")
        .shows("Analytical Engines")
        .shows("Ada King")
        .shows("Lead “Ada King” converted.");
    app.get("/accounts").await.shows("Analytical Engines");
    app.get("/contacts").await.shows("ada@example.com");
    app.get(&format!("/leads/{id}"))
        .await
        .hides("/conversion")
        .shows("Converted");
    assert_eq!(app.get(&path).await.status, StatusCode::CONFLICT);
    assert_eq!(
        app.fill(&form, &path, &[]).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn a_known_company_is_suggested_and_can_be_used() {
    let app = App::new();
    let (account, _, _) = app.company().await;
    let (_, path) = lead(&app, "Acme").await;
    let form = app.form(&path).await;
    assert!(
        form.contains(&("account".into(), "existing".into()))
            && form.contains(&("account_id".into(), account.to_string()))
    );
    let mut without_deal = form.clone();
    without_deal.retain(|(name, _)| name != "with_deal");
    let done = app.fill(&without_deal, &path, &[]).await;
    assert!(done.location().starts_with(&format!("/accounts/{account}")));
    let query = fieldstone_model::Query::new("account");
    assert_eq!(app.store.count(&query).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_missing_is_asked_for_and_nothing_happens() {
    let app = App::new();
    let (_, path) = lead(&app, "Analytical Engines").await;
    let form = app.form(&path).await;
    let refused = app
        .fill(
            &form,
            &path,
            &[
                ("account", "existing"),
                ("account_id.text", "Unheard of"),
                ("deal_name", ""),
            ],
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused
        .shows("Nothing is called “Unheard of”")
        .shows("id=\"deal-name-error\"");
    app.get("/deals").await.hides("row-link");
}
