//! Scopes, deltas, edits and conflicts, from one end to the other.

use fieldstone_client::engine::local::Local as _;
use fieldstone_client::engine::{Report, memory::State};
use fieldstone_model::{Change, RecordId, Role, Value, Values};
use fieldstone_protocol::{
    conflict,
    push::{Kind, Outcome},
};
use fieldstone_server::{store::PgStore, sync::SyncStore as _};
use fieldstone_store::Store as _;
use serde_json::json;

use fieldstone_testkit::TestStores;

use crate::device::Device;

pub(crate) async fn create(store: &PgStore, object: &str, values: Values) -> RecordId {
    let id = store.new_id(object).unwrap();
    store
        .apply(&[Change::Create {
            object: object.to_owned(),
            id,
            values,
        }])
        .await
        .unwrap();
    id
}

pub(crate) async fn update(store: &PgStore, object: &str, id: RecordId, values: Values) {
    let change = Change::Update {
        object: object.to_owned(),
        id,
        expected: None,
        values,
    };
    store.apply(&[change]).await.unwrap();
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A pipeline with an open stage: deals can't be without.
pub(crate) async fn pipeline(store: &PgStore) {
    let values = Values::new()
        .with("name", text("Sales"))
        .with("position", Value::Int(1));
    let pipeline = create(store, "pipeline", values).await;
    let values = Values::new()
        .with("name", text("New"))
        .with("pipeline_id", Value::Id(pipeline))
        .with("position", Value::Int(1))
        .with("kind", text("open"))
        .with("probability", Value::Int(1_000));
    create(store, "stage", values).await;
}

/// An account with a contact, and a deal of the store's user with it.
pub(crate) async fn deal(store: &PgStore, name: &str) -> (RecordId, RecordId, RecordId) {
    let account = create(store, "account", Values::new().with("name", text(name))).await;
    let contact = create(
        store,
        "contact",
        Values::new()
            .with("last_name", text(name))
            .with("account_id", Value::Id(account)),
    )
    .await;
    let values = Values::new()
        .with("name", text(name))
        .with("account_id", Value::Id(account));
    (account, contact, create(store, "deal", values).await)
}

#[tokio::test]
async fn what_hangs_on_my_work_comes_and_what_leaves_goes() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("scope").await;
    pipeline(&owner).await;
    let me = database.user(tenant, Role::Member).await;
    let mine = |name| {
        Values::new()
            .with("name", text(name))
            .with("owner_id", Value::Id(me.user().id))
    };
    let (account, contact, theirs) = deal(&owner, "theirs").await;
    let mut device = Device::register(&me, 1).await;
    device.sync().await;
    assert!(device.is_proven(), "{:?}", device.reports);
    assert!(device.reports.contains(&Report::Ready));
    assert!(device.has(me.user().id) && !device.has(theirs) && !device.has(account));

    // A deal becomes mine: its account and contact come along, though nobody touched them.
    update(
        &owner,
        "deal",
        theirs,
        Values::new().with("owner_id", Value::Id(me.user().id)),
    )
    .await;
    device.sync().await;
    assert!(device.has(theirs) && device.has(account) && device.has(contact));
    assert_eq!(device.shows(theirs, "name"), Some(json!("theirs")));

    // It moves to another account: the first one and its contact go.
    let (other, other_contact, _) = deal(&owner, "other").await;
    update(
        &owner,
        "deal",
        theirs,
        Values::new().with("account_id", Value::Id(other)),
    )
    .await;
    device.sync().await;
    assert!(
        device.has(other)
            && device.has(other_contact)
            && !device.has(account)
            && !device.has(contact)
    );

    // Work that hangs on it comes with it, and goes with it.
    let task = create(
        &owner,
        "task",
        Values::new()
            .with("subject", text("call"))
            .with("about_id", Value::Id(theirs)),
    )
    .await;
    device.sync().await;
    assert!(device.has(task));
    update(
        &owner,
        "deal",
        theirs,
        Values::new().with("owner_id", Value::Id(owner.user().id)),
    )
    .await;
    let kept = create(&owner, "account", mine("kept")).await;
    device.sync().await;
    assert!(!device.has(theirs) && !device.has(task) && !device.has(other) && device.has(kept));

    owner
        .apply(&[Change::Delete {
            object: "account".to_owned(),
            id: kept,
            expected: None,
        }])
        .await
        .unwrap();
    device.sync().await;
    assert!(!device.has(kept));
    assert!(device.is_proven(), "{:?}", device.reports);

    // Nothing new: one answer, and the cursor stays.
    let (before, pages) = (device.local.published().cloned(), device.pages);
    device.sync().await;
    assert_eq!(
        (device.local.published().cloned(), device.pages),
        (before, pages + 1)
    );
}

