//! The world: devices, a network that loses, repeats, delays and cuts, the platform, people, and a scheduler that lets one thing happen at
//! a time. After each of them every invariant is checked.

use fieldstone_client::engine::{
    Answer, Event, Failure, Request, Ticket, local::LocalCall, memory::State,
};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    conflict,
    pull::{PullAnswer, PullRequest},
    push::{Kind, PushAnswer, PushRequest},
    tag::BlindKey,
};
use serde_json::{Value, json};

use crate::{
    device::Device,
    ledger::Ledger,
    platform::{OBJECTS, Platform, Registered, date, prefix},
    random::Random,
};

/// What a run has seen, to know that it has seen enough.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    pub(crate) arrived: u64,
    pub(crate) conflicts: u64,
    pub(crate) mismatches: u64,
    pub(crate) published: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.arrived += other.arrived;
        self.conflicts += other.conflicts;
        self.mismatches += other.mismatches;
        self.published += other.published;
    }
}

enum Load {
    Request(Request),
    Answer(Result<Answer, Failure>),
}

struct Packet {
    device: usize,
    id: RecordId,
    process: u32,
    ticket: Ticket,
    load: Load,
}

/// One run.
pub(crate) struct World {
    random: Random,
    pub(crate) platform: Platform,
    pub(crate) devices: Vec<Device>,
    network: Vec<Packet>,
    ledger: Ledger,
    now: u64,
    made: u64,
    calm: bool,
    trace: bool,
    pub(crate) tally: Tally,
}

