//! Local storage in memory: the reference for what [`Local`] means, and the storage of simulated devices.

use std::collections::{BTreeMap, BTreeSet};

use fieldstone_model::RecordId;
use fieldstone_protocol::{
    Columns,
    digest::Digest,
    pull::{Inventory, Row},
    push::{Edit, Kind, Mutation, MutationResult, Outcome, Rejection},
    tag::{Blind, BlindKey},
};
use serde_json::Value;

use super::local::{
    Acknowledged, Loaded, Local, LocalError, Publication, Published, Resume, StagedPage, Staging,
};

/// Makes what storage needs of randomness.
pub trait Fresh {
    /// A new uuid for a mutation.
    fn uuid(&mut self) -> String;
    /// A new id for a record, with the prefix of `like`.
    fn id(&mut self, like: RecordId) -> RecordId;
}

/// Storage of one login in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryLocal<F> {
    /// Where new names come from.
    pub fresh: F,
    blind: BlindKey,
    published: Option<Published>,
    base: BTreeMap<RecordId, Row>,
    stage: Stage,
    outbox: Vec<Pending>,
    sequence: u64,
    acknowledged: u64,
    erasing: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Stage {
    rows: BTreeMap<RecordId, Row>,
    gone: BTreeSet<Blind>,
    resume: Option<Resume>,
}

/// One mutation in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What is to be done.
    pub mutation: Mutation,
    /// How far it has got.
    pub state: State,
}

/// How far a mutation has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// May still be changed.
    New,
    /// The platform may have it.
    Taken,
    /// Refused; waits for a person.
    SetAside(Rejection),
    /// The platform has it, the base not yet.
    Acknowledged {
        /// The acknowledgement counter at that moment.
        counter: u64,
        /// What became of it.
        outcome: Outcome,
    },
}

impl<F: Fresh> MemoryLocal<F> {
    /// Empty storage for the device that has this key.
    pub fn new(blind: BlindKey, fresh: F) -> Self {
        Self {
            fresh,
            blind,
            published: None,
            base: BTreeMap::new(),
            stage: Stage::default(),
            outbox: Vec::new(),
            sequence: 0,
            acknowledged: 0,
            erasing: false,
        }
    }

    /// What the base is a copy of.
    pub fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// The rows of the base, in order of id.
    pub fn base(&self) -> &BTreeMap<RecordId, Row> {
        &self.base
    }

    /// The outbox, in order.
    pub fn outbox(&self) -> &[Pending] {
        &self.outbox
    }

    /// The first step of erasing, the durable mark, by itself: what a process leaves behind that is killed after it.
    pub fn begin_erasing(&mut self) {
        self.erasing = true;
    }

