//! The sync engine: `step(event) -> effects`. It does no I/O and has no clock and no randomness of its own.
//!
//! Two lanes run beside each other and never wait for one another: *upload* (`upload`) takes mutations from the outbox, sends them and
//! notes the results; *download* (`download`) pulls pages, stages them, and publishes them together with their cursor. What the user may
//! no longer see therefore goes at once, however long the outbox is.
//!
//! Whatever happens between two steps (the process dies, an answer is lost, comes twice, comes late or comes cut off) the engine goes
//! on from what [`local::Local`] holds. Nothing that matters lives in the engine alone.
//!
//! Session loss locks; it never erases. Erasing takes a wipe order, which the driver has verified, or storage's own mark.

mod download;
mod event;
pub mod local;
pub mod memory;
mod upload;

use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_protocol::{device::Standing, pull::Proof};

use download::Download;
pub use event::{Answer, Effect, Event, Failure, Report, Request, Ticket};
use local::{Loaded, LocalAnswer, LocalCall, LocalError};
use upload::Upload;

/// What the engine is told about its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The device, as the platform knows it.
    pub device: RecordId,
    /// The version of the protocol that both speak.
    pub protocol: u16,
    /// Most mutations in one request.
    pub push_limit: usize,
    /// Most rows of which the device says that it has them, in one request.
    pub inventory_limit: usize,
    /// What the device found when it last compared digests; told with the next pull.
    pub proof: Option<Proof>,
}

impl Settings {
    /// The usual sizes.
    pub fn new(device: RecordId) -> Self {
        Self {
            device,
            protocol: fieldstone_protocol::VERSION,
            push_limit: 200,
            inventory_limit: fieldstone_protocol::pull::INVENTORY_MAX,
            proof: None,
        }
    }
}

/// The engine of one device and one login.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    phase: Phase,
    tickets: u64,
    upload: Upload,
    download: Download,
    /// The acknowledgement counter, as far as storage has told it.
    acknowledged: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is done and every answer is ignored.
    Locked,
    /// Storage is being asked what it holds.
    Loading(Ticket),
    /// Both lanes run.
    Open,
    /// The session isn't accepted: the platform is asked why.
    Asking(Ticket),
    /// Everything is being erased.
    Erasing(Ticket),
    /// There is nothing left.
    Erased,
    /// The platform speaks another protocol; what is stored can still be read and changed.
    Incompatible,
}

/// How long to wait after the `failures`-th failure in a row.
fn backoff(failures: u32, failure: &Failure) -> Duration {
    let doubling = Duration::from_secs(1 << failures.min(8));
    match failure {
        Failure::Busy {
            retry_after: Some(after),
        } => doubling.max(*after),
        _ => doubling,
    }
}

