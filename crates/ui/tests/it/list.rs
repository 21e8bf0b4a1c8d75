//! Lists: the table, its order, its filters, its pages.

use axum::http::StatusCode;
use fieldstone_model::{Value, Values};
use fieldstone_store::Store as _;

use crate::app::{App, text};

#[tokio::test]
async fn a_list_shows_its_records() {
    let app = App::new();
    app.company().await;
    insta::assert_snapshot!(app.partial("/deals").await.stable());
}

#[tokio::test]
async fn an_htmx_request_gets_the_part_and_any_other_the_page() {
    let app = App::new();
    app.company().await;
    let (page, partial) = (app.get("/deals").await, app.partial("/deals").await);
    page.shows("<!doctype html>")
        .shows("<nav class=\"navigation\"")
        .shows("Acme – GTX Pro");
    partial
        .shows("<title>Deals · Fieldstone</title>")
        .shows("Acme – GTX Pro")
        .hides("<html")
        .hides("<nav class=\"navigation\"");
    for answer in [&page, &partial] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("vary").contains("hx-request"));
    }
    let restored = axum::extract::Request::get("/deals")
        .header("hx-request", "true")
        .header("hx-history-restore-request", "true");
    app.send(restored.body(axum::body::Body::empty()).unwrap())
        .await
        .shows("<!doctype html>");
}

