//! The world: devices, a network that loses, repeats, delays and cuts, the platform, people, and a scheduler that lets one thing happen at
//! a time. After each of them every invariant is checked.

use fieldstone_client::engine::{Answer, Event, Failure, Request, Ticket, local::LocalCall};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    pull::{PullAnswer, PullRequest},
    push::{PushAnswer, PushRequest},
    tag::BlindKey,
};
use serde_json::{Value, json};

use crate::{
    device::Device,
    ledger::Ledger,
    platform::{Platform, Registered},
    random::Random,
};

macro_rules! note {
    ($world:expr, $($text:tt)*) => {
        if $world.trace {
            crate::say(&format!("{:5} {}", $world.tally.steps, format_args!($($text)*)));
        }
    };
}

mod checks;
mod people;

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
        for _ in 0..=world.random.below(4) {
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
            other @ Answer::Standing(_) => other,
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
    }
}
