//! What people do: at their devices, in a browser, as administrators.

use fieldstone_client::engine::{Engine, Event, memory::State};
use fieldstone_model::RecordId;
use fieldstone_protocol::{conflict, push::Kind};
use serde_json::{Value, json};

use super::World;
use crate::platform::{OBJECTS, date, prefix};

impl World {
    pub(super) fn person_edits(&mut self, at: usize) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        if device.engine.as_ref().is_none_or(Engine::is_locked) {
            return Ok(());
        }
        let person = device.person;
        let made_here = device
            .local
            .outbox()
            .iter()
            .filter(|pending| pending.mutation.kind == Kind::Create);
        let made_here: Vec<RecordId> = made_here.map(|pending| pending.mutation.record).collect();
        let ids: Vec<RecordId> = device
            .local
            .base()
            .keys()
            .copied()
            .chain(made_here)
            .collect();
        let waiting: Vec<(String, u64, bool)> = device
            .local
            .outbox()
            .iter()
            .map(|pending| {
                let aside = matches!(pending.state, State::SetAside(_));
                (
                    pending.mutation.uuid.clone(),
                    pending.mutation.sequence,
                    aside,
                )
            })
            .collect();
        let choice = self.random.below(12);
        let record = self.random.pick(&ids).copied();
        let entry = self.random.pick(&waiting).cloned();
        match (choice, record, entry) {
            (0, _, Some((uuid, sequence, _))) => {
                let device = self.device(at)?;
                let id = device.id;
                if device.local.undo(&uuid) {
                    self.ledger.forget(id, sequence);
                }
            }
            (1, _, Some((uuid, _, true))) => {
                self.device(at)?.local.retry(&uuid);
            }
            (2..=4, ..) | (_, None, _) => self.person_creates(at, person, &ids)?,
            (5, Some(record), _) => {
                if self.device(at)?.local.view(record).is_some() && record.prefix() != "fX0" {
                    let object = object_of(record);
                    let fields = [(other_field(object), Value::Null)];
                    let local = &mut self.device(at)?.local;
                    let uuid = local.edit(object, record, Kind::Delete, &fields);
                    self.noted(at, &uuid)?;
                }
            }
            (_, Some(record), _) => self.person_updates(at, record, &ids)?,
        }
        self.check(at)?;
        self.tell(at, Event::Edited)
    }

    pub(super) fn noted(&mut self, at: usize, uuid: &str) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        self.ledger.note(device, uuid);
        note!(self, "{} edits as {uuid}", device.id);
        Ok(())
    }

    pub(super) fn person_creates(
        &mut self,
        at: usize,
        person: usize,
        ids: &[RecordId],
    ) -> Result<(), String> {
        let object = *self.random.pick(&OBJECTS).unwrap_or(&"task");
        let text = self.text("e-");
        let owner = self
            .platform
            .people
            .get(person)
            .map_or(Value::Null, |person| json!(person.id));
        let parent = self.parent(object, ids);
        let day = json!(date(self.platform.today + 1));
        let device = self.device(at)?;
        let id = device.local.fresh.record(prefix(object));
        if device.local.view(id).is_some()
            || device
                .local
                .outbox()
                .iter()
                .any(|pending| pending.mutation.record == id)
        {
            return Ok(());
        }
        let mut fields = vec![(text_field(object), text), ("owner_id", owner)];
        fields.extend(parent);
        if object == "deal" {
            fields.push(("close_date", day));
        }
        let uuid = device.local.edit(object, id, Kind::Create, &fields);
        self.noted(at, &uuid)
    }

    pub(super) fn person_updates(
        &mut self,
        at: usize,
        record: RecordId,
        ids: &[RecordId],
    ) -> Result<(), String> {
        let object = object_of(record);
        let Some(view) = self.device(at)?.local.view(record) else {
            return Ok(());
        };
        let fields = if object == conflict::OBJECT {
            if view.contains_key(conflict::RESOLUTION) {
                return Ok(());
            }
            let resolution = if self.random.once_in(2) {
                conflict::MINE
            } else {
                conflict::THEIRS
            };
            vec![(conflict::RESOLUTION, json!(resolution))]
        } else if self.random.once_in(4) {
            self.parent(object, ids).into_iter().collect()
        } else {
            let field = if self.random.once_in(3) {
                other_field(object)
            } else {
                text_field(object)
            };
            vec![(field, self.text("e-"))]
        };
        if fields.is_empty() {
            return Ok(());
        }
        let uuid = self
            .device(at)?
            .local
            .edit(object, record, Kind::Update, &fields);
        self.noted(at, &uuid)
    }

    /// A relation of `object`, to one of the records.
    pub(super) fn parent(
        &mut self,
        object: &str,
        ids: &[RecordId],
    ) -> Option<(&'static str, Value)> {
        let (field, to) = match object {
            "contact" | "deal" => ("account_id", "001"),
            "task" => ("about_id", "006"),
            _ => return None,
        };
        let fitting: Vec<RecordId> = ids.iter().copied().filter(|id| id.prefix() == to).collect();
        self.random.pick(&fitting).map(|id| (field, json!(id)))
    }

    /// Somebody works in a browser: transactions that overlap.
    pub(super) fn web_works(&mut self) {
        let open = self.platform.open.len();
        match self.random.below(6) {
            0..=2 if open < 3 => {
                let open = self.platform.begin();
                for _ in 0..=self.random.below(3) {
                    self.web_write(open);
                }
                if self.random.once_in(2) {
                    self.platform.commit(open);
                }
            }
            3 => {
                let conflicts = self
                    .platform
                    .data
                    .rows
                    .iter()
                    .filter(|(_, row)| row.object == conflict::OBJECT);
                let conflicts: Vec<RecordId> = conflicts.map(|(id, _)| *id).collect();
                let mine = self.random.once_in(2);
                if let Some(id) = self.random.pick(&conflicts) {
                    self.platform.settle(*id, mine);
                }
            }
            4 if self.random.once_in(3) => self.platform.abort(self.random.below(open)),
            _ if open > 0 => self.platform.commit(self.random.below(open)),
            _ => {}
        }
        note!(
            self,
            "somebody works in a browser; {} transactions are open",
            self.platform.open.len()
        );
    }

    pub(super) fn web_write(&mut self, open: usize) {
        let ids: Vec<RecordId> = self
            .platform
            .data
            .rows
            .keys()
            .copied()
            .filter(|id| id.prefix() != "fX0")
            .collect();
        let existing = self
            .random
            .pick(&ids)
            .copied()
            .filter(|_| !self.random.once_in(3));
        let id = existing.unwrap_or_else(|| {
            let object = *self.random.pick(&OBJECTS).unwrap_or(&"task");
            let at = jiff::Timestamp::UNIX_EPOCH;
            RecordId::compose(prefix(object), at, self.random.next() % 2000)
        });
        if self.platform.is_locked(id) {
            return;
        }
        let object = object_of(id);
        let is_new = !self.platform.data.rows.contains_key(&id);
        let text = self.text("w-");
        let parent = self.parent(object, &ids);
        let people: Vec<RecordId> = self
            .platform
            .people
            .iter()
            .map(|person| person.id)
            .collect();
        let owner = self
            .random
            .pick(&people)
            .map_or(Value::Null, |id| json!(id));
        let day = json!(date(
            self.platform.today + 3 - i64::try_from(self.random.below(6)).unwrap_or(0)
        ));
        let was_deleted = self
            .platform
            .data
            .rows
            .get(&id)
            .is_some_and(|row| row.deleted);
        let choice = if is_new { 9 } else { self.random.below(9) };
        let deleted = choice == 0 || was_deleted && choice != 1;
        let field = if choice == 2 {
            other_field(object)
        } else {
            text_field(object)
        };
        self.platform
            .write(open, id, object, deleted, |columns| match choice {
                0 | 1 => {}
                3 => drop(parent.map(|(field, id)| columns.insert(field.to_owned(), id))),
                4 => drop(columns.insert("owner_id".to_owned(), owner)),
                5 if object == "deal" => drop(columns.insert("close_date".to_owned(), day)),
                6 if object == "account" => {
                    if columns.remove("is_private").is_none() {
                        columns.insert("is_private".to_owned(), json!(true));
                    }
                }
                9 => {
                    columns.insert(field.to_owned(), text);
                    columns.insert("owner_id".to_owned(), owner);
                    columns.extend(parent.map(|(field, id)| (field.to_owned(), id)));
                    if object == "deal" {
                        columns.insert("close_date".to_owned(), day);
                    }
                }
                _ => drop(columns.insert(field.to_owned(), text)),
            });
    }

    pub(super) fn administrator_acts(&mut self, at: usize) -> Result<(), String> {
        let which = self.random.below(self.platform.people.len());
        let (yes, sets) = (self.random.once_in(2), self.random.below(3));
        let choice = self.random.below(9);
        note!(
            self,
            "an administrator does {choice} to person {which}, device {at}"
        );
        if let Some(person) = self.platform.people.get_mut(which) {
            match choice {
                0 => person.sees_private = yes,
                1 => person.withheld = yes,
                2 => person.record_sets = sets,
                3 => person.may_write = yes || sets > 0,
                // Midnight.
                4 => self.platform.today += 1,
                _ => {}
            }
        }
        let id = self.device(at)?.id;
        let Some(known) = self.platform.devices.get_mut(&id) else {
            return Ok(());
        };
        match choice {
            5 => known.signed_in = yes,
            6 if sets == 0 => known.wipe = true,
            7 => known.revoked = yes && sets == 0,
            8 => return self.somebody_else_signs_in(at),
            _ => {}
        }
        Ok(())
    }

    /// Somebody logs out, and was asked what to do with what wasn't sent; somebody else logs in.
    pub(super) fn somebody_else_signs_in(&mut self, at: usize) -> Result<(), String> {
        let person = self.random.below(self.platform.people.len());
        let now = self.now;
        let mut next = self.new_device(person);
        let device = self.device(at)?;
        next.process = device.process + 1;
        next.start(now);
        let before = std::mem::replace(device, next);
        self.ledger.forget_device(before.id);
        if let Some(known) = self.platform.devices.get_mut(&before.id) {
            known.signed_in = false;
        }
        Ok(())
    }
}

fn object_of(id: RecordId) -> &'static str {
    match id.prefix() {
        "003" => "contact",
        "006" => "deal",
        "00T" => "task",
        "fX0" => conflict::OBJECT,
        _ => "account",
    }
}

fn text_field(object: &str) -> &'static str {
    match object {
        "contact" => "last_name",
        "task" => "subject",
        _ => "name",
    }
}

fn other_field(object: &str) -> &'static str {
    match object {
        "deal" => "next_step",
        _ => "description",
    }
}
