//! What the engine is told, and what it wants done.

use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_protocol::{
    device::{Standing, WipeOrder},
    pull::{PullAnswer, PullRequest},
    push::{PushAnswer, PushRequest},
};

use super::local::{LocalAnswer, LocalCall, LocalError};

/// Names one thing that was asked for, so that its answer finds back. Answers to anything else are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the engine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The key is there and somebody is signed in.
    Unlocked,
    /// The key is being put away: stop, and forget what is in memory.
    Locked,
    /// Somebody wants to be up to date now, or it is time again.
    SyncNow,
    /// Something was put into the outbox.
    Edited,
    /// Local storage has carried out a call, or not.
    Stored(Ticket, Result<LocalAnswer, LocalError>),
    /// The platform has answered, or not. Answers may come late, twice, or never: a driver that gives up says [`Failure::Unreachable`].
    Answered(Ticket, Result<Answer, Failure>),
    /// A delay is over.
    Woke(Ticket),
}

/// What the engine wants done. The order of [`Effect::Store`] effects is kept; everything else may happen at any time.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Carry out a call on local storage, after those before it, and tell [`Event::Stored`].
    Store(Ticket, LocalCall),
    /// Send a request to the platform, and tell [`Event::Answered`].
    Send(Ticket, Request),
    /// Tell [`Event::Woke`] after about this long.
    Wake(Ticket, Duration),
    /// Tell whoever wants to know.
    Report(Report),
}

/// What is sent to the platform.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// To `/api/v1/sync/pull`.
    Pull(PullRequest),
    /// To `/api/v1/sync/push`.
    Push(PushRequest),
    /// To `/api/v1/sync/devices/{id}/standing`, with the device's secret.
    Standing(RecordId),
}

/// What the platform answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Request::Pull`].
    Pull(PullAnswer),
    /// To [`Request::Push`].
    Push(PushAnswer),
    /// To [`Request::Standing`]. The driver passes on a wipe order only when its signature and device are right.
    Standing(Standing),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection, or no answer in time.
    #[error("the platform can't be reached")]
    Unreachable,
    /// Somebody answers who isn't trusted: another certificate, or a version of TLS that is too old. Nothing was sent.
    #[error("the platform's certificate can't be trusted")]
    Untrusted,
    /// What answers points to another address, which isn't followed.
    #[error("the platform points to another address")]
    Redirected,
    /// The platform asks for patience (429, 503), or has a fault (5xx).
    #[error("the platform is busy")]
    Busy {
        /// How long, if it says.
        retry_after: Option<Duration>,
    },
    /// Something answered that isn't what was asked for: cut off, or another program.
    #[error("the answer can't be read")]
    Garbled,
    /// The session isn't accepted (401), or the device isn't (403).
    #[error("the platform doesn't accept this session any more")]
    SignedOut,
    /// The platform speaks none of the versions of the protocol that this build speaks (426).
    #[error("this app is too old or too new for the platform")]
    Incompatible,
    /// The platform doesn't accept the request as it is (other 4xx).
    #[error("the platform doesn't accept the request ({status})")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

/// What is worth telling.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// A page has arrived.
    Progress {
        /// Whether this is the first load.
        priming: bool,
        /// Rows on the page.
        rows: usize,
        /// How many rows the whole scope has, by object, when the platform says.
        totals: Option<std::collections::BTreeMap<String, u64>>,
    },
    /// The first load is complete: ready for offline.
    Ready,
    /// As good as the platform at one moment, and proven when the digests agree.
    UpToDate {
        /// Whether the digests were compared.
        proven: bool,
    },
    /// The digests differ in these objects; the difference is being fetched.
    Mismatch {
        /// API names.
        objects: Vec<String>,
    },
    /// The platform has taken mutations.
    Sent {
        /// How many it has.
        accepted: usize,
        /// How many were set aside.
        set_aside: usize,
    },
    /// A download or an upload failed and will be tried again.
    Retrying {
        /// What went wrong.
        failure: Failure,
    },
    /// Storage failed; it will be tried again.
    Storage(LocalError),
    /// The session has ended: locked, and nothing is erased.
    SignedOut {
        /// Whether the device was taken off the list.
        revoked: bool,
    },
    /// This build can't talk to the platform any more.
    Incompatible,
    /// Erasing has begun, by this order or because it had begun before.
    Erasing(Option<WipeOrder>),
    /// Everything is erased.
    Erased,
}
