//! What devices seal, settle, lose sight of and forget.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_client::{
    engine::Report,
    journal::{LoginPair, seal},
    keys::LoginKey,
};
use fieldstone_model::{Change, RecordId, Role, Value, Values};
use fieldstone_protocol::{
    conflict,
    device::{Registered, Registration},
    push::{Edit, Kind, Mutation},
    sealed::{DeliveryRequest, EntryResult, Fate, Place, SealedEntry},
};
use fieldstone_server::{database::connect, store::PgStore, sync::SyncStore as _};
use fieldstone_store::{
    Store as _,
    conflict::{ConflictKind, ConflictStore as _, Settled, Settlement},
};
use fieldstone_testkit::TestStores;
use serde_json::json;

use crate::{
    device::Device,
    sync::{create, deal, pipeline, text, update},
};

/// One login on a device that seals what it can't send.
struct Sealer {
    store: PgStore,
    registered: Registered,
    pair: LoginPair,
    sequence: u64,
}

impl Sealer {
    async fn log_in(store: &PgStore, installation: &str) -> Self {
        let pair = LoginPair::of(&LoginKey::generate().unwrap()).unwrap();
        let registration = Registration {
            installation: installation.to_owned(),
            name: "Phone".to_owned(),
            platform: "linux".to_owned(),
            app: "test".to_owned(),
            login_key: Some(STANDARD.encode(pair.public())),
        };
        Self {
            store: store.clone(),
            registered: store.register(&registration).await.unwrap(),
            pair,
            sequence: 0,
        }
    }

    fn seal(&mut self, mutation: &Mutation) -> SealedEntry {
        self.sequence += 1;
        let key = self.registered.sealing_key.clone().unwrap();
        let place = Place {
            device: self.registered.device.to_string(),
            user: self.store.user().id.to_string(),
            login: "login".to_owned(),
            sequence: self.sequence,
            kid: key.kid,
        };
        let public = STANDARD.decode(&key.key).unwrap();
        let text = serde_json::to_vec(mutation).unwrap();
        let sealed = seal(&public, &self.pair, &place, &text).unwrap();
        SealedEntry {
            place,
            order: mutation.sequence,
            uuid: mutation.uuid.clone(),
            key: STANDARD.encode(sealed.key),
            text: STANDARD.encode(sealed.text),
        }
    }

    async fn deliver(&self, entries: &[SealedEntry]) -> Vec<Fate> {
        let request = DeliveryRequest {
            protocol: 1,
            device: self.registered.device,
            entries: entries.to_vec(),
        };
        let request = DeliveryRequest::from_bytes(&request.to_bytes().unwrap()).unwrap();
        let answer = self.store.deliver(&request).await.unwrap();
        let fate = |result: EntryResult| result.fate;
        answer.results.into_iter().map(fate).collect()
    }
}

fn mutation(
    number: u64,
    kind: Kind,
    record: RecordId,
    wanted: &[(&str, serde_json::Value)],
) -> Mutation {
    let edit = |wanted: &serde_json::Value| Edit {
        base: serde_json::Value::Null,
        wanted: wanted.clone(),
    };
    Mutation {
        uuid: format!(
            "{:032x}",
            u128::from(number) << 64 | u128::from(std::process::id())
        ),
        sequence: number,
        object: "account".to_owned(),
        record,
        kind,
        fields: wanted
            .iter()
            .map(|(name, wanted)| ((*name).to_owned(), edit(wanted)))
            .collect::<BTreeMap<_, _>>(),
    }
}

async fn name_of(store: &PgStore, id: RecordId) -> Option<String> {
    let record = store.get("account", id, &[]).await.ok()?;
    record.get("name").as_text().map(str::to_owned)
}

