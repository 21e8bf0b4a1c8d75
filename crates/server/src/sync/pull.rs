//! Pull: deltas and walks, one page a transaction.
//!
//! Every page has a token of its own, and every answer a cursor of its own: a database that was put back between two pages doesn't know
//! the second one, so that rows which it has lost are never taken for rows that it has.

use std::collections::{BTreeMap, BTreeSet};

use fieldstone_model::{RecordId, Registry, query::Environment};
use fieldstone_protocol::{
    digest::Digest,
    pull::{
        Cursor, Epoch, Next, Page, PageToken, Proof, PullAnswer, PullRequest, Restart, Row, Want,
    },
    tag::Blind,
};
use fieldstone_store::{Store as _, StoreError};
use jiff::{SignedDuration, Timestamp};

use super::{
    SyncError,
    names::{WalkName, cursor_name, page_name},
    reading::{Kept, Reading, open},
};
use crate::{
    database::pool::Step,
    store::{PgStore, store_error},
    telemetry,
};

/// Changed records looked at for one page.
const CHANGES: usize = 1_000;
/// Changes since a pull began that its last page may carry besides its own.
const LATE: usize = 2_000;
/// Cursors kept for each device besides the one it has said that it has.
const KEPT: i64 = 4;

/// How stale the time may be at which a device was last seen, before a pull that brings nothing writes it.
const SEEN: SignedDuration = SignedDuration::from_mins(10);
/// Counts a page for a device, and notes what it said of itself.
const COUNT: &str = "UPDATE app.sync_device d SET last_seen_at = $2, pulls = d.pulls + $3, rows_sent = d.rows_sent + $4, \
    proven = coalesce($5, d.proven), proven_at = CASE WHEN $5::boolean IS NULL THEN d.proven_at ELSE $2 END, \
    repairs = d.repairs + CASE WHEN $5 = false THEN 1 ELSE 0 END WHERE d.id = $1";

/// What became of one page.
pub(super) struct Outcome {
    pub(super) rows: Vec<Row>,
    pub(super) gone: Vec<Blind>,
    pub(super) next: Onward,
}

/// How a pull goes on, before its token or cursor is kept.
pub(super) enum Onward {
    /// The cursor stays as it is.
    Unchanged { cursor: String },
    /// There are more changes behind `position`.
    More {
        began: String,
        position: Option<RecordId>,
    },
    /// There is more of a walk behind `reached`.
    Further {
        began: String,
        walk: WalkName,
        reached: RecordId,
    },
    /// It was the last page, and the cursor is this snapshot.
    Done { snapshot: String, proven: bool },
    /// It would have been too much.
    Restart,
}

impl PgStore {
    pub(super) async fn sync_pull(
        &self,
        request: &PullRequest,
        environment: Environment,
    ) -> Result<PullAnswer, SyncError> {
        if request.protocol < fieldstone_protocol::OLDEST
            || request.protocol > fieldstone_protocol::VERSION
        {
            return Err(SyncError::Incompatible);
        }
        match self.pull_page(self.registry(), request, environment).await {
            Err(SyncError::Store(StoreError::SchemaChanged)) => {
                let fresh = self.fresh_registry().await?;
                self.pull_page(&fresh, request, environment).await
            }
            outcome => outcome,
        }
    }

    async fn pull_page(
        &self,
        registry: &Registry,
        request: &PullRequest,
        environment: Environment,
    ) -> Result<PullAnswer, SyncError> {
        let cursor = match &request.want {
            Want::Delta { cursor } => Some(cursor.0.clone()),
            Want::Walk(_) => None,
        };
        let page = request.page.as_ref().map(|page| page.0.clone());
        let named: Vec<String> = cursor.iter().chain(&page).cloned().collect();
        let opened = open(self, registry, request.device, &named).await?;
        let kept: BTreeMap<String, Kept> = opened
            .kept
            .iter()
            .map(|kept| (kept.id.clone(), kept.clone()))
            .collect();
        let mut reading = Reading::new(self, registry, opened, environment);
        let epoch = Epoch(reading.epoch.clone());
        if let Some(reason) = restart(request, &kept, &named, &epoch) {
            reading.finish().await?;
            return Ok(PullAnswer::Restart { reason, epoch });
        }
        let first = page.and_then(|page| kept.get(&page));
        let since = cursor.as_ref().and_then(|cursor| kept.get(cursor));
        let mut totals = None;
        let outcome = match (&request.want, since) {
            (Want::Walk(inventory), _) => {
                let list = reading.list(self.recall(), first).await?;
                if first.is_none() && inventory.after.is_none() && inventory.entries.is_empty() {
                    totals = Some(reading.counts(&list.ids));
                }
                reading.walk(inventory, &list, first).await?
            }
            (Want::Delta { .. }, Some(since)) => reading.delta(since, first).await?,
            (Want::Delta { .. }, None) => return Err(SyncError::BadRequest("Name a cursor.")),
        };
        let digest = match &outcome.next {
            Onward::Unchanged { cursor } => Some(reading.digest_at(self.recall(), cursor).await?),
            Onward::Done { proven: true, .. } => Some(reading.digest().await?),
            _ => None,
        };
        let next = match outcome.next {
            Onward::Restart => {
                reading.finish().await?;
                return Ok(PullAnswer::Restart {
                    reason: Restart::Other,
                    epoch,
                });
            }
            next => {
                let rows = outcome.rows.len();
                let at = (cursor.as_deref(), rows);
                self.keep_next(reading, request, at, next, digest).await?
            }
        };
        Ok(PullAnswer::Page(Page {
            epoch,
            schema: registry.version(),
            totals,
            rows: outcome.rows,
            gone: outcome.gone,
            next,
        }))
    }

