//! A small model of the platform: a database with overlapping transactions, snapshots and crashes, and sync on top of it.
//!
//! It shares the protocol and the merge with the platform that is shipped, and nothing else: what the shipped one does in SQL is done here
//! by looking at everything.

mod pull;
mod push;
mod scope;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fieldstone_model::{RecordId, Registry};
use fieldstone_protocol::{
    Columns,
    device::{Standing, WipeOrder},
    digest::Digest,
    pull::Cursor,
    push::{Mutation, Outcome},
    tag::{BlindKey, Tag},
};
use jiff::Timestamp;

use crate::random::Random;
pub(crate) use scope::{OBJECTS, date, prefix};

/// One row as the database has it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) object: &'static str,
    pub(crate) columns: Columns,
    pub(crate) version: i64,
    pub(crate) deleted: bool,
    /// The transaction that wrote this version.
    pub(crate) changed: u64,
    pub(crate) tag: i64,
}

/// What transactions were over at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    next: u64,
    running: Vec<u64>,
}

impl Snapshot {
    /// Whether what `row`'s transaction did was there.
    pub(crate) fn sees(&self, row: &Stored) -> bool {
        self.includes(row.changed)
    }

    /// Whether this transaction was over.
    fn includes(&self, transaction: u64) -> bool {
        transaction < self.next && !self.running.contains(&transaction)
    }

    /// Every transaction before this one was over.
    fn oldest(&self) -> u64 {
        self.running
            .iter()
            .copied()
            .min()
            .unwrap_or(self.next)
            .min(self.next)
    }
}

/// A transaction that isn't over.
#[derive(Debug)]
pub(crate) struct Transaction {
    id: u64,
    writes: BTreeMap<RecordId, Stored>,
}

/// A person of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: RecordId,
    pub(crate) may_write: bool,
    pub(crate) sees_private: bool,
    pub(crate) withheld: bool,
    pub(crate) record_sets: usize,
}

/// A device as the platform knows it.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) person: usize,
    pub(crate) signed_in: bool,
    pub(crate) revoked: bool,
    pub(crate) wipe: bool,
    pub(crate) blind: BlindKey,
}

/// A cursor, or a page's token: the snapshot at which its pull began.
#[derive(Debug, Clone)]
struct Kept {
    id: String,
    device: RecordId,
    snapshot: Snapshot,
    epoch: String,
    /// How far a delta has got.
    position: Option<RecordId>,
}

/// What became of a mutation, for the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) mutation: Mutation,
    pub(crate) outcome: Outcome,
}

/// What is in the database, and comes back when it is restored.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) rows: BTreeMap<RecordId, Stored>,
    next: u64,
    /// The last transaction number that a crash can't bring back.
    durable: u64,
    /// What a row led to until a transaction changed it.
    unlinked: Vec<(u64, RecordId)>,
    /// The largest transaction whose deletion was purged.
    purged: u64,
    kept: Vec<Kept>,
    pub(crate) results: BTreeMap<String, Outcome>,
    /// By device and sequence number.
    pub(crate) effects: BTreeMap<(RecordId, u64), Vec<Effect>>,
    /// How often each entered text was written.
    pub(crate) written: BTreeMap<String, u32>,
}

/// What the server remembers between requests. It outlives a database that is put back, and nothing else.
#[derive(Debug, Default)]
struct Recall {
    /// What was in a person's scope when a walk listed it, by the page that goes on from there.
    lists: BTreeMap<String, Rc<BTreeSet<RecordId>>>,
    /// What the scope added up to for whoever has heard of no change since a cursor.
    digests: BTreeMap<(String, String), Digest>,
}

/// The platform.
pub(crate) struct Platform {
    pub(crate) data: Data,
    pub(crate) open: Vec<Transaction>,
    pub(crate) people: Vec<Person>,
    pub(crate) devices: BTreeMap<RecordId, Registered>,
    pub(crate) today: i64,
    /// What the scope was at each cursor that was given out with a digest.
    pub(crate) scopes: BTreeMap<Cursor, Rc<BTreeMap<RecordId, Tag>>>,
    pub(crate) backup: Option<Data>,
    recall: Recall,
    registry: Registry,
    random: Random,
    page: usize,
}