#[tokio::test]
async fn heads_sort_and_say_how() {
    let app = App::new();
    for (name, amount) in [("Beta", 300), ("Alpha", 100), ("Gamma", 200)] {
        app.make(
            "deal",
            Values::new()
                .with("name", text(name))
                .with("amount", Value::Int(amount)),
        )
        .await;
    }
    let names = |body: &str| {
        body.split("row-link")
            .skip(1)
            .map(|part| {
                part.split_once('>')
                    .unwrap()
                    .1
                    .split('<')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    let page = app.get("/deals?sort=name").await;
    assert_eq!(names(&page.body), ["Alpha", "Beta", "Gamma"]);
    page.shows("aria-sort=\"ascending\"><a href=\"/deals?sort=-name\"")
        .shows("href=\"/deals?sort=-amount\"");
    let page = app.get("/deals?sort=-amount").await;
    assert_eq!(names(&page.body), ["Beta", "Gamma", "Alpha"]);
    page.shows("class=\"end\" aria-sort=\"descending\"");
    // A field that can't be sorted by sorts nothing, and breaks nothing.
    for sort in ["description", "nothing", "-", "account.name.x"] {
        assert_eq!(
            app.get(&format!("/deals?sort={sort}")).await.status,
            StatusCode::OK,
            "{sort}"
        );
    }
}

#[tokio::test]
async fn pages_lead_on_and_back_by_keys() {
    let app = App::new();
    for at in 0..120 {
        app.make(
            "account",
            Values::new().with("name", text(&format!("Account {at:03}"))),
        )
        .await;
    }
    let link = |body: &str, rel: &str| {
        let before = body.split(&format!("\" rel=\"{rel}\"")).next().unwrap();
        before
            .rsplit("href=\"")
            .next()
            .unwrap()
            .replace("&#38;", "&")
            .replace("&amp;", "&")
    };
    let first = app.get("/accounts?sort=name").await;
    first
        .shows("Account 000")
        .shows("Account 049")
        .hides("Account 050")
        .hides("rel=\"prev\"");
    let second = app.get(&link(&first.body, "next")).await;
    second
        .shows("Account 050")
        .shows("Account 099")
        .hides("Account 049")
        .hides("Account 100");
    let third = app.get(&link(&second.body, "next")).await;
    third.shows("Account 119").hides("rel=\"next\"");
    app.get(&link(&second.body, "prev"))
        .await
        .shows("Account 000")
        .hides("Account 050");
    app.partial("/accounts/count")
        .await
        .shows("120 records")
        .hides("<title>");
    app.get("/accounts?count=1").await.shows("120 records");
    let cut = app.get("/accounts?sort=name&cursor=garbage").await;
    cut.shows("Account 000");
}

#[tokio::test]
async fn filters_are_added_shown_and_removed() {
    let app = App::new();
    let (account, _, _) = app.company().await;
    app.make(
        "deal",
        Values::new()
            .with("name", text("Small \"fry\""))
            .with("amount", Value::Int(5_000)),
    )
    .await;
    let add = |field: &str, test: &str, value: &str| {
        format!(
            "/deals?{}",
            serde_urlencoded::to_string([("field", field), ("test", test), ("value", value)])
                .unwrap()
        )
    };

    let added = app.get(&add("amount", "greater", "1,000.5")).await;
    assert_eq!(added.location(), "/deals?filter=amount+%3E+%221000.50%22");
    app.get(added.location())
        .await
        .shows("Amount is more than €1,000.50")
        .shows("GTX Pro")
        .hides("Small")
        .shows("Remove filter: Amount");

    let quoted = app.get(&add("name", "contains", "\"fry")).await;
    app.get(quoted.location())
        .await
        .shows("Small")
        .hides("GTX Pro");
    let mine = app.get(&add("owner_id", "me", "")).await;
    app.get(mine.location())
        .await
        .shows("Owner is me")
        .shows("GTX Pro");
    let empty = app.get(&add("close_date", "empty", "")).await;
    app.get(empty.location())
        .await
        .shows("Close date is empty")
        .shows("Small")
        .hides("GTX Pro");
    // As the month that it is when somebody looks, not as the days it has now.
    let month = app.get(&add("close_date", "month", "")).await;
    assert!(
        month.location().contains("%3Amonth") && !month.location().contains("%3Atoday"),
        "{}",
        month.location()
    );
    app.get(month.location())
        .await
        .shows("Close date is this month");
    let year = app.get(&add("created_at", "year", "")).await;
    app.get(year.location())
        .await
        .shows("Created is this year")
        .shows("GTX Pro");
    let stage = app
        .get(&add("stage_id", "equal", app.stage(1).as_str()))
        .await;
    app.get(stage.location())
        .await
        .shows("Stage is Qualification");

    // By name, as a browser without script sends it.
    let named = app
        .get("/deals?field=account_id&test=equal&value=&value.text=acme")
        .await;
    assert!(named.location().contains(account.as_str()));

    app.get(&add("amount", "greater", "a lot"))
        .await
        .shows("aria-invalid=\"true\"")
        .shows("Enter a number with at most 2 decimals")
        .shows("<details class=\"filter\" data-filter open>");
    app.get(&add("amount", "greater", ""))
        .await
        .shows("Enter a value to compare with.");
    app.partial("/deals/tests?field=status")
        .await
        .shows("<option value=\"won\">Won</option>")
        .hides("is less than");
    assert_eq!(
        app.get("/deals/tests?field=description").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn filters_that_do_not_work_say_so_instead_of_showing_everything() {
    let app = App::new();
    app.company().await;
    for filter in [
        "gone+%3D+1",
        "amount+%3E+%22x%22",
        "%28%28%28",
        "description+%3D+%22x%22",
    ] {
        app.get(&format!("/deals?filter={filter}"))
            .await
            .shows("A filter doesn’t work any more")
            .hides("GTX Pro");
    }
    app.get("/deals?filter=amount+%3E+1+or+name+%3D+%22x%22")
        .await
        .shows("GTX Pro")
        .shows("amount &#62; 1 or name");
    app.get("/deals?q=nothing+like+this")
        .await
        .shows("No deals match")
        .hides("GTX Pro");
    app.get("/deals?q=gtx").await.shows("GTX Pro");
}

#[tokio::test]
async fn an_empty_list_teaches() {
    let app = App::new();
    app.get("/cases")
        .await
        .shows("No cases yet")
        .shows("A case is a question or problem")
        .shows("New case");
    App::new()
        .in_locale("de")
        .get("/cases")
        .await
        .shows("Noch keine Fälle")
        .shows("Fall anlegen");
    app.get("/cases/deleted").await.shows("Nothing is deleted");
}

#[tokio::test]
async fn custom_objects_have_lists_of_their_own() {
    let app = App::new();
    let (account, _, _) = app.company().await;
    app.make(
        "visit",
        Values::new()
            .with("name", text("Spring"))
            .with("account_id", Value::Id(account))
            .with(
                "topics",
                Value::Choices(vec!["Safety".into(), "Price".into()]),
            ),
    )
    .await;
    app.get("/visits")
        .await
        .shows("Spring")
        .shows("Safety, Price")
        .shows("href=\"/visits\" aria-current=\"page\"")
        .shows("New Visit");
    app.get(&format!("/accounts/{account}"))
        .await
        .shows("related-visit-account_id")
        .shows("Spring");
    assert!(app.store.registry().object("visit").is_some());
}