macro_rules! note {
    ($world:expr, $($text:tt)*) => {
        if $world.trace {
            crate::say(&format!("{:5} {}", $world.tally.steps, format_args!($($text)*)));
        }
    };
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let people = 2 + random.below(2);
        let mut world = Self {
            platform: Platform::new(random.fork(), people),
            devices: Vec::new(),
            network: Vec::new(),
            ledger: Ledger::default(),
            now: 0,
            made: 0,
            calm: false,
            trace,
            tally: Tally::default(),
            random,
        };
        for _ in 0..4 + world.random.below(12) {
            let open = world.platform.begin();
            world.web_write(open);
            world.platform.commit(open);
        }
        for _ in 0..1 + world.random.below(4) {
            let person = world.random.below(people);
            let device = world.new_device(person);
            world.devices.push(device);
        }
        if world.random.once_in(4) {
            world.platform.back_up();
        }
        world
    }

    fn new_device(&mut self, person: usize) -> Device {
        let id = RecordId::compose(*b"fD0", jiff::Timestamp::UNIX_EPOCH, self.random.next());
        let key = self.random.next().to_be_bytes();
        let blind = BlindKey(std::array::from_fn(|at| {
            key.get(at % 8).copied().unwrap_or(0)
        }));
        let known = Registered {
            person,
            signed_in: true,
            revoked: false,
            wipe: false,
            blind,
        };
        self.platform.devices.insert(id, known);
        let random = self.random.fork();
        Device::new(id, person, blind, random)
    }

    fn text(&mut self, from: &str) -> Value {
        self.made += 1;
        json!(format!("{from}{}", self.made))
    }

    /// Runs the seed's history, then lets everything come to rest, and checks what must be true then.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let steps = 150 + self.random.below(350);
        for _ in 0..steps {
            self.something_happens()?;
        }
        self.come_to_rest()
    }

    fn something_happens(&mut self) -> Result<(), String> {
        self.tally.steps += 1;
        if self.devices.is_empty() {
            return Ok(());
        }
        let at = self.random.below(self.devices.len());
        match self.random.below(100) {
            0..=29 => self.storage_works(at),
            30..=54 => self.network_works(),
            55..=64 => self.person_edits(at),
            65..=74 => {
                self.web_works();
                Ok(())
            }
            75..=79 => self.time_passes(at),
            80..=84 => self.tell(at, Event::SyncNow),
            85..=89 => {
                self.network_fails();
                Ok(())
            }
            90..=93 => self.process_dies_or_starts(at),
            94..=96 => self.administrator_acts(at),
            _ => {
                self.platform_suffers();
                Ok(())
            }
        }
    }

    fn device(&mut self, at: usize) -> Result<&mut Device, String> {
        self.devices
            .get_mut(at)
            .ok_or_else(|| "no such device".to_owned())
    }

    fn tell(&mut self, at: usize, event: Event) -> Result<(), String> {
        let now = self.now;
        let device = self.device(at)?;
        device.tell(event, now);
        let (id, process) = (device.id, device.process);
        let sent = std::mem::take(&mut device.sent);
        for (ticket, request) in sent {
            let packet = |load| Packet {
                device: at,
                id,
                process,
                ticket,
                load,
            };
            let cut_off = {
                let device = self.device(at)?;
                !device.online || matches!(request, Request::Push(_)) && !device.uploads
            };
            if cut_off {
                self.network
                    .push(packet(Load::Answer(Err(Failure::Unreachable))));
                continue;
            }
            if !self.calm && self.random.once_in(12) {
                // It arrives twice, or arrives long after the device has given up.
                self.network.push(packet(Load::Request(request.clone())));
            }
            if !self.calm && self.random.once_in(12) {
                self.network
                    .push(packet(Load::Answer(Err(Failure::Unreachable))));
            }
            self.network.push(packet(Load::Request(request)));
        }
        Ok(())
    }

    /// Storage carries out one call. The process may die before it hears of it.
    fn storage_works(&mut self, at: usize) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        if let Some((_, call)) = device.calls.front() {
            note!(self, "{} stores {call:?}", device.id);
            if let LocalCall::Acknowledge(results) = call {
                self.ledger
                    .before_acknowledging(device, &self.platform, results);
            }
            self.tally.published += u64::from(matches!(call, LocalCall::Publish(_)));
        }
        let Some(event) = self.device(at)?.carry_out() else {
            return Ok(());
        };
        self.check(at)?;
        if !self.calm && self.random.once_in(40) {
            self.device(at)?.kill();
            return Ok(());
        }
        self.tell(at, event)
    }

    fn network_works(&mut self) -> Result<(), String> {
        if self.network.is_empty() {
            return Ok(());
        }
        let packet = self
            .network
            .swap_remove(self.random.below(self.network.len()));
        let (at, id, process, ticket) = (packet.device, packet.id, packet.process, packet.ticket);
        match packet.load {
            Load::Request(request) => {
                note!(self, "{id} asks {request:?}");
                let answer = self.platform_answers(&request);
                note!(self, "{id} is answered {answer:?}");
                for device in &self.devices {
                    self.ledger.check_edits(device, &self.platform)?;
                }
                let lost = !self.calm && self.random.once_in(10);
                let answer = if lost {
                    Err(Failure::Unreachable)
                } else {
                    self.wire(answer)
                };
                self.network.push(Packet {
                    device: at,
                    id,
                    process,
                    ticket,
                    load: Load::Answer(answer),
                });
                Ok(())
            }
            Load::Answer(answer) => {
                let device = self.device(at)?;
                if device.id == id && device.process == process {
                    self.tell(at, Event::Answered(ticket, answer))?;
                }
                Ok(())
            }
        }
    }

    fn platform_answers(&mut self, request: &Request) -> Result<Answer, Failure> {
        match request {
            Request::Pull(request) => {
                let request = if self.random.once_in(50) {
                    let bytes = request.to_bytes().map_err(|_| Failure::Garbled)?;
                    PullRequest::from_bytes(&bytes).map_err(|_| Failure::Refused { status: 400 })?
                } else {
                    request.clone()
                };
                self.platform.pull(&request).map(Answer::Pull)
            }
            Request::Push(request) => {
                let request = if self.random.once_in(50) {
                    let bytes = request.to_bytes().map_err(|_| Failure::Garbled)?;
                    PushRequest::from_bytes(&bytes).map_err(|_| Failure::Refused { status: 400 })?
                } else {
                    request.clone()
                };
                self.platform.push(&request).map(Answer::Push)
            }
            Request::Standing(device) => Ok(Answer::Standing(self.platform.standing(*device))),
        }
    }

    /// Now and then an answer goes through real bytes, and now and then they are cut off.
    fn wire(&mut self, answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
        if !self.random.once_in(40) {
            return answer;
        }
        let cut = !self.calm && self.random.once_in(2);
        let garbled = |_| Failure::Garbled;
        let mut shorten = |mut bytes: Vec<u8>| {
            if cut {
                bytes.truncate(self.random.below(bytes.len()));
            }
            bytes
        };
        Ok(match answer? {
            Answer::Pull(answer) => Answer::Pull(
                PullAnswer::from_bytes(&shorten(answer.to_bytes().map_err(garbled)?))
                    .map_err(garbled)?,
            ),
            Answer::Push(answer) => Answer::Push(
                PushAnswer::from_bytes(&shorten(answer.to_bytes().map_err(garbled)?))
                    .map_err(garbled)?,
            ),
            other => other,
        })
    }

    fn time_passes(&mut self, at: usize) -> Result<(), String> {
        self.now += 1;
        let device = self.device(at)?;
        if device.timers.is_empty() {
            return Ok(());
        }
        device.timers.sort_unstable_by_key(|(when, _)| *when);
        let (when, ticket) = device.timers.remove(0);
        self.now = self.now.max(when);
        self.tell(at, Event::Woke(ticket))
    }

    fn network_fails(&mut self) {
        if self.random.once_in(2) && !self.network.is_empty() {
            // Lost; the device gives up waiting.
            let at = self.random.below(self.network.len());
            if let Some(packet) = self.network.get_mut(at) {
                packet.load = Load::Answer(Err(Failure::Unreachable));
            }
            return;
        }
        let at = self.random.below(self.devices.len());
        let (online, uploads) = (!self.random.once_in(4), !self.random.once_in(4));
        if let Some(device) = self.devices.get_mut(at) {
            device.online = online;
            device.uploads = uploads;
        }
    }

    fn process_dies_or_starts(&mut self, at: usize) -> Result<(), String> {
        let now = self.now;
        let device = self.device(at)?;
        if device.engine.is_some() && !device.erased {
            device.kill();
            note!(self, "device {at} is killed");
            return Ok(());
        }
        device.start(now);
        self.tell(at, Event::SyncNow)
    }

    fn person_edits(&mut self, at: usize) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        if device
            .engine
            .as_ref()
            .is_none_or(fieldstone_client::engine::Engine::is_locked)
        {
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
                if self.device(at)?.local.view(record).is_some() && record.prefix() != "fC0" {
                    let object = object_of(record);
                    let uuid = self
                        .device(at)?
                        .local
                        .edit(object, record, Kind::Delete, &[]);
                    self.noted(at, &uuid)?;
                }
            }
            (_, Some(record), _) => self.person_updates(at, record, &ids)?,
        }
        self.check(at)?;
        self.tell(at, Event::Edited)
    }

    fn noted(&mut self, at: usize, uuid: &str) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        self.ledger.note(device, uuid);
        note!(self, "{} edits as {uuid}", device.id);
        Ok(())
    }

    fn person_creates(&mut self, at: usize, person: usize, ids: &[RecordId]) -> Result<(), String> {
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

    fn person_updates(
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
    fn parent(&mut self, object: &str, ids: &[RecordId]) -> Option<(&'static str, Value)> {
        let (field, to) = match object {
            "contact" | "deal" => ("account_id", "001"),
            "task" => ("about_id", "006"),
            _ => return None,
        };
        let fitting: Vec<RecordId> = ids.iter().copied().filter(|id| id.prefix() == to).collect();
        self.random.pick(&fitting).map(|id| (field, json!(id)))
    }

    /// Somebody works in a browser: transactions that overlap.
    fn web_works(&mut self) {
        let open = self.platform.open.len();
        match self.random.below(6) {
            0..=2 if open < 3 => {
                let open = self.platform.begin();
                for _ in 0..1 + self.random.below(3) {
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

    fn web_write(&mut self, open: usize) {
        let ids: Vec<RecordId> = self
            .platform
            .data
            .rows
            .keys()
            .copied()
            .filter(|id| id.prefix() != "fC0")
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

    fn administrator_acts(&mut self, at: usize) -> Result<(), String> {
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
    fn somebody_else_signs_in(&mut self, at: usize) -> Result<(), String> {
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

    fn platform_suffers(&mut self) {
        match self.random.below(8) {
            0..=2 => self.platform.crash(),
            3 | 4 => self.platform.purge(),
            5 => self.platform.back_up(),
            6 if self.random.once_in(4) => {
                // Another database: what arrived since the backup is lost, and devices must notice.
                let now_lost = &self.platform;
                self.ledger.database_is_restored(now_lost);
                if self.platform.restore() {
                    note!(self, "the database is restored from a backup");
                }
            }
            _ => {}
        }
        self.platform.now += 1;
    }

    // --- what must be true ---------------------------------------------------------------------------------------------------

    fn check(&mut self, at: usize) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        if device.erased {
            let empty = device.local.is_empty();
            return if empty {
                Ok(())
            } else {
                Err(format!("{} was erased and isn't empty", device.id))
            };
        }
        let wiped = self
            .platform
            .devices
            .get(&device.id)
            .is_some_and(|known| known.wipe);
        if wiped && device.local.is_empty() {
            self.ledger.forget_device(device.id);
        }
        self.ledger.check_edits(device, &self.platform)?;
        self.ledger.check_views(device)?;
        let scope = device
            .local
            .published()
            .and_then(|published| self.platform.scopes.get(&published.cursor));
        if let Some(scope) = scope.filter(|_| device.mismatches == 0) {
            let base = device.local.base();
            let same = base.len() == scope.len()
                && base.iter().all(|(id, row)| scope.get(id) == Some(&row.tag));
            if !same {
                let base: Vec<_> = base.iter().map(|(id, row)| (*id, row.tag)).collect();
                return Err(format!(
                    "{} shows {base:?}, but the scope at its cursor was {scope:?}",
                    device.id
                ));
            }
        }
        Ok(())
    }

    /// Lets everything come to rest: what must be true then is what a person would expect.
    fn come_to_rest(&mut self) -> Result<(), String> {
        note!(self, "everything comes to rest");
        self.calm = true;
        while !self.platform.open.is_empty() {
            self.platform.commit(0);
        }
        let uploads = !self.random.once_in(4);
        for at in 0..self.devices.len() {
            let now = self.now;
            let device = self.device(at)?;
            device.online = true;
            device.uploads = uploads;
            let id = device.id;
            device.kill();
            device.start(now);
            if let Some(known) = self.platform.devices.get_mut(&id) {
                known.signed_in = true;
            }
            self.tell(at, Event::SyncNow)?;
        }
        if !uploads {
            self.drain(false)?;
            // What isn't in scope is gone, and what is is there, though not a single edit could be sent.
            self.check_scopes(false)?;
            for device in &mut self.devices {
                device.uploads = true;
            }
        }
        // Somebody looks twice: what the first look has sent comes back with the second.
        for _ in 0..3 {
            for at in 0..self.devices.len() {
                self.tell(at, Event::SyncNow)?;
            }
            self.drain(true)?;
        }
        self.check_scopes(true)?;
        if let Some((text, count)) = self
            .platform
            .data
            .written
            .iter()
            .find(|(text, count)| text.starts_with("e-") && **count > 1)
        {
            return Err(format!("{text} was written {count} times"));
        }
        self.tally.arrived = self.ledger.arrived;
        self.tally.conflicts = self.ledger.conflicts;
        self.tally.mismatches = self
            .devices
            .iter()
            .map(|device| u64::from(device.mismatches))
            .sum();
        Ok(())
    }

    fn drain(&mut self, uploads: bool) -> Result<(), String> {
        for _ in 0..20_000 {
            self.tally.steps += 1;
            if !self.network.is_empty() {
                self.network_works()?;
                continue;
            }
            if let Some(at) = self
                .devices
                .iter()
                .position(|device| !device.calls.is_empty())
            {
                self.storage_works(at)?;
                continue;
            }
            let busy = |device: &Device| {
                let engine = device.engine.as_ref();
                engine.is_some_and(|engine| {
                    if uploads {
                        !engine.is_idle()
                    } else {
                        engine.is_downloading()
                    }
                })
            };
            match self.devices.iter().position(busy) {
                Some(at) => self.time_passes(at)?,
                None => return Ok(()),
            }
        }
        Err("it doesn't come to rest".to_owned())
    }

    fn check_scopes(&mut self, uploads: bool) -> Result<(), String> {
        for at in 0..self.devices.len() {
            self.check(at)?;
        }
        for device in &self.devices {
            let Some(known) = self.platform.devices.get(&device.id) else {
                continue;
            };
            if known.wipe {
                if !device.local.is_empty() {
                    return Err(format!("{} was to be wiped and isn't", device.id));
                }
                continue;
            }
            let Some(person) = self.platform.admit(device.id) else {
                continue;
            };
            let scope = self.platform.scope(person);
            let rows = scope
                .iter()
                .filter_map(|id| self.platform.render(person, *id));
            let base = device.local.base();
            let same = base.len() == scope.len()
                && rows.into_iter().all(|row| base.get(&row.id) == Some(&row));
            if !same {
                let base: Vec<_> = base.keys().collect();
                return Err(format!(
                    "at rest {} shows {base:?}, but its scope is {scope:?}",
                    device.id
                ));
            }
            let unsent = device
                .local
                .outbox()
                .iter()
                .filter(|pending| !matches!(pending.state, State::SetAside(_)));
            if uploads && unsent.count() > 0 {
                return Err(format!("at rest {} still has something to send", device.id));
            }
            if device.mismatches > 0 {
                return Err(format!(
                    "the digests of {} differed {} times",
                    device.id, device.mismatches
                ));
            }
        }
        Ok(())
    }
}

fn object_of(id: RecordId) -> &'static str {
    match id.prefix() {
        "003" => "contact",
        "006" => "deal",
        "00T" => "task",
        "fC0" => conflict::OBJECT,
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