    /// Keeps how a pull goes on, and says it. `presented` is the cursor that the device has, and `rows` is how many it gets.
    async fn keep_next(
        &self,
        reading: Reading<'_>,
        request: &PullRequest,
        (presented, rows): (Option<&str>, usize),
        next: Onward,
        digest: Option<Digest>,
    ) -> Result<Next, SyncError> {
        Ok(match next {
            Onward::Restart => return Err(StoreError::internal("nothing goes on").into()),
            Onward::Unchanged { cursor } => {
                let is_worth_noting = reading.is_worth_noting(request, self.now());
                reading.finish().await?;
                if is_worth_noting {
                    self.count_page(request, 0, 0).await?;
                }
                Next::Done {
                    cursor: Cursor(cursor),
                    digest,
                }
            }
            Onward::More { began, position } => {
                let id = cursor_name()?;
                let names = (id.as_str(), presented);
                self.keep(reading, request, names, &began, position, rows)
                    .await?;
                Next::More {
                    page: PageToken(id),
                    reached: None,
                }
            }
            Onward::Further {
                began,
                walk,
                reached,
            } => {
                let id = page_name(&walk)?;
                let names = (id.as_str(), presented);
                self.keep(reading, request, names, &began, None, rows)
                    .await?;
                Next::More {
                    page: PageToken(id),
                    reached: Some(reached),
                }
            }
            Onward::Done { snapshot, .. } => {
                let id = cursor_name()?;
                let key = reading.cursor_key(&id);
                let names = (id.as_str(), presented);
                self.keep(reading, request, names, &snapshot, None, rows)
                    .await?;
                if let Some(digest) = &digest {
                    self.recall().keep_digest(key, digest);
                }
                Next::Done {
                    cursor: Cursor(id),
                    digest,
                }
            }
        })
    }

    /// Keeps a snapshot under an id, forgets old ones, and commits: synchronously, before anybody is told.
    async fn keep(
        &self,
        mut reading: Reading<'_>,
        request: &PullRequest,
        (id, presented): (&str, Option<&str>),
        snapshot: &str,
        position: Option<RecordId>,
        rows: usize,
    ) -> Result<(), SyncError> {
        let (device, now) = (request.device.to_string(), self.now());
        let position = position.map(|id| id.to_string());
        let steps = [
            Step {
                sql: "INSERT INTO app.sync_cursor (tenant_id, user_id, device_id, id, snapshot, epoch, position, made_at) \
                      SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, $5, $6",
                params: &[
                    &device,
                    &id,
                    &snapshot,
                    &reading.epoch.clone(),
                    &position,
                    &now,
                ],
            },
            Step {
                sql: "DELETE FROM app.sync_cursor c WHERE c.device_id = $1 AND c.id IS DISTINCT FROM $2 AND c.number < \
                      (SELECT min(n.number) FROM (SELECT k.number FROM app.sync_cursor k WHERE k.device_id = $1 ORDER BY k.number DESC LIMIT $3) n)",
                params: &[&device, &presented, &KEPT],
            },
        ];
        // Both wait for the disk; they wait for it together.
        let kept = reading.transaction.run(&steps, true);
        let (kept, counted) = tokio::join!(kept, self.count_page(request, 1, rows));
        kept.map_err(store_error)?;
        counted?;
        Ok(())
    }

    /// Counts a page for a device, in a transaction of its own: the page's reads everything as of one moment, and what the same device sends
    /// meanwhile is counted in the same row.
    async fn count_page(
        &self,
        request: &PullRequest,
        pages: i64,
        rows: usize,
    ) -> Result<(), SyncError> {
        let device = request.device.to_string();
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let proven = proven(request);
        telemetry::pulled(rows.unsigned_abs(), proven);
        self.run_step(COUNT, &[&device, &self.now(), &pages, &rows, &proven])
            .await?;
        Ok(())
    }
}