async fn owner_runs(database: &TestStores, sql: &str) {
    let owner = connect(&database.database.owner()).await.unwrap();
    owner.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn what_was_sealed_is_delivered_by_a_later_login_once() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("sealed").await;
    let author = database.user(tenant, Role::Member).await;
    let mut first = Sealer::log_in(&author, "one phone").await;
    let made = author.new_id("account").unwrap();
    // The change of it was sealed before its making was sealed anew: what counts is the order in which they were made.
    let change = mutation(2, Kind::Update, made, &[("city", json!("Ulm"))]);
    let creation = mutation(1, Kind::Create, made, &[("name", json!("canary"))]);
    let entries = [first.seal(&change), first.seal(&creation)];
    assert!(!format!("{entries:?}").contains("canary"));

    // Another device can't bring it, nor can it be changed on the way.
    let other = Sealer::log_in(&owner, "another phone").await;
    let refused =
        |fate: &Fate, wanted: &str| matches!(fate, Fate::Refused { code, .. } if code == wanted);
    for fate in other.deliver(&entries).await {
        assert!(refused(&fate, "unknown_login"), "{fate:?}");
    }
    let later = Sealer::log_in(&owner, "one phone").await;
    let mut moved = entries[0].clone();
    moved.place.sequence = 9;
    assert!(refused(&later.deliver(&[moved]).await[0], "does_not_open"));
    let mut unknown = entries[0].clone();
    unknown.place.kid = 7;
    assert!(refused(&later.deliver(&[unknown]).await[0], "unknown_key"));

    // Somebody else signs in on the same device and delivers, as the author: whoever delivers learns nothing.
    assert_eq!(later.deliver(&entries).await, [Fate::Taken, Fate::Taken]);
    let record = author.get("account", made, &[]).await.unwrap();
    assert_eq!(record.get("name"), &text("canary"));
    assert_eq!(record.get("city"), &text("Ulm"));
    let history = author.history(made, None, 1).await.unwrap();
    assert_eq!(history[0].by, author.user().id, "it is the author's change");
    assert_eq!(later.deliver(&entries).await, [Fate::Known, Fate::Known]);
    assert_eq!(
        author.get("account", made, &[]).await.unwrap().version,
        record.version
    );

    // What can't be applied waits for its author, who can give it up.
    let bad = mutation(3, Kind::Update, made, &[("industry", json!("moon"))]);
    let entry = first.seal(&bad);
    assert_eq!(later.deliver(&[entry]).await, [Fate::Taken]);
    assert_eq!(author.conflict_count().await.unwrap(), 1);
    assert!(owner.refused_changes().await.unwrap().is_empty());
    let waiting = author.refused_changes().await.unwrap();
    assert_eq!(waiting[0].record, made);
    assert!(!owner.give_up(&waiting[0].key).await.unwrap());
    assert!(author.give_up(&waiting[0].key).await.unwrap());
    assert_eq!(author.conflict_count().await.unwrap(), 0);

    // A mutation that had arrived by itself is not done twice.
    let push = fieldstone_protocol::push::PushRequest {
        protocol: 1,
        device: first.registered.device,
        mutations: vec![mutation(4, Kind::Update, made, &[("city", json!("Aalen"))])],
    };
    author.push(&push).await.unwrap();
    update(
        &owner,
        "account",
        made,
        Values::new().with("city", text("Bonn")),
    )
    .await;
    let entry = first.seal(&push.mutations[0]);
    assert_eq!(
        later.deliver(std::slice::from_ref(&entry)).await,
        [Fate::Taken]
    );
    assert_eq!(later.deliver(&[entry]).await, [Fate::Known]);
    assert_eq!(
        owner.get("account", made, &[]).await.unwrap().get("city"),
        &text("Bonn")
    );
}

#[tokio::test]
async fn what_nobody_may_do_for_its_author_waits_in_quarantine() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("quarantine").await;
    let author = database.user(tenant, Role::Member).await;
    let mut sealer = Sealer::log_in(&author, "phone").await;
    let made = author.new_id("account").unwrap();
    let entry = sealer.seal(&mutation(
        1,
        Kind::Create,
        made,
        &[("name", json!("left behind"))],
    ));
    owner_runs(
        &database,
        &format!(
            "UPDATE app.\"user\" SET active = false WHERE id = '{}'",
            author.user().id
        ),
    )
    .await;
    let later = Sealer::log_in(&owner, "phone").await;
    assert_eq!(
        later.deliver(std::slice::from_ref(&entry)).await,
        [Fate::Quarantined]
    );
    assert_eq!(name_of(&owner, made).await, None);
    assert_eq!(later.deliver(&[entry]).await, [Fate::Known]);
}

