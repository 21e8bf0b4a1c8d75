//! What is particular to PostgreSQL: the rest is the conformance suite.

use std::time::Duration;

use fieldstone_model::{Change, Query, Value, Values};
use fieldstone_server::database::{connect, pool::Step};
use fieldstone_server::schema::{self, NewObject, SchemaError};
use fieldstone_store::{Store, StoreError};
use fieldstone_testkit::TestStores;
use tokio::time::{sleep, timeout};

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[tokio::test]
async fn records_of_one_workspace_are_nobody_elses() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let (_, other) = database.workspace("south").await;
    let id = store.new_id("account").unwrap();
    let values = Values::new()
        .with("name", text("Acme Ltd"))
        .with("city", text("Zürich"));
    store
        .apply(&[Change::Create {
            object: "account".into(),
            id,
            values,
        }])
        .await
        .unwrap();

    let record = store.get("account", id, &[]).await.unwrap();
    assert_eq!(record.get("name"), &text("Acme Ltd"));
    let page = store
        .list(
            &Query::new("account")
                .columns(["name", "owner.name"])
                .order("name", false),
        )
        .await
        .unwrap();
    assert_eq!(page.records[0].get("owner.name"), &text("Test Person"));

    assert!(matches!(
        other.get("account", id, &[]).await,
        Err(StoreError::NotFound(_))
    ));
    assert_eq!(other.count(&Query::new("account")).await.unwrap(), 0);
    let update = Change::Update {
        object: "account".into(),
        id,
        expected: None,
        values: Values::new().with("name", text("Mine")),
    };
    assert!(other.apply(&[update]).await.is_err());
    // The same id may exist in another workspace: ids are no capability and no secret.
    let values = Values::new().with("name", text("Namesake"));
    other
        .apply(&[Change::Create {
            object: "account".into(),
            id,
            values,
        }])
        .await
        .unwrap();
    assert_eq!(
        store.get("account", id, &[]).await.unwrap().get("name"),
        &text("Acme Ltd")
    );
}

#[tokio::test]
async fn a_changed_schema_is_noticed_in_the_same_request() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("north").await;
    let owner = connect(&database.database.owner()).await.unwrap();
    owner
        .execute(
            "UPDATE app.workspace SET schema_version = schema_version + 1 WHERE tenant_id = $1",
            &[&tenant.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(store.count(&Query::new("account")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_has_changed_something_is_never_run_again() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("north").await;
    let change = Change::Create {
        object: "account".into(),
        id: store.new_id("account").unwrap(),
        values: Values::new().with("name", text("Acme Ltd")),
    };
    let take_rights = async |store: &fieldstone_server::store::PgStore| {
        let owner = connect(&database.database.owner()).await.unwrap();
        owner
            .execute(
                "UPDATE app.\"user\" SET member_version = member_version + 1 WHERE tenant_id = $1",
                &[&tenant.as_str()],
            )
            .await
            .unwrap();
        assert!(matches!(
            store.count(&Query::new("account")).await,
            Err(StoreError::SessionEnded)
        ));
    };
    let mut actor = store.actor().clone();
    let reader = store.clone();
    take_rights(&reader).await;
    assert!(reader.access_changed() && !reader.has_written());

    actor.member_version += 1;
    let writer = database.stores.open(actor).await.unwrap();
    writer.apply(&[change]).await.unwrap();
    take_rights(&writer).await;
    assert!(writer.access_changed() && writer.has_written());
}

#[tokio::test]
async fn a_request_that_is_given_up_stops_its_statement() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let admin = connect(&database.database.admin()).await.unwrap();
    let endless = Step {
        sql: "SELECT count(*) FROM generate_series(1, 100000000000) given_up",
        params: &[],
    };
    let running = async || -> i64 {
        admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'fieldstone_app' \
                 AND state <> 'idle' AND query LIKE '%given_up%'",
                &[],
            )
            .await
            .unwrap()
            .get(0)
    };
    let pool = database.stores.pool();
    let steps = [endless];
    let flight = pool.flight(store.actor(), None, &steps);
    let begun = async {
        while running().await == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = flight => panic!("the statement ended"),
        () = begun => {}
    }
    let ended = async {
        while running().await > 0 || pool.status().size > pool.status().available {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), ended).await.unwrap();
}

#[tokio::test]
async fn a_removed_objects_name_is_not_given_again() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let lift = NewObject {
        name: "lift".into(),
        plural: "lifts".into(),
        label: "Lift".into(),
        plural_label: "Lifts".into(),
    };
    schema::create_object(&store, &lift).await.unwrap();
    schema::remove_object(&store, "lift").await.unwrap();
    let again = schema::create_object(&store, &lift).await;
    let Err(SchemaError::Invalid(errors)) = again else {
        panic!("{again:?}");
    };
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "plural"]);
}
