//! Taking an import back: what it made goes, what it changed is set back, what others have touched stays.

use fieldstone_model::{Change, RecordId, Value, Values};
use fieldstone_store::{MemoryStore, StoreError};

use super::*;
use crate::import::{Kept, Listener, Reason, Undoing, Undone, undo};

#[derive(Default)]
struct Heard {
    undone: Undone,
    kept: Vec<Kept>,
    /// Stops after so many messages.
    patience: Option<usize>,
}

impl Listener for Heard {
    async fn heard(&mut self, undone: &Undone, kept: &[Kept]) -> Result<bool, StoreError> {
        self.undone = *undone;
        self.kept.extend_from_slice(kept);
        if let Some(left) = &mut self.patience {
            *left -= 1;
            return Ok(*left > 0);
        }
        Ok(true)
    }
}

pub(super) async fn make(store: &MemoryStore, object: &str, values: &[(&str, Value)]) -> RecordId {
    let id = store.new_id(object).unwrap();
    let values = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
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

pub(super) async fn change(store: &MemoryStore, id: RecordId, values: Values) {
    store
        .apply(&[Change::Update {
            object: "account".to_owned(),
            id,
            expected: None,
            values,
        }])
        .await
        .unwrap();
}

pub(super) fn name(name: &str) -> Value {
    Value::Text(name.to_owned())
}

fn undoing(store: &MemoryStore, batches: Vec<Batch>) -> Undoing {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    Undoing {
        by: store.user().id,
        began: now - jiff::SignedDuration::from_secs(1),
        ended: now + jiff::SignedDuration::from_secs(1),
        batches,
    }
}

async fn is_there(store: &MemoryStore, id: RecordId) -> bool {
    !store.get("account", id, &[]).await.unwrap().deleted
}

#[tokio::test]
async fn what_was_made_goes_unless_somebody_has_touched_it_or_built_on_it() {
    let fake = Fake::new();
    let store = fake.store().await.unwrap();
    let plain = make(&store, "account", &[("name", name("Plain"))]).await;
    let touched = make(&store, "account", &[("name", name("Touched"))]).await;
    let built_on = make(&store, "account", &[("name", name("Built on"))]).await;
    let parent = make(&store, "account", &[("name", name("Parent"))]).await;
    let child = make(
        &store,
        "account",
        &[("name", name("Child")), ("parent_id", Value::Id(parent))],
    )
    .await;
    // The same import changed one of its own a second time.
    let twice = make(&store, "account", &[("name", name("Twice"))]).await;
    change(&store, twice, Values::new().with("city", name("Bonn"))).await;
    change(&store, touched, Values::new().with("city", name("Berlin"))).await;
    make(
        &store,
        "contact",
        &[
            ("last_name", name("Somebody")),
            ("account_id", Value::Id(built_on)),
        ],
    )
    .await;
    let batches = vec![
        // The child stands before its parent, as rows that waited do.
        Batch {
            rows: (1, 4),
            created: vec![plain, touched, built_on, child, twice],
            ..Batch::default()
        },
        Batch {
            rows: (5, 6),
            created: vec![parent],
            updated: vec![(twice, 2)],
            ..Batch::default()
        },
    ];
    let undoing = undoing(&store, batches);
    let mut stopped = Heard {
        patience: Some(1),
        ..Heard::default()
    };
    assert!(
        !undo(&store, &undoing, Undone::default(), &mut stopped)
            .await
            .unwrap()
    );
    let mut heard = Heard::default();
    assert!(
        undo(&store, &undoing, stopped.undone, &mut heard)
            .await
            .unwrap()
    );
    for gone in [plain, parent, child, twice] {
        assert!(!is_there(&store, gone).await, "{gone}");
    }
    assert!(is_there(&store, touched).await && is_there(&store, built_on).await);
    let mut kept: Vec<_> = heard
        .kept
        .iter()
        .map(|kept| (kept.record, kept.reason))
        .collect();
    kept.sort_by_key(|(id, _)| *id);
    let mut wanted = vec![(touched, Reason::Changed), (built_on, Reason::Referred)];
    wanted.sort_by_key(|(id, _)| *id);
    assert_eq!(kept, wanted);
    assert_eq!(
        (heard.undone.deleted, heard.undone.kept, heard.undone.total),
        (4, 2, 6)
    );
    // Once more does no harm.
    let mut again = Heard::default();
    assert!(
        undo(&store, &undoing, heard.undone, &mut again)
            .await
            .unwrap()
    );
    assert_eq!(again.undone.deleted, 4);
}

#[tokio::test]
async fn what_was_changed_is_set_back_field_by_field() {
    let fake = Fake::new();
    let store = fake.store().await.unwrap();
    let both = make(
        &store,
        "account",
        &[
            ("name", name("Old")),
            ("city", name("Bonn")),
            ("street", name("1")),
        ],
    )
    .await;
    change(
        &store,
        both,
        Values::new()
            .with("name", name("New"))
            .with("city", name("Berlin"))
            .with("street", name("2")),
    )
    .await;
    // Since then somebody has moved the city on, and put the phone back themselves.
    change(
        &store,
        both,
        Values::new()
            .with("city", name("Paris"))
            .with("street", name("1")),
    )
    .await;
    let never = make(&store, "account", &[("name", name("Never changed"))]).await;
    let undoing = undoing(
        &store,
        vec![Batch {
            rows: (1, 2),
            updated: vec![(both, 2), (never, 2)],
            ..Batch::default()
        }],
    );
    let mut heard = Heard::default();
    assert!(
        undo(&store, &undoing, Undone::default(), &mut heard)
            .await
            .unwrap()
    );
    let record = store.get("account", both, &[]).await.unwrap();
    assert_eq!(
        (
            text(&record, "name"),
            text(&record, "city"),
            text(&record, "street")
        ),
        ("Old", "Paris", "1")
    );
    assert_eq!(
        heard.kept,
        [Kept {
            record: both,
            field: Some("city".to_owned()),
            reason: Reason::Changed
        }]
    );
    assert_eq!((heard.undone.reverted, heard.undone.deleted), (1, 0));
}
