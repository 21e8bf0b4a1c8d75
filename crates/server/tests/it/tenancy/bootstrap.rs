//! Preparing a database: again, after changes, with less, and when it is too new.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::{
    DatabaseError, RolePasswords, connect, lint::lint, migrate, prepare, serving,
};
use tokio_postgres::Config;

use super::workspaces::{PASSWORD, Workspaces, passwords};

/// A cluster that nothing has been prepared in.
async fn bare() -> (Cluster, Config, tempfile::TempDir) {
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-bare-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let cluster = Cluster::start_with(
        &DataDir::open(&folder.path().join("data")).unwrap(),
        &ClusterOptions::DISPOSABLE,
    )
    .await
    .unwrap();
    let admin = cluster.admin_config();
    (cluster, admin, folder)
}

fn as_role(admin: &Config, database: &str, role: &str, password: &str) -> Config {
    let mut config = admin.clone();
    config.dbname(database).user(role).password(password);
    config
}

#[tokio::test]
async fn a_second_start_changes_nothing_and_repairs_what_was_changed() {
    let (_cluster, admin, _folder) = bare().await;
    let first = prepare(&admin, &passwords()).await.unwrap();
    assert!(first.secured && first.migrated.len() >= 3, "{first:?}");
    let second = prepare(&admin, &passwords()).await.unwrap();
    assert!(
        !second.secured && second.migrated.is_empty() && second.schema == first.schema,
        "{second:?}"
    );

    // New passwords replace the old ones.
    let fresh = || "another-passphrase-entirely".into();
    let replaced = RolePasswords {
        owner: fresh(),
        app: fresh(),
        auth: fresh(),
        worker: fresh(),
    };
    assert!(prepare(&admin, &replaced).await.unwrap().secured);
    assert!(
        connect(&as_role(&admin, "fieldstone", "fieldstone_app", PASSWORD))
            .await
            .is_err()
    );
    let app = connect(&as_role(
        &admin,
        "fieldstone",
        "fieldstone_app",
        "another-passphrase-entirely",
    ))
    .await
    .unwrap();
    let settings = app
        .query_one("SELECT current_setting('search_path'), current_setting('statement_timeout'), current_setting('jit')", &[])
        .await
        .unwrap();
    assert_eq!(
        (
            settings.get::<_, &str>(0),
            settings.get::<_, &str>(1),
            settings.get::<_, &str>(2)
        ),
        ("\"\"", "30s", "off")
    );
    assert!(
        connect(&as_role(
            &admin,
            "postgres",
            "fieldstone_app",
            "another-passphrase-entirely"
        ))
        .await
        .is_err(),
        "serving roles enter no other database"
    );

    // A second database in the same cluster is prepared like the first.
    let mut other = admin.clone();
    other.dbname("elsewhere");
    assert_eq!(
        prepare(&other, &replaced).await.unwrap().migrated,
        first.migrated
    );
    assert_eq!(lint(&connect(&other).await.unwrap()).await.unwrap(), []);
}

/// No privilege stops a role from changing its own settings: what matters is that nobody else's connection heeds them.
#[tokio::test]
async fn settings_that_a_role_gives_itself_reach_nobody_and_are_taken_back() {
    let (_cluster, admin, _folder) = bare().await;
    prepare(&admin, &passwords()).await.unwrap();
    let app = as_role(&admin, "fieldstone", "fieldstone_app", PASSWORD);
    let client = connect(&serving(app.clone())).await.unwrap();
    client
        .batch_execute(
            "ALTER ROLE fieldstone_app SET search_path = public; ALTER ROLE fieldstone_app SET statement_timeout = 0;
             ALTER ROLE fieldstone_app IN DATABASE fieldstone SET row_security = off",
        )
        .await
        .unwrap();
    let settings = "SELECT concat_ws(' ', '(' || replace(current_setting('search_path'), '\"', '') || ')', current_setting('statement_timeout'),
        current_setting('row_security'))";
    let seen = async |config: &Config| -> String {
        let client = connect(config).await.unwrap();
        // Also after the connection was returned to what it started with.
        client.execute("CALL app.leave()", &[]).await.unwrap();
        client.query_one(settings, &[]).await.unwrap().get(0)
    };
    assert_eq!(
        seen(&app).await,
        "(public) 0 off",
        "a connection that asks for nothing is misled"
    );
    assert_eq!(seen(&serving(app.clone())).await, "() 30s on");
    assert!(
        prepare(&admin, &passwords()).await.unwrap().secured,
        "the change was noticed"
    );
    assert_eq!(seen(&app).await, "() 30s on");
    assert!(!prepare(&admin, &passwords()).await.unwrap().secured);
}

#[tokio::test]
async fn the_owner_alone_can_migrate_once_the_roles_exist() {
    let (_cluster, admin, _folder) = bare().await;
    prepare(&admin, &passwords()).await.unwrap();
    let owner = as_role(&admin, "fieldstone", "fieldstone_owner", PASSWORD);
    assert_eq!(migrate(&owner).await.unwrap(), Vec::<String>::new());

    let (_bare_cluster, bare_admin, _bare_folder) = bare().await;
    let Err(DatabaseError::RoleMissing(role)) = migrate(&bare_admin).await else {
        panic!("a cluster without roles was migrated");
    };
    assert_eq!(role, "fieldstone_owner");
}

#[tokio::test]
async fn a_newer_database_and_another_build_are_refused_unharmed() {
    let (_cluster, admin, _folder) = bare().await;
    let known = prepare(&admin, &passwords()).await.unwrap().schema;
    let owner = as_role(&admin, "fieldstone", "fieldstone_owner", PASSWORD);
    let client = connect(&owner).await.unwrap();
    client
        .batch_execute("INSERT INTO app.schema_history SELECT 999, 'from_the_future', applied_on, checksum FROM app.schema_history WHERE version = 1")
        .await
        .unwrap();
    for result in [
        prepare(&admin, &passwords()).await.map(drop),
        migrate(&owner).await.map(drop),
    ] {
        let Err(error @ DatabaseError::Newer { found: 999, .. }) = result else {
            panic!("{result:?}")
        };
        assert!(
            error
                .to_string()
                .contains(&format!("this program knows {known}"))
        );
    }
    client.batch_execute("DELETE FROM app.schema_history WHERE version = 999; UPDATE app.schema_history SET checksum = '1' WHERE version = 2").await.unwrap();
    assert!(matches!(
        prepare(&admin, &passwords()).await,
        Err(DatabaseError::Diverged(2))
    ));
}

#[tokio::test]
async fn a_backfill_by_the_owner_reaches_every_tenant() {
    let workspaces = Workspaces::new().await;
    let owner = workspaces.connect("fieldstone_owner").await;
    owner
        .batch_execute(
            "INSERT INTO app.field_setting VALUES ('00D00000000000a', 'deal', 'amount', 'admin', 'admin'), ('00D00000000000b', 'deal', 'amount', 'admin', 'admin')",
        )
        .await
        .unwrap();
    let changed = owner
        .execute("UPDATE app.field_setting SET read_role = 'member'", &[])
        .await
        .unwrap();
    assert_eq!(changed, 2, "one row in each of two workspaces");
    // Without its policy the owner is bound by FORCE like anybody, and is not even told.
    owner
        .batch_execute("DROP POLICY migrate ON app.field_setting")
        .await
        .unwrap();
    assert_eq!(
        owner
            .execute("UPDATE app.field_setting SET read_role = 'viewer'", &[])
            .await
            .unwrap(),
        0
    );
}
