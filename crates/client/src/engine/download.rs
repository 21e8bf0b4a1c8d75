//! The download lane: ask for pages, stage them, publish them with their cursor, compare the digests.

use fieldstone_protocol::{
    digest::Digest,
    pull::{Epoch, Inventory, Next, Page, PageToken, Proof, PullAnswer, PullRequest, Want},
};

use super::{
    Answer, Effect, Engine, Failure, Report, Request, Ticket, backoff,
    local::{
        LocalAnswer, LocalCall, LocalError, Publication, Published, Resume, StagedPage, Staging,
    },
    unexpected,
};

/// How many restarts and mismatches in a row are answered at once; after that, with growing delays.
const PATIENCE: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Download {
    state: State,
    published: Option<Published>,
    /// The pull under way; none before its first page is staged.
    pull: Option<Resume>,
    /// What the next pull without a resume point stages: a difference, after a restart or a mismatch.
    walk: bool,
    /// Acknowledgements up to this one are part of what the pull brings: those that storage had noted when it began.
    settles: u64,
    /// Failures in a row.
    failures: u32,
    /// Restarts and mismatches in a row.
    restarts: u32,
    /// Somebody asked while the lane was busy.
    again: bool,
    /// The page behind the one that is being staged: asked for meanwhile, so that network and storage work at the same time.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    ticket: Ticket,
    /// What has come, before the page in front of it was staged.
    answer: Option<Result<Answer, Failure>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Looking(Ticket),
    Asking(Ticket),
    Staging(Ticket, Resume),
    Publishing(Ticket, Box<Publication>, Option<Digest>),
    Waiting(Ticket),
}

impl Download {
    pub(super) fn starting(published: Option<Published>, pull: Option<Resume>) -> Self {
        let settles = pull.as_ref().map_or(0, |pull| pull.settles);
        Self {
            // What the unfinished pull brings may be old by now.
            again: pull.is_some(),
            published,
            pull,
            settles,
            ..Self::default()
        }
    }

    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        if self.is_ahead(ticket) {
            return true;
        }
        match &self.state {
            State::Idle => false,
            State::Looking(waiting)
            | State::Asking(waiting)
            | State::Staging(waiting, _)
            | State::Publishing(waiting, ..)
            | State::Waiting(waiting) => *waiting == ticket,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether a ticket is that of the page asked for ahead, and it hasn't come yet.
    fn is_ahead(&self, ticket: Ticket) -> bool {
        self.ahead
            .as_ref()
            .is_some_and(|ahead| ahead.ticket == ticket && ahead.answer.is_none())
    }

    /// What the pull under way, or else the next one, stages.
    fn staging(&self) -> Staging {
        match (&self.pull, &self.published) {
            (Some(pull), _) => pull.staging,
            (None, None) => Staging::Generation,
            (None, Some(_)) if self.walk => Staging::Difference,
            (None, Some(_)) => Staging::Delta,
        }
    }

    /// What to ask for the next page with.
    fn page(&self) -> Option<PageToken> {
        match &self.pull.as_ref()?.next {
            Next::More { page, .. } => Some(page.clone()),
            Next::Done { .. } => None,
        }
    }

    /// The scope that the device believes it has; a walk takes it as it is.
    fn epoch(&self) -> Option<Epoch> {
        match (&self.pull, &self.published, self.walk) {
            (Some(pull), ..) => Some(pull.epoch.clone()),
            (None, Some(published), false) => Some(published.epoch.clone()),
            _ => None,
        }
    }
}

impl Engine {
    /// Begins, or remembers to begin again when the lane is free.
    pub(super) fn download_now(&mut self, effects: &mut Vec<Effect>) {
        match self.download.state {
            State::Idle | State::Waiting(_) => self.go_on(effects),
            _ => self.download.again = true,
        }
    }

    /// Does what the pull needs next: the first page, another one, or the end.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        let next = self.download.pull.as_ref().map(|pull| pull.next.clone());
        match next {
            Some(Next::Done { .. }) => {
                let staging = self.download.staging();
                self.publish(Some(staging), effects);
            }
            Some(Next::More { reached, .. }) => self.next_page(reached, effects),
            None => {
                self.download.again = false;
                self.download.settles = self.acknowledged;
                self.next_page(None, effects);
            }
        }
    }

