//! A device's life against a platform behind TLS: logging in, working, syncing, logging out, and everything that can go wrong meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_client::{
    device::{Device, DeviceError, LoginWish, Unsent},
    drive::Ending,
    engine::Failure,
    journal,
    keystore::Keystore,
    store::DatabaseError,
    transport::{Credentials, TransportError},
};
use fieldstone_model::{
    Change, Clock, Field, Query, RecordId, SystemClock, Value, Values, clock::FixedClock,
};
use fieldstone_protocol::hello::Shape;
use fieldstone_store::Store as _;
use serde_json::json;

use crate::platform::{Fault, Platform, row, sealing_key};

const CANARY: &str = "Kanarienvogel";
const ACCOUNT: &str = "0010000000000Aa";

struct Bench {
    folder: tempfile::TempDir,
    keystore: Keystore,
    platform: Platform,
    clock: Arc<dyn Clock>,
}

impl Bench {
    async fn new() -> Self {
        let platform = Platform::start(&[&rustls::version::TLS13]).await;
        platform.put(row(
            "account",
            ACCOUNT,
            2,
            &serde_json::json!({"name": format!("{CANARY} GmbH"), "city": "Halle", "owner_id": crate::platform::USER}),
        ));
        Self {
            folder: tempfile::tempdir().unwrap(),
            keystore: Keystore::of(keyring_core::mock::Store::new().unwrap()),
            platform,
            clock: Arc::new(SystemClock),
        }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn keystores(
        &self,
    ) -> impl Fn(bool) -> Result<Keystore, fieldstone_client::keystore::KeystoreError> + use<> {
        let keystore = self.keystore.clone();
        move |_| Ok(keystore.clone())
    }

    async fn try_log_in(&self, ca: Option<String>) -> Result<Device, DeviceError> {
        let wish = LoginWish {
            url: &self.platform.url,
            ca,
            ephemeral: false,
            credentials: Credentials {
                email: "ada@example.com",
                password: "correct horse",
                workspace: None,
                totp: None,
            },
        };
        Device::log_in(&self.home(), &self.keystores(), self.clock.clone(), wish).await
    }

    async fn log_in(&self) -> Device {
        self.try_log_in(Some(self.platform.ca.clone()))
            .await
            .unwrap()
    }

    async fn open(&self) -> Result<Device, DeviceError> {
        Device::open(&self.home(), &self.keystores(), self.clock.clone()).await
    }

    fn assert_no_canary(&self) {
        for file in files(self.folder.path()) {
            let bytes = fs::read(&file).unwrap();
            for needle in [
                CANARY,
                "kanarienvogel",
                "KANARIENVOGEL",
                "correct horse",
                "__Host-session",
            ] {
                let found = bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes());
                assert!(!found, "“{needle}” is in {}", file.display());
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

async fn names(device: &Device) -> Vec<String> {
    let query = Query::new("account").columns(["name"]).order("name", false);
    let page = device.store().list(&query).await.unwrap();
    page.records
        .iter()
        .map(|record| record.get("name").as_text().unwrap().to_owned())
        .collect()
}

async fn edit(device: &Device, city: &str) {
    let update = Change::Update {
        object: "account".to_owned(),
        id: ACCOUNT.parse().unwrap(),
        expected: None,
        values: Values::new().with("city", Value::Text(city.to_owned())),
    };
    device.store().apply(&[update]).await.unwrap();
}

async fn city(device: &Device) -> String {
    let id: RecordId = ACCOUNT.parse().unwrap();
    let record = device.store().get("account", id, &[]).await.unwrap();
    record.get("city").as_text().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn from_login_to_logout_nothing_can_be_read_on_disk() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    assert_eq!(names(&device).await, [format!("{CANARY} GmbH")]);
    edit(&device, "Kanarienvogelhausen").await;
    assert_eq!(device.local().pending().await.unwrap().len(), 1);
    bench.assert_no_canary();
    // Closed and opened again, everything is as it was.
    device.close().unwrap();
    bench.assert_no_canary();
    let mut device = bench.open().await.unwrap();
    assert_eq!(city(&device).await, "Kanarienvogelhausen");
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    assert_eq!(device.local().pending().await.unwrap(), []);
    assert_eq!(city(&device).await, "Kanarienvogelhausen");
    {
        let world = bench.platform.world.lock().unwrap();
        let pushed: Vec<&str> = world.pushed[0].fields.keys().map(String::as_str).collect();
        assert_eq!(pushed, ["city"]);
        assert_eq!(world.pushed[0].fields["city"].base, "Halle");
    }
    device.log_out(Unsent::Ask).await.unwrap();
    bench.assert_no_canary();
    let left: Vec<String> = files(&bench.home())
        .iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(
        left.iter()
            .all(|name| name == "lease" || name.starts_with("installation")),
        "{left:?}"
    );
    assert!(matches!(bench.open().await, Err(DeviceError::LoggedOut)));
}

#[tokio::test]
async fn each_login_has_a_key_of_its_own_that_goes_with_it() {
    let bench = Bench::new().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let device = bench.log_in().await;
        let name = device.home().key_name(device.login());
        keys.push(*bench.keystore.find(&name).unwrap().unwrap().bytes());
        device.log_out(Unsent::Ask).await.unwrap();
        assert!(bench.keystore.find(&name).unwrap().is_none());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn unsent_changes_are_never_given_up_unasked_and_stay_sealed() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Kanarienvogelhausen").await;
    let refused = device.log_out(Unsent::Ask).await;
    assert!(matches!(refused, Err(DeviceError::Unsent(1))));
    let device = bench.open().await.unwrap();
    let journals = device.home().journals().unwrap();
    device.log_out(Unsent::KeepSealed).await.unwrap();
    bench.assert_no_canary();
    // What is left opens with the workspace's key, and shows the change.
    let entries = journal::read(&journal::all(&journals)[0]).unwrap().entries;
    assert_eq!(entries.len(), 1);
    let mutation = opened(&bench, &entries[0]);
    assert_eq!(mutation.fields["city"].wanted, "Kanarienvogelhausen");
    assert!(matches!(bench.open().await, Err(DeviceError::LoggedOut)));
}

#[tokio::test]
async fn discarded_changes_leave_no_journal() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Kanarienvogelhausen").await;
    let journals = device.home().journals().unwrap();
    assert_eq!(journal::all(&journals).len(), 1);
    device.log_out(Unsent::Discard).await.unwrap();
    assert!(journal::all(&journals).is_empty());
}

#[tokio::test]
async fn whatever_the_platform_answers_nothing_is_lost() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Leuna").await;
    let faults = [
        (Fault::Html, Ending::Interrupted(Failure::Garbled)),
        (Fault::Truncated, Ending::Interrupted(Failure::Garbled)),
        (Fault::CutOff, Ending::Interrupted(Failure::Unreachable)),
        (Fault::Redirect, Ending::Interrupted(Failure::Redirected)),
        (
            Fault::Broken,
            Ending::Interrupted(Failure::Busy { retry_after: None }),
        ),
        (Fault::Between(404), Ending::Interrupted(Failure::Garbled)),
        (Fault::Between(413), Ending::Interrupted(Failure::Garbled)),
        (Fault::Between(403), Ending::Interrupted(Failure::Garbled)),
        (Fault::SignedOut, Ending::SignedOut { revoked: false }),
    ];
    for (fault, expected) in faults {
        bench.platform.fail(fault);
        assert_eq!(device.sync(|_| {}).await.unwrap(), expected, "{fault:?}");
        assert_eq!(city(&device).await, "Leuna");
        assert_eq!(
            device.local().pending().await.unwrap().len(),
            1,
            "{fault:?}"
        );
        assert_eq!(names(&device).await.len(), 1);
    }
    bench.platform.fail(Fault::None);
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    assert_eq!(device.local().pending().await.unwrap(), []);
    assert_eq!(city(&device).await, "Leuna");
    let requests = bench.platform.world.lock().unwrap().requests.clone();
    assert!(
        requests
            .iter()
            .all(|request| !request.contains("elsewhere"))
    );
}

#[tokio::test]
async fn an_untrusted_platform_learns_nothing() {
    let bench = Bench::new().await;
    let refused = bench.try_log_in(None).await;
    let error = refused.err().unwrap();
    assert!(
        matches!(error, DeviceError::Transport(TransportError::Untrusted(_))),
        "{error:?}"
    );
    assert!(bench.platform.world.lock().unwrap().requests.is_empty());
    assert!(matches!(bench.open().await, Err(DeviceError::LoggedOut)));
}

#[tokio::test]
async fn older_versions_of_tls_are_refused() {
    let bench = Bench {
        platform: Platform::start(&[&rustls::version::TLS12]).await,
        ..Bench::new().await
    };
    let refused = bench.try_log_in(Some(bench.platform.ca.clone())).await;
    assert!(matches!(refused, Err(DeviceError::Transport(_))));
    assert!(bench.platform.world.lock().unwrap().requests.is_empty());
}

#[tokio::test]
async fn a_lost_key_is_told_and_erases_nothing() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    let name = device.home().key_name(device.login());
    let database = device.local().database().path().to_owned();
    device.close().unwrap();
    let key = bench.keystore.find(&name).unwrap().unwrap();
    bench.keystore.forget(&name).unwrap();
    let error = bench.open().await.err().unwrap();
    assert!(matches!(error, DeviceError::KeyLost) && error.is_locked());
    assert!(database.exists());
    // The keystore is back: so is everything.
    bench.keystore.keep(&name, &key).unwrap();
    assert_eq!(names(&bench.open().await.unwrap()).await.len(), 1);
}

#[tokio::test]
async fn a_damaged_database_is_told_and_erases_nothing() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    let database = device.local().database().path().to_owned();
    // As a process ends that is killed: its database was left open.
    drop(device);
    let bytes = fs::read(&database).unwrap();
    // In the first page, in the last one, and cut off.
    for at in [100, bytes.len() - 3_000, bytes.len()] {
        let mut damaged = bytes.clone();
        match damaged.get_mut(at) {
            Some(byte) => *byte ^= 0xFF,
            None => damaged.truncate(bytes.len() / 2),
        }
        fs::write(&database, &damaged).unwrap();
        let error = bench.open().await.err().unwrap();
        assert!(
            matches!(
                error,
                DeviceError::Database(DatabaseError::Unreadable | DatabaseError::Damaged)
            ),
            "{error:?}"
        );
        assert!(
            fs::read(&database).unwrap() == damaged,
            "the file was changed ({at})"
        );
    }
    fs::write(&database, &bytes).unwrap();
    assert_eq!(names(&bench.open().await.unwrap()).await.len(), 1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let error = Device::open(
        Path::new("/proc/fieldstone-device"),
        &|_| unreachable!(),
        Arc::new(SystemClock),
    )
    .await
    .err()
    .unwrap();
    assert!(
        error
            .to_string()
            .contains("/proc/fieldstone-device can't be made"),
        "{error}"
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_harms_nothing() {
    let day = jiff::SignedDuration::from_hours(24);
    let now = SystemClock.now();
    for wrong in [jiff::Timestamp::UNIX_EPOCH, now - day, now + day] {
        works_under(wrong).await;
    }
}

async fn works_under(clock: jiff::Timestamp) {
    let mut bench = Bench::new().await;
    bench.clock = Arc::new(FixedClock(clock));
    let mut device = bench.log_in().await;
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    let store = device.store();
    let id = store.new_id("account").unwrap();
    let create = Change::Create {
        object: "account".to_owned(),
        id,
        values: Values::new().with("name", Value::Text("Anno 1970".to_owned())),
    };
    store.apply(&[create]).await.unwrap();
    edit(&device, "Leuna").await;
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    assert_eq!(device.local().pending().await.unwrap(), []);
    assert_eq!(names(&device).await.len(), 2);
}

/// A custom field of accounts, as a platform describes it.
fn custom_field(id: u16, name: &'static str) -> Field {
    Field {
        custom: true,
        label: Some(name.to_owned()),
        ..Field::text(id, name, 80)
    }
}

/// What the platform's workspace has for a schema from now on: its version, and the custom fields of accounts.
fn describe(bench: &Bench, version: i64, fields: Vec<Field>) {
    let mut world = bench.platform.world.lock().unwrap();
    world.schema.version = version;
    world.schema.objects = vec![Shape {
        name: "account".to_owned(),
        plural: "accounts".to_owned(),
        prefix: "001".to_owned(),
        label: None,
        plural_label: None,
        custom: false,
        fields,
        places: Vec::new(),
        withheld: Vec::new(),
        read_only: Vec::new(),
    }];
}

async fn text_of(device: &Device, field: &str) -> Option<String> {
    let id: RecordId = ACCOUNT.parse().unwrap();
    let record = device.store().get("account", id, &[]).await.unwrap();
    record.get(field).as_text().map(ToOwned::to_owned)
}

#[tokio::test]
async fn a_device_two_schemas_behind_catches_up_with_its_edits() {
    let bench = Bench::new().await;
    describe(&bench, 1, vec![custom_field(1_000, "hull")]);
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Leuna").await;
    let with_hull = Change::Update {
        object: "account".to_owned(),
        id: ACCOUNT.parse().unwrap(),
        expected: None,
        values: Values::new().with("hull", Value::Text("steel".to_owned())),
    };
    device.store().apply(&[with_hull]).await.unwrap();

    // Meanwhile one field came and the other went, one after the other.
    describe(&bench, 3, vec![custom_field(1_001, "keel")]);
    let columns = json!({"name": "Wharf", "city": "Halle", "owner_id": crate::platform::USER, "keel": "long", "from_later": [1, 2]});
    bench.platform.put(row("account", ACCOUNT, 3, &columns));
    let ending = device.sync(|_| {}).await.unwrap();
    assert_eq!(ending, Ending::UpToDate { proven: true });
    assert_eq!(text_of(&device, "keel").await.as_deref(), Some("long"));
    assert_eq!(city(&device).await, "Leuna");
    let pushed = bench.platform.world.lock().unwrap().pushed.clone();
    let sent: Vec<&str> = pushed
        .iter()
        .flat_map(|mutation| mutation.fields.keys().map(String::as_str))
        .collect();
    assert_eq!(sent, ["city", "hull"], "what was entered was sent");

    // And back: a platform that was put back knows neither.
    let keel = Change::Update {
        object: "account".to_owned(),
        id: ACCOUNT.parse().unwrap(),
        expected: None,
        values: Values::new().with("keel", Value::Text("short".to_owned())),
    };
    device.store().apply(&[keel]).await.unwrap();
    describe(&bench, 1, Vec::new());
    let ending = device.sync(|_| {}).await.unwrap();
    assert_eq!(ending, Ending::UpToDate { proven: true });
    assert!(
        device
            .local()
            .registry()
            .object("account")
            .unwrap()
            .field("keel")
            .is_none()
    );
    assert_eq!(city(&device).await, "Leuna");
    let last = bench.platform.world.lock().unwrap().pushed.last().cloned();
    assert!(
        last.unwrap().fields.contains_key("keel"),
        "what was entered was sent"
    );
}

#[tokio::test]
async fn a_schema_that_could_not_be_had_is_asked_for_again() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    describe(&bench, 2, vec![custom_field(1_000, "hull")]);
    {
        let mut world = bench.platform.world.lock().unwrap();
        world.schema.role = "viewer".to_owned();
    }
    let columns = json!({"name": "Wharf", "owner_id": crate::platform::USER, "hull": "oak"});
    bench.platform.put(row("account", ACCOUNT, 3, &columns));
    bench.platform.fail(Fault::NoSchema);
    let missed = device.sync(|_| {}).await;
    assert!(missed.is_err(), "{missed:?}");
    device.close().unwrap();

    bench.platform.fail(Fault::None);
    let mut device = bench.open().await.unwrap();
    device.sync(|_| {}).await.unwrap();
    assert_eq!(text_of(&device, "hull").await.as_deref(), Some("oak"));
    assert_eq!(device.profile().role, "viewer");
    let asked = |world: &crate::platform::World| {
        let is_schema = |request: &&String| request.ends_with("/sync/schema");
        world.requests.iter().filter(is_schema).count()
    };
    let before = asked(&bench.platform.world.lock().unwrap());
    device.sync(|_| {}).await.unwrap();
    assert_eq!(asked(&bench.platform.world.lock().unwrap()), before);

    // Another role comes with another epoch, under the same schema.
    {
        let mut world = bench.platform.world.lock().unwrap();
        world.schema.role = "admin".to_owned();
        world.epoch = "f".to_owned();
    }
    device.sync(|_| {}).await.unwrap();
    assert_eq!(device.profile().role, "admin");
}

#[tokio::test]
async fn a_platform_that_speaks_another_protocol_is_told_and_nothing_is_lost() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Leuna").await;
    bench.platform.fail(Fault::Incompatible);
    assert_eq!(device.sync(|_| {}).await.unwrap(), Ending::Incompatible);
    assert_eq!(device.local().pending().await.unwrap().len(), 1);
    bench.platform.fail(Fault::None);
    assert_eq!(
        device.sync(|_| {}).await.unwrap(),
        Ending::UpToDate { proven: true }
    );
    assert_eq!(device.local().pending().await.unwrap(), []);
}

#[tokio::test]
async fn a_deletion_says_what_was_seen_empty() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    let delete = Change::Delete {
        object: "account".to_owned(),
        id: ACCOUNT.parse().unwrap(),
        expected: None,
    };
    device.store().apply(&[delete]).await.unwrap();
    device.sync(|_| {}).await.unwrap();
    let pushed = bench.platform.world.lock().unwrap().pushed.clone();
    let fields = &pushed.last().unwrap().fields;
    assert_eq!(fields["city"].base, json!("Halle"));
    assert_eq!(fields["website"].base, json!(null));
    assert!(!fields.contains_key("version"));
}

