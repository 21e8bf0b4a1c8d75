//! The job that imports what people have brought, and takes imports back, each in the name of whoever asked for it.
//!
//! What was claimed by a server that went away comes back when its lease has ended, and what a server that stops has at hand at once: an
//! import goes on from its last checkpoint, without a row twice; taking back begins anew, which does no harm.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use fieldstone_model::{Capability, Clock, RecordId, Role};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::locale::Locale;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    End, ImportError, Input, Kept, Listener, Mapping, MappingProblem, PgWorkspace, Progress,
    Report, Request, Sink, Undoing, Undone, look, parts::Kind, postgres::OfUpload, run, undo,
    uploads::Upload,
};
use crate::{
    database::Actor,
    jobs::{Job, Work},
    store::{PgStore, Stores},
};

/// How often something new is looked for.
const EVERY: Duration = Duration::from_millis(700);
/// How long a claim lasts without a sign of life, in seconds.
const LEASE_S: i32 = 20;
/// How often an import is claimed that gets nowhere.
const CLAIMS_MAX: i32 = 5;
/// Imports at the same time on this server.
const AT_ONCE: usize = 3;
/// How often files are forgotten.
const PURGE_EVERY: SignedDuration = SignedDuration::from_mins(30);
/// Rows that are looked at to make the mapping, as on the page.
pub(crate) const PEEKED: usize = 200;
/// Clocks of two transactions may differ by this much.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

const CLAIM: &str = "SELECT kind, tenant_id, id, user_id, role, member_version, claims FROM app.claim_import_job($1)";
const ABANDON: &str = "SELECT app.abandon_import($1, $2, $3, $4, $5)";

/// Imports, and takes imports back.
#[derive(Clone)]
pub struct Imports {
    stores: Stores,
    clock: Arc<dyn Clock>,
    purged: Arc<Mutex<Option<Timestamp>>>,
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").finish_non_exhaustive()
    }
}

/// Why an import, or taking one back, came to an end that nobody asked for, as it is kept: whoever reads of it reads it in their language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server went away in the middle.
    Interrupted,
    /// It never got as far as the first row.
    NeverBegun,
    /// The server was stopped. Imports of versions before ended so.
    ServerStopped,
    /// It was interrupted several times without getting any further.
    Stuck,
    /// The person's role doesn't allow it any more.
    UndoNotAllowed,
}

impl Ending {
    const ALL: [Self; 5] = [
        Self::Interrupted,
        Self::NeverBegun,
        Self::ServerStopped,
        Self::Stuck,
        Self::UndoNotAllowed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::NeverBegun => "never-begun",
            Self::ServerStopped => "server-stopped",
            Self::Stuck => "stuck",
            Self::UndoNotAllowed => "undo-not-allowed",
        }
    }

    /// What is kept, in words; what was kept as a sentence stays one.
    pub(crate) fn told(locale: &Locale, kept: &str) -> String {
        if let Some(problem) = MappingProblem::of_kept(kept) {
            return ImportError::from(problem).told(locale);
        }
        let known = Self::ALL.iter().find(|ending| ending.name() == kept);
        known.map_or_else(
            || kept.to_owned(),
            |ending| {
                locale
                    .t(&format!("import-ending-{}", ending.name()))
                    .into_owned()
            },
        )
    }
}

/// Something claimed.
struct Claimed {
    kind: String,
    actor: Actor,
    id: RecordId,
    claims: i32,
}

/// How a claim came to its end.
enum Came {
    Done,
    /// Its person's rights aren't what they were.
    Abandoned(Claimed, String),
}

impl Imports {
    /// Imports into the workspaces of these stores.
    pub fn new(stores: Stores, clock: Arc<dyn Clock>) -> Self {
        Self {
            stores,
            clock,
            purged: Arc::default(),
        }
    }

