//! Secrets from a secrets manager: logging in, keeping the login, keys of workspaces, and a whole installation without a secret on its disk.

mod bao;
mod installation;
mod openbao;

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use fieldstone_server::database::connect;
use fieldstone_server::keys::SealedInDatabase;
use fieldstone_server::secrets::{Manager, Place, Secret, SecretError, SecretSettings};
use fieldstone_vault::{KeySource as _, ManagedKeys, Place as Sealing, Purpose, Vault, VaultError};
use serde_json::json;

use self::bao::{Bao, JWT};

const TENANT: &str = "00D000000000001";
/// Where something is sealed.
const THING: Sealing<'_> = Sealing {
    tenant: TENANT,
    object: "thing",
    record: "1",
    field: "value",
    version: 1,
};

fn settings(text: &str) -> SecretSettings {
    toml::from_str(text).unwrap()
}

/// Asks as a server does that was just started; the thread of the test goes on answering.
async fn open(text: &str) -> Result<Manager, SecretError> {
    let settings = settings(text);
    tokio::task::spawn_blocking(move || Manager::open(&settings))
        .await
        .unwrap()
}

/// Waits for something to become so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn secret(manager: &Manager, place: &str) -> Secret {
    let place = Place::try_from(place.to_owned()).unwrap();
    Secret::at(place, Some(manager)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_read_and_written_field_by_field() {
    let bao = Bao::start().await;
    bao.put("database", &json!({ "app_url": "one", "auth_url": "two" }));
    let manager = open(&bao.settings()).await.unwrap();
    let app = secret(&manager, "secret:database#app_url");
    assert_eq!(app.read().unwrap().as_str(), "one");
    assert!(app.replace(Some("one"), "three").unwrap());
    assert_eq!(app.read().unwrap().as_str(), "three");
    let auth = secret(&manager, "secret:database#auth_url");
    assert_eq!(auth.read().unwrap().as_str(), "two", "the others stay");
    let missing = secret(&manager, "secret:database#owner_url");
    let said = missing.read().unwrap_err().to_string();
    assert_eq!(said, "There is no secret at secret:database#owner_url.");
    let made = secret(&manager, "secret:context#keys");
    assert!(made.find().unwrap().is_none());
    assert!(made.replace(None, "made").unwrap());
    assert_eq!(made.read().unwrap().as_str(), "made");
    // Whoever comes second finds what the first has put there.
    assert!(!made.replace(None, "late").unwrap());
    assert!(!app.replace(Some("one"), "late").unwrap());
    assert_eq!(made.read().unwrap().as_str(), "made");
    assert_eq!(app.read().unwrap().as_str(), "three");
    for path in &bao.held().paths {
        assert!(!path.contains("planted"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_log_in() {
    let bao = Bao::start().await;
    let frame = bao.settings();
    let frame = frame.split("login =").next().unwrap();
    let account = bao.file("account", JWT);
    let kubernetes = format!(
        "{frame}login = {{ kubernetes = {{ role = \"fieldstone\", token_file = {account:?} }} }}"
    );
    open(&kubernetes).await.unwrap();

    bao.token("hvs.by-hand", Some(Duration::from_hours(2)));
    let file = bao.file("token", "hvs.by-hand\n");
    let by_hand = format!("{frame}login = {{ token_file = {file:?} }}");
    let manager = open(&by_hand).await.unwrap();
    let standing = manager.standing().unwrap();
    assert!(!standing.lasts, "it ends, and nothing renews it");
    assert!(standing.ends_in.unwrap() <= Duration::from_hours(2));

    // In its last second it says 0, which is for ever for nobody but root.
    bao.token("hvs.by-hand", Some(Duration::from_millis(900)));
    let said = open(&by_hand).await.unwrap_err().to_string();
    assert!(said.contains("refuses the login"), "{said}");
    bao.token("hvs.by-hand", None);
    let standing = open(&by_hand).await.unwrap().standing().unwrap();
    assert!(standing.lasts && standing.ends_in.is_none());

    // Refused, in one sentence and without what was sent.
    bao.file("token", "hvs.planted-elsewhere");
    bao.file("secret-id", "planted-and-wrong");
    let approle = bao.settings();
    bao.file("secret-id", "planted-and-wrong");
    for text in [&by_hand, &approle] {
        let said = open(text).await.unwrap_err().to_string();
        assert!(said.contains("refuses the login"), "{said}");
        assert!(!said.contains("planted"), "{said}");
    }
    // Readable by others.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open(&by_hand).await, Err(SecretError::Exposed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_renewed_and_made_anew() {
    let bao = Bao::start().await;
    bao.put("database", &json!({ "app_url": "one" }));
    bao.held().lease = Duration::from_secs(1);
    let manager = open(&bao.settings()).await.unwrap();
    let app = secret(&manager, "secret:database#app_url");
    until("it is renewed", || bao.held().renewals >= 2).await;
    app.read().unwrap();
    assert_eq!(bao.held().logins, 1);

    // One that can't be renewed is replaced.
    bao.held().renewable = false;
    bao.revoke();
    app.read().unwrap();
    assert_eq!(bao.held().logins, 2);
    until("another login", || bao.held().logins >= 4).await;
    app.read().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_spoken_to_who_is_not_the_manager() {
    let bao = Bao::start().await;
    let other = Bao::start().await;
    let stranger = bao.settings().replace(
        bao.folder.path().to_str().unwrap(),
        other.folder.path().to_str().unwrap(),
    );
    other.settings();
    let said = open(&stranger).await.unwrap_err();
    assert!(matches!(said, SecretError::Unreachable(_)), "{said}");
    assert!(bao.held().paths.is_empty(), "nothing was sent");

    let old = Bao::start_with(&[&rustls::version::TLS12]).await;
    let said = open(&old.settings()).await.unwrap_err();
    assert!(matches!(said, SecretError::Unreachable(_)), "{said}");
    assert!(old.held().paths.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_down_what_runs_goes_on_and_nothing_starts() {
    const PURPOSE: Purpose = Purpose::new("a test");
    let mut bao = Bao::start().await;
    let manager = open(&bao.settings()).await.unwrap();
    let keys = ManagedKeys::new(std::sync::Arc::new(manager.clone()));
    let vault = Vault::new(std::sync::Arc::new(keys.clone()));
    let sealed = vault.seal(PURPOSE, &THING, b"a value").unwrap();
    let [first] = bao
        .versions(&format!("workspaces/{TENANT}"))
        .try_into()
        .unwrap();
    assert!(first.is_some());

    bao.held().sealed = true;
    assert!(matches!(
        open(&bao.settings()).await,
        Err(SecretError::Sealed)
    ));
    assert!(matches!(
        keys.tenant_keys(TENANT),
        Err(VaultError::Source { .. })
    ));
    let asked = bao.held().paths.len();
    for _ in 0..10 {
        assert!(vault.check().is_err());
    }
    assert!(
        bao.held().paths.len() <= asked + 1,
        "it is not asked again at once"
    );
    assert_eq!(
        vault.open(PURPOSE, &THING, &sealed).unwrap().as_slice(),
        b"a value"
    );
    bao.held().sealed = false;
    until("it is asked again", || vault.check().is_ok()).await;

    bao.stop().await;
    assert!(matches!(
        open(&bao.settings()).await,
        Err(SecretError::Unreachable(_))
    ));
    until("it is missed", || keys.tenant_keys(TENANT).is_err()).await;
    assert_eq!(
        vault.open(PURPOSE, &THING, &sealed).unwrap().as_slice(),
        b"a value"
    );
    bao.serve().await;
    until("it is found again", || keys.tenant_keys(TENANT).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_changed_or_destroyed_leave_nothing_behind() {
    let bao = Bao::start().await;
    let manager = open(&bao.settings()).await.unwrap();
    let keys = ManagedKeys::new(std::sync::Arc::new(manager));
    let vault = Vault::new(std::sync::Arc::new(keys.clone()));
    keys.make_tenant_keys(TENANT, &|| Ok(())).unwrap();
    vault.rotate_tenant_key(TENANT, &[]).unwrap();
    vault.settle(TENANT).unwrap();
    let versions = bao.versions(&format!("workspaces/{TENANT}"));
    assert!(matches!(versions.as_slice(), [None, None, Some(_)]));
    assert_eq!(keys.tenants().unwrap(), [TENANT]);
    vault.destroy(TENANT).unwrap();
    assert!(bao.versions(&format!("workspaces/{TENANT}")).is_empty());
    assert!(matches!(
        keys.make_tenant_keys(TENANT, &|| Ok(())),
        Err(VaultError::NoKey)
    ));
    assert!(keys.tenants().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_manager_is_waited_for_once_however_many_questions_there_are() {
    let bao = Bao::start().await;
    let manager = open(&bao.settings()).await.unwrap();
    let keys = ManagedKeys::new(std::sync::Arc::new(manager));
    // Each answer comes in time, the first two together don't.
    bao.held().delay = Duration::from_secs(7);
    let begun = Instant::now();
    let refused = keys.make_tenant_keys(TENANT, &|| Ok(())).unwrap_err();
    assert!(matches!(refused, VaultError::Source { .. }), "{refused}");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    // Whoever comes next hears it at once.
    assert!(keys.tenant_keys(TENANT).is_err());
    assert!(begun.elapsed() < waited + Duration::from_secs(2));
    bao.held().delay = Duration::ZERO;
    until("it is asked again", || {
        keys.make_tenant_keys(TENANT, &|| Ok(())).is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_has_forgotten_keys_gets_no_others_while_something_is_sealed() {
    const PURPOSE: Purpose = Purpose::new("a test");
    let database = fieldstone_testkit::TestStores::new().await;
    let (tenant, _) = database.workspace("north").await;
    let bao = Bao::start().await;
    let vault = || async {
        let manager = open(&bao.settings()).await.unwrap();
        let witness = SealedInDatabase::new(database.database.auth());
        Vault::new(std::sync::Arc::new(ManagedKeys::new(std::sync::Arc::new(
            manager,
        ))))
        .beside(std::sync::Arc::new(witness))
    };
    let path = format!("workspaces/{tenant}");
    let place = Sealing {
        tenant: tenant.as_str(),
        object: "webhook",
        record: "0WH000000000001",
        field: "secret",
        version: 1,
    };
    // Nothing is sealed yet, so they are made; forgotten then, they are made once more, since nothing is lost.
    for _ in 0..2 {
        vault().await.seal(PURPOSE, &place, b"a value").unwrap();
        assert_eq!(bao.versions(&path).len(), 1);
        bao.forget(&path);
    }
    let sealed = vault().await.seal(PURPOSE, &place, b"a value").unwrap();
    let owner = connect(&database.database.owner()).await.unwrap();
    let sql = "INSERT INTO app.webhook (tenant_id, id, name, url, sealed, by_id, made_at) \
        VALUES ($1, '0WH000000000001', 'Depot', 'https://hooks.example/', $2, '005000000000001', now())";
    owner
        .execute(sql, &[&tenant.as_str(), &sealed])
        .await
        .unwrap();
    let kept = bao.versions(&path);
    bao.forget(&path);
    let emptied = vault().await;
    for _ in 0..2 {
        let refused = emptied.seal(PURPOSE, &place, b"more").unwrap_err();
        assert!(matches!(refused, VaultError::KeysLost), "{refused}");
    }
    assert!(bao.versions(&path).is_empty(), "none were made");
    bao.put(&path, &json!(kept[0].clone().unwrap()));
    assert_eq!(
        emptied.open(PURPOSE, &place, &sealed).unwrap().as_slice(),
        b"a value"
    );
    emptied.seal(PURPOSE, &place, b"more").unwrap();
}
