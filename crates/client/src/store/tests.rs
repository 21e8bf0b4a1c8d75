//! Storage in SQLCipher does what storage in memory does, which is the reference of the engine's contract.

use std::{collections::BTreeMap, sync::Arc};

use fieldstone_model::{Change, RecordId, Role, SystemClock, Value, Values};
use fieldstone_protocol::{
    Columns,
    pull::{Cursor, Epoch, Next, Row},
    push::{Kind, MutationResult, Outcome, Rejection},
    tag::{BlindKey, Tag},
};
use fieldstone_store::{Store as _, User};
use proptest::prelude::*;

use super::{Local, PlatformRow, Unknown, outbox::State};
use crate::{
    engine::{
        local::{
            Local as _, LocalAnswer, LocalCall, Publication, Published, Resume, StagedPage, Staging,
        },
        memory::{Fresh, MemoryLocal},
    },
    keys::LoginKey,
};

/// The fields that are compared.
const FIELDS: [&str; 3] = ["name", "city", "parent_id"];
const USER: &str = "0050000000000Aa";
const BLIND: BlindKey = BlindKey([7; 16]);

#[derive(Default)]
struct Counted(u64);

impl Fresh for Counted {
    fn uuid(&mut self) -> String {
        self.0 += 1;
        format!("uuid-{}", self.0)
    }

    fn id(&mut self, like: RecordId) -> RecordId {
        self.0 += 1;
        RecordId::compose(
            like.prefix().as_bytes().try_into().unwrap(),
            "2026-01-01T00:00:00Z".parse().unwrap(),
            self.0,
        )
    }
}

/// What happens, with numbers that are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// A pull: whole or not, rows by number with their content and parent, ids that are gone.
    Pull {
        whole: bool,
        rows: Vec<(usize, u8, Option<usize>)>,
        gone: Vec<usize>,
        published: bool,
    },
    Create(u8),
    Update(usize, u8, Option<usize>),
    Delete(usize),
    Take(usize),
    /// What becomes of what was taken.
    Settle(Vec<u8>),
    Undo(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let row = (0..8_usize, any::<u8>(), prop::option::of(0..8_usize));
    prop_oneof![
        3 => (prop::bool::weighted(0.2), prop::collection::vec(row, 0..5), prop::collection::vec(0..8_usize, 0..3), prop::bool::weighted(0.8))
            .prop_map(|(whole, rows, gone, published)| Step::Pull { whole, rows, gone, published }),
        2 => any::<u8>().prop_map(Step::Create),
        4 => (any::<usize>(), any::<u8>(), prop::option::of(any::<usize>())).prop_map(|(at, value, parent)| Step::Update(at, value, parent)),
        1 => any::<usize>().prop_map(Step::Delete),
        2 => (1..4_usize).prop_map(Step::Take),
        2 => prop::collection::vec(any::<u8>(), 1..4).prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Undo),
    ]
}

fn id(at: usize) -> RecordId {
    format!("0010000000000A{at}").parse().unwrap()
}

struct Pair {
    device: Local,
    memory: MemoryLocal<Counted>,
    settles: u64,
    tags: u64,
    cursors: u64,
}