    /// Whether nothing at all is left.
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
            && self.outbox.is_empty()
            && self.stage == Stage::default()
            && self.published.is_none()
    }

    /// The record as pages show it; none when it is deleted or was never there.
    pub fn view(&self, id: RecordId) -> Option<Columns> {
        let mut view = self.base.get(&id).map(|row| row.columns.clone());
        for Pending { mutation, state } in self
            .outbox
            .iter()
            .filter(|pending| pending.mutation.record == id)
        {
            let waits = |field: &str| match state {
                State::Acknowledged {
                    outcome: Outcome::Conflict { fields, .. },
                    ..
                } => fields.is_empty() || fields.iter().any(|waiting| waiting == field),
                _ => false,
            };
            match mutation.kind {
                Kind::Delete if !waits("") => view = None,
                Kind::Delete => {}
                Kind::Create | Kind::Update => {
                    let columns = match (&mut view, mutation.kind) {
                        (Some(columns), _) => columns,
                        (none, Kind::Create) => none.get_or_insert_default(),
                        (None, _) => continue,
                    };
                    for (field, edit) in mutation.fields.iter().filter(|(field, _)| !waits(field)) {
                        set(columns, field, &edit.wanted);
                    }
                }
            }
        }
        view
    }

    /// Makes a record, changes fields of one, or deletes one, as a person at the device does. What a deletion wants is ignored; it says
    /// which fields there are besides those that are filled.
    ///
    /// An update joins a *new* update of the same record; answers the uuid of the mutation that now holds the change.
    pub fn edit(
        &mut self,
        object: &str,
        record: RecordId,
        kind: Kind,
        wanted: &[(&str, Value)],
    ) -> String {
        let seen = self.view(record).unwrap_or_default();
        let base = |field: &str| seen.get(field).cloned().unwrap_or_default();
        let edits: BTreeMap<String, Edit> = match kind {
            Kind::Delete => {
                let filled = seen.keys().map(String::as_str);
                let all = filled.chain(wanted.iter().map(|(field, _)| *field));
                let edit = |field: &str| {
                    let (base, wanted) = (base(field), Value::Null);
                    (field.to_owned(), Edit { base, wanted })
                };
                all.map(edit).collect()
            }
            Kind::Create | Kind::Update => {
                let edit = |(field, value): &(&str, Value)| {
                    (
                        (*field).to_owned(),
                        Edit {
                            base: base(field),
                            wanted: value.clone(),
                        },
                    )
                };
                wanted.iter().map(edit).collect()
            }
        };
        let last = self
            .outbox
            .iter_mut()
            .rev()
            .find(|pending| pending.mutation.record == record);
        if let (
            Some(Pending {
                mutation,
                state: State::New,
            }),
            Kind::Update,
        ) = (last, kind)
            && mutation.kind != Kind::Delete
        {
            for (field, edit) in edits {
                let joined = mutation.fields.entry(field).or_insert_with(|| edit.clone());
                joined.wanted = edit.wanted;
            }
            return mutation.uuid.clone();
        }
        self.sequence += 1;
        let uuid = self.fresh.uuid();
        let mutation = Mutation {
            uuid: uuid.clone(),
            sequence: self.sequence,
            object: object.to_owned(),
            record,
            kind,
            fields: edits,
        };
        self.outbox.push(Pending {
            mutation,
            state: State::New,
        });
        uuid
    }

    /// Takes back a mutation that is new or set aside; answers whether there was one.
    pub fn undo(&mut self, uuid: &str) -> bool {
        let before = self.outbox.len();
        self.outbox.retain(|pending| {
            pending.mutation.uuid != uuid
                || !matches!(pending.state, State::New | State::SetAside(_))
        });
        self.outbox.len() < before
    }

    /// Tries a mutation again that was set aside, as a new one; answers its new uuid.
    pub fn retry(&mut self, uuid: &str) -> Option<String> {
        let fresh = self.fresh.uuid();
        let pending = self
            .outbox
            .iter_mut()
            .find(|pending| pending.mutation.uuid == uuid)?;
        let State::SetAside(_) = pending.state else {
            return None;
        };
        pending.state = State::New;
        pending.mutation.uuid.clone_from(&fresh);
        Some(fresh)
    }

    /// Gives the record of a mutation whose id is taken another one.
    fn rename(&mut self, at: usize) {
        let Some(old) = self.outbox.get(at).map(|pending| pending.mutation.record) else {
            return;
        };
        let new = self.fresh.id(old);
        let (old_text, new_text) = (Value::from(old.as_str()), Value::from(new.as_str()));
        for pending in self.outbox.iter_mut().skip(at) {
            let Mutation {
                uuid,
                record,
                fields,
                ..
            } = &mut pending.mutation;
            let mut changed = *record == old;
            if changed {
                *record = new;
            }
            for value in fields
                .values_mut()
                .flat_map(|edit| [&mut edit.base, &mut edit.wanted])
            {
                if *value == old_text {
                    value.clone_from(&new_text);
                    changed = true;
                }
            }
            if changed {
                *uuid = self.fresh.uuid();
                pending.state = State::New;
            }
        }
    }
}

impl<F: Fresh> Local for MemoryLocal<F> {
    fn load(&mut self) -> Result<Loaded, LocalError> {
        Ok(Loaded {
            erasing: self.erasing,
            published: self.published.clone(),
            resume: self.stage.resume.clone(),
            acknowledged: self.acknowledged,
        })
    }

