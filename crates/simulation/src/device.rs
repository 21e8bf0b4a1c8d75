//! One simulated device: the engine that is shipped, storage in memory that survives its process, calls and timers under way.

use std::collections::VecDeque;

use fieldstone_client::engine::{
    Effect, Engine, Event, Report, Request, Settings, Ticket,
    local::{LocalCall, perform},
    memory::MemoryLocal,
};
use fieldstone_model::RecordId;
use fieldstone_protocol::tag::BlindKey;

use crate::random::{Names, Random};

/// A device and the process that runs on it, if one does.
pub(crate) struct Device {
    pub(crate) id: RecordId,
    pub(crate) person: usize,
    pub(crate) local: MemoryLocal<Names>,
    pub(crate) engine: Option<Engine>,
    /// Counts processes: what was meant for an earlier one reaches nobody.
    pub(crate) process: u32,
    pub(crate) calls: VecDeque<(Ticket, LocalCall)>,
    /// When, and what.
    pub(crate) timers: Vec<(u64, Ticket)>,
    pub(crate) sent: Vec<(Ticket, Request)>,
    pub(crate) online: bool,
    pub(crate) uploads: bool,
    pub(crate) erased: bool,
    /// How often the digests differed.
    pub(crate) mismatches: u32,
    settings: Settings,
}

impl Device {
    pub(crate) fn new(id: RecordId, person: usize, blind: BlindKey, mut random: Random) -> Self {
        let settings = Settings {
            push_limit: 1 + random.below(4),
            inventory_limit: 1 + random.below(5),
            ..Settings::new(id)
        };
        Self {
            id,
            person,
            local: MemoryLocal::new(blind, Names::new(random)),
            engine: None,
            process: 0,
            calls: VecDeque::new(),
            timers: Vec::new(),
            sent: Vec::new(),
            online: true,
            uploads: true,
            erased: false,
            mismatches: 0,
            settings,
        }
    }

    /// The process is killed. Storage stays as the last finished call left it.
    pub(crate) fn kill(&mut self) {
        self.engine = None;
        self.process += 1;
        self.calls.clear();
        self.timers.clear();
        self.sent.clear();
    }

    pub(crate) fn start(&mut self, now: u64) {
        if self.engine.is_none() {
            self.engine = Some(Engine::new(self.settings));
            self.tell(Event::Unlocked, now);
        }
    }

    /// Tells the engine something and notes what it wants done.
    pub(crate) fn tell(&mut self, event: Event, now: u64) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        for effect in engine.step(event) {
            match effect {
                Effect::Store(ticket, call) => self.calls.push_back((ticket, call)),
                Effect::Send(ticket, request) => self.sent.push((ticket, request)),
                Effect::Wake(ticket, after) => self.timers.push((now + after.as_secs(), ticket)),
                Effect::Report(Report::Mismatch { .. }) => self.mismatches += 1,
                Effect::Report(Report::Erased) => self.erased = true,
                Effect::Report(_) => {}
            }
        }
    }

    /// Carries out the oldest call. Answers the event that tells of it.
    pub(crate) fn carry_out(&mut self) -> Option<Event> {
        let (ticket, call) = self.calls.pop_front()?;
        Some(Event::Stored(ticket, perform(&mut self.local, &call)))
    }
}
