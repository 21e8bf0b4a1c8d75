//! A device: the engine that is shipped over storage in memory, its requests going straight to a store as real bytes.

use std::collections::VecDeque;

use fieldstone_client::engine::{
    Answer, Effect, Engine, Event, Failure, Report, Request, Settings, Ticket,
    local::{LocalCall, perform},
    memory::{Fresh, MemoryLocal},
};
use fieldstone_model::{RecordId, SystemClock, clock::Clock as _, query::Environment};
use fieldstone_protocol::{
    device::Registration,
    pull::{PullAnswer, PullRequest},
    push::{PushAnswer, PushRequest},
};
use fieldstone_server::{
    store::PgStore,
    sync::{SyncError, SyncStore as _},
};
use fieldstone_store::Store as _;

/// Names that count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names {
    pub(crate) next: u64,
}

impl Names {
    pub(crate) fn record(&mut self, prefix: [u8; 3]) -> RecordId {
        self.next += 1;
        RecordId::compose(prefix, SystemClock.now(), self.next)
    }
}

impl Fresh for Names {
    fn uuid(&mut self) -> String {
        self.next += 1;
        format!(
            "{:032x}",
            u128::from(self.next) << 64 | u128::from(std::process::id())
        )
    }

    fn id(&mut self, like: RecordId) -> RecordId {
        self.record(like.prefix().as_bytes().try_into().unwrap())
    }
}

/// A registered device of a store's user.
pub(crate) struct Device {
    pub(crate) store: PgStore,
    pub(crate) local: MemoryLocal<Names>,
    pub(crate) id: RecordId,
    pub(crate) reports: Vec<Report>,
    pub(crate) pages: usize,
    /// Every row that has come, with its tag, in order.
    pub(crate) received: Vec<(RecordId, fieldstone_protocol::tag::Tag)>,
    engine: Engine,
    calls: VecDeque<(Ticket, LocalCall)>,
    requests: VecDeque<(Ticket, Request)>,
}

impl Device {
    pub(crate) async fn register(store: &PgStore, seed: u64) -> Self {
        let registration = Registration {
            installation: format!("test-{seed}"),
            name: "Test".to_owned(),
            platform: "linux".to_owned(),
            app: "test".to_owned(),
            login_key: None,
        };
        let registered = store.register(&registration).await.unwrap();
        let settings = Settings::new(registered.device);
        let mut device = Self {
            store: store.clone(),
            local: MemoryLocal::new(registered.blind_key, Names { next: seed << 32 }),
            id: registered.device,
            reports: Vec::new(),
            pages: 0,
            received: Vec::new(),
            engine: Engine::new(settings),
            calls: VecDeque::new(),
            requests: VecDeque::new(),
        };
        device.tell(Event::Unlocked);
        device
    }

    fn tell(&mut self, event: Event) {
        for effect in self.engine.step(event) {
            match effect {
                Effect::Store(ticket, call) => self.calls.push_back((ticket, call)),
                Effect::Send(ticket, request) => self.requests.push_back((ticket, request)),
                Effect::Wake(ticket, _) => {
                    panic!("it wants to wait ({ticket:?}): {:?}", self.reports)
                }
                Effect::Report(report) => self.reports.push(report),
            }
        }
    }

    /// Syncs until there is nothing more to do.
    pub(crate) async fn sync(&mut self) {
        self.tell(Event::SyncNow);
        self.rest().await;
    }

    pub(crate) async fn rest(&mut self) {
        loop {
            if let Some((ticket, call)) = self.calls.pop_front() {
                let answer = perform(&mut self.local, &call);
                self.tell(Event::Stored(ticket, answer));
            } else if let Some((ticket, request)) = self.requests.pop_front() {
                let answer = self.ask(&request).await;
                self.tell(Event::Answered(ticket, answer));
            } else {
                return;
            }
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let failure = |error: SyncError| match error {
            SyncError::UnknownDevice => Failure::SignedOut,
            error => panic!("{error}: {error:?}"),
        };
        match request {
            Request::Pull(request) => {
                let request = PullRequest::from_bytes(&request.to_bytes().unwrap()).unwrap();
                let environment = Environment {
                    me: self.store.user().id,
                    today: jiff::civil::date(2026, 3, 1),
                };
                let answer = self
                    .store
                    .pull(&request, environment)
                    .await
                    .map_err(failure)?;
                let answer = PullAnswer::from_bytes(&answer.to_bytes().unwrap()).unwrap();
                if let PullAnswer::Page(page) = &answer {
                    self.pages += 1;
                    self.received
                        .extend(page.rows.iter().map(|row| (row.id, row.tag)));
                }
                Ok(Answer::Pull(answer))
            }
            Request::Push(request) => {
                let request = PushRequest::from_bytes(&request.to_bytes().unwrap()).unwrap();
                let answer = self.store.push(&request).await.map_err(failure)?;
                Ok(Answer::Push(
                    PushAnswer::from_bytes(&answer.to_bytes().unwrap()).unwrap(),
                ))
            }
            Request::Standing(_) => Err(Failure::Unreachable),
        }
    }

    /// Whether the last download was proven, and none ever differed.
    pub(crate) fn is_proven(&self) -> bool {
        let differs = self
            .reports
            .iter()
            .any(|report| matches!(report, Report::Mismatch { .. }));
        let last = self.reports.iter().rev().find_map(|report| match report {
            Report::UpToDate { proven } => Some(*proven),
            _ => None,
        });
        !differs && last == Some(true)
    }

    /// What pages show of a record's field.
    pub(crate) fn shows(&self, id: RecordId, field: &str) -> Option<serde_json::Value> {
        self.local.view(id)?.get(field).cloned()
    }

    pub(crate) fn has(&self, id: RecordId) -> bool {
        self.local.base().contains_key(&id)
    }
}
