//! The board: what moves, and what is refused and stays where it is.

use axum::http::StatusCode;
use fieldstone_model::{RecordId, Role, Value, Values};
use fieldstone_store::Store as _;

use crate::app::{Answer, App, text};

fn stage(app: &App, at: usize) -> RecordId {
    app.stage(at + 1)
}

async fn stage_of(app: &App, deal: RecordId) -> RecordId {
    let deal = app.store.get("deal", deal, &[]).await.unwrap();
    deal.get("stage_id").as_id().unwrap()
}

/// Moves a deal as its card's form does, seen in the first stage at version 1.
async fn moved(app: &App, deal: RecordId, to: RecordId, more: &[(&str, &str)]) -> Answer {
    let (to, was) = (to.to_string(), stage(app, 0).to_string());
    let mut fields = vec![
        ("stage_id", to.as_str()),
        ("was", was.as_str()),
        ("version", "1"),
        ("back", "/deals/board"),
    ];
    fields.extend_from_slice(more);
    app.post(&format!("/deals/{deal}/move"), &fields).await
}

async fn deal(app: &App) -> RecordId {
    app.make("deal", Values::new().with("name", text("Mill")))
        .await
}

#[tokio::test]
async fn a_card_moves_and_says_so() {
    let app = App::new();
    let deal = deal(&app).await;
    let answer = moved(&app, deal, stage(&app, 1), &[]).await;
    assert!(answer.location().starts_with("/deals/board?moved="));
    assert_eq!(stage_of(&app, deal).await, stage(&app, 1));
}

#[tokio::test]
async fn a_stage_that_is_gone_takes_no_card_and_says_why() {
    let app = App::new();
    let deal = deal(&app).await;
    let gone: RecordId = "01J0000000000zz".parse().unwrap();
    for (locale, told) in [
        ("en-US", "Stage: That record doesn’t exist any more."),
        ("de", "Phase: Diesen Datensatz gibt es nicht mehr."),
    ] {
        let app = app.again().in_locale(locale);
        let answer = moved(&app, deal, gone, &[]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        answer.shows(told).shows("href=\"/deals/board\"");
    }
    assert_eq!(stage_of(&app, deal).await, stage(&app, 0));
}

#[tokio::test]
async fn who_may_not_write_moves_nothing() {
    let app = App::new();
    let deal = deal(&app).await;
    let viewer = app.again().with_role(Role::Viewer);
    let answer = moved(&viewer, deal, stage(&app, 1), &[]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    answer.shows("<h1>");
    assert_eq!(stage_of(&app, deal).await, stage(&app, 0));
    // Nor is there a form for it.
    viewer.get("/deals/board").await.hides("class=\"move\"");
}

#[tokio::test]
async fn what_others_did_meanwhile_is_never_overwritten() {
    let app = App::new();
    let deal = deal(&app).await;
    let won = Values::new().with("stage_id", Value::Id(stage(&app, 2)));
    app.change(&app.colleague, "deal", deal, won).await;
    let answer = moved(&app, deal, stage(&app, 1), &[]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.shows("collision");
    assert_eq!(stage_of(&app, deal).await, stage(&app, 2));

    // A deal that is gone: said, and nothing is made of it.
    let gone = self::deal(&app).await;
    app.store
        .apply(&[fieldstone_model::Change::Delete {
            object: "deal".into(),
            id: gone,
            expected: None,
        }])
        .await
        .unwrap();
    let answer = moved(&app, gone, stage(&app, 1), &[]).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    answer.shows("<h1>");
}

#[tokio::test]
async fn bad_moves_change_nothing() {
    let app = App::new();
    let deal = deal(&app).await;
    let path = format!("/deals/{deal}/move");
    let (to, was) = (stage(&app, 1).to_string(), stage(&app, 0).to_string());
    for fields in [
        vec![("stage_id", "x"), ("was", &*was), ("version", "1")],
        vec![("stage_id", &*to), ("was", ""), ("version", "1")],
        vec![("stage_id", &*to), ("was", &*was), ("version", "one")],
        vec![("was", &*was), ("version", "1")],
    ] {
        let answer = app.post(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    // Other objects have no board.
    let account = Values::new().with("name", text("Acme"));
    let account = app.make("account", account).await;
    let fields = [("stage_id", &*to), ("was", &*was), ("version", "1")];
    let answer = app
        .post(&format!("/accounts/{account}/move"), &fields)
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(stage_of(&app, deal).await, stage(&app, 0));
}
