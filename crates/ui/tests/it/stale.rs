//! Two people on the same record: nothing is overwritten unseen.

use axum::http::StatusCode;
use fieldstone_model::{RecordId, Value, Values};
use fieldstone_store::Store as _;

use crate::app::{App, text};

struct Scene {
    app: App,
    deal: RecordId,
    page: String,
    /// As it was before the colleague saved.
    form: Vec<(String, String)>,
}

async fn scene(theirs: Values) -> Scene {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    let page = format!("/deals/{deal}");
    let form = app.form(&format!("{page}/edit")).await;
    app.change(&app.colleague, "deal", deal, theirs).await;
    Scene {
        app,
        deal,
        page,
        form,
    }
}

impl Scene {
    async fn value(&self, field: &str) -> Value {
        self.app
            .store
            .get("deal", self.deal, &[])
            .await
            .unwrap()
            .get(field)
            .clone()
    }

    /// The fields of the page that asks, answered for `field`.
    async fn settle(&self, asked: &str, field: &str, mine: bool) -> crate::app::Answer {
        let mut fields: Vec<(String, String)> = Vec::new();
        let form = asked.split("data-guard>").nth(1).unwrap();
        let form = form.split("</form>").next().unwrap();
        for tag in form
            .split("<input ")
            .skip(1)
            .map(|tag| tag.split('>').next().unwrap())
        {
            let get = |name: &str| {
                tag.split(&format!("{name}=\""))
                    .nth(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned())
            };
            let (name, value) = (get("name").unwrap(), get("value").unwrap());
            if tag.contains("type=\"hidden\"") {
                fields.push((name, value));
            } else if name == field {
                let first = !fields.iter().any(|(known, _)| known == field);
                // Theirs comes first.
                if first || mine {
                    fields.retain(|(known, _)| known != field);
                    fields.push((name, value));
                }
            }
        }
        self.app.fill(&fields, &self.page, &[]).await
    }
}

#[tokio::test]
async fn edits_of_different_fields_both_arrive() {
    let scene = scene(Values::new().with("next_step", text("Visit them"))).await;
    let saved = scene
        .app
        .fill(&scene.form, &scene.page, &[("amount", "5000")])
        .await;
    assert!(saved.location().contains("notice=merged"));
    scene
        .app
        .get(saved.location())
        .await
        .shows("together with changes that somebody else made");
    assert_eq!(
        (scene.value("amount").await, scene.value("next_step").await),
        (Value::Int(500_000), text("Visit them"))
    );
}

#[tokio::test]
async fn the_same_edit_twice_is_no_conflict() {
    let scene = scene(Values::new().with("amount", Value::Int(500_000))).await;
    let saved = scene
        .app
        .fill(&scene.form, &scene.page, &[("amount", "5000")])
        .await;
    assert!(saved.location().contains("notice=merged"));
}

#[tokio::test]
async fn edits_of_the_same_field_are_shown_and_a_person_chooses() {
    for (mine, expected) in [(true, Value::Int(500_000)), (false, Value::Int(700_000))] {
        let scene = scene(
            Values::new()
                .with("amount", Value::Int(700_000))
                .with("next_step", text("Visit them")),
        )
        .await;
        let asked = scene
            .app
            .fill(
                &scene.form,
                &scene.page,
                &[("amount", "5000"), ("lost_reason", "Price")],
            )
            .await;
        assert_eq!(asked.status, StatusCode::CONFLICT);
        asked
            .shows("Cecily Lampkin changed this record")
            .shows("before: €12,345.50")
            .shows("€7,000")
            .shows("€5,000")
            .shows("Visit them");
        // Nothing is written before a person has chosen, not even what collides with nothing.
        assert_eq!(
            (
                scene.value("amount").await,
                scene.value("lost_reason").await
            ),
            (Value::Int(700_000), Value::Null)
        );
        scene.settle(&asked.body, "amount", mine).await.location();
        assert_eq!(
            (
                scene.value("amount").await,
                scene.value("lost_reason").await,
                scene.value("next_step").await
            ),
            (expected, text("Price"), text("Visit them"))
        );
    }
}

#[tokio::test]
async fn relations_and_cleared_values_collide_too() {
    let app = App::new();
    let scene = scene(
        Values::new()
            .with("stage_id", Value::Id(app.stage(2)))
            .with("contact_id", Value::Null)
            .with("close_date", Value::Null),
    )
    .await;
    let asked = scene
        .app
        .fill(
            &scene.form,
            &scene.page,
            &[
                ("stage_id", app.stage(3).as_str()),
                ("close_date", "2026-04-01"),
            ],
        )
        .await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    asked
        .shows("Proposal")
        .shows("Won")
        .shows("<strong>none</strong>")
        .shows("<strong>Apr 1, 2026</strong>");
    // A choice that was not made changes nothing.
    let unanswered = scene.settle(&asked.body, "stage_id", true).await;
    assert!(unanswered.location().contains("notice=saved"));
    assert_eq!(
        (
            scene.value("stage_id").await,
            scene.value("close_date").await,
            scene.value("status").await
        ),
        (Value::Id(app.stage(3)), Value::Null, text("won"))
    );
}

#[tokio::test]
async fn a_record_deleted_meanwhile_is_not_brought_back_by_a_save() {
    let scene = scene(Values::new().with("next_step", text("x"))).await;
    scene
        .app
        .post(&format!("{}/deletion", scene.page), &[])
        .await
        .location();
    let answer = scene
        .app
        .fill(&scene.form, &scene.page, &[("amount", "5000")])
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(scene.value("amount").await, Value::Int(1_234_550));
}