    async fn all(&self, work: &Work<'_>) -> anyhow::Result<()> {
        self.purge(work).await?;
        let stop = CancellationToken::new();
        let mut running: JoinSet<Came> = JoinSet::new();
        loop {
            if work.is_stopping() {
                stop.cancel();
            }
            // What is claimed and gets nowhere for want of room would be given up in the end.
            while !work.is_stopping() && running.len() < AT_ONCE && self.stores.has_room() {
                let Some(claimed) = claim(work).await? else {
                    break;
                };
                running.spawn(self.clone().one(claimed, stop.clone()));
            }
            if running.is_empty() {
                return Ok(());
            }
            tokio::select! {
                came = running.join_next() => {
                    if let Some(Ok(Came::Abandoned(claimed, reason))) = came {
                        let (tenant, id) = (claimed.actor.tenant.to_string(), claimed.id.to_string());
                        work.client.execute(ABANDON, &[&claimed.kind, &tenant, &id, &reason, &claimed.claims]).await?;
                    }
                }
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn purge(&self, work: &Work<'_>) -> anyhow::Result<()> {
        let now = self.clock.now();
        let is_due = {
            let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = purged.is_none_or(|at| now.duration_since(at) >= PURGE_EVERY);
            if is_due {
                *purged = Some(now);
            }
            is_due
        };
        if is_due {
            work.client
                .execute("SELECT app.purge_uploads()", &[])
                .await?;
        }
        Ok(())
    }

    async fn one(self, claimed: Claimed, stop: CancellationToken) -> Came {
        let outcome = async {
            let store = self.stores.open(claimed.actor.clone()).await?;
            if claimed.kind == "undo" {
                self.take_back(&store, &claimed, &stop).await
            } else {
                Box::pin(self.import(&store, &claimed, &stop)).await
            }
        };
        match Box::pin(outcome).await {
            // Busy databases get better: the claim comes back when its lease has ended.
            Ok(()) | Err(StoreError::Busy | StoreError::NoRoom) => Came::Done,
            Err(error) => {
                tracing::warn!(%error, kind = claimed.kind, id = %claimed.id, "an import could not be brought to its end");
                Came::Abandoned(claimed, error.to_string())
            }
        }
    }

    async fn import(
        &self,
        store: &PgStore,
        claimed: &Claimed,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let id = claimed.id;
        let Some(upload) = store.import_upload(id).await? else {
            return Ok(());
        };
        let mut last = upload.progress;
        let going = match upload.run {
            Some(run) => match store.going_on(&upload, run, claimed.claims).await? {
                Some(going) => Some(going),
                None => return give_up(store, claimed, &upload, Ending::Interrupted).await,
            },
            None => None,
        };
        if claimed.claims - upload.useful_claim > CLAIMS_MAX {
            let why = if going.is_some() {
                Ending::Stuck
            } else {
                Ending::NeverBegun
            };
            return give_up(store, claimed, &upload, why).await;
        }
        let sink = Sink::default();
        let outcome = match self.request(store, claimed, &upload, &sink, stop).await {
            Ok(mut request) => {
                let of = going
                    .as_ref()
                    .map_or(OfUpload::new(id, claimed.claims), |it| it.of);
                if let Some(going) = going {
                    if !store.note_going_on(&going).await? {
                        return Ok(());
                    }
                    last = going.resume.progress;
                    request.resume = Some(going.resume);
                }
                let workspace = PgWorkspace::new(self.stores.clone(), claimed.actor.clone(), None)
                    .of_upload(of);
                let watched = self.watched(store, of, &workspace, &request, &mut last);
                Box::pin(watched).await
            }
            Err(error) => Err(error),
        };
        let failed = Bytes::from(sink.take());
        let (end, progress) = match outcome {
            Ok(report) => (report.end, report.progress),
            Err(ImportError::Store(
                error @ (StoreError::SessionEnded | StoreError::Busy | StoreError::NoRoom),
            )) => {
                return Err(error);
            }
            // What was put down is out of reach for now.
            Err(ImportError::Unreadable(..) | ImportError::Io(_)) => {
                return store.release_upload(id, claimed.claims, false).await;
            }
            Err(error) => {
                let end = End::Stopped(error.kept());
                store.close_run(id, claimed.claims, &last).await?;
                (end, last)
            }
        };
        if end == End::Suspended {
            return store
                .release_upload(id, claimed.claims, stop.is_cancelled())
                .await;
        }
        store
            .end_upload(id, claimed.claims, &end, &progress, failed)
            .await
    }

    /// What is to be imported, with the mapping that was made of the choices when it began.
    async fn request(
        &self,
        store: &PgStore,
        claimed: &Claimed,
        upload: &Upload,
        sink: &Sink,
        stop: &CancellationToken,
    ) -> Result<Request, ImportError> {
        let id = claimed.id;
        let input = Input::Kept(store.kept_file(id, Kind::File, &upload.file).await?);
        let mut request = Request::new(&upload.object, &upload.file);
        request.mapping = if let Some(mapping) = store.mapping_of(id).await? {
            mapping
        } else {
            let mapping = mapping(store, upload, &input).await?;
            store.keep_mapping(id, claimed.claims, &mapping).await?;
            mapping
        };
        request.input = input;
        request.sink = Some(sink.clone());
        request.suspend = stop.child_token();
        Ok(request)
    }

    /// Runs an import and notes beside it how far it is.
    async fn watched(
        &self,
        store: &PgStore,
        of: OfUpload,
        workspace: &PgWorkspace,
        request: &Request,
        last: &mut Progress,
    ) -> Result<Report, ImportError> {
        let cancel = CancellationToken::new();
        let (sender, mut receiver) = watch::channel(*last);
        let mut hear = move |progress: &Progress| {
            sender.send_replace(*progress);
        };
        let importing = run(workspace, request, self.clock.as_ref(), &cancel, &mut hear);
        tokio::pin!(importing);
        loop {
            tokio::select! {
                report = &mut importing => return report,
                () = tokio::time::sleep(EVERY) => {
                    *last = *receiver.borrow_and_update();
                    match store.note_progress(of.id, of.claim, last, f64::from(LEASE_S)).await {
                        Ok(Some(true)) => cancel.cancel(),
                        Ok(Some(false)) => {}
                        // What was taken from this job must not go on here.
                        Ok(None) => request.suspend.cancel(),
                        Err(error) => tracing::debug!(%error, "progress could not be noted"),
                    }
                }
            }
        }
    }

    async fn take_back(
        &self,
        store: &PgStore,
        claimed: &Claimed,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let id = claimed.id;
        let Some(import) = store.import_run(id).await? else {
            return Ok(());
        };
        if !may_undo(store, import.by) {
            return store
                .end_undo(id, Some(Ending::UndoNotAllowed.name()))
                .await;
        }
        let undoing = Undoing {
            by: import.by,
            began: import.began_at - SLACK,
            ended: import.ended_at.unwrap_or_else(|| self.clock.now()) + SLACK,
            batches: store.import_batches(id).await?,
        };
        let before = import.undo.map(|undo| undo.undone).unwrap_or_default();
        let mut noting = Noting { store, id, stop };
        if undo(store, &undoing, before, &mut noting).await? {
            store.end_undo(id, None).await
        } else {
            Ok(())
        }
    }
}

/// The mapping that a file's choices come to.
async fn mapping(store: &PgStore, upload: &Upload, input: &Input) -> Result<Mapping, ImportError> {
    let zone = TimeZone::get(&store.own_profile().await?.time_zone).unwrap_or(TimeZone::UTC);
    let imagined = upload.choices.imagined();
    let object = imagined
        .as_ref()
        .or_else(|| store.registry().object(&upload.object).map(AsRef::as_ref))
        .ok_or_else(|| StoreError::UnknownObject(upload.object.clone()))?;
    let written = Mapping {
        encoding: upload.encoding.clone(),
        ..Mapping::default()
    };
    let peeked = look(input, &written, PEEKED).await?;
    let choices = &upload.choices;
    Ok(Mapping {
        encoding: upload.encoding.clone(),
        ..choices.mapping(object, store.registry(), &peeked, &zone)
    })
}

/// Ends an import that gets nowhere, where it stands.
async fn give_up(
    store: &PgStore,
    claimed: &Claimed,
    upload: &Upload,
    why: Ending,
) -> Result<(), StoreError> {
    store
        .close_run(upload.id, claimed.claims, &upload.progress)
        .await?;
    let end = End::Stopped(why.name().to_owned());
    store
        .end_upload(
            claimed.id,
            claimed.claims,
            &end,
            &upload.progress,
            Bytes::new(),
        )
        .await
}

/// Whether somebody may take an import back: their own, or anybody's when they answer for the workspace's people.
pub(crate) fn may_undo(store: &PgStore, by: RecordId) -> bool {
    let user = store.user();
    user.role.can(Capability::RecordsImport)
        && user.role.can(Capability::RecordsDelete)
        && (user.id == by || user.role.can(Capability::UsersManage))
}

/// Writes down what taking back does.
struct Noting<'a> {
    store: &'a PgStore,
    id: RecordId,
    stop: &'a CancellationToken,
}

impl Listener for Noting<'_> {
    async fn heard(&mut self, undone: &Undone, kept: &[Kept]) -> Result<bool, StoreError> {
        let is_mine = self
            .store
            .note_undone(self.id, undone, kept, f64::from(LEASE_S))
            .await?;
        Ok(is_mine && !self.stop.is_cancelled())
    }
}

async fn claim(work: &Work<'_>) -> anyhow::Result<Option<Claimed>> {
    let Some(row) = work.client.query_opt(CLAIM, &[&LEASE_S]).await? else {
        return Ok(None);
    };
    let id = |at: usize| -> anyhow::Result<RecordId> {
        row.try_get::<_, &str>(at)?
            .parse()
            .ok()
            .context("an id that can't be")
    };
    let role: Role = row
        .try_get::<_, &str>(4)?
        .parse()
        .ok()
        .context("a role that can't be")?;
    Ok(Some(Claimed {
        kind: row.try_get(0)?,
        actor: Actor {
            tenant: id(1)?,
            user: id(3)?,
            role,
            member_version: row.try_get(5)?,
            credential: None,
        },
        id: id(2)?,
        claims: row.try_get(6)?,
    }))
}

impl Job for Imports {
    fn name(&self) -> &'static str {
        "imports"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        self.all(work).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_told_in_every_language() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            for ending in Ending::ALL {
                let key = format!("import-ending-{}", ending.name());
                assert!(locale.find(&key).is_some(), "{tag} {key}");
                assert_ne!(Ending::told(&locale, ending.name()), ending.name());
            }
            assert_eq!(Ending::told(&locale, "A sentence."), "A sentence.");
        }
    }
}