impl Pair {
    fn row(&mut self, at: usize, value: u8, parent: Option<usize>) -> Row {
        self.tags += 1;
        let mut columns = Columns::new();
        columns.insert("name".to_owned(), format!("Base {value}").into());
        columns.insert("city".to_owned(), format!("City {}", value % 4).into());
        columns.insert("from_a_newer_peer".to_owned(), value.into());
        if let Some(parent) = parent.filter(|parent| *parent != at) {
            columns.insert("parent_id".to_owned(), id(parent).as_str().into());
        }
        // One of the rows is of an object that this version doesn't know.
        let known = at != 7;
        Row {
            object: if known { "account" } else { "sync_conflict" }.to_owned(),
            id: if known {
                id(at)
            } else {
                "fC00000000000Aa".parse().unwrap()
            },
            tag: Tag(self.tags.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            version: i64::try_from(self.tags).unwrap(),
            columns,
        }
    }

    async fn call(&mut self, call: LocalCall) {
        let ours = self.device.perform(call.clone()).await.unwrap();
        let theirs = crate::engine::local::perform(&mut self.memory, &call).unwrap();
        match (ours, theirs) {
            // Their mutations have other uuids.
            (LocalAnswer::Taken(ours), LocalAnswer::Taken(theirs)) => {
                assert_eq!(ours.len(), theirs.len());
            }
            (ours, theirs) => assert_eq!(ours, theirs, "{call:?}"),
        }
    }

    async fn pull(
        &mut self,
        whole: bool,
        rows: Vec<(usize, u8, Option<usize>)>,
        gone: Vec<usize>,
        published: bool,
    ) {
        self.cursors += 1;
        let fresh = self.memory.published().is_none();
        let staging = if whole || fresh {
            Staging::Generation
        } else {
            Staging::Delta
        };
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|(at, value, parent)| self.row(at, value, parent))
            .collect();
        let gone_count = gone.len();
        let gone: Vec<_> = gone.into_iter().map(|at| BLIND.blind(id(at))).collect();
        let cursor = Cursor(self.cursors.to_string());
        let resume = Resume {
            staging,
            epoch: Epoch("e".to_owned()),
            schema: 0,
            settles: self.settles,
            next: Next::Done {
                cursor: cursor.clone(),
                digest: None,
            },
        };
        // Two pages, so that the second knows better than the first.
        let (first, second) = rows.split_at(rows.len() / 2);
        for (at, (rows, gone)) in [(first, Vec::new()), (second, gone)]
            .into_iter()
            .enumerate()
        {
            let page = StagedPage {
                staging,
                first: at == 0,
                rows: rows.to_vec(),
                gone,
                resume: resume.clone(),
            };
            self.call(LocalCall::Stage(Box::new(page))).await;
            self.call(LocalCall::Load).await;
        }
        if published {
            let is_empty = rows.is_empty() && gone_count == 0 && staging == Staging::Delta;
            let publication = Publication {
                // What brought nothing may be published without what was staged.
                staged: (!is_empty || self.cursors.is_multiple_of(2)).then_some(staging),
                published: Published {
                    cursor,
                    epoch: resume.epoch,
                    schema: 0,
                },
                settles: self.settles,
            };
            self.call(LocalCall::Publish(publication)).await;
            self.call(LocalCall::Load).await;
        }
    }

    fn user() -> User {
        User {
            id: USER.parse().unwrap(),
            role: Role::Owner,
        }
    }

    async fn apply(&mut self, change: Change) {
        let (record, update) = match &change {
            Change::Create { id, .. } => (*id, Kind::Create),
            Change::Update { id, .. } => (*id, Kind::Update),
            Change::Delete { id, .. } | Change::Restore { id, .. } => (*id, Kind::Delete),
        };
        let before = self.device.pending().await.unwrap();
        self.device
            .store(Self::user())
            .apply(&[change])
            .await
            .unwrap();
        let after = self.device.pending().await.unwrap();
        if before == after {
            return;
        }
        let changed = after
            .iter()
            .rev()
            .find(|pending| pending.mutation.record == record)
            .unwrap();
        let known = before
            .iter()
            .find(|pending| pending.mutation.uuid == changed.mutation.uuid);
        let wanted: Vec<(&str, serde_json::Value)> = changed
            .mutation
            .fields
            .iter()
            .filter(|(name, edit)| {
                known.is_none_or(|known| known.mutation.fields.get(*name) != Some(edit))
            })
            .map(|(name, edit)| (name.as_str(), edit.wanted.clone()))
            .collect();
        self.memory.edit("account", record, update, &wanted);
    }

    async fn living(&self) -> BTreeMap<RecordId, Columns> {
        let store = self.device.store(Self::user());
        let query = fieldstone_model::Query::new("account")
            .columns(FIELDS)
            .limit(200);
        let page = store.list(&query).await.unwrap();
        let columns = |record: &fieldstone_model::Record| {
            let mut json = String::new();
            record.write_json(&mut json);
            let all: Columns = serde_json::from_str(&json).unwrap();
            all.into_iter()
                .filter(|(name, value)| FIELDS.contains(&name.as_str()) && !value.is_null())
                .collect::<Columns>()
        };
        page.records
            .iter()
            .map(|record| (record.id, columns(record)))
            .collect()
    }

