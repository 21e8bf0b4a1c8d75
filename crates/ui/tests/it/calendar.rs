//! The calendar: what stands where, where it goes when it is moved, and when it comes again.

use axum::http::StatusCode;
use fieldstone_model::{RecordId, Role, Value, Values};
use fieldstone_store::Store as _;
use jiff::civil::{Date, date};

use crate::app::{App, text};

fn due(day: Date) -> Values {
    Values::new()
        .with("subject", text("Call back"))
        .with("due_date", Value::Date(day))
}

async fn values(app: &App, object: &str, id: RecordId, name: &str) -> Value {
    let record = app.store.get(object, id, &[]).await.unwrap();
    record.get(name).clone()
}

/// What the page's script sends for an entry, with another day and time.
async fn moved(app: &App, page: &str, id: RecordId, day: &str, time: &str) -> crate::app::Answer {
    let shown = app.get(page).await;
    let entry = shown
        .body
        .split("<li ")
        .find(|entry| entry.contains(&format!("data-entry=\"{id}\"")));
    let entry = entry.expect("the entry is on the page");
    let of = |name: &str| {
        let after = entry.split(&format!("{name}=\"")).nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let (version, was) = (of("data-version"), of("data-was"));
    let id = id.to_string();
    let fields = [
        ("record", id.as_str()),
        ("version", &version),
        ("was", &was),
        ("day", day),
        ("time", time),
        ("reach", "week"),
        ("date", "2026-03-10"),
    ];
    app.post("/calendar", &fields).await
}

#[tokio::test]
async fn what_is_moved_stands_elsewhere_and_can_be_taken_back() {
    let app = App::new();
    let task = app.make("task", due(date(2026, 3, 10))).await;
    let page = "/calendar?reach=week&date=2026-03-10&whose=all";
    let answer = moved(&app, page, task, "2026-03-12", "14:00").await;
    let back = answer.location().to_owned();
    assert!(back.contains("notice=rescheduled"), "{back}");
    assert_eq!(
        values(&app, "task", task, "due_date").await,
        Value::Date(date(2026, 3, 12))
    );
    assert_eq!(
        values(&app, "task", task, "due_time").await,
        Value::Time(jiff::civil::time(14, 0, 0, 0))
    );
    let shown = app.get(&back).await;
    shown
        .shows("data-at=\"14:00\"")
        .shows(&format!("/tasks/{task}/reversal"))
        .shows("autofocus");
    let undone = app
        .post(&format!("/tasks/{task}/reversal"), &[("version", "2")])
        .await;
    undone.location();
    assert_eq!(
        values(&app, "task", task, "due_date").await,
        Value::Date(date(2026, 3, 10))
    );
    assert_eq!(values(&app, "task", task, "due_time").await, Value::Null);
    // Out of the week that is shown: the page follows.
    let answer = moved(&app, page, task, "2026-03-20", "").await;
    assert!(
        answer.location().contains("date=2026-03-20"),
        "{}",
        answer.location()
    );

    // A meeting stays as long as it is.
    let at = |text: &str| Value::DateTime(text.parse().unwrap());
    let meeting = Values::new()
        .with("subject", text("Demo"))
        .with("starts_at", at("2026-03-10T09:30:00Z"))
        .with("ends_at", at("2026-03-10T11:00:00Z"));
    let event = app.make("event", meeting).await;
    moved(&app, page, event, "2026-03-11", "15:30")
        .await
        .location();
    let zone = app.get(page).await;
    zone.shows("data-at=\"15:30\"");
    let (Value::DateTime(from), Value::DateTime(until)) = (
        values(&app, "event", event, "starts_at").await,
        values(&app, "event", event, "ends_at").await,
    ) else {
        panic!("no times");
    };
    assert_eq!(until.duration_since(from).as_mins(), 90);
}

#[tokio::test]
async fn what_others_moved_meanwhile_is_shown_and_bad_input_refused() {
    let app = App::new();
    let task = app.make("task", due(date(2026, 3, 10))).await;
    let id = task.to_string();
    let mut fields = vec![
        ("record", id.as_str()),
        ("version", "1"),
        ("was", "2026-03-10 "),
        ("day", "2026-03-12"),
        ("time", ""),
    ];
    let other = Values::new().with("due_date", Value::Date(date(2026, 3, 11)));
    app.change(&app.colleague, "task", task, other).await;
    let answer = app.post("/calendar", &fields).await;
    answer.shows("name=\"due_date\" value=\"2026-03-12\"");
    assert_eq!(
        values(&app, "task", task, "due_date").await,
        Value::Date(date(2026, 3, 11))
    );
    for (at, bad) in [
        (0, "006000000000001"),
        (1, "x"),
        (2, ""),
        (3, "tomorrow"),
        (4, "25:00"),
    ] {
        let good = std::mem::replace(&mut fields[at].1, bad);
        let answer = app.post("/calendar", &fields).await;
        assert!(answer.status.is_client_error(), "{bad}: {}", answer.status);
        fields[at].1 = good;
    }
    let viewer = App::new().with_role(Role::Viewer);
    let answer = viewer.post("/calendar", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_repeats_is_shown_ahead_and_made_once() {
    let app = App::new();
    let weekly = due(date(2026, 3, 3))
        .with("repeat", text("weekly"))
        .with("repeat_until", Value::Date(date(2026, 3, 20)));
    let task = app.make("task", weekly).await;
    let month = app.get("/calendar?date=2026-03-10&whose=all").await;
    assert_eq!(
        month.body.matches("class=\"planned\"").count(),
        2,
        "{}",
        month.body
    );
    assert_eq!(month.body.matches("data-entry=").count(), 1);

    let tasks = async || {
        let query = fieldstone_model::Query::new("task")
            .columns(["due_date", "status", "repeat_from"])
            .order("due_date", false);
        app.store.list(&query).await.unwrap().records
    };
    let set = async |status: &str| {
        let values = Values::new().with("status", text(status));
        app.change(&app.store, "task", task, values).await;
    };
    for status in ["done", "open", "done"] {
        set(status).await;
    }
    let found = tasks().await;
    assert_eq!(found.len(), 2, "there is never a second successor");
    assert_eq!(*found[1].get("status"), text("open"));
    assert_eq!(*found[1].get("repeat_from"), Value::Date(date(2026, 3, 3)));
    // What was missed isn't made up for: it is due today, not a week ago.
    assert_eq!(*found[1].get("due_date"), Value::Date(date(2026, 3, 10)));
}

#[tokio::test]
async fn a_busy_day_of_a_month_says_how_much_more_there_is() {
    let app = App::new();
    let month = "/calendar?reach=month&date=2026-03-10&whose=all";
    let shown = async || app.get(month).await.body;
    for _ in 0..6 {
        app.make("task", due(date(2026, 3, 10))).await;
    }
    let page = shown().await;
    assert_eq!(page.matches("data-entry=").count(), 6, "{page}");
    assert!(!page.contains(" more<"), "{page}");
    for _ in 0..2 {
        app.make("task", due(date(2026, 3, 10))).await;
    }
    let page = shown().await;
    assert_eq!(page.matches("data-entry=").count(), 5, "{page}");
    assert!(page.contains("3 more<"), "{page}");
    let day = app
        .get("/calendar?reach=day&date=2026-03-10&whose=all")
        .await;
    assert_eq!(day.body.matches("data-entry=").count(), 8, "{}", day.body);
}