impl Engine {
    /// An engine that is locked.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Locked,
            tickets: 0,
            upload: Upload::default(),
            download: Download::default(),
            acknowledged: 0,
        }
    }

    /// Takes one event and answers what is to be done.
    #[must_use]
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match (self.phase, event) {
            (Phase::Erased, _) => {}
            (_, Event::Locked) => self.lock(),
            (Phase::Locked | Phase::Incompatible, Event::Unlocked) => {
                let ticket = self.store(&mut effects, LocalCall::Load);
                self.phase = Phase::Loading(ticket);
            }
            (Phase::Loading(waiting), Event::Stored(ticket, answer)) if waiting == ticket => {
                self.loaded(answer, &mut effects);
            }
            (Phase::Asking(waiting), Event::Answered(ticket, answer)) if waiting == ticket => {
                self.standing(answer, &mut effects);
            }
            (Phase::Erasing(waiting), Event::Stored(ticket, answer)) if waiting == ticket => {
                self.erased(answer, &mut effects);
            }
            (Phase::Erasing(waiting), Event::Woke(ticket)) if waiting == ticket => {
                self.erase(&mut effects);
            }
            (Phase::Open, event) => self.open_step(event, &mut effects),
            _ => {}
        }
        effects
    }

    /// Whether nothing is under way and nothing is waiting for a delay.
    pub fn is_idle(&self) -> bool {
        match self.phase {
            Phase::Open => self.upload.is_idle() && self.download.is_idle(),
            Phase::Loading(_) | Phase::Asking(_) | Phase::Erasing(_) => false,
            Phase::Locked | Phase::Erased | Phase::Incompatible => true,
        }
    }

    /// Whether a download is under way or waiting for a delay.
    pub fn is_downloading(&self) -> bool {
        match self.phase {
            Phase::Open => !self.download.is_idle(),
            _ => !self.is_idle(),
        }
    }

    /// Whether it does nothing for lack of a key or of the right to.
    pub fn is_locked(&self) -> bool {
        matches!(
            self.phase,
            Phase::Locked | Phase::Asking(_) | Phase::Erasing(_) | Phase::Erased
        )
    }

    fn open_step(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::SyncNow => {
                self.upload_now(effects);
                self.download_now(effects);
            }
            Event::Edited => self.upload_now(effects),
            Event::Stored(ticket, answer) => {
                if self.upload.awaits(ticket) {
                    self.upload_stored(answer, effects);
                } else if self.download.awaits(ticket) {
                    self.download_stored(answer, effects);
                }
            }
            Event::Answered(ticket, answer) => {
                if !self.upload.awaits(ticket) && !self.download.awaits(ticket) {
                    return;
                }
                match answer {
                    Err(Failure::SignedOut) => self.ask_standing(effects),
                    Err(Failure::Incompatible) => {
                        self.lock();
                        self.phase = Phase::Incompatible;
                        effects.push(Effect::Report(Report::Incompatible));
                    }
                    answer if self.upload.awaits(ticket) => self.upload_answered(answer, effects),
                    answer => self.download_answered(ticket, answer, effects),
                }
            }
            Event::Woke(ticket) if self.upload.awaits(ticket) => self.upload_now(effects),
            Event::Woke(ticket) if self.download.awaits(ticket) => self.download_now(effects),
            _ => {}
        }
    }

    fn lock(&mut self) {
        self.upload = Upload::default();
        self.download = Download::default();
        self.acknowledged = 0;
        self.phase = Phase::Locked;
    }

    fn loaded(&mut self, answer: Result<LocalAnswer, LocalError>, effects: &mut Vec<Effect>) {
        match answer {
            Ok(LocalAnswer::Loaded(Loaded { erasing: true, .. })) => {
                effects.push(Effect::Report(Report::Erasing(None)));
                self.erase(effects);
            }
            Ok(LocalAnswer::Loaded(Loaded {
                published,
                resume,
                acknowledged,
                ..
            })) => {
                self.acknowledged = acknowledged;
                self.upload = Upload::default();
                self.download = Download::starting(published, resume);
                self.phase = Phase::Open;
                self.upload_now(effects);
                self.download_now(effects);
            }
            answer => {
                self.phase = Phase::Locked;
                effects.push(Effect::Report(Report::Storage(unexpected(answer))));
            }
        }
    }

    fn ask_standing(&mut self, effects: &mut Vec<Effect>) {
        self.lock();
        let ticket = self.send(effects, Request::Standing(self.settings.device));
        self.phase = Phase::Asking(ticket);
    }

    fn standing(&mut self, answer: Result<Answer, Failure>, effects: &mut Vec<Effect>) {
        self.phase = Phase::Locked;
        match answer {
            Ok(Answer::Standing(Standing::Wipe(order))) => {
                effects.push(Effect::Report(Report::Erasing(Some(order))));
                self.erase(effects);
            }
            answer => {
                let revoked = matches!(answer, Ok(Answer::Standing(Standing::Revoked)));
                effects.push(Effect::Report(Report::SignedOut { revoked }));
            }
        }
    }

    fn erase(&mut self, effects: &mut Vec<Effect>) {
        self.lock();
        let ticket = self.store(effects, LocalCall::Erase);
        self.phase = Phase::Erasing(ticket);
    }

    fn erased(&mut self, answer: Result<LocalAnswer, LocalError>, effects: &mut Vec<Effect>) {
        match answer {
            Ok(LocalAnswer::Erased) => {
                self.phase = Phase::Erased;
                effects.push(Effect::Report(Report::Erased));
            }
            answer => {
                effects.push(Effect::Report(Report::Storage(unexpected(answer))));
                let ticket = self.wake(effects, Duration::from_secs(5));
                self.phase = Phase::Erasing(ticket);
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn store(&mut self, effects: &mut Vec<Effect>, call: LocalCall) -> Ticket {
        let ticket = self.ticket();
        effects.push(Effect::Store(ticket, call));
        ticket
    }

    fn send(&mut self, effects: &mut Vec<Effect>, request: Request) -> Ticket {
        let ticket = self.ticket();
        effects.push(Effect::Send(ticket, request));
        ticket
    }

    fn wake(&mut self, effects: &mut Vec<Effect>, after: Duration) -> Ticket {
        let ticket = self.ticket();
        effects.push(Effect::Wake(ticket, after));
        ticket
    }
}

/// The error in an answer that isn't the expected one.
fn unexpected(answer: Result<LocalAnswer, LocalError>) -> LocalError {
    match answer {
        Err(error) => error,
        Ok(_) => LocalError::Failed("it answered something else than it was asked".to_owned()),
    }
}
