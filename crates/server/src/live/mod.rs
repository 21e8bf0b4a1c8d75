//! Who looks at what right now, and what has changed meanwhile: hints for pages that are open, on every server.
//!
//! A hint says which records of a workspace were changed, and nothing of them: whoever passes it on reads the record as the person who
//! looks at it. While nobody has a page open, nothing is asked for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fieldstone_model::RecordId;
use tokio::sync::broadcast;

use crate::identity::{AuthPool, IdentityError};

/// How often the database is asked.
const EVERY: Duration = Duration::from_millis(400);
/// The same, when it could not be asked.
const PAUSE: Duration = Duration::from_secs(3);
/// Pages that one person may have open at a time.
const SEATS: usize = 8;
/// Hints that a slow reader may be behind.
const BEHIND: usize = 256;

const SEEN: &str = "SELECT snapshot, tenant_id, by_id, record_ids, prefixes, user_ids FROM app.changes_seen($1, $2)";

/// Something has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Perhaps: it was not looked before.
    Anything,
    /// These records of this workspace.
    Records {
        tenant: String,
        by: String,
        /// The first of them, when there are many.
        ids: Vec<String>,
        prefixes: Vec<String>,
    },
    /// What these people are told.
    Notifications { tenant: String, people: Vec<String> },
}

/// The hints of one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    auth: AuthPool,
    hints: broadcast::Sender<Arc<Hint>>,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    tenants: HashMap<RecordId, usize>,
    people: HashMap<(RecordId, RecordId), usize>,
    /// Whether the database is being asked.
    asking: bool,
}

/// One open page. Given up when dropped.
pub(crate) struct Seat {
    live: Live,
    tenant: RecordId,
    person: RecordId,
    hints: broadcast::Receiver<Arc<Hint>>,
}

impl Live {
    /// Asks through `auth`, once somebody looks.
    pub(crate) fn new(auth: AuthPool) -> Self {
        Self {
            shared: Arc::new(Shared {
                auth,
                hints: broadcast::Sender::new(BEHIND),
                seats: Mutex::default(),
            }),
        }
    }

    /// A seat for a page of this person; none when they have too many.
    pub(crate) fn sit(&self, tenant: RecordId, person: RecordId) -> Option<Seat> {
        let mut seats = self.seats();
        let taken = seats.people.entry((tenant, person)).or_default();
        if *taken >= SEATS {
            return None;
        }
        *taken += 1;
        *seats.tenants.entry(tenant).or_default() += 1;
        if !seats.asking {
            seats.asking = true;
            tokio::spawn(self.clone().ask());
        }
        Some(Seat {
            live: self.clone(),
            tenant,
            person,
            hints: self.shared.hints.subscribe(),
        })
    }

    fn seats(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.shared
            .seats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until nobody looks any more.
    async fn ask(self) {
        let mut since: Option<String> = None;
        loop {
            let tenants: Vec<String> = {
                let mut seats = self.seats();
                if seats.tenants.is_empty() {
                    seats.asking = false;
                    return;
                }
                seats.tenants.keys().map(ToString::to_string).collect()
            };
            let is_first = since.is_none();
            match self.look(&tenants, since.as_deref()).await {
                Ok((snapshot, hints)) => {
                    since = Some(snapshot);
                    // What changed before the first look is nobody's hint.
                    let first = is_first.then_some(Hint::Anything);
                    for hint in first.into_iter().chain(hints) {
                        let _ = self.shared.hints.send(Arc::new(hint));
                    }
                    tokio::time::sleep(EVERY).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "what has changed could not be asked");
                    since = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn look(
        &self,
        tenants: &[String],
        since: Option<&str>,
    ) -> Result<(String, Vec<Hint>), IdentityError> {
        let client = self.shared.auth.get().await?;
        let statement = client.prepare_cached(SEEN).await?;
        let rows = client.query(&statement, &[&tenants, &since]).await?;
        let mut snapshot = String::new();
        let mut hints = Vec::new();
        for row in &rows {
            snapshot = row.try_get(0)?;
            let Some(tenant) = row.try_get::<_, Option<String>>(1)? else {
                continue;
            };
            let people: Vec<String> = row.try_get(5)?;
            if !people.is_empty() {
                hints.push(Hint::Notifications { tenant, people });
                continue;
            }
            hints.push(Hint::Records {
                tenant,
                by: row.try_get(2)?,
                ids: row.try_get(3)?,
                prefixes: row.try_get(4)?,
            });
        }
        Ok((snapshot, hints))
    }
}

impl Seat {
    /// The next hint for this workspace; after a gap, that anything may have changed. `None` when the server ends.
    pub(crate) async fn hint(&mut self) -> Option<Arc<Hint>> {
        loop {
            let hint = match self.hints.recv().await {
                Ok(hint) => hint,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some(Arc::new(Hint::Anything));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            let is_mine = match hint.as_ref() {
                Hint::Anything => true,
                Hint::Records { tenant, .. } | Hint::Notifications { tenant, .. } => {
                    tenant == self.tenant.as_str()
                }
            };
            if is_mine {
                return Some(hint);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.live.seats();
        give_up(&mut seats.people, &(self.tenant, self.person));
        give_up(&mut seats.tenants, &self.tenant);
    }
}

fn give_up<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_that_is_given_up_is_free_again() {
        let mut counts = HashMap::from([("a", 2), ("b", 1)]);
        give_up(&mut counts, &"a");
        give_up(&mut counts, &"b");
        give_up(&mut counts, &"nobody");
        assert_eq!(counts, HashMap::from([("a", 1)]));
    }
}
