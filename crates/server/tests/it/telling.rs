//! Whom the database tells of what, and that it tells nobody else.

use fieldstone_model::{Change, RecordId, Role, Value, Values};
use fieldstone_server::database::connect;
use fieldstone_server::store::PgStore;
use fieldstone_store::Store as _;
use fieldstone_testkit::TestStores;
use tokio_postgres::Client;

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

async fn set(store: &PgStore, object: &str, id: RecordId, field: &str, value: Value) {
    let change = Change::Update {
        object: object.to_owned(),
        id,
        expected: None,
        values: Values::new().with(field, value),
    };
    store.apply(&[change]).await.unwrap();
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Everything anybody is told: person, kind, record, how often.
async fn told(owner: &Client) -> Vec<(String, String, String, i32)> {
    let sql = "SELECT user_id, kind, record_id, times FROM app.notification ORDER BY made_at, kind, user_id, record_id";
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

async fn rename(owner: &Client, store: &PgStore, name: &str) {
    let key = fieldstone_model::fold::fold(name);
    let sql = "UPDATE app.\"user\" SET name = $3, name_key = $4 WHERE tenant_id = $1 AND id = $2";
    let actor = store.actor();
    let (tenant, user) = (actor.tenant.to_string(), actor.user.to_string());
    owner
        .execute(sql, &[&tenant, &user, &name, &key])
        .await
        .unwrap();
}

#[tokio::test]
async fn people_are_told_what_concerns_them_and_nobody_else_is() {
    let database = TestStores::new().await;
    let owner = connect(&database.database.owner()).await.unwrap();
    let (tenant, ann) = database.workspace("north").await;
    let bob = database.user(tenant, Role::Member).await;
    let (_, stranger) = database.workspace("south").await;
    rename(&owner, &ann, "Ann").await;
    rename(&owner, &bob, "Ann Müller (North)").await;
    rename(&owner, &stranger, "Stranger").await;
    let person = |store: &PgStore| store.user().id.to_string();

    // What somebody makes for themselves concerns nobody.
    let own = create(&ann, "account", Values::new().with("name", text("Own"))).await;
    assert_eq!(told(&owner).await, []);

    // Given to somebody.
    set(&ann, "account", own, "owner_id", Value::Id(bob.user().id)).await;
    let given = (person(&bob), "assigned".to_owned(), own.to_string(), 1);
    assert_eq!(told(&owner).await, std::slice::from_ref(&given));

    // Named in a note: the longer of two names is meant, and a name of another workspace is nobody's.
    let note = Values::new()
        .with("title", text("Met"))
        .with("about_id", Value::Id(own))
        .with(
            "body",
            text("See @ann müller (north), not @Annabel and not @Stranger."),
        );
    let note = create(&ann, "note", note).await;
    let named = (person(&bob), "mention".to_owned(), own.to_string(), 1);
    assert_eq!(told(&owner).await, [given.clone(), named.clone()]);
    // The same name again is no news; another one is.
    let more = "Again @Ann Müller (North) and @Ann";
    set(&bob, "note", note, "body", text(more)).await;
    let other = (person(&ann), "mention".to_owned(), note.to_string(), 1);
    assert_eq!(told(&owner).await, [given, named, other]);

    // Many at once are told as one, and quiet work not at all.
    owner
        .execute("DELETE FROM app.notification", &[])
        .await
        .unwrap();
    let many = |store: &PgStore| -> Vec<Change> {
        (0..8)
            .map(|_| Change::Create {
                object: "account".to_owned(),
                id: store.new_id("account").unwrap(),
                values: Values::new()
                    .with("name", text("Many"))
                    .with("owner_id", Value::Id(bob.user().id)),
            })
            .collect()
    };
    ann.apply(&many(&ann)).await.unwrap();
    ann.clone().quietly().apply(&many(&ann)).await.unwrap();
    let all = (person(&bob), "assigned".to_owned(), String::new(), 8);
    assert_eq!(told(&owner).await, [all]);

    // Followed: told of what others change, once until it is read.
    owner
        .execute("DELETE FROM app.notification", &[])
        .await
        .unwrap();
    let follow =
        "INSERT INTO app.follow (tenant_id, user_id, record_id, since) VALUES ($1, $2, $3, now())";
    owner
        .execute(follow, &[&tenant.as_str(), &person(&ann), &own.as_str()])
        .await
        .unwrap();
    set(&ann, "account", own, "city", text("Bonn")).await;
    assert_eq!(told(&owner).await, []);
    for city in ["Berlin", "Paris"] {
        set(&bob, "account", own, "city", text(city)).await;
    }
    let followed = (person(&ann), "follow".to_owned(), own.to_string(), 2);
    assert_eq!(told(&owner).await, [followed]);

    // What somebody doesn't want to be told, they aren't.
    owner
        .batch_execute("DELETE FROM app.notification")
        .await
        .unwrap();
    let mute = "INSERT INTO app.notification_setting (tenant_id, user_id, muted) VALUES ($1, $2, '{follow}')";
    owner
        .execute(mute, &[&tenant.as_str(), &person(&ann)])
        .await
        .unwrap();
    set(&bob, "account", own, "city", text("Rome")).await;
    assert_eq!(told(&owner).await, []);
}

#[tokio::test]
async fn hints_are_of_the_workspaces_asked_for_and_miss_nothing() {
    let database = TestStores::new().await;
    let auth = connect(&database.database.auth()).await.unwrap();
    let (north, ann) = database.workspace("north").await;
    let (_, stranger) = database.workspace("south").await;
    let look = async |since: Option<&str>| {
        let tenants = [north.to_string()];
        let sql = "SELECT snapshot, tenant_id, record_ids FROM app.changes_seen($1, $2)";
        let rows = auth
            .query(sql, &[&tenants.as_slice(), &since])
            .await
            .unwrap();
        let ids: Vec<String> = rows
            .iter()
            .filter_map(|row| row.get::<_, Option<Vec<String>>>(2))
            .flatten()
            .collect();
        (rows[0].get::<_, String>(0), ids)
    };
    create(&ann, "account", Values::new().with("name", text("Before"))).await;
    let (first, ids) = look(None).await;
    assert_eq!(ids, Vec::<String>::new());
    create(
        &stranger,
        "account",
        Values::new().with("name", text("Elsewhere")),
    )
    .await;
    let made = create(&ann, "account", Values::new().with("name", text("After"))).await;
    let (second, ids) = look(Some(&first)).await;
    assert_eq!(ids, [made.to_string()]);
    assert_eq!(look(Some(&second)).await.1, Vec::<String>::new());
    // Whoever asks again from before is told again.
    assert_eq!(look(Some(&first)).await.1, [made.to_string()]);
}

#[tokio::test]
async fn tasks_that_are_due_and_what_is_unread_are_told_once_a_day() {
    let database = TestStores::new().await;
    let owner = connect(&database.database.owner()).await.unwrap();
    let worker = connect(&database.database.worker()).await.unwrap();
    let (tenant, ann) = database.workspace("north").await;
    // Somewhere it is past seven in the morning of a day: the person is there.
    let (zone, today): (String, jiff::civil::Date) = {
        let sql = "SELECT name, (now() AT TIME ZONE name)::date FROM unnest(ARRAY['UTC', 'Asia/Tokyo', 'America/New_York', 'Pacific/Auckland', 'Pacific/Honolulu']) AS z (name) \
            WHERE extract(hour FROM now() AT TIME ZONE name) BETWEEN 7 AND 22 LIMIT 1";
        let row = owner.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let move_there = "UPDATE app.\"user\" SET time_zone = $2 WHERE tenant_id = $1";
    owner
        .execute(move_there, &[&tenant.as_str(), &zone])
        .await
        .unwrap();
    let task = |subject: &str, due: jiff::civil::Date| {
        Values::new()
            .with("subject", text(subject))
            .with("due_date", Value::Date(due))
    };
    let due = create(&ann, "task", task("Today", today)).await;
    create(&ann, "task", task("Tomorrow", today.tomorrow().unwrap())).await;
    create(
        &ann,
        "task",
        task("Done", today).with("status", text("done")),
    )
    .await;
    for _ in 0..2 {
        worker.execute("SELECT app.tell_due()", &[]).await.unwrap();
    }
    let user = ann.user().id.to_string();
    assert_eq!(
        told(&owner).await,
        [(user, "due".to_owned(), due.to_string(), 1)]
    );

    let queue = async || -> i64 {
        let row = worker.query_one("SELECT app.queue_digests()", &[]).await;
        row.unwrap().get(0)
    };
    assert_eq!((queue().await, queue().await), (1, 0));
    let letters = "SELECT content::text FROM app.letter WHERE content ->> 'kind' = 'digest'";
    let rows = owner.query(letters, &[]).await.unwrap();
    let letter: fieldstone_server::mail::Letter =
        serde_json::from_str(rows[0].get(0)).expect("a letter");
    assert!(format!("{letter:?}").contains("\"due\": 1"), "{letter:?}");

    // Old ones go.
    owner
        .batch_execute(
            "UPDATE app.notification SET made_at = now() - interval '91 days'; UPDATE app.change_hint SET at = now() - interval '1 hour'",
        )
        .await
        .unwrap();
    worker
        .execute("SELECT app.tidy_notifications()", &[])
        .await
        .unwrap();
    let left =
        "SELECT (SELECT count(*) FROM app.notification) + (SELECT count(*) FROM app.change_hint)";
    assert_eq!(
        owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}
