//! Forms: making and changing records.

use axum::http::StatusCode;
use fieldstone_model::{Value, Values};
use fieldstone_store::Store as _;

use crate::app::{App, text};

#[tokio::test]
async fn a_form_has_a_control_for_every_field() {
    let app = App::new();
    app.company().await;
    insta::assert_snapshot!("form_deal", app.partial("/deals/new").await.stable());
    insta::assert_snapshot!("form_visit", app.partial("/visits/new").await.stable());
}

#[tokio::test]
async fn errors_stand_beside_their_fields_and_values_are_kept() {
    let app = App::new();
    let answer = app
        .post(
            "/deals",
            &[
                ("name", "  "),
                ("amount", "a lot"),
                ("close_date", "2026-02-30"),
                ("next_step", "Call Ann"),
                ("account_id.text", "Nobody & Sons"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    insta::assert_snapshot!(
        answer
            .stable()
            .split("<main")
            .nth(1)
            .unwrap()
            .split("</main>")
            .next()
            .unwrap()
    );
    assert_eq!(
        app.store
            .count(&fieldstone_model::Query::new("deal"))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_new_record_gets_what_was_entered_and_the_usual_rest() {
    let app = App::new();
    let (account, _, _) = app.company().await;
    let form = app.form("/deals/new").await;
    let made = app
        .fill(
            &form,
            "/deals",
            &[
                ("name", "New one"),
                ("amount", "12,345.5"),
                ("account_id", account.as_str()),
                ("account_id.text", "Acme"),
                ("close_date", "2026-05-01"),
            ],
        )
        .await;
    let page = app.get(made.location()).await;
    page.shows("Deal “New one” created.")
        .shows("€12,345.50")
        .shows("May 1, 2026")
        .shows("Acme")
        .shows("10%")
        .shows("Qualification")
        .shows("Renate Achterberg");
    let another = app
        .fill(&form, "/deals", &[("name", "Next"), ("then", "another")])
        .await;
    assert!(another.location().starts_with("/deals/new?notice=created"));
    let back = app
        .fill(&form, "/deals", &[("name", "Third"), ("back", "/accounts")])
        .await;
    app.get(back.location()).await.shows("Open</a>");
    let elsewhere = app
        .fill(
            &form,
            "/deals",
            &[("name", "Fourth"), ("back", "//evil.example")],
        )
        .await;
    assert!(elsewhere.location().starts_with("/deals/006"));
}

#[tokio::test]
async fn relations_work_by_name_when_there_is_no_script() {
    let app = App::new();
    let (account, contact, deal) = app.company().await;
    let values = app.store.get("deal", deal, &[]).await.unwrap();
    assert_eq!(values.get("account_id"), &Value::Id(account));
    let made = app
        .post(
            "/tasks",
            &[
                ("subject", "By name"),
                ("status", "open"),
                ("priority", "normal"),
                ("owner_id.text", "cecily lampkin"),
                ("about_id.text", "moses frase"),
            ],
        )
        .await;
    app.get(made.location())
        .await
        .shows("Cecily Lampkin")
        .shows(&format!("/contacts/{contact}"));
    // The text changed while the id beside it stayed: the text is what the person saw.
    let other = app
        .make("account", Values::new().with("name", text("Beta")))
        .await;
    let changed = app
        .post(
            "/deals",
            &[
                ("name", "X"),
                ("owner_id", app.store.user().id.as_str()),
                ("stage_id", app.stage(1).as_str()),
                ("account_id", account.as_str()),
                ("account_id.text", "Beta"),
            ],
        )
        .await;
    app.get(changed.location())
        .await
        .shows(&format!("/accounts/{other}"));
    app.make("account", Values::new().with("name", text("Beta")))
        .await;
    let several = app
        .post("/deals", &[("name", "X"), ("account_id.text", "Beta")])
        .await;
    several.shows("2 records match “Beta”.");
    let wrong = app
        .post(
            "/deals",
            &[
                ("name", "X"),
                ("account_id", contact.as_str()),
                ("account_id.text", "Moses Frase"),
            ],
        )
        .await;
    wrong.shows("Choose an existing record from the list.");
}

#[tokio::test]
async fn suggestions_come_as_options() {
    let app = App::new();
    let (account, contact, _) = app.company().await;
    app.get("/deals/options/account_id?q=ac&list=l").await.shows(&format!("<div role=\"option\" id=\"l-{account}\" aria-selected=\"false\" data-id=\"{account}\" data-label=\"Acme\">Acme<small>Berlin</small></div>"));
    app.get("/tasks/options/about_id?q=fra")
        .await
        .shows(contact.as_str())
        .shows("Contact · Acme");
    app.get("/deals/options/owner_id?q=")
        .await
        .shows("Cecily Lampkin")
        .shows("Renate Achterberg");
    app.get("/deals/options/account_id?q=zzz")
        .await
        .shows("Nothing found");
}

#[tokio::test]
async fn every_type_of_field_survives_the_form_untouched() {
    for locale in ["en-US", "de", "de-CH"] {
        let app = App::new().in_locale(locale);
        let (account, _, _) = app.company().await;
        let at = "2026-03-05T10:11:12.5Z".parse().unwrap();
        let call = app
            .make(
                "call",
                Values::new()
                    .with("subject", text("A \"quoted\" <call>"))
                    .with("at", Value::DateTime(at))
                    .with("minutes", Value::Int(1234))
                    .with("description", text("two\nlines\r\nand CR")),
            )
            .await;
        let visit = Values::new()
            .with("name", text("Spring"))
            .with("account_id", Value::Id(account))
            .with("visited_on", Value::Date(jiff::civil::date(2026, 3, 1)))
            .with("began_at", Value::Time(jiff::civil::time(9, 5, 30, 0)))
            .with(
                "topics",
                Value::Choices(vec!["Safety".into(), "Price".into()]),
            )
            .with("satisfied", Value::Bool(false))
            .with("weight", Value::Int(1_234_567));
        let visit = app.make("visit", visit).await;
        for page in [format!("/calls/{call}"), format!("/visits/{visit}")] {
            let form = app.form(&format!("{page}/edit")).await;
            let saved = app.fill(&form, &page, &[]).await;
            assert!(
                saved.location().contains("notice=unchanged"),
                "{locale} {page}: {}",
                saved.location()
            );
        }
    }
}

#[tokio::test]
async fn numbers_are_read_as_the_persons_region_writes_them() {
    let app = App::new().in_locale("de");
    let made = app
        .post(
            "/products",
            &[
                ("name", "Schraube"),
                ("price", "1.234,50"),
                ("active", "true"),
                ("owner_id", app.store.user().id.as_str()),
            ],
        )
        .await;
    app.get(made.location())
        .await
        .shows("1.234,50\u{a0}€")
        .shows("Produkt „Schraube“ angelegt.")
        .shows("lang=\"de\"");
}

#[tokio::test]
async fn unticked_boxes_and_cleared_fields_are_changes() {
    let app = App::new();
    let product = app
        .make(
            "product",
            Values::new()
                .with("name", text("Screw"))
                .with("code", text("S-1")),
        )
        .await;
    let page = format!("/products/{product}");
    let mut form = app.form(&format!("{page}/edit")).await;
    form.retain(|(name, _)| name != "active");
    app.fill(&form, &page, &[("code", "")]).await.location();
    let record = app.store.get("product", product, &[]).await.unwrap();
    assert_eq!(
        (record.get("active"), record.get("code")),
        (&Value::Bool(false), &Value::Null)
    );
}

#[tokio::test]
async fn fields_that_nobody_may_set_are_ignored() {
    let app = App::new();
    let made = app
        .post(
            "/accounts",
            &[
                ("name", "X"),
                ("owner_id", app.store.user().id.as_str()),
                ("version", "99"),
                ("created_by_id", app.colleague.user().id.as_str()),
                ("id", "0010000000000zz"),
                ("nonsense", "1"),
            ],
        )
        .await;
    let id = made
        .location()
        .split(['/', '?'])
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    let record = app.store.get("account", id, &[]).await.unwrap();
    assert_eq!(
        (record.version, record.get("created_by_id")),
        (1, &Value::Id(app.store.user().id))
    );
}
