//! The end of a workspace: asked for, taken back, and carried out for good.

use std::fs;
use std::sync::Arc;

use fieldstone_server::database::connect;
use fieldstone_server::identity::workspace_end::Ending;
use fieldstone_vault::{FileKeys, MemoryKeys, Place, Purpose, Vault, VaultError};
use http::StatusCode;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::gate;
use crate::telemetry;

const SEED: Purpose = Purpose::new("a test");

#[tokio::test]
async fn an_owner_asks_for_it_and_takes_it_back_on_the_page() {
    let house = gate::House::new().await;
    let owner = house.cookie().await;
    let page = house.page("/settings/ending", &owner).await;
    assert!(page.contains("30 days to change your mind"), "{page}");
    assert!(
        page.contains("Whoever runs this installation knows when"),
        "{page}"
    );

    let slip = house
        .post("/settings/ending", &owner, "workspace=Nort")
        .await;
    assert_eq!(slip.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = gate::text_of(slip).await;
    assert!(
        page.contains("value=\"Nort\"") && page.contains("aria-invalid"),
        "{page}"
    );
    let asked = house
        .post("/settings/ending", &owner, "workspace=North")
        .await;
    assert_eq!(asked.status(), StatusCode::SEE_OTHER);
    let page = house.page("/settings/ending", &owner).await;
    assert!(
        page.contains("This workspace ends on") && page.contains("Ann asked for it"),
        "{page}"
    );
    // Everything goes on, and nothing is due before its time.
    assert_eq!(house.get("/deals", &owner).await, StatusCode::OK);
    let ending = Ending {
        owner: house.database.owner(),
        vault: house.platform.accounts.vault.clone(),
        objects: None,
    };
    let now = house.clock.set();
    assert_eq!(
        ending
            .carry_out(now + SignedDuration::from_hours(24 * 29))
            .await
            .unwrap(),
        0
    );

    let kept = house.post("/settings/ending/withdrawal", &owner, "").await;
    assert_eq!(kept.status(), StatusCode::SEE_OTHER);
    assert!(
        !house
            .page("/settings/ending", &owner)
            .await
            .contains("This workspace ends on")
    );
    assert_eq!(
        ending
            .carry_out(now + SignedDuration::from_hours(24 * 400))
            .await
            .unwrap(),
        0
    );

    // Nobody below an owner gets there, whatever they send.
    let admin = house.join("admin@north.example", "admin").await;
    let refused = house
        .post("/settings/ending", &admin, "workspace=North")
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_has_ended_is_gone_and_others_are_not() {
    let house = gate::House::new().await;
    let (client, now) = (
        connect(&house.database.owner()).await.unwrap(),
        house.clock.set(),
    );
    let keys = Arc::new(MemoryKeys::default());
    let vault = Vault::new(keys);
    let tenant: String = client
        .query_one("SELECT tenant_id FROM app.workspace", &[])
        .await
        .unwrap()
        .get(0);
    let place = Place {
        tenant: &tenant,
        object: "o",
        record: "r",
        field: "f",
        version: 1,
    };
    let sealed = vault.seal(SEED, &place, b"secret").unwrap();
    let cookie = house.cookie().await;
    let made = house.post("/deals", &cookie, "name=Big").await;
    assert!(
        made.status().is_success()
            || made.status().is_redirection()
            || made.status().is_client_error()
    );
    house
        .post("/settings/ending", &cookie, "workspace=North")
        .await;

    let ending = Ending {
        owner: house.database.owner(),
        vault: vault.clone(),
        objects: None,
    };
    let later = now + SignedDuration::from_hours(24 * 31);
    assert_eq!(ending.carry_out(later).await.unwrap(), 1);
    assert_eq!(ending.carry_out(later).await.unwrap(), 0, "it is done");
    assert!(matches!(
        vault.open(SEED, &place, &sealed),
        Err(VaultError::NoKey)
    ));
    let tables = client
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
             WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'workspace_end'",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 40);
    for table in tables {
        let table: String = table.get(0);
        let sql = format!("SELECT count(*) FROM app.\"{table}\" WHERE tenant_id = $1");
        let left: i64 = client.query_one(&sql, &[&tenant]).await.unwrap().get(0);
        assert_eq!(left, 0, "{table}");
    }
    assert_eq!(
        house.restarted().get("/deals", &cookie).await,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn an_operator_ends_a_workspace_with_its_files_and_names_the_last_backup() {
    let house = telemetry::House::start();
    house.set_up().await;
    let credentials = json!({"email": "planted@owner.example", "password": telemetry::PASSWORD});
    let sign_in = || house.call(Method::POST, "/api/v1/session", &credentials);
    assert_eq!(sign_in().await.0, StatusCode::CREATED);
    house.file().await;
    let tenants = house.server.data().join("secrets/vault/tenants");
    let wrapped = |folder: &std::path::Path| {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.extension().is_some_and(|end| end == "key"))
            .collect::<Vec<_>>()
    };
    let copy = wrapped(&tenants)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect::<Vec<_>>();

    let said = house.operate(&["workspace", "delete", "planted-slug", "--days", "9"]);
    assert!(
        said.contains("workspace keep planted-slug") && said.contains("leave the"),
        "{said}"
    );
    assert!(
        house
            .operate(&["workspace", "keep", "planted-slug"])
            .contains("stays")
    );
    assert_eq!(sign_in().await.0, StatusCode::CREATED);
    let said = house.operate(&["workspace", "delete", "planted-slug", "--days", "0"]);
    assert!(said.contains("has ended"), "{said}");
    assert_eq!(sign_in().await.0, StatusCode::UNAUTHORIZED);
    assert!(
        !house
            .operate(&["workspace", "list"])
            .contains("planted-slug")
    );
    let objects = house.server.data().join("objects");
    for (key, _) in &copy {
        let tenant = key.file_stem().unwrap().to_str().unwrap();
        let files = objects.join(tenant);
        let left = fs::read_dir(&files).map_or(0, |entries| {
            entries
                .filter(|entry| entry.as_ref().unwrap().path().is_file())
                .count()
        });
        assert_eq!(left, 0);
    }
    // Not even a copy of the wrapped key brings it back.
    for (path, bytes) in &copy {
        fs::write(path, bytes).unwrap();
    }
    let vault = Vault::new(Arc::new(
        FileKeys::shared(tenants.parent().unwrap()).unwrap(),
    ));
    let destroyed = copy.iter().filter(|(path, _)| {
        matches!(
            vault.state(path.file_stem().unwrap().to_str().unwrap()),
            Err(VaultError::NoKey)
        )
    });
    assert_eq!(destroyed.count(), 1);
}
