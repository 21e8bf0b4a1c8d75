//! Drives the engine: carries out its effects on the database and the network until there is nothing left to do, or for ever.

use std::collections::VecDeque;

use fieldstone_protocol::device::WipeOrder;
use tokio::sync::mpsc;

use crate::{
    engine::{
        Effect, Engine, Event, Failure, Report,
        local::{LocalCall, LocalError},
    },
    store::Local,
    transport::Transport,
};

/// How a drive ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// Up to date; whether the digests were compared.
    UpToDate {
        /// Whether they were.
        proven: bool,
    },
    /// The network or the platform failed; what was done so far is kept.
    Interrupted(Failure),
    /// What is here differs from what the platform has, in these objects, however often the difference was fetched.
    Differs(Vec<String>),
    /// The session has ended.
    SignedOut {
        /// Whether the device was taken off the list.
        revoked: bool,
    },
    /// This build can't talk to the platform any more.
    Incompatible,
    /// The database failed.
    Storage(LocalError),
    /// Everything is to be erased: the platform has ordered it, or erasing had begun.
    Erase(Option<Box<WipeOrder>>),
}

/// Syncs once: sends what waits, fetches what is new. Failures end it instead of being waited out.
pub async fn sync(
    local: &Local,
    transport: &Transport,
    engine: &mut Engine,
    mut report: impl FnMut(&Report),
) -> Ending {
    let mut ending = None;
    let mut failure = None;
    let mut differing = None;
    let (answered, mut answers) = mpsc::unbounded_channel();
    let mut under_way = 0_usize;
    let mut effects: VecDeque<Effect> = engine.step(Event::Unlocked).into();
    loop {
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Store(_, LocalCall::Erase) => return Ending::Erase(None),
                Effect::Store(ticket, call) => {
                    let answer = local.perform(call).await;
                    if let Err(error) = &answer {
                        failure = Some(Ending::Storage(error.clone()));
                    }
                    effects.extend(engine.step(Event::Stored(ticket, answer)));
                }
                Effect::Send(ticket, request) => {
                    under_way += 1;
                    let (transport, answered) = (transport.clone(), answered.clone());
                    tokio::spawn(async move {
                        let answer = transport.send(request).await;
                        // Nobody waits for it any more when the drive has ended.
                        let _ = answered.send((ticket, answer));
                    });
                }
                // Whoever drives once doesn't wait for a better time.
                Effect::Wake(..) => {}
                Effect::Report(told) => {
                    match &told {
                        Report::UpToDate { proven } => {
                            ending = Some(Ending::UpToDate { proven: *proven });
                        }
                        Report::Mismatch { objects } => {
                            differing = Some(Ending::Differs(objects.clone()));
                        }
                        Report::Retrying { failure: why } => {
                            failure = Some(Ending::Interrupted(why.clone()));
                        }
                        Report::SignedOut { revoked } => {
                            failure = Some(Ending::SignedOut { revoked: *revoked });
                        }
                        Report::Incompatible => failure = Some(Ending::Incompatible),
                        Report::Erasing(order) => {
                            return Ending::Erase(order.clone().map(Box::new));
                        }
                        _ => {}
                    }
                    report(&told);
                }
            }
        }
        if under_way == 0 {
            break;
        }
        let Some((ticket, answer)) = answers.recv().await else {
            break;
        };
        under_way -= 1;
        effects.extend(engine.step(Event::Answered(ticket, answer)));
    }
    // The next drive begins from what is stored.
    let _ = engine.step(Event::Locked);
    failure
        .or(ending)
        .or(differing)
        .unwrap_or(Ending::Interrupted(Failure::Unreachable))
}