/// What the platform reads of a sealed entry.
fn opened(bench: &Bench, entry: &journal::Entry) -> fieldstone_protocol::push::Mutation {
    let login_key = bench.platform.world.lock().unwrap().login_key.clone();
    let login_key = STANDARD.decode(login_key.unwrap()).unwrap();
    let sealed = journal::Sealed {
        key: STANDARD.decode(&entry.key).unwrap(),
        text: STANDARD.decode(&entry.text).unwrap(),
    };
    let text = journal::open(&sealing_key().0, &login_key, &entry.place, &sealed).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The files of the database, as they are.
fn database_files(bench: &Bench) -> Vec<(PathBuf, Vec<u8>)> {
    files(&bench.home())
        .into_iter()
        .filter(|file| file.to_string_lossy().contains("data-"))
        .map(|file| (file.clone(), fs::read(&file).unwrap()))
        .collect()
}

/// The disk comes back with what it had before.
fn put_back(bench: &Bench, copies: Vec<(PathBuf, Vec<u8>)>) {
    for (file, _) in database_files(bench) {
        fs::remove_file(file).unwrap();
    }
    for (file, bytes) in copies {
        fs::write(file, bytes).unwrap();
    }
}

#[tokio::test]
async fn what_the_database_has_lost_is_set_apart_and_delivered() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Leuna").await;
    device.close().unwrap();
    let copies = database_files(&bench);
    let device = bench.open().await.unwrap();
    let make = Change::Create {
        object: "account".to_owned(),
        id: device.store().new_id("account").unwrap(),
        values: Values::new().with("name", Value::Text("Confirmed".to_owned())),
    };
    device.store().apply(&[make]).await.unwrap();
    device.close().unwrap();

    put_back(&bench, copies);
    let device = bench.open().await.unwrap();
    assert_eq!(device.local().pending().await.unwrap().len(), 1);
    let journals = journal::all(&device.home().journals().unwrap());
    let entries = |file: &PathBuf| journal::read(file).unwrap().entries.len();
    let counts: Vec<usize> = journals.iter().map(entries).collect();
    assert_eq!(counts, [1, 1], "one that waits, and one that was lost");
    // It is delivered like what an earlier login has left, and stays until then.
    assert_eq!(device.deliver().await.unwrap().kept, 1);
    device.close().unwrap();
    let device = bench.open().await.unwrap();
    assert_eq!(journal::all(&device.home().journals().unwrap()).len(), 2);
    assert_eq!(city(&device).await, "Leuna");
}

#[tokio::test]
async fn an_edit_that_the_database_has_in_an_earlier_form_is_delivered_in_its_later_one() {
    let bench = Bench::new().await;
    let mut device = bench.log_in().await;
    device.sync(|_| {}).await.unwrap();
    edit(&device, "Leuna").await;
    device.close().unwrap();
    let copies = database_files(&bench);
    let device = bench.open().await.unwrap();
    edit(&device, "Jena").await;
    device.close().unwrap();
    put_back(&bench, copies);

    let device = bench.open().await.unwrap();
    assert_eq!(device.local().pending().await.unwrap(), []);
    assert_eq!(city(&device).await, "Halle");
    let [apart] = &journal::all(&device.home().journals().unwrap())[..] else {
        panic!("one journal, with what was lost");
    };
    let entries = journal::read(apart).unwrap().entries;
    let mutation = opened(&bench, &entries[0]);
    assert_eq!(mutation.fields["city"].wanted, "Jena");
    assert_eq!(mutation.fields["city"].base, "Halle");
}