    fn stage(&mut self, page: &StagedPage) -> Result<(), LocalError> {
        if page.first {
            self.stage = Stage::default();
        }
        let blind = self.blind;
        for row in &page.rows {
            self.stage.gone.remove(&blind.blind(row.id));
            self.stage.rows.insert(row.id, row.clone());
        }
        if !page.gone.is_empty() {
            let gone: BTreeSet<Blind> = page.gone.iter().copied().collect();
            self.stage
                .rows
                .retain(|id, _| !gone.contains(&blind.blind(*id)));
            self.stage.gone.extend(gone);
        }
        self.stage.resume = Some(page.resume.clone());
        Ok(())
    }

    fn inventory(
        &mut self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Inventory, LocalError> {
        let behind = self
            .base
            .values()
            .filter(|row| after.is_none_or(|after| row.id > after));
        let mut entries: Vec<_> = behind
            .take(limit + 1)
            .map(|row| (row.id, row.tag))
            .collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let until = entries.last().map(|(id, _)| *id).filter(|_| more);
        Ok(Inventory {
            after,
            until,
            entries,
        })
    }

    fn publish(&mut self, publication: &Publication) -> Result<Digest, LocalError> {
        let stage = std::mem::take(&mut self.stage);
        match publication.staged {
            None => {}
            Some(Staging::Generation) => self.base = stage.rows,
            Some(Staging::Delta | Staging::Difference) => {
                if !stage.gone.is_empty() {
                    let blind = self.blind;
                    self.base
                        .retain(|id, _| !stage.gone.contains(&blind.blind(*id)));
                }
                self.base.extend(stage.rows);
            }
        }
        self.published = Some(publication.published.clone());
        self.outbox.retain(|pending| match pending.state {
            State::Acknowledged { counter, .. } => counter > publication.settles,
            _ => true,
        });
        let mut digest = Digest::default();
        for row in self.base.values() {
            digest.add(&row.object, row.tag);
        }
        Ok(digest)
    }

    fn take(&mut self, limit: usize) -> Result<Vec<Mutation>, LocalError> {
        let sendable = self
            .outbox
            .iter_mut()
            .filter(|pending| matches!(pending.state, State::New | State::Taken));
        let taken = sendable.take(limit).map(|pending| {
            pending.state = State::Taken;
            pending.mutation.clone()
        });
        Ok(taken.collect())
    }

    fn acknowledge(&mut self, results: &[MutationResult]) -> Result<Acknowledged, LocalError> {
        self.acknowledged += 1;
        let mut set_aside = 0;
        for result in results {
            let is_it = |pending: &Pending| {
                pending.mutation.uuid == result.uuid && pending.state == State::Taken
            };
            let Some(at) = self.outbox.iter().position(is_it) else {
                continue;
            };
            let state = match &result.outcome {
                Outcome::IdTaken => {
                    self.rename(at);
                    continue;
                }
                Outcome::Rejected { rejection } => {
                    set_aside += 1;
                    State::SetAside(rejection.clone())
                }
                outcome => State::Acknowledged {
                    counter: self.acknowledged,
                    outcome: outcome.clone(),
                },
            };
            if let Some(pending) = self.outbox.get_mut(at) {
                pending.state = state;
            }
        }
        let more = self
            .outbox
            .iter()
            .any(|pending| matches!(pending.state, State::New | State::Taken));
        Ok(Acknowledged {
            counter: self.acknowledged,
            set_aside,
            more,
        })
    }

    fn erase(&mut self) -> Result<(), LocalError> {
        self.begin_erasing();
        self.base.clear();
        self.outbox.clear();
        self.stage = Stage::default();
        self.published = None;
        Ok(())
    }
}

fn set(columns: &mut Columns, field: &str, value: &Value) {
    if value.is_null() {
        columns.remove(field);
    } else {
        columns.insert(field.to_owned(), value.clone());
    }
}
