//! Databases of other formats: older ones are brought along with everything in them, newer ones are left alone.

use std::sync::Arc;

use fieldstone_model::{Change, RecordId, Role, SystemClock, Value, Values};
use fieldstone_store::{Store as _, User};

use super::{
    DatabaseError, Local,
    connection::{self, Authenticated, Use},
    schema::FORMAT,
};
use crate::keys::LoginKey;

#[tokio::test]
async fn an_older_database_comes_along_and_a_newer_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("db"), LoginKey::generate().unwrap());
    // Its pages were authenticated in another way.
    drop(connection::open_as(&path, &key, Use::Write, Authenticated::Sha512).unwrap());
    let open = || Local::open(&path, &key, Arc::new(SystemClock), true);
    let user = User {
        id: "0050000000000Aa".parse::<RecordId>().unwrap(),
        role: Role::Member,
    };
    let local = open().await.unwrap();
    let store = local.store(user);
    let id = store.new_id("account").unwrap();
    let create = Change::Create {
        object: "account".to_owned(),
        id,
        values: Values::new().with("name", Value::Text("Wind park".to_owned())),
    };
    store.apply(&[create]).await.unwrap();
    let pending = local.pending().await.unwrap();
    drop((store, local));

    // The first format: entries of the sealed journal had no numbers here, and a field of accounts wasn't known.
    let old = "ALTER TABLE mutation DROP COLUMN sealed; ALTER TABLE account DROP COLUMN website; PRAGMA user_version = 1";
    let set = |statements: &str| {
        let connection = connection::open(&path, &key, Use::Write).unwrap();
        connection.execute_batch(statements).unwrap();
    };
    set(old);
    let local = open().await.unwrap();
    assert_eq!(local.pending().await.unwrap(), pending);
    let record = local.store(user).get("account", id, &[]).await.unwrap();
    assert_eq!(record.get("name").as_text(), Some("Wind park"));
    // What is new in this format can be used at once.
    let edit = Change::Update {
        object: "account".to_owned(),
        id,
        expected: None,
        values: Values::new().with("website", Value::Text("https://wind.example".to_owned())),
    };
    local.store(user).apply(&[edit]).await.unwrap();
    let format = local
        .database()
        .read(|connection| {
            let version =
                connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
            connection.prepare("SELECT sealed FROM mutation")?;
            Ok(version)
        })
        .await
        .unwrap();
    assert_eq!(format, FORMAT);
    drop(local);

    set("PRAGMA user_version = 99");
    let before = std::fs::read(&path).unwrap();
    let refused = open().await.err();
    assert!(
        matches!(refused, Some(DatabaseError::Newer { found: 99, .. })),
        "{refused:?}"
    );
    assert!(
        std::fs::read(&path).unwrap() == before,
        "the file was changed"
    );
}

#[test]
fn a_new_database_is_authenticated_the_new_way() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("db"), LoginKey::generate().unwrap());
    drop(connection::open(&path, &key, Use::Write).unwrap());
    drop(connection::open_as(&path, &key, Use::Read, Authenticated::Sha256).unwrap());
    let older = connection::open_as(&path, &key, Use::Read, Authenticated::Sha512);
    assert!(matches!(older, Err(DatabaseError::Unreadable)), "{older:?}");
}