    fn next_page(
        &mut self,
        reached: Option<fieldstone_model::RecordId>,
        effects: &mut Vec<Effect>,
    ) {
        match (self.download.staging(), &self.download.published) {
            (Staging::Delta, Some(published)) => {
                let cursor = published.cursor.clone();
                self.ask(Want::Delta { cursor }, effects);
            }
            (Staging::Difference, _) => {
                let limit = self.settings.inventory_limit;
                let ticket = self.store(
                    effects,
                    LocalCall::Inventory {
                        after: reached,
                        limit,
                    },
                );
                self.download.state = State::Looking(ticket);
            }
            (Staging::Generation | Staging::Delta, _) => {
                self.ask(
                    Want::Walk(Inventory {
                        after: reached,
                        ..Inventory::default()
                    }),
                    effects,
                );
            }
        }
    }

    fn ask(&mut self, want: Want, effects: &mut Vec<Effect>) {
        let request = PullRequest {
            protocol: self.settings.protocol,
            device: self.settings.device,
            epoch: self.download.epoch(),
            page: self.download.page(),
            proof: self.settings.proof.take(),
            want,
        };
        let ticket = self.send(effects, Request::Pull(request));
        self.download.state = State::Asking(ticket);
    }

    pub(super) fn download_answered(
        &mut self,
        ticket: Ticket,
        answer: Result<Answer, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        if self.download.is_ahead(ticket) {
            // Its turn comes when the page before it is safe.
            if let Some(ahead) = &mut self.download.ahead {
                ahead.answer = Some(answer);
            }
            return;
        }
        self.take_answer(answer, effects);
    }

    fn take_answer(&mut self, answer: Result<Answer, Failure>, effects: &mut Vec<Effect>) {
        match answer {
            Ok(Answer::Pull(PullAnswer::Page(page))) => self.arrived(page, effects),
            Ok(Answer::Pull(PullAnswer::Restart { .. })) => self.restart(effects),
            Ok(_) => self.download_failed(Failure::Garbled, effects),
            Err(failure) => self.download_failed(failure, effects),
        }
    }

    fn arrived(&mut self, page: Page, effects: &mut Vec<Effect>) {
        let download = &mut self.download;
        download.failures = 0;
        let first = download.pull.is_none();
        let staging = download.staging();
        effects.push(Effect::Report(Report::Progress {
            priming: staging == Staging::Generation,
            rows: page.rows.len(),
            totals: page.totals,
        }));
        let resume = Resume {
            staging,
            epoch: page.epoch,
            schema: page.schema,
            settles: download.settles,
            next: page.next,
        };
        // The usual answer, "nothing new", needs no staging.
        if first
            && page.rows.is_empty()
            && page.gone.is_empty()
            && staging != Staging::Generation
            && let Next::Done { .. } = resume.next
        {
            self.download.pull = Some(resume);
            return self.publish(None, effects);
        }
        let staged = StagedPage {
            staging,
            first,
            rows: page.rows,
            gone: page.gone,
            resume: resume.clone(),
        };
        self.download.ahead = self.ask_ahead(&resume, effects);
        let ticket = self.store(effects, LocalCall::Stage(Box::new(staged)));
        self.download.state = State::Staging(ticket, resume);
    }

    /// Asks for the page behind one that isn't staged yet. Nothing is lost when staging fails: the answer is dropped, and the page is asked
    /// for again with the token of the last one that is safe. A page that is asked for with what storage holds has to wait for storage.
    fn ask_ahead(&mut self, staging: &Resume, effects: &mut Vec<Effect>) -> Option<Ahead> {
        let Next::More { page, reached } = &staging.next else {
            return None;
        };
        let want = match (staging.staging, &self.download.published) {
            (Staging::Generation, _) => Want::Walk(Inventory {
                after: *reached,
                ..Inventory::default()
            }),
            (Staging::Delta, Some(published)) => Want::Delta {
                cursor: published.cursor.clone(),
            },
            _ => return None,
        };
        let request = PullRequest {
            protocol: self.settings.protocol,
            device: self.settings.device,
            epoch: Some(staging.epoch.clone()),
            page: Some(page.clone()),
            proof: None,
            want,
        };
        let ticket = self.send(effects, Request::Pull(request));
        Some(Ahead {
            ticket,
            answer: None,
        })
    }

