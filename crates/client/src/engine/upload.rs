//! The upload lane: take the oldest mutations, send them, note the results, until there are none.
//!
//! A refused mutation is set aside by storage and never stops those behind it. A request that the platform refuses as a whole is cut in
//! half until the mutation that it refuses is found.

use fieldstone_protocol::push::{
    Mutation, MutationResult, Outcome, PushAnswer, PushRequest, Rejection,
};

use super::{
    Answer, Effect, Engine, Failure, Report, Request, Ticket, backoff,
    local::{LocalAnswer, LocalCall, LocalError},
    unexpected,
};

#[derive(Debug, Default)]
pub(super) struct Upload {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Most mutations in the next request, when it is fewer than usual.
    limit: Option<usize>,
    /// Something was put into the outbox while the lane was busy.
    again: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Taking(Ticket),
    Sending(Ticket, Vec<Mutation>),
    Acknowledging(Ticket, usize),
    Waiting(Ticket),
}

impl Upload {
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        match &self.state {
            State::Idle => false,
            State::Taking(waiting)
            | State::Sending(waiting, _)
            | State::Acknowledging(waiting, _)
            | State::Waiting(waiting) => *waiting == ticket,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

impl Engine {
    /// Begins, or remembers to begin again when the lane is free.
    pub(super) fn upload_now(&mut self, effects: &mut Vec<Effect>) {
        match self.upload.state {
            State::Idle | State::Waiting(_) => self.take(effects),
            State::Taking(_) | State::Sending(..) | State::Acknowledging(..) => {
                self.upload.again = true;
            }
        }
    }

    fn take(&mut self, effects: &mut Vec<Effect>) {
        self.upload.again = false;
        let limit = self.upload.limit.unwrap_or(self.settings.push_limit);
        let ticket = self.store(effects, LocalCall::Take { limit });
        self.upload.state = State::Taking(ticket);
    }

    pub(super) fn upload_stored(
        &mut self,
        answer: Result<LocalAnswer, LocalError>,
        effects: &mut Vec<Effect>,
    ) {
        match (std::mem::take(&mut self.upload.state), answer) {
            (State::Taking(_), Ok(LocalAnswer::Taken(mutations))) if mutations.is_empty() => {
                if self.upload.again {
                    self.take(effects);
                }
            }
            (State::Taking(_), Ok(LocalAnswer::Taken(mutations))) => {
                let request = PushRequest {
                    protocol: self.settings.protocol,
                    device: self.settings.device,
                    mutations: mutations.clone(),
                };
                let ticket = self.send(effects, Request::Push(request));
                self.upload.state = State::Sending(ticket, mutations);
            }
            (State::Acknowledging(_, sent), Ok(LocalAnswer::Acknowledged(done))) => {
                self.acknowledged = done.counter;
                effects.push(Effect::Report(Report::Sent {
                    accepted: sent.saturating_sub(done.set_aside),
                    set_aside: done.set_aside,
                }));
                if done.more || self.upload.again {
                    self.take(effects);
                } else {
                    // What was accepted stays in the outbox until a pull has brought it back.
                    self.download_now(effects);
                }
            }
            (_, answer) => {
                effects.push(Effect::Report(Report::Storage(unexpected(answer))));
                self.upload_later(&Failure::Unreachable, effects);
            }
        }
    }

    pub(super) fn upload_answered(
        &mut self,
        answer: Result<Answer, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let State::Sending(_, sent) = std::mem::take(&mut self.upload.state) else {
            return;
        };
        let results = match answer {
            Ok(Answer::Push(PushAnswer { results })) => results,
            Ok(_) => return self.upload_failed(Failure::Garbled, effects),
            Err(Failure::Refused { status }) => match &sent[..] {
                [only] => vec![refused(only, status)],
                several => {
                    self.upload.limit = Some(several.len().div_ceil(2));
                    return self.take(effects);
                }
            },
            Err(failure) => return self.upload_failed(failure, effects),
        };
        let known =
            |result: &MutationResult| sent.iter().any(|mutation| mutation.uuid == result.uuid);
        let results: Vec<MutationResult> = results.into_iter().filter(known).collect();
        if results.is_empty() {
            // It has looked at none of them; asking at once would be asking for ever.
            return self.upload_failed(Failure::Busy { retry_after: None }, effects);
        }
        self.upload.failures = 0;
        self.upload.limit = None;
        let count = results.len();
        let ticket = self.store(effects, LocalCall::Acknowledge(results));
        self.upload.state = State::Acknowledging(ticket, count);
    }

    fn upload_failed(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        self.upload_later(&failure, effects);
        effects.push(Effect::Report(Report::Retrying { failure }));
    }

    fn upload_later(&mut self, failure: &Failure, effects: &mut Vec<Effect>) {
        let ticket = self.wake(effects, backoff(self.upload.failures, failure));
        self.upload.failures += 1;
        self.upload.state = State::Waiting(ticket);
    }
}

/// The result of a mutation that the platform doesn't even read.
fn refused(mutation: &Mutation, status: u16) -> MutationResult {
    let rejection = Rejection {
        code: "refused".to_owned(),
        message: format!(
            "The platform doesn't accept this change (status {status}). Change it, or take it back."
        ),
        fields: Vec::new(),
    };
    MutationResult {
        uuid: mutation.uuid.clone(),
        duplicate: false,
        outcome: Outcome::Rejected { rejection },
    }
}
