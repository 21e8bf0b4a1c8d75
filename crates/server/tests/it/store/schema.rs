//! The migrated database is what the registry says: columns, types, keys, indexes, policies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fieldstone_model::{Field, FieldType, Object, ObjectClass, Registry};
use fieldstone_server::database::connect;
use fieldstone_testkit::TestDatabase;
use tokio_postgres::Client;

/// Columns of every record table that the registry doesn't name.
const BESIDE: [&str; 4] = ["tenant_id", "changed_xid", "row_tag", "custom"];
/// Columns of users that identity keeps to itself.
const BESIDE_USER: [&str; 7] = [
    "changed_xid",
    "row_tag",
    "member_version",
    "locale",
    "time_zone",
    "kind",
    "visibility",
];

fn column_type(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Time => "time without time zone",
        FieldType::DateTime => "timestamp with time zone",
        kind if kind.scale().is_some() => "bigint",
        _ => "text",
    }
}

/// Name, type and whether it must have a value.
fn expected_columns(object: &Object) -> BTreeMap<String, (String, bool)> {
    let mut columns = BTreeMap::new();
    for field in &object.fields {
        let always = ["id", "version", "created_at", "updated_at"].contains(&field.name.as_ref())
            || (["created_by_id", "updated_by_id"].contains(&field.name.as_ref())
                && object.class != ObjectClass::Directory)
            || field.required
            || (object.name == "deal" && ["pipeline_id", "status"].contains(&field.name.as_ref()));
        columns.insert(
            field.name.to_string(),
            (column_type(&field.kind).to_owned(), always),
        );
        // Nobody searches users by the digits of anything: identity keeps their keys.
        if field.kind.is_folded() {
            columns.insert(format!("{}_key", field.name), ("text".to_owned(), always));
        }
    }
    columns
}

async fn found_columns(client: &Client, table: &str) -> BTreeMap<String, (String, bool)> {
    let sql = "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns WHERE table_schema = 'app' AND table_name = $1";
    let rows = client.query(sql, &[&table]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect()
}

/// Definitions of a table's indexes.
async fn indexes(client: &Client, table: &str) -> Vec<String> {
    let rows = client
        .query(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'app' AND tablename = $1",
            &[&table],
        )
        .await
        .unwrap();
    // PostgreSQL quotes names that are words of its own.
    rows.iter()
        .map(|row| row.get::<_, &str>(0).replace('"', ""))
        .collect()
}

/// The tables that a table's foreign keys lead to, by the last column of the key.
async fn references(client: &Client, table: &str) -> HashMap<String, String> {
    let sql = "SELECT a.attname, t.relname FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid \
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[array_length(c.conkey, 1)] \
        WHERE c.contype = 'f' AND c.conrelid = ('app.' || quote_ident($1))::regclass";
    let rows = client.query(sql, &[&table]).await.unwrap();
    rows.iter()
        .map(|row| {
            (
                row.get::<_, &str>(0).to_owned(),
                row.get::<_, &str>(1).to_owned(),
            )
        })
        .collect()
}

fn key_column(field: &Field) -> String {
    if field.kind.is_folded() {
        format!("{}_key", field.name)
    } else {
        field.name.to_string()
    }
}

#[tokio::test]
async fn tables_are_what_the_registry_says() {
    let database = TestDatabase::new().await;
    let client = connect(&database.admin()).await.unwrap();
    for object in Registry::standard().objects() {
        let mut found = found_columns(&client, &object.name).await;
        let beside: BTreeSet<&str> = if object.class == ObjectClass::Directory {
            BESIDE_USER
                .into_iter()
                .chain(["tenant_id", "custom"])
                .collect()
        } else {
            BESIDE.into_iter().collect()
        };
        for column in beside {
            assert!(
                found.remove(column).is_some(),
                "{}.{column} is missing",
                object.name
            );
        }
        assert_eq!(found, expected_columns(object), "{}", object.name);
    }
}

#[tokio::test]
async fn indexed_fields_have_indexes_and_relations_foreign_keys() {
    let database = TestDatabase::new().await;
    let client = connect(&database.admin()).await.unwrap();
    for object in Registry::standard()
        .objects()
        .filter(|object| object.class != ObjectClass::Directory)
    {
        let indexes = indexes(&client, &object.name).await;
        let references = references(&client, &object.name).await;
        for field in object.fields.iter().filter(|field| field.id >= 8) {
            let key = key_column(field);
            if field.unique {
                let unique = |index: &String| {
                    index.starts_with("CREATE UNIQUE")
                        && index.contains(&format!("(tenant_id, {key}) WHERE ("))
                };
                assert!(
                    indexes.iter().any(unique),
                    "{}.{} has no unique index",
                    object.name,
                    field.name
                );
            } else if field.indexed && field.name != "pipeline_id" {
                let plain = |index: &String| {
                    index.contains(&format!(
                        "(tenant_id, {key}, id) WHERE (deleted_at IS NULL)"
                    ))
                };
                assert!(
                    indexes.iter().any(plain),
                    "{}.{} has no index",
                    object.name,
                    field.name
                );
            }
            if let FieldType::Relation { to } = &field.kind
                && !(object.name == "deal" && field.name == "pipeline_id")
            {
                assert_eq!(
                    references.get(field.name.as_ref()).map(String::as_str),
                    Some(to.as_ref()),
                    "{}.{}",
                    object.name,
                    field.name
                );
            }
        }
    }
}

#[tokio::test]
async fn record_tables_are_of_their_objects_class() {
    let database = TestDatabase::new().await;
    let client = connect(&database.admin()).await.unwrap();
    for object in Registry::standard().objects() {
        let row = client
            .query_one(
                "SELECT class FROM app.table_class WHERE table_name = $1::text::name",
                &[&object.name.as_ref()],
            )
            .await
            .unwrap();
        let class = if object.class == ObjectClass::Record {
            "record"
        } else {
            "managed"
        };
        assert_eq!(row.get::<_, &str>(0), class, "{}", object.name);
    }
}