#[tokio::test]
async fn many_pages_and_a_walk_after_the_role_has_changed() {
    let database = TestStores::new().await;
    let (_, owner) = database.workspace("pages").await;
    let changes: Vec<Change> = (0..4_500)
        .map(|at| Change::Create {
            object: "account".to_owned(),
            id: owner.new_id("account").unwrap(),
            values: Values::new().with("name", text(&format!("Account {at}"))),
        })
        .collect();
    owner.apply(&changes).await.unwrap();
    let mut device = Device::register(&owner, 1).await;
    device.sync().await;
    assert!(device.pages >= 3, "{}", device.pages);
    assert!(device.is_proven(), "{:?}", device.reports);
    assert!(changes.iter().all(|change| device.has(change.id())));
    // A delta of several pages.
    let updates: Vec<Change> = changes
        .iter()
        .step_by(2)
        .map(|change| Change::Update {
            object: "account".to_owned(),
            id: change.id(),
            expected: None,
            values: Values::new().with("city", text("Ulm")),
        })
        .collect();
    owner.apply(&updates).await.unwrap();
    device.sync().await;
    assert!(device.is_proven(), "{:?}", device.reports);
    assert_eq!(device.shows(updates[3].id(), "city"), Some(json!("Ulm")));
    // A new field moves the schema and with it the scope: everything is compared, nothing comes twice.
    let admin = fieldstone_server::database::connect(&database.database.owner())
        .await
        .unwrap();
    admin
        .execute(
            "UPDATE app.workspace SET schema_version = schema_version + 1",
            &[],
        )
        .await
        .unwrap();
    let received = device.received.len();
    device.sync().await;
    assert!(device.is_proven(), "{:?}", device.reports);
    assert_eq!(device.received.len(), received);
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
#[tokio::test]
async fn edits_arrive_once_and_meet_others_field_by_field() {
    let database = TestStores::new().await;
    let (_, owner) = database.workspace("edits").await;
    pipeline(&owner).await;
    let (account, _, deal) = deal(&owner, "Wind park").await;
    let mut device = Device::register(&owner, 1).await;
    device.sync().await;
    // Made offline, with a reference to another record that was made offline.
    let made = device.local.fresh.record(*b"001");
    let about = device.local.fresh.record(*b"00T");
    device.local.edit(
        "account",
        made,
        Kind::Create,
        &[("name", json!("Made outside"))],
    );
    device.local.edit(
        "task",
        about,
        Kind::Create,
        &[("subject", json!("Look in")), ("about_id", json!(made))],
    );
    device
        .local
        .edit("deal", deal, Kind::Update, &[("amount", json!("12.50"))]);
    device.local.edit(
        "account",
        account,
        Kind::Update,
        &[("name", json!("Mine")), ("city", json!("Ulm"))],
    );
    // Somebody else changes the name and the website meanwhile.
    let theirs = Values::new()
        .with("name", text("Theirs"))
        .with("website", text("https://theirs.example"));
    update(&owner, "account", account, theirs).await;
    device.sync().await;
    device.sync().await;
    assert!(
        device.local.outbox().is_empty(),
        "{:?}",
        device.local.outbox()
    );
    assert!(device.is_proven(), "{:?}", device.reports);
    let record = owner.get("account", account, &[]).await.unwrap();
    assert_eq!(
        (record.get("name"), record.get("city")),
        (&text("Theirs"), &text("Ulm"))
    );
    assert_eq!(
        device.shows(account, "website"),
        Some(json!("https://theirs.example"))
    );
    assert_eq!(
        owner.get("deal", deal, &[]).await.unwrap().get("amount"),
        &Value::Int(1250)
    );
    assert_eq!(
        owner.get("task", about, &[]).await.unwrap().get("about_id"),
        &Value::Id(made)
    );
    assert_eq!(
        owner.get("task", about, &[]).await.unwrap().get("status"),
        &text("open"),
        "defaults are the platform's"
    );

    // The name waits for a person, here and there.
    let waiting: Vec<RecordId> = device
        .local
        .base()
        .values()
        .filter(|row| row.object == conflict::OBJECT)
        .map(|row| row.id)
        .collect();
    let [waiting] = waiting[..] else {
        panic!("one conflict: {waiting:?}")
    };
    assert_eq!(device.shows(waiting, "record"), Some(json!(account)));
    device.local.edit(
        conflict::OBJECT,
        waiting,
        Kind::Update,
        &[(conflict::RESOLUTION, json!(conflict::MINE))],
    );
    device.sync().await;
    device.sync().await;
    assert_eq!(
        owner
            .get("account", account, &[])
            .await
            .unwrap()
            .get("name"),
        &text("Mine")
    );
    assert!(!device.has(waiting));
    assert_eq!(device.shows(account, "name"), Some(json!("Mine")));

    // Edit against delete, both ways.
    device.local.edit(
        "account",
        made,
        Kind::Update,
        &[("name", json!("Kept for a person"))],
    );
    owner
        .apply(&[Change::Delete {
            object: "account".to_owned(),
            id: made,
            expected: None,
        }])
        .await
        .unwrap();
    device.local.edit("deal", deal, Kind::Delete, &[]);
    update(
        &owner,
        "deal",
        deal,
        Values::new().with("name", text("Still wanted")),
    )
    .await;
    device.sync().await;
    device.sync().await;
    assert!(!owner.get("deal", deal, &[]).await.unwrap().deleted);
    assert_eq!(device.shows(deal, "name"), Some(json!("Still wanted")));
    let waiting = device
        .local
        .base()
        .values()
        .filter(|row| row.object == conflict::OBJECT);
    assert_eq!(waiting.count(), 2);
    assert!(device.is_proven(), "{:?}", device.reports);

    // Refused: set aside with its reason, and what comes after it goes on.
    device
        .local
        .edit("deal", deal, Kind::Update, &[("name", json!(""))]);
    device.local.edit("deal", deal, Kind::Update, &[]);
    let later = device.local.fresh.record(*b"001");
    device
        .local
        .edit("account", later, Kind::Create, &[("name", json!("Later"))]);
    device.sync().await;
    assert_eq!(
        owner.get("account", later, &[]).await.unwrap().get("name"),
        &text("Later")
    );
    let refused: Vec<_> = device
        .local
        .outbox()
        .iter()
        .filter(|pending| matches!(pending.state, State::SetAside(_)))
        .collect();
    let [refused] = &refused[..] else {
        panic!("{:?}", device.local.outbox())
    };
    let State::SetAside(rejection) = &refused.state else {
        unreachable!()
    };
    assert_eq!(
        (rejection.code.as_str(), rejection.fields[0].field.as_str()),
        ("invalid", "name")
    );
}

#[tokio::test]
async fn a_mutation_sent_twice_takes_effect_once_and_an_id_is_not_taken_over() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("once").await;
    pipeline(&owner).await;
    let (account, ..) = deal(&owner, "Here").await;
    let mut device = Device::register(&owner, 1).await;
    device.local.edit(
        "account",
        account,
        Kind::Create,
        &[("name", json!("The same id"))],
    );
    let request = fieldstone_protocol::push::PushRequest {
        protocol: 1,
        device: device.id,
        mutations: device.local.take(10).unwrap(),
    };
    let first = owner.push(&request).await.unwrap();
    let again = owner.push(&request).await.unwrap();
    assert_eq!(first.results[0].outcome, Outcome::IdTaken);
    assert_eq!(again.results[0].outcome, Outcome::IdTaken);
    assert!(!first.results[0].duplicate && again.results[0].duplicate);
    // The engine gives it another id and sends it again.
    device.sync().await;
    device.sync().await;
    assert!(
        device.local.outbox().is_empty(),
        "{:?}",
        device.local.outbox()
    );
    let named = |name: &str| {
        device
            .local
            .base()
            .values()
            .filter(|row| row.columns.get("name") == Some(&json!(name)))
            .count()
    };
    assert_eq!(
        (named("Here"), named("The same id")),
        (3, 1),
        "an account, a contact and a deal of the same name, and the new account"
    );

    // A viewer's edits are refused, and kept on the device.
    let viewer = database.user(tenant, Role::Viewer).await;
    let mut device = Device::register(&viewer, 2).await;
    device.sync().await;
    let made = device.local.fresh.record(*b"001");
    device.local.edit(
        "account",
        made,
        Kind::Create,
        &[("name", json!("Not allowed"))],
    );
    device.sync().await;
    let State::SetAside(rejection) = &device.local.outbox()[0].state else {
        panic!("{:?}", device.local.outbox())
    };
    assert_eq!(rejection.code, "forbidden");
    // Whoever manages people decides about others' devices, and nobody else does.
    let owners = Device::register(&owner, 3).await;
    assert!(!viewer.revoke(owners.id).await.unwrap());
    // A device that was taken off the list gets nothing, and erases nothing.
    assert!(viewer.revoke(device.id).await.unwrap());
    device.sync().await;
    assert!(matches!(
        device.reports.last(),
        Some(Report::SignedOut { .. })
    ));
    assert!(!device.local.is_empty());
    assert!(owner.revoke(device.id).await.unwrap());
}