    pub(super) fn download_stored(
        &mut self,
        answer: Result<LocalAnswer, LocalError>,
        effects: &mut Vec<Effect>,
    ) {
        match (std::mem::take(&mut self.download.state), answer) {
            (State::Looking(_), Ok(LocalAnswer::Inventory(inventory))) => {
                self.ask(Want::Walk(inventory), effects);
            }
            (State::Staging(_, resume), Ok(LocalAnswer::Staged)) => {
                self.download.pull = Some(resume);
                match self.download.ahead.take() {
                    Some(Ahead {
                        answer: Some(answer),
                        ..
                    }) => self.take_answer(answer, effects),
                    Some(Ahead { ticket, .. }) => self.download.state = State::Asking(ticket),
                    None => self.go_on(effects),
                }
            }
            (State::Publishing(_, publication, expected), Ok(LocalAnswer::Published(actual))) => {
                self.has_published(*publication, expected.as_ref(), &actual, effects);
            }
            (state, answer) => {
                // A page that couldn't be staged is asked for again; a stage that couldn't be published is still there.
                drop(state);
                self.download.ahead = None;
                effects.push(Effect::Report(Report::Storage(unexpected(answer))));
                self.download_later(&Failure::Unreachable, effects);
            }
        }
    }

    fn publish(&mut self, staged: Option<Staging>, effects: &mut Vec<Effect>) {
        let Some(Resume {
            epoch,
            schema,
            settles,
            next: Next::Done { cursor, digest, .. },
            ..
        }) = self.download.pull.clone()
        else {
            return self.download_failed(Failure::Garbled, effects);
        };
        let publication = Publication {
            staged,
            published: Published {
                cursor,
                epoch,
                schema,
            },
            settles,
        };
        let ticket = self.store(effects, LocalCall::Publish(publication.clone()));
        self.download.state = State::Publishing(ticket, Box::new(publication), digest);
    }

    fn has_published(
        &mut self,
        publication: Publication,
        expected: Option<&Digest>,
        actual: &Digest,
        effects: &mut Vec<Effect>,
    ) {
        let Publication {
            staged, published, ..
        } = publication;
        self.download.published = Some(published);
        self.download.pull = None;
        self.download.walk = false;
        let differing = expected.map_or_else(Vec::new, |expected| actual.differing(expected));
        self.settings.proof = expected.map(|_| {
            if differing.is_empty() {
                Proof::Equal
            } else {
                Proof::Unequal
            }
        });
        if !differing.is_empty() {
            effects.push(Effect::Report(Report::Mismatch { objects: differing }));
            return self.restart(effects);
        }
        self.download.restarts = 0;
        if staged == Some(Staging::Generation) {
            effects.push(Effect::Report(Report::Ready));
        }
        effects.push(Effect::Report(Report::UpToDate {
            proven: expected.is_some(),
        }));
        if self.download.again {
            self.go_on(effects);
        }
    }

    /// Goes through the whole scope: what was staged counts for nothing.
    fn restart(&mut self, effects: &mut Vec<Effect>) {
        self.download.pull = None;
        self.download.walk = true;
        self.download.restarts += 1;
        if self.download.restarts > PATIENCE {
            self.download_later(&Failure::Unreachable, effects);
        } else {
            self.go_on(effects);
        }
    }

    fn download_failed(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        // A request that is refused as it is would be refused again: begin anew.
        if let Failure::Refused { .. } = failure {
            self.download.pull = None;
            self.download.walk = true;
        }
        self.download_later(&failure, effects);
        effects.push(Effect::Report(Report::Retrying { failure }));
    }

    fn download_later(&mut self, failure: &Failure, effects: &mut Vec<Effect>) {
        let failures = self.download.failures.max(self.download.restarts);
        let ticket = self.wake(effects, backoff(failures, failure));
        self.download.failures += 1;
        self.download.state = State::Waiting(ticket);
    }
}
