//! What people have done at their devices, and what must be true of it at every moment.

use std::collections::BTreeMap;

use fieldstone_client::engine::memory::{Pending, State};
use fieldstone_model::RecordId;
use fieldstone_protocol::push::{Edit, Kind, Mutation, MutationResult, Outcome};
use serde_json::Value;

use crate::{device::Device, platform::Platform};

/// Edits that are not yet known to have arrived, and values that a device must go on showing.
#[derive(Default)]
pub(crate) struct Ledger {
    edits: BTreeMap<(RecordId, u64), BTreeMap<String, Edit>>,
    shown: BTreeMap<(RecordId, RecordId, String), (Value, i64)>,
    /// Edits that have arrived.
    pub(crate) arrived: u64,
    /// Edits that met another change.
    pub(crate) conflicts: u64,
}

/// Texts that people enter say who they are from; ids may change on the way.
fn is_entered(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("e-"))
}

fn same_texts(noted: &BTreeMap<String, Edit>, mutation: &Mutation) -> bool {
    noted
        .iter()
        .filter(|(_, edit)| is_entered(&edit.wanted))
        .all(|(field, edit)| {
            mutation
                .fields
                .get(field)
                .is_some_and(|there| there.wanted == edit.wanted)
        })
}

impl Ledger {
    /// Notes the mutation that an edit has gone into.
    pub(crate) fn note(&mut self, device: &Device, uuid: &str) {
        if let Some(pending) = device
            .local
            .outbox()
            .iter()
            .find(|pending| pending.mutation.uuid == uuid)
        {
            self.edits.insert(
                (device.id, pending.mutation.sequence),
                pending.mutation.fields.clone(),
            );
        }
    }

    /// The person took it back.
    pub(crate) fn forget(&mut self, device: RecordId, sequence: u64) {
        self.edits.remove(&(device, sequence));
    }

    /// The device was given up, with what was in it: by its person, who was asked, or by an order to erase.
    pub(crate) fn forget_device(&mut self, device: RecordId) {
        self.edits.retain(|(of, _), _| *of != device);
        self.shown.retain(|(of, ..), _| *of != device);
    }

    /// The database goes back to a backup: what had arrived may be gone, and nobody but the operator knows.
    pub(crate) fn database_is_restored(&mut self, platform: &Platform) {
        self.edits
            .retain(|key, _| !platform.data.effects.contains_key(key));
        self.shown.clear();
    }

    /// A device is about to note results: from then on it shows what was accepted until the base does.
    pub(crate) fn before_acknowledging(
        &mut self,
        device: &Device,
        platform: &Platform,
        results: &[MutationResult],
    ) {
        for result in results {
            let (version, waiting) = match &result.outcome {
                Outcome::Applied { version } | Outcome::Merged { version } => (*version, &[][..]),
                Outcome::Conflict {
                    version, fields, ..
                } if !fields.is_empty() => (*version, &fields[..]),
                _ => continue,
            };
            let is_it = |pending: &&Pending| {
                pending.mutation.uuid == result.uuid && pending.state == State::Taken
            };
            let Some(pending) = device.local.outbox().iter().find(is_it) else {
                continue;
            };
            if !platform.data.results.contains_key(&result.uuid) {
                // A result from before the database was restored: what it says is nowhere any more.
                self.shown.retain(|(of, record, _), _| {
                    *of != device.id || *record != pending.mutation.record
                });
                continue;
            }
            if pending.mutation.kind == Kind::Delete {
                continue;
            }
            let written = pending
                .mutation
                .fields
                .iter()
                .filter(|(field, _)| !waiting.contains(field));
            for (field, edit) in written {
                let key = (device.id, pending.mutation.record, field.clone());
                self.shown.insert(key, (edit.wanted.clone(), version));
            }
        }
    }

    /// Every edit is in the outbox as it was entered, or the platform has it.
    pub(crate) fn check_edits(
        &mut self,
        device: &Device,
        platform: &Platform,
    ) -> Result<(), String> {
        let mut arrived = Vec::new();
        let first = (device.id, 0);
        for ((_, sequence), noted) in self.edits.range(first..=(device.id, u64::MAX)) {
            let pending = device
                .local
                .outbox()
                .iter()
                .find(|pending| pending.mutation.sequence == *sequence);
            if let Some(Pending { mutation, state }) = pending {
                if !same_texts(noted, mutation) {
                    return Err(format!(
                        "change {sequence} of {} is in the outbox as something else",
                        device.id
                    ));
                }
                if !matches!(state, State::Acknowledged { .. }) {
                    continue;
                }
            }
            let effects = platform
                .data
                .effects
                .get(&(device.id, *sequence))
                .map_or(&[][..], Vec::as_slice);
            let accepted = effects.iter().find(|effect| {
                matches!(
                    effect.outcome,
                    Outcome::Applied { .. } | Outcome::Merged { .. } | Outcome::Conflict { .. }
                )
            });
            match accepted {
                Some(effect) if same_texts(noted, &effect.mutation) => {
                    if let Outcome::Conflict { .. } = effect.outcome {
                        self.conflicts += 1;
                    }
                    if pending.is_none() {
                        arrived.push(*sequence);
                    }
                }
                Some(_) => {
                    return Err(format!(
                        "change {sequence} of {} arrived as something else",
                        device.id
                    ));
                }
                None => {
                    return Err(format!(
                        "change {sequence} of {} is lost: {noted:?}",
                        device.id
                    ));
                }
            }
        }
        for sequence in arrived {
            self.edits.remove(&(device.id, sequence));
            self.arrived += 1;
        }
        Ok(())
    }

    /// What was accepted stays visible until the base has it.
    pub(crate) fn check_views(
        &mut self,
        device: &Device,
        platform: &Platform,
    ) -> Result<(), String> {
        // What was removed for good is nowhere, and what was made under its id since is another record.
        let is_there = |record: &RecordId, version: i64| {
            let row = platform.data.rows.get(record);
            row.is_some_and(|row| row.version >= version)
        };
        self.shown
            .retain(|(_, record, _), (_, version)| is_there(record, *version));
        let mut caught_up = Vec::new();
        for (key, (wanted, version)) in self.shown.iter().filter(|((of, ..), _)| *of == device.id) {
            let (_, record, field) = key;
            let mut of_record = device
                .local
                .outbox()
                .iter()
                .filter(|pending| pending.mutation.record == *record);
            let base = device.local.base().get(record);
            if base.is_some_and(|row| row.version >= *version) {
                caught_up.push(key.clone());
                continue;
            }
            if of_record
                .clone()
                .any(|pending| !matches!(pending.state, State::Acknowledged { .. }))
            {
                continue;
            }
            if base.is_none() && of_record.next().is_none() {
                // It has left the scope.
                caught_up.push(key.clone());
                continue;
            }
            if let Some(view) = device.local.view(*record)
                && view.get(field).unwrap_or(&Value::Null) != wanted
            {
                return Err(format!(
                    "{} shows an older {field} of {record} than it has sent",
                    device.id
                ));
            }
        }
        for key in caught_up {
            self.shown.remove(&key);
        }
        Ok(())
    }
}
