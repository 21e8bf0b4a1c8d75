//! Input that means harm, or is merely very long.

use axum::http::StatusCode;
use fieldstone_model::{Field, FieldType, Object, Value, Values};
use fieldstone_store::Store as _;

use crate::app::{App, text};

const SCRIPT: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}";

/// Everything an inline script or style could hide in.
fn assert_harmless(path: &str, body: &str) {
    assert!(
        !body.contains("<script>alert") && !body.contains("<img src=x"),
        "{path} lets markup through:\n{body}"
    );
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        // Quoted values may say anything; only names count.
        let names: String = tag.split('"').step_by(2).collect();
        assert!(
            !names.contains(" on") && !names.contains(" style="),
            "{path}: <{tag}>"
        );
        assert!(
            !tag.starts_with("script") || tag.contains("src=\"/assets/"),
            "{path}: <{tag}>"
        );
        assert!(
            !tag.to_lowercase().contains("=\"javascript:"),
            "{path}: <{tag}>"
        );
    }
}

/// Markup wherever `object` takes text, and whatever else it requires.
fn hostile(object: &Object) -> Values {
    let value = |field: &Field| match &field.kind {
        FieldType::Text { max } => Some(text(
            &SCRIPT.chars().take(*max as usize).collect::<String>(),
        )),
        FieldType::LongText { .. } => Some(text(&format!("{SCRIPT}\n</textarea>{SCRIPT}"))),
        FieldType::Url => Some(text("https://x/'onmouseover='alert(1)")),
        FieldType::DateTime => Some(Value::DateTime(crate::app::now())),
        FieldType::Money | FieldType::Percent | FieldType::Integer if field.required => {
            Some(Value::Int(1))
        }
        FieldType::Choice { options } if field.required => Some(text(&options[0].value)),
        _ => None,
    };
    object
        .writable_fields()
        .filter_map(|field| Some((field.name.to_string(), value(field)?)))
        .collect()
}

#[tokio::test]
async fn markup_in_any_field_of_any_object_stays_text() {
    let app = App::new();
    let (account, _, deal) = app.company().await;
    let registry = app.store.registry().clone();
    for object in registry.objects().filter(|object| object.name != "user") {
        let mut values = hostile(object);
        match object.name.as_ref() {
            "deal_line" => values.set("deal_id", Value::Id(deal)),
            "stage" => values.set("pipeline_id", Value::Id(registry.stages()[0].pipeline_id)),
            "task" | "event" | "call" | "note" | "attachment" => {
                values.set("about_id", Value::Id(account));
            }
            _ => {}
        }
        let id = app.make(&object.name, values).await;
        let mut again = Values::new();
        again.set(
            object
                .writable_fields()
                .find(|field| field.required && matches!(field.kind, FieldType::Text { .. }))
                .unwrap()
                .name
                .as_ref(),
            text("<script>alert(2)</script>"),
        );
        app.change(&app.store, &object.name, id, again).await;
        for path in [
            format!("/{}", object.plural),
            format!("/{}/{id}", object.plural),
            format!("/{}/{id}/edit", object.plural),
            format!("/{}/{id}/history", object.plural),
        ] {
            let page = app.get(&path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert_harmless(&path, &page.body);
        }
    }
    let encoded = serde_urlencoded::to_string([("q", SCRIPT)]).unwrap();
    for path in [
        "/".to_owned(),
        format!("/accounts/{account}"),
        format!("/search?{encoded}"),
        format!("/deals?{encoded}"),
        "/deals/options/account_id?q=script&list=%22%3E%3Cscript%3Ealert(1)".into(),
    ] {
        assert_harmless(&path, &app.get(&path).await.body);
    }
    for name in [
        "filter",
        "sort",
        "cursor",
        "field",
        "test",
        "value",
        "notice",
        "about",
        "back",
        "name",
        "account_id",
        "before",
    ] {
        let encoded = serde_urlencoded::to_string([(name, SCRIPT)]).unwrap();
        for path in [
            "/deals",
            "/deals/new",
            "/deals/deleted",
            &format!("/deals/{deal}"),
            &format!("/deals/{deal}/history"),
        ] {
            let page = app.get(&format!("{path}?{encoded}")).await;
            assert!(
                page.status.is_success() || page.status.is_client_error(),
                "{path}?{encoded}: {}",
                page.status
            );
            assert_harmless(path, &page.body);
        }
    }
}

#[tokio::test]
async fn a_form_that_is_refused_gives_everything_back_as_text() {
    let app = App::new();
    let sent = app
        .post(
            "/accounts",
            &[
                ("name", ""),
                ("website", SCRIPT),
                ("description", SCRIPT),
                ("parent_id.text", SCRIPT),
                ("annual_revenue", SCRIPT),
                ("kind", SCRIPT),
            ],
        )
        .await;
    assert_eq!(sent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_harmless("/accounts", &sent.body);
    sent.shows("&#60;script&#62;alert(1)");
}

#[tokio::test]
async fn a_name_of_ten_thousand_characters_is_refused_with_what_was_written() {
    let app = App::new();
    let long = "ä".repeat(10_000);
    let answer = app.post("/accounts", &[("name", &long)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.shows("Shorten this to 255 characters.").shows(&long);
    let (_, _, deal) = app.company().await;
    let form = app.form(&format!("/deals/{deal}/edit")).await;
    let kept = app
        .fill(&form, &format!("/deals/{deal}"), &[("name", &long)])
        .await;
    assert_eq!(kept.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.get(&format!("/deals?q={}", "x".repeat(10_000)))
        .await
        .shows("No deals match");
    assert!(
        app.get(&format!("/search?q={}", "x+".repeat(5_000)))
            .await
            .status
            .is_success()
    );
    assert!(
        app.get(&format!("/deals?{}", "filter=amount+%3E+1&".repeat(500)))
            .await
            .status
            .is_success()
    );
}
