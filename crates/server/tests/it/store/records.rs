//! What is particular to PostgreSQL: the rest is the conformance suite.

use fieldstone_model::{Change, Query, Value, Values};
use fieldstone_store::{Store, StoreError};

use super::workspace::Database;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[tokio::test]
async fn records_of_one_workspace_are_nobody_elses() {
    let database = Database::new().await;
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
    let database = Database::new().await;
    let (tenant, store) = database.workspace("north").await;
    let owner = fieldstone_server::database::connect(&database.database.owner())
        .await
        .unwrap();
    owner
        .execute(
            "UPDATE app.workspace SET schema_version = schema_version + 1 WHERE tenant_id = $1",
            &[&tenant.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(store.count(&Query::new("account")).await.unwrap(), 0);
}