impl Platform {
    pub(crate) fn new(mut random: Random, people: usize) -> Self {
        let person = |at: usize| Person {
            id: RecordId::compose(*b"005", Timestamp::UNIX_EPOCH, at as u64),
            may_write: true,
            sees_private: at.is_multiple_of(2),
            withheld: at == 1,
            record_sets: 0,
        };
        let data = Data {
            rows: BTreeMap::new(),
            next: 10,
            durable: 9,
            unlinked: Vec::new(),
            purged: 0,
            kept: Vec::new(),
            results: BTreeMap::new(),
            effects: BTreeMap::new(),
            written: BTreeMap::new(),
        };
        Self {
            data,
            open: Vec::new(),
            people: (0..people).map(person).collect(),
            devices: BTreeMap::new(),
            today: 100,
            scopes: BTreeMap::new(),
            backup: None,
            recall: Recall::default(),
            registry: Registry::standard(),
            page: 1 + random.below(6),
            random,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            next: self.data.next,
            running: self.open.iter().map(|open| open.id).collect(),
        }
    }

    /// Whether a transaction that isn't over has written this row.
    pub(crate) fn is_locked(&self, id: RecordId) -> bool {
        self.open.iter().any(|open| open.writes.contains_key(&id))
    }

    pub(crate) fn begin(&mut self) -> usize {
        let id = self.data.next;
        self.data.next += 1;
        self.open.push(Transaction {
            id,
            writes: BTreeMap::new(),
        });
        self.open.len() - 1
    }

    /// Writes a row within an open transaction: `change` gets the columns as they are there.
    pub(crate) fn write(
        &mut self,
        transaction: usize,
        id: RecordId,
        object: &'static str,
        deleted: bool,
        change: impl FnOnce(&mut Columns),
    ) {
        let tag = self.random.next().cast_signed();
        let Some(open) = self.open.get_mut(transaction) else {
            return;
        };
        let before = open.writes.get(&id).or_else(|| self.data.rows.get(&id));
        let (mut columns, version) =
            before.map_or_else(Default::default, |row| (row.columns.clone(), row.version));
        change(&mut columns);
        let row = Stored {
            object,
            columns,
            version: version + 1,
            deleted,
            changed: open.id,
            tag,
        };
        open.writes.insert(id, row);
    }

    /// Commits: from now on every snapshot sees it, and a crash doesn't undo it.
    pub(crate) fn commit(&mut self, transaction: usize) {
        if transaction >= self.open.len() {
            return;
        }
        let done = self.open.swap_remove(transaction);
        for (id, row) in &done.writes {
            let before = self.data.rows.get(id).map(references).unwrap_or_default();
            let after = references(row);
            let left = before.into_iter().filter(|id| !after.contains(id));
            self.data.unlinked.extend(left.map(|id| (done.id, id)));
        }
        self.data.rows.extend(done.writes);
        self.flush();
    }

    pub(crate) fn abort(&mut self, transaction: usize) {
        if transaction < self.open.len() {
            self.open.swap_remove(transaction);
        }
    }

    /// Whatever has been done so far survives a crash.
    fn flush(&mut self) {
        self.data.durable = self.data.next - 1;
    }

    /// The process is killed: open transactions are gone, and numbers that nothing flushed are given out again.
    pub(crate) fn crash(&mut self) {
        self.open.clear();
        self.recall = Recall::default();
        self.data.next = self.data.durable + 1;
    }

    /// Removes deleted rows for good.
    pub(crate) fn purge(&mut self) {
        let locked: Vec<RecordId> = self
            .open
            .iter()
            .flat_map(|open| open.writes.keys().copied())
            .collect();
        let purged: Vec<RecordId> = self
            .data
            .rows
            .iter()
            .filter(|(id, row)| row.deleted && !locked.contains(id))
            .map(|(id, _)| *id)
            .collect();
        for id in purged {
            if let Some(row) = self.data.rows.remove(&id) {
                self.data.purged = self.data.purged.max(row.changed);
            }
        }
        self.flush();
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.data.clone());
    }

    /// Puts the backup back. Everything since is lost, and cursors given out since are unknown.
    pub(crate) fn restore(&mut self) -> bool {
        let Some(data) = self.backup.clone() else {
            return false;
        };
        self.open.clear();
        self.data = data;
        true
    }

    pub(crate) fn standing(&self, device: RecordId) -> Standing {
        match self.devices.get(&device) {
            Some(known) if known.wipe => {
                let ordered_at = Timestamp::UNIX_EPOCH;
                Standing::Wipe(WipeOrder {
                    device,
                    ordered_at,
                    signature: String::new(),
                    receipt: String::new(),
                })
            }
            Some(known) if known.revoked => Standing::Revoked,
            _ => Standing::Welcome,
        }
    }

    /// The person whose device this is, while it may sync.
    pub(crate) fn admit(&self, device: RecordId) -> Option<usize> {
        let known = self.devices.get(&device)?;
        (known.signed_in && !known.revoked && !known.wipe).then_some(known.person)
    }
}

fn references(row: &Stored) -> Vec<RecordId> {
    let texts = row.columns.values().filter_map(serde_json::Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}
