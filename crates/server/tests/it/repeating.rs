//! Tasks that come again, and what people are reminded of, on the real database.

use fieldstone_model::{Change, Query, RecordId, Role, Value, Values};
use fieldstone_server::database::connect;
use fieldstone_server::store::PgStore;
use fieldstone_store::Store as _;
use fieldstone_testkit::TestStores;
use jiff::{ToSpan as _, civil::DateTime};
use tokio_postgres::Client;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

async fn create(store: &PgStore, object: &str, values: Values) -> RecordId {
    let id = store.new_id(object).unwrap();
    let change = Change::Create {
        object: object.to_owned(),
        id,
        values,
    };
    store.apply(&[change]).await.unwrap();
    id
}

fn status(id: RecordId, status: &str) -> Change {
    Change::Update {
        object: "task".to_owned(),
        id,
        expected: None,
        values: Values::new().with("status", text(status)),
    }
}

async fn tasks(store: &PgStore) -> Vec<fieldstone_model::Record> {
    let query = Query::new("task").order("created_at", false);
    store.list(&query).await.unwrap().records
}

#[tokio::test]
async fn a_task_that_is_done_is_followed_by_one_and_no_more() {
    let database = TestStores::new().await;
    let (tenant, ann) = database.workspace("north").await;
    let bob = database.user(tenant, Role::Member).await;
    // Far ahead, so that nothing of it was missed.
    let today = jiff::civil::date(2090, 1, 5);
    let account = create(&ann, "account", Values::new().with("name", text("Acme"))).await;
    let first = Values::new()
        .with("subject", text("Invoice"))
        .with("about_id", Value::Id(account))
        .with("owner_id", Value::Id(bob.user().id))
        .with("due_date", Value::Date(today))
        .with("reminder", text("days_1"))
        .with("repeat", text("weekly"))
        .with("repeat_every", Value::Int(2));
    let task = create(&ann, "task", first).await;
    // Two people at once, and again after it was reopened.
    let (done, again) = ([status(task, "done")], [status(task, "done")]);
    let (one, two) = tokio::join!(ann.apply(&done), bob.apply(&again));
    one.unwrap();
    two.unwrap();
    ann.apply(&[status(task, "open"), status(task, "done")])
        .await
        .unwrap();
    let found = tasks(&ann).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let next = found.iter().find(|found| found.id != task).unwrap();
    for (field, value) in [
        ("status", text("open")),
        (
            "due_date",
            Value::Date(today.checked_add(2.weeks()).unwrap()),
        ),
        ("about_id", Value::Id(account)),
        ("owner_id", Value::Id(bob.user().id)),
        ("reminder", text("days_1")),
        ("repeat_from", Value::Date(today)),
        ("repeated_at", Value::Null),
        ("done_at", Value::Null),
    ] {
        assert_eq!(*next.get(field), value, "{field}");
    }
    // It is found by its words, and its own end makes the third.
    let mut words = Query::new("task");
    words.search = Some("invo".to_owned());
    assert_eq!(ann.list(&words).await.unwrap().records.len(), 2);
    bob.apply(&[status(next.id, "done")]).await.unwrap();
    assert_eq!(tasks(&ann).await.len(), 3);

    // The last of its days has passed: nothing follows.
    let last = Values::new()
        .with("subject", text("Once more"))
        .with("due_date", Value::Date(today))
        .with("repeat", text("daily"))
        .with("repeat_until", Value::Date(today));
    let last = create(&ann, "task", last).await;
    ann.apply(&[status(last, "done")]).await.unwrap();
    assert_eq!(tasks(&ann).await.len(), 4);
}

