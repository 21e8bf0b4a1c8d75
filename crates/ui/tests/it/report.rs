//! Reports: what they count is put together part by part, and the address says the whole of it.

use axum::http::StatusCode;
use fieldstone_model::{Value, Values};

use crate::app::{App, text};

async fn app() -> App {
    let app = App::new();
    for (name, amount) in [("Roof", 50_000), ("Windows", 5_000)] {
        let values = Values::new().with("name", text(name));
        app.make("deal", values.with("amount", Value::Int(amount)))
            .await;
    }
    app
}

#[tokio::test]
async fn a_filter_is_put_together_and_taken_apart() {
    let app = app().await;
    let address = "/reports?object=deal&by=stage_id";
    let page = app.get(address).await.body;
    assert!(page.contains("All records count."), "{page}");
    assert!(page.contains("<td class=\"end\">2</td>"), "{page}");

    // Choosing a field brings its tests, and nothing is counted otherwise yet.
    let chosen = app.get(&format!("{address}&if-field=amount")).await.body;
    assert!(chosen.contains("name=\"if-value\""), "{chosen}");
    let own = app.get(&format!("{address}&if-field=owner_id")).await.body;
    assert!(own.contains("value=\"me\""), "{own}");

    let part = "if-field=amount&if-test=greater&if-value=100";
    let added = app.get(&format!("{address}&{part}&if-do=add")).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER);
    let filtered = added.header("location").to_owned();
    assert_eq!(
        filtered,
        format!("{address}&filter=amount+%3E+%22100.00%22")
    );
    let page = app.get(&filtered).await.body;
    assert!(page.contains("<td class=\"end\">1</td>"), "{page}");
    // What is picked belongs to it when the report is asked for.
    let shown = app.get(&format!("{address}&{part}&show=1")).await;
    assert_eq!(shown.header("location"), filtered);
    let removed = app.get(&format!("{filtered}&if-do=remove-0")).await;
    assert_eq!(removed.header("location"), address);
}

#[tokio::test]
async fn what_cannot_be_added_or_read_is_told() {
    let app = app().await;
    let unfinished = app.get("/reports?if-field=amount&if-do=add").await;
    assert_eq!(unfinished.status, StatusCode::OK);
    assert!(
        unfinished
            .body
            .contains("Choose what has to hold for this field")
    );
    let broken = app.get("/reports?filter=nothing+%3D+1").await;
    assert_eq!(broken.status, StatusCode::OK);
    assert!(
        broken.body.contains("id=\"filter-error\""),
        "{}",
        broken.body
    );
    assert!(!broken.body.contains("<tfoot>"), "{}", broken.body);
}