#[tokio::test]
async fn a_conflict_is_settled_field_by_field_on_a_page_or_a_device() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("settle").await;
    let me = database.user(tenant, Role::Member).await;
    let mine = Values::new()
        .with("name", text("Before"))
        .with("owner_id", Value::Id(me.user().id));
    let account = create(&owner, "account", mine).await;
    let mut device = Device::register(&me, 7).await;
    device.sync().await;
    let both = [("name", json!("Mine")), ("city", json!("Ulm"))];
    device.local.edit("account", account, Kind::Update, &both);
    let theirs = Values::new()
        .with("name", text("Theirs"))
        .with("city", text("Bonn"));
    update(&owner, "account", account, theirs).await;
    device.sync().await;

    let [conflict] = &me.conflicts(false, None).await.unwrap()[..] else {
        panic!("one conflict")
    };
    assert_eq!(
        (conflict.kind, conflict.fields.len()),
        (ConflictKind::Edit, 2)
    );
    assert_eq!(conflict.device.as_deref(), Some("Test"));
    assert_eq!(me.conflict_of(account).await.unwrap(), Some(conflict.id));
    assert_eq!(me.conflict_count().await.unwrap(), 1);
    // Whoever manages people sees it and may settle it; others don't.
    assert!(owner.conflicts(false, None).await.unwrap().is_empty());
    assert_eq!(owner.conflicts(true, None).await.unwrap().len(), 1);
    let each = |name: &str| Settlement::Each(Values::new().with("name", text(name)));
    let too_long = "x".repeat(300);
    assert!(matches!(
        me.settle(conflict.id, each(&too_long)).await.unwrap(),
        Settled::Refused(_)
    ));
    assert_eq!(
        me.settle(conflict.id, each("Ours")).await.unwrap(),
        Settled::Done
    );
    assert_eq!(
        me.settle(conflict.id, Settlement::Mine).await.unwrap(),
        Settled::Gone
    );
    let record = owner.get("account", account, &[]).await.unwrap();
    assert_eq!(
        (record.get("name"), record.get("city")),
        (&text("Ours"), &text("Bonn"))
    );
    device.sync().await;
    assert!(device.is_proven(), "{:?}", device.reports);
    assert!(
        !device
            .local
            .base()
            .values()
            .any(|row| row.object == conflict::OBJECT)
    );

    // The same from the device, with a value of its own.
    device.local.edit(
        "account",
        account,
        Kind::Update,
        &[("name", json!("Again mine"))],
    );
    update(
        &owner,
        "account",
        account,
        Values::new().with("name", text("Again theirs")),
    )
    .await;
    device.sync().await;
    let waiting = me.conflicts(false, None).await.unwrap()[0].id;
    let settled = [
        (conflict::RESOLUTION, json!(conflict::EACH)),
        ("value.name", json!("Typed outside")),
    ];
    device
        .local
        .edit(conflict::OBJECT, waiting, Kind::Update, &settled);
    device.sync().await;
    device.sync().await;
    assert_eq!(
        name_of(&owner, account).await.as_deref(),
        Some("Typed outside")
    );
    assert_eq!(me.conflict_count().await.unwrap(), 0);
    assert!(device.is_proven(), "{:?}", device.reports);
}

/// Mismatches since the beginning: how often a digest had to repair something.
fn repairs(device: &Device) -> usize {
    let is_repair = |report: &&Report| matches!(report, Report::Mismatch { .. });
    device.reports.iter().filter(is_repair).count()
}