    async fn compare(&mut self) {
        let ours = self.living().await;
        let outbox = self.memory.outbox().to_vec();
        let mut ids: Vec<RecordId> = self.memory.base().keys().copied().collect();
        ids.extend(outbox.iter().map(|pending| pending.mutation.record));
        ids.retain(|id| id.prefix() == "001");
        let theirs: BTreeMap<RecordId, Columns> = ids
            .into_iter()
            .filter_map(|id| {
                let mut view = self.memory.view(id)?;
                view.retain(|name, _| FIELDS.contains(&name.as_str()));
                Some((id, view))
            })
            .collect();
        assert_eq!(ours, theirs);
        let pending = self
            .device
            .read(|connection, _| super::outbox::all(connection))
            .await
            .unwrap();
        assert_eq!(pending.len(), outbox.len());
        for (ours, theirs) in pending.iter().zip(&outbox) {
            assert_eq!(ours.state, theirs.state);
            assert_eq!(ours.mutation.record, theirs.mutation.record);
            assert_eq!(ours.mutation.kind, theirs.mutation.kind);
            if ours.mutation.kind != Kind::Delete {
                assert_eq!(ours.mutation.fields, theirs.mutation.fields);
            }
        }
        self.call(LocalCall::Inventory {
            after: None,
            limit: 5,
        })
        .await;
        self.call(LocalCall::Inventory {
            after: Some(id(3)),
            limit: 100,
        })
        .await;
    }

    async fn run(&mut self, step: Step) {
        let ids: Vec<RecordId> = self.living().await.into_keys().collect();
        let pick = |at: usize| (!ids.is_empty()).then(|| ids[at % ids.len()]);
        match step {
            Step::Pull {
                whole,
                rows,
                gone,
                published,
            } => self.pull(whole, rows, gone, published).await,
            Step::Create(value) => {
                let id = self.device.store(Self::user()).new_id("account").unwrap();
                let name = Value::Text(format!("Made {value}"));
                self.apply(Change::Create {
                    object: "account".to_owned(),
                    id,
                    values: Values::new().with("name", name),
                })
                .await;
            }
            Step::Update(at, value, parent) => {
                let Some(id) = pick(at) else { return };
                let mut values =
                    Values::new().with("city", Value::Text(format!("Town {}", value % 3)));
                if value % 5 == 0 {
                    values.set("name", Value::Text(format!("Edited {value}")));
                }
                if let Some(parent) = parent.and_then(pick).filter(|parent| *parent != id) {
                    values.set("parent_id", Value::Id(parent));
                }
                self.apply(Change::Update {
                    object: "account".to_owned(),
                    id,
                    expected: None,
                    values,
                })
                .await;
            }
            Step::Delete(at) => {
                let Some(id) = pick(at) else { return };
                self.apply(Change::Delete {
                    object: "account".to_owned(),
                    id,
                    expected: None,
                })
                .await;
            }
            Step::Take(limit) => self.call(LocalCall::Take { limit }).await,
            Step::Settle(outcomes) => self.settle(&outcomes).await,
            Step::Undo(at) => {
                let outbox = self.memory.outbox();
                if outbox.is_empty() {
                    return;
                }
                let at = at % outbox.len();
                let theirs = outbox[at].mutation.uuid.clone();
                let pending = self
                    .device
                    .read(|connection, _| super::outbox::all(connection))
                    .await
                    .unwrap();
                let ours = pending[at].mutation.uuid.clone();
                if self.device.undo(ours).await.unwrap().is_ok() {
                    assert!(self.memory.undo(&theirs));
                }
            }
        }
    }

    async fn settle(&mut self, outcomes: &[u8]) {
        let pending = self
            .device
            .read(|connection, _| super::outbox::all(connection))
            .await
            .unwrap();
        let taken: Vec<(String, String)> = pending
            .iter()
            .zip(self.memory.outbox())
            .filter(|(ours, _)| ours.state == State::Taken)
            .map(|(ours, theirs)| (ours.mutation.uuid.clone(), theirs.mutation.uuid.clone()))
            .collect();
        let outcome = |code: u8| match code % 4 {
            0 => Outcome::Applied { version: 2 },
            1 => Outcome::Merged { version: 3 },
            2 => Outcome::Conflict {
                version: 3,
                conflict: "fC00000000000Aa".parse().unwrap(),
                fields: if code > 128 {
                    vec!["city".to_owned()]
                } else {
                    Vec::new()
                },
            },
            _ => Outcome::Rejected {
                rejection: Rejection {
                    code: "invalid".to_owned(),
                    message: String::new(),
                    fields: Vec::new(),
                },
            },
        };
        let result = |uuid: &String, code: u8| MutationResult {
            uuid: uuid.clone(),
            duplicate: false,
            outcome: outcome(code),
        };
        let ours: Vec<_> = taken
            .iter()
            .zip(outcomes)
            .map(|((ours, _), code)| result(ours, *code))
            .collect();
        let theirs: Vec<_> = taken
            .iter()
            .zip(outcomes)
            .map(|((_, theirs), code)| result(theirs, *code))
            .collect();
        let answer = self
            .device
            .perform(LocalCall::Acknowledge(ours))
            .await
            .unwrap();
        let acknowledged = self.memory.acknowledge(&theirs).unwrap();
        assert_eq!(answer, LocalAnswer::Acknowledged(acknowledged));
        self.settles = acknowledged.counter;
    }
}

