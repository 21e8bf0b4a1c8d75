//! `/live`: tells an open page that what it shows was changed by somebody else, and how many notifications wait, as server-sent events.
//!
//! Whatever is told was read a moment before as the person who looks: a stream ends with their session, and says nothing of what they
//! don't see. It ends after a while by itself, so that a page that nobody looks at keeps no session alive.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use fieldstone_model::{RecordId, Value, query::Path};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::PageError;
use futures_util::stream;
use tokio::time::Instant;

use super::inside::Inside;
use crate::{
    http::Endless,
    live::{Hint, Live, Seat},
};

/// How long a stream lasts. A page asks again when somebody does something on it.
const LASTS: Duration = Duration::from_mins(5);
/// How often a quiet stream makes sure that it may go on.
const CHECKED: Duration = Duration::from_secs(45);
/// Records of a hint about many that are looked at.
const LOOKED_AT: usize = 50;

/// What a page shows.
#[derive(Debug)]
enum Topic {
    /// Nothing that could change.
    Nothing,
    /// One record at this version; while it is being edited, if so.
    Record {
        object: String,
        id: RecordId,
        version: i64,
        editing: bool,
    },
    /// A list of an object's records.
    List { prefix: String },
}

/// `GET /live?record=ID&version=N` or `?object=NAME`.
pub(crate) async fn show(State(live): State<Live>, inside: Inside) -> Result<Response, PageError> {
    let topic = Topic::of(&inside)?;
    let actor = &inside.identity.actor;
    let seat = live.sit(actor.tenant, actor.user).ok_or(PageError::Busy)?;
    let now = Instant::now();
    let watch = Watch {
        inside,
        topic,
        seat,
        until: now + LASTS,
        count: None,
        waiting: VecDeque::new(),
        begun: false,
        ended: false,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response();
    response.extensions_mut().insert(Endless);
    Ok(response)
}

impl Topic {
    fn of(inside: &Inside) -> Result<Self, PageError> {
        if let Some(id) = inside.parameter("record") {
            let id: RecordId = id.parse().map_err(|_| PageError::Invalid)?;
            let version = inside.parameter("version").map(str::parse);
            let version = version.transpose().map_err(|_| PageError::Invalid)?;
            let object = inside.registry().object_of(id).ok_or(PageError::NotFound)?;
            return Ok(Self::Record {
                object: object.name.to_string(),
                id,
                version: version.unwrap_or(i64::MAX),
                editing: inside.parameter("editing").is_some(),
            });
        }
        let Some(name) = inside.parameter("object") else {
            return Ok(Self::Nothing);
        };
        let object = inside.registry().object(name).ok_or(PageError::NotFound)?;
        Ok(Self::List {
            prefix: object.prefix_str().to_owned(),
        })
    }
}

/// One stream.
struct Watch {
    inside: Inside,
    topic: Topic,
    seat: Seat,
    until: Instant,
    /// What was told of notifications.
    count: Option<i64>,
    waiting: VecDeque<Event>,
    begun: bool,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let looked = if self.begun {
                tokio::select! {
                    hint = self.seat.hint() => match hint {
                        Some(hint) => self.heed(&hint).await,
                        None => return None,
                    },
                    () = tokio::time::sleep(CHECKED) => self.look_at_count().await,
                    () = tokio::time::sleep_until(self.until) => {
                        self.ended = true;
                        Ok(())
                    }
                }
            } else {
                self.begun = true;
                // A first byte tells the browser that it is connected.
                self.waiting.push_back(Event::default().comment("here"));
                self.heed(&Hint::Anything).await
            };
            if looked.is_err() {
                self.ended = true;
            }
            if self.ended {
                // The page doesn't ask again by itself.
                self.waiting
                    .push_back(Event::default().event("pause").data("-"));
            }
        }
    }

    async fn heed(&mut self, hint: &Hint) -> Result<(), StoreError> {
        let me = self.inside.identity.actor.user;
        match hint {
            Hint::Anything => {
                self.look_at_record().await?;
                self.look_at_count().await
            }
            Hint::Notifications { people, .. } => {
                if people.iter().any(|person| person == me.as_str()) {
                    self.look_at_count().await?;
                }
                Ok(())
            }
            Hint::Records { by, .. } if by == me.as_str() => Ok(()),
            Hint::Records {
                by, ids, prefixes, ..
            } => match &self.topic {
                Topic::Record { id, .. } if ids.iter().any(|changed| changed == id.as_str()) => {
                    self.look_at_record().await
                }
                Topic::List { prefix } if prefixes.contains(prefix) => {
                    let prefix = prefix.clone();
                    self.look_at_list(&prefix, by, ids).await
                }
                _ => Ok(()),
            },
        }
    }

    /// Tells of the record, if somebody else has changed it.
    async fn look_at_record(&mut self) -> Result<(), StoreError> {
        let Topic::Record {
            object,
            id,
            version,
            editing,
        } = &self.topic
        else {
            return Ok(());
        };
        let (id, version, editing) = (*id, *version, *editing);
        let store = &self.inside.store;
        let columns = [Path::from_text("updated_by_id")];
        let record = match store.get(object, id, &columns).await {
            Ok(record) => record,
            // Gone out of sight: that isn't told.
            Err(StoreError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Value::Id(by) = *record.get("updated_by_id") else {
            return Ok(());
        };
        if record.version <= version || by == store.user().id {
            return Ok(());
        }
        let key = match (record.deleted, editing) {
            (true, _) => "live-deleted",
            (false, true) => "live-editing",
            (false, false) => "live-changed",
        };
        self.tell(key, by, !editing).await
    }

    async fn look_at_list(
        &mut self,
        prefix: &str,
        by: &str,
        ids: &[String],
    ) -> Result<(), StoreError> {
        let mut ids: Vec<RecordId> = ids
            .iter()
            .filter(|id| id.starts_with(prefix))
            .filter_map(|id| id.parse().ok())
            .collect();
        ids.truncate(LOOKED_AT);
        let Ok(by) = by.parse() else { return Ok(()) };
        if self.inside.store.names(&ids).await?.is_empty() {
            return Ok(());
        }
        self.tell("live-list-changed", by, true).await
    }

    /// Says so once: the page then says it until it is shown anew.
    async fn tell(&mut self, key: &str, by: RecordId, show: bool) -> Result<(), StoreError> {
        let names = self.inside.store.names(&[by]).await?;
        let locale = &self.inside.viewer.locale;
        let person = names.get(&by).cloned();
        let person = person.unwrap_or_else(|| locale.t("person-unknown").into_owned());
        let text = locale.t1(key, "person", person.as_str());
        let show = show.then(|| locale.t("live-show").into_owned());
        let data = serde_json::json!({"text": text, "show": show, "dismiss": locale.t("dismiss")});
        self.waiting
            .push_back(Event::default().event("changed").data(data.to_string()));
        self.topic = Topic::Nothing;
        Ok(())
    }

    async fn look_at_count(&mut self) -> Result<(), StoreError> {
        let count = self.inside.store.unread_notifications().await?;
        if self.count.replace(count) != Some(count) {
            self.waiting
                .push_back(Event::default().event("count").data(count.to_string()));
        }
        Ok(())
    }
}