#[tokio::test]
async fn what_a_person_may_no_longer_see_leaves_their_device() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("sight").await;
    pipeline(&owner).await;
    let me = database.user(tenant, Role::Member).await;
    owner_runs(
        &database,
        &format!(
            "UPDATE app.\"user\" SET visibility = 'own' WHERE id = '{}'",
            me.user().id
        ),
    )
    .await;
    let me = database.reopen(&me).await;
    let (account, contact, deal) = deal(&owner, "given").await;
    for (object, id) in [("deal", deal), ("account", account), ("contact", contact)] {
        update(
            &owner,
            object,
            id,
            Values::new().with("owner_id", Value::Id(me.user().id)),
        )
        .await;
    }
    // Calls have a prefix of their own.
    let call = Values::new()
        .with("subject", text("rang"))
        .with("about_id", Value::Id(deal))
        .with("owner_id", Value::Id(me.user().id));
    let call = create(&owner, "call", call).await;
    let mut device = Device::register(&me, 3).await;
    device.sync().await;
    assert!(device.is_proven(), "{:?}", device.reports);
    assert!(device.has(deal) && device.has(account) && device.has(contact) && device.has(call));
    update(
        &owner,
        "call",
        call,
        Values::new().with("subject", text("rang twice")),
    )
    .await;
    device.sync().await;
    assert_eq!(device.shows(call, "subject"), Some(json!("rang twice")));

    // Given to somebody whose records I don't see, it goes by what changed, not because figures differ.
    update(
        &owner,
        "deal",
        deal,
        Values::new().with("owner_id", Value::Id(owner.user().id)),
    )
    .await;
    device.sync().await;
    assert!(!device.has(deal), "{:?}", device.reports);
    update(
        &owner,
        "account",
        account,
        Values::new().with("owner_id", Value::Id(owner.user().id)),
    )
    .await;
    device.sync().await;
    assert!(
        !device.has(account) && device.has(contact),
        "{:?}",
        device.reports
    );
    assert_eq!(repairs(&device), 0, "{:?}", device.reports);
    assert!(device.is_proven(), "{:?}", device.reports);

    // A field that is withheld from now on leaves with the next synchronisation, from rows that nobody touches.
    update(
        &owner,
        "contact",
        contact,
        Values::new().with("job_title", text("canary")),
    )
    .await;
    device.sync().await;
    assert_eq!(device.shows(contact, "job_title"), Some(json!("canary")));
    owner_runs(&database, &format!(
        "INSERT INTO app.field_setting (tenant_id, object, field, read_role, write_role) VALUES ('{tenant}', 'contact', 'job_title', 'admin', 'admin')"
    )).await;
    device.store = database.reopen(&me).await;
    device.sync().await;
    assert_eq!(device.shows(contact, "job_title"), None);
    assert!(
        device.has(contact) && device.is_proven(),
        "{:?}",
        device.reports
    );
    assert_eq!(repairs(&device), 0, "{:?}", device.reports);
    let schema = device.store.describe().await.unwrap();
    let shape = schema
        .objects
        .iter()
        .find(|shape| shape.name == "contact")
        .unwrap();
    assert_eq!(shape.withheld, ["job_title"]);
}

#[tokio::test]
async fn deleted_records_are_purged_and_devices_that_missed_it_compare() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("purge").await;
    let mine = |name: &str| {
        Values::new()
            .with("name", text(name))
            .with("owner_id", Value::Id(owner.user().id))
    };
    let gone = create(&owner, "account", mine("gone")).await;
    let kept = create(&owner, "account", mine("kept")).await;
    let (mut away, mut near) = (
        Device::register(&owner, 4).await,
        Device::register(&owner, 5).await,
    );
    away.sync().await;
    near.sync().await;
    let totals = away.reports.iter().find_map(|report| match report {
        Report::Progress { totals, .. } => totals.clone(),
        _ => None,
    });
    assert_eq!(
        totals.unwrap().get("account"),
        Some(&2),
        "the first answer says how much there is"
    );
    let delete = Change::Delete {
        object: "account".to_owned(),
        id: gone,
        expected: None,
    };
    owner.apply(&[delete]).await.unwrap();
    near.sync().await;
    let worker = connect(&database.database.worker()).await.unwrap();
    let purge = "SELECT app.purge_deleted(90, 60, 90, 1000)";
    let purged = async || worker.query_one(purge, &[]).await.unwrap().get::<_, i64>(0);
    purged().await;
    assert_eq!(
        owner.history(gone, None, 1).await.unwrap().len(),
        1,
        "not before its time"
    );
    owner_runs(&database, &format!(
        "UPDATE app.account SET deleted_at = now() - interval '91 days' WHERE tenant_id = '{tenant}' AND id = '{gone}'"
    )).await;
    near.sync().await;
    assert!(purged().await >= 1);
    assert!(owner.get("account", gone, &[]).await.is_err());
    assert!(owner.history(gone, None, 1).await.unwrap().is_empty());
    // The one that was there goes on from its cursor; the other compares, and loses what was purged.
    update(
        &owner,
        "account",
        kept,
        Values::new().with("name", text("kept 2")),
    )
    .await;
    let pages = near.pages;
    near.sync().await;
    assert_eq!(near.pages, pages + 1, "{:?}", near.reports);
    assert!(away.has(gone));
    away.sync().await;
    assert!(
        !away.has(gone) && away.has(kept) && away.is_proven(),
        "{:?}",
        away.reports
    );
    assert_eq!(away.shows(kept, "name"), Some(json!("kept 2")));
}