/// Whether the device has found that it has what the platform has; nothing when it didn't compare.
fn proven(request: &PullRequest) -> Option<bool> {
    request.proof.map(|proof| proof == Proof::Equal)
}

/// Why there is no way on from what the device names.
fn restart(
    request: &PullRequest,
    kept: &BTreeMap<String, Kept>,
    named: &[String],
    epoch: &Epoch,
) -> Option<Restart> {
    if request
        .epoch
        .as_ref()
        .is_some_and(|believed| believed != epoch)
    {
        return Some(Restart::ScopeChanged);
    }
    for id in named {
        match kept.get(id) {
            None => return Some(Restart::UnknownCursor),
            Some(kept) if kept.epoch != epoch.0 => return Some(Restart::ScopeChanged),
            Some(kept) if kept.purged => return Some(Restart::Purged),
            Some(_) => {}
        }
    }
    None
}

impl Reading<'_> {
    /// Whether a pull that brought nothing is worth noting: if the list of devices would be wrong without it.
    fn is_worth_noting(&self, request: &PullRequest, now: Timestamp) -> bool {
        let is_news = proven(request).is_some_and(|proven| self.proven != Some(proven));
        is_news || now.duration_since(self.seen_at) >= SEEN
    }

    async fn delta(&mut self, since: &Kept, first: Option<&Kept>) -> Result<Outcome, SyncError> {
        let position = first.and_then(|first| first.position);
        let (mut changed, unlinked) = if first.is_none() {
            let (changed, unlinked) = self.news(&since.snapshot, CHANGES + 1).await?;
            (changed, Some(unlinked))
        } else {
            let changed = self.changed(&since.snapshot, position, CHANGES + 1).await?;
            (changed, None)
        };
        // A record that went out of sight doesn't show that it has changed.
        if changed.is_empty() && unlinked.as_ref().is_some_and(Vec::is_empty) {
            let next = Onward::Unchanged {
                cursor: since.id.clone(),
            };
            return Ok(Outcome {
                rows: Vec::new(),
                gone: Vec::new(),
                next,
            });
        }
        let began = first.map_or_else(|| self.snapshot.clone(), |first| first.snapshot.clone());
        if changed.len() > CHANGES {
            changed.truncate(CHANGES);
            let position = changed.last().copied();
            let next = Onward::More { began, position };
            return self.sort_out(changed, Vec::new(), next).await;
        }
        changed.extend(match unlinked {
            Some(unlinked) => unlinked,
            None => self.unlinked(&since.snapshot).await?,
        });
        match first {
            None => {
                let next = Onward::Done {
                    snapshot: began,
                    proven: true,
                };
                self.sort_out(changed, Vec::new(), next).await
            }
            Some(first) => self.last(first, changed, Vec::new()).await,
        }
    }

    /// The last page of several: with what changed since the first, if that fits. Then it was read at one moment, and can be proven.
    pub(super) async fn last(
        &mut self,
        first: &Kept,
        mut changed: Vec<RecordId>,
        gone: Vec<RecordId>,
    ) -> Result<Outcome, SyncError> {
        let late = self.changed(&first.snapshot, None, LATE + 1).await?;
        let next = if late.len() > LATE {
            Onward::Done {
                snapshot: first.snapshot.clone(),
                proven: false,
            }
        } else {
            changed.extend(late);
            changed.extend(self.unlinked(&first.snapshot).await?);
            Onward::Done {
                snapshot: self.snapshot.clone(),
                proven: true,
            }
        };
        self.sort_out(changed, gone, next).await
    }

    /// Makes a page of changed records: what of them and around them is in scope comes whole, the rest by blinded name.
    pub(super) async fn sort_out(
        &mut self,
        changed: Vec<RecordId>,
        gone: Vec<RecordId>,
        next: Onward,
    ) -> Result<Outcome, SyncError> {
        let Some(candidates) = self.candidates(changed).await? else {
            return Ok(Outcome {
                rows: Vec::new(),
                gone: Vec::new(),
                next: Onward::Restart,
            });
        };
        let within = self.within(&candidates).await?;
        let inside: BTreeSet<RecordId> = within.values().flatten().copied().collect();
        let outside = candidates
            .values()
            .flatten()
            .filter(|id| !inside.contains(id))
            .copied();
        let gone: BTreeSet<RecordId> = outside
            .chain(gone)
            .filter(|id| !inside.contains(id))
            .collect();
        Ok(Outcome {
            rows: self.rows(&within).await?,
            gone: gone.into_iter().map(|id| self.blind.blind(id)).collect(),
            next,
        })
    }
}