fn user_row() -> PlatformRow {
    PlatformRow {
        id: USER.parse().unwrap(),
        version: 1,
        row_tag: 0,
        values: Values::new().with("name", Value::Text("Ada".to_owned())),
        unknown: Unknown::new(),
    }
}

async fn local(folder: &std::path::Path) -> Local {
    let key = LoginKey::generate().unwrap();
    let local = Local::open(&folder.join("db"), &key, Arc::new(SystemClock), false)
        .await
        .unwrap();
    local.set_blind_key(BLIND).await.unwrap();
    local
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn the_database_keeps_what_memory_keeps(steps in prop::collection::vec(step(), 5..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut pair = Pair {
                device: local(folder.path()).await,
                memory: MemoryLocal::new(BLIND, Counted::default()),
                settles: 0,
                tags: 0,
                cursors: 0,
            };
            for step in steps {
                pair.run(step).await;
                pair.compare().await;
            }
        });
    }
}

#[tokio::test]
async fn a_taken_id_is_replaced_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let local = local(folder.path()).await;
    local.adopt(vec![user_row()]).await.unwrap();
    let store = local.store(Pair::user());
    let account = store.new_id("account").unwrap();
    let contact = store.new_id("contact").unwrap();
    let create = |object: &str, id, values| Change::Create {
        object: object.to_owned(),
        id,
        values,
    };
    let named = Values::new().with("name", Value::Text("Acme".to_owned()));
    let belongs = Values::new()
        .with("last_name", Value::Text("Lovelace".to_owned()))
        .with("account_id", Value::Id(account));
    let changes = [
        create("account", account, named),
        create("contact", contact, belongs),
    ];
    store.apply(&changes).await.unwrap();
    let LocalAnswer::Taken(taken) = local.perform(LocalCall::Take { limit: 1 }).await.unwrap()
    else {
        panic!("mutations were expected");
    };
    let result = MutationResult {
        uuid: taken[0].uuid.clone(),
        duplicate: false,
        outcome: Outcome::IdTaken,
    };
    local
        .perform(LocalCall::Acknowledge(vec![result]))
        .await
        .unwrap();
    let read = store.get("contact", contact, &[]).await.unwrap();
    let moved = read.get("account_id").as_id().unwrap();
    assert_ne!(moved, account);
    let account_now = store.get("account", moved, &[]).await.unwrap();
    assert_eq!(account_now.get("name").as_text(), Some("Acme"));
    assert!(store.get("account", account, &[]).await.is_err());
    let pending = local.pending().await.unwrap();
    assert!(pending.iter().all(|pending| pending.state == State::New));
    assert_eq!(pending[0].mutation.record, moved);
    assert_ne!(pending[0].mutation.uuid, taken[0].uuid);
}

#[tokio::test]
async fn fields_of_a_newer_platform_are_kept_until_they_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let local = local(folder.path()).await;
    let id: RecordId = "0010000000000Aa".parse().unwrap();
    let mut unknown = Unknown::new();
    unknown.insert("route".to_owned(), "North".into());
    let row = PlatformRow {
        id,
        version: 1,
        row_tag: 1,
        values: Values::new().with("name", Value::Text("Acme".to_owned())),
        unknown,
    };
    local.adopt(vec![row]).await.unwrap();
    let field = fieldstone_model::Field {
        custom: true,
        ..fieldstone_model::Field::text(1000, "route", 40)
            .indexed()
            .searchable()
    };
    let document = super::SchemaDocument {
        version: 2,
        objects: Vec::new(),
        fields: std::collections::HashMap::from([("account".to_owned(), vec![field])]),
        ..super::SchemaDocument::default()
    };
    local.set_schema(document).await.unwrap();
    let store = local.store(Pair::user());
    let read = store.get("account", id, &[]).await.unwrap();
    assert_eq!(read.get("route").as_text(), Some("North"));
    let mut search = fieldstone_model::Query::new("account");
    search.search = Some("nor".to_owned());
    assert_eq!(store.count(&search).await.unwrap(), 1);
}