#[tokio::test]
async fn a_repetition_without_a_day_or_with_odd_numbers_is_refused() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    let task = || Values::new().with("subject", text("Odd"));
    let due = || task().with("due_date", Value::Date(jiff::civil::date(2026, 3, 1)));
    for values in [
        task().with("repeat", text("weekly")),
        task().with("reminder", text("days_1")),
        task().with("due_time", Value::Time(jiff::civil::time(9, 0, 0, 0))),
        due().with("repeat", text("hourly")),
        due()
            .with("repeat", text("daily"))
            .with("repeat_every", Value::Int(0)),
        due()
            .with("repeat", text("daily"))
            .with("repeat_every", Value::Int(1000)),
        due().with("repeat_until", Value::Date(jiff::civil::date(2026, 2, 1))),
        due().with("repeat_from", Value::Date(jiff::civil::date(2026, 2, 1))),
        due().with("reminder", text("a while")),
    ] {
        let change = Change::Create {
            object: "task".to_owned(),
            id: ann.new_id("task").unwrap(),
            values: values.clone(),
        };
        assert!(ann.apply(&[change]).await.is_err(), "{values:?}");
    }
}

/// The time of day where somebody is, as the database sees it.
async fn local(owner: &Client, zone: &str) -> DateTime {
    let sql = "SELECT date_trunc('minute', now() AT TIME ZONE $1)::timestamp";
    owner.query_one(sql, &[&zone]).await.unwrap().get(0)
}

#[tokio::test]
async fn people_are_reminded_once_at_the_time_where_they_are() {
    let zone = "Pacific/Auckland";
    let database = TestStores::new().await;
    let owner = connect(&database.database.owner()).await.unwrap();
    let worker = connect(&database.database.worker()).await.unwrap();
    let (_, ann) = database.workspace("north").await;
    owner
        .execute("UPDATE app.\"user\" SET time_zone = $1", &[&zone])
        .await
        .unwrap();
    let now = local(&owner, zone).await;
    let task = |subject: &str, at: DateTime, reminder: &str| {
        Values::new()
            .with("subject", text(subject))
            .with("due_date", Value::Date(at.date()))
            .with("due_time", Value::Time(at.time()))
            .with("reminder", text(reminder))
    };
    let soon = now.checked_add(5.minutes()).unwrap();
    let later = now.checked_add(40.minutes()).unwrap();
    let due = create(&ann, "task", task("Soon", soon, "minutes_10")).await;
    create(&ann, "task", task("Later", later, "minutes_10")).await;
    create(
        &ann,
        "task",
        task("Done", soon, "minutes_10").with("status", text("done")),
    )
    .await;
    let tomorrow = soon.checked_add(1.day()).unwrap();
    let day_before = create(
        &ann,
        "task",
        task(
            "Tomorrow",
            tomorrow.checked_sub(10.minutes()).unwrap(),
            "days_1",
        ),
    )
    .await;
    let zoned = soon
        .to_zoned(jiff::tz::TimeZone::get(zone).unwrap())
        .unwrap();
    let meeting = Values::new()
        .with("subject", text("Demo"))
        .with("starts_at", Value::DateTime(zoned.timestamp()))
        .with("reminder", text("minutes_30"));
    let event = create(&ann, "event", meeting).await;

    let remind = async || {
        for _ in 0..2 {
            worker
                .execute("SELECT app.tell_reminders()", &[])
                .await
                .unwrap();
        }
        let sql = "SELECT record_id FROM app.notification WHERE kind = 'reminder' AND times = 1 ORDER BY record_id";
        let rows = owner.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let mut wanted = vec![due.to_string(), day_before.to_string(), event.to_string()];
    wanted.sort();
    assert_eq!(remind().await, wanted);
    // Read is told, too.
    owner
        .execute("UPDATE app.notification SET read_at = now()", &[])
        .await
        .unwrap();
    assert_eq!(remind().await, wanted);
    // Another time is another reminder.
    let moved = Change::Update {
        object: "task".to_owned(),
        id: due,
        expected: None,
        values: Values::new().with(
            "due_time",
            Value::Time(soon.checked_add(1.minute()).unwrap().time()),
        ),
    };
    let is_same_day = soon.checked_add(1.minute()).unwrap().date() == soon.date();
    ann.apply(&[moved]).await.unwrap();
    assert_eq!(remind().await.len(), if is_same_day { 4 } else { 3 });
}
