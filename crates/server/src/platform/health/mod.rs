//! `/healthz` (the process is alive) and `/readyz` (it can serve, and why not if it can't).
//!
//! Both are public: they name what was checked, and never where it is or what it said.

mod disk;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fieldstone_model::clock::Clock;
use fieldstone_vault::Vault;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Row};

use self::report::{Archive, Login, Report, Said, Seen};
use super::Platform;
use crate::attachments::ObjectStorage;
use crate::database::{connect, migration};
use crate::room::Space;
use crate::secrets::Manager;
use crate::telemetry;

/// How long each of those that are asked may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one answer serves all who ask.
const FRESH: SignedDuration = SignedDuration::from_secs(1);

/// What the database says of itself: its clock, its last migration, the oldest transaction that isn't finished, and the next one.
const ASK: &str = "SELECT pg_catalog.clock_timestamp(), app.schema_number(), pg_catalog.pg_snapshot_xmin(s)::text, pg_catalog.pg_snapshot_xmax(s)::text
    FROM pg_catalog.pg_current_snapshot() s";
/// When the last backup was made and the last restore was practised, and whether they worked.
const ASK_BACKUPS: &str = "SELECT b.ended_at, b.ok, d.ended_at, d.ok FROM (SELECT) one
    LEFT JOIN app.operations('backup', 1) b ON true LEFT JOIN app.operations('drill', 1) d ON true";

/// The last piece of the log that was archived, while another is finished and waits, or could not be archived.
const ASK_ARCHIVE: &str = "SELECT coalesce(last_archived_wal, '') FROM pg_catalog.pg_stat_get_archiver()
    WHERE pg_catalog.current_setting('archive_mode') <> 'off'
        AND (coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)
            OR coalesce(last_archived_wal, '') !~ 'history$' AND coalesce(substr(last_archived_wal, 9, 16), '0000000000000000')
                < substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn() - pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))), 9, 16))";

/// `GET /healthz`.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Looks whether this server can serve.
pub struct Readiness {
    database: Config,
    clock: Arc<dyn Clock>,
    objects: Option<ObjectStorage>,
    vault: Vault,
    secrets: Option<Manager>,
    folders: Vec<PathBuf>,
    last: Mutex<Last>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

/// The connection that is asked, and what it last answered. Whoever holds the lock asks for all.
#[derive(Default)]
struct Last {
    client: Option<Client>,
    oldest: Option<Lasting>,
    unarchived: Option<Lasting>,
    report: Option<(Timestamp, Report)>,
}

/// What was seen of this machine.
struct Machine {
    keys: bool,
    login: Option<Login>,
    room: Option<Space>,
}

/// Something that was seen, and since when it has been the same.
struct Lasting {
    what: String,
    since: Timestamp,
}

impl Lasting {
    /// Since when `what` has been there, as far as this server has seen.
    fn since(seen: &mut Option<Self>, what: String, now: Timestamp) -> Timestamp {
        match seen {
            Some(seen) if seen.what == what => seen.since,
            _ => seen.insert(Self { what, since: now }).since,
        }
    }
}

/// `GET /readyz`.
pub(super) async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let report = readiness.report().await;
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

impl Readiness {
    /// Of a server on this platform.
    pub fn new(platform: &Platform) -> Self {
        Self {
            database: platform.databases.app.clone(),
            clock: Arc::clone(&platform.clock),
            objects: platform.objects.clone(),
            vault: platform.accounts.vault.clone(),
            secrets: platform.secrets.clone(),
            folders: platform.folders.clone(),
            last: Mutex::default(),
        }
    }

    /// Looks again, for whoever reads the gauges.
    pub async fn observe(&self) {
        self.report().await;
    }

    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some((when, report)) = &last.report
            && now.duration_since(*when).abs() < FRESH
        {
            return report.clone();
        }
        let (database, objects, machine) =
            tokio::join!(self.ask(&mut last), self.objects(), self.machine());
        let seen = Seen {
            database,
            objects,
            secrets: machine.keys,
            login: machine.login,
            room: machine.room,
        };
        let report = Report::of(&seen, migration::latest());
        gauge(&seen, &report);
        log_changes(last.report.as_ref().map(|(_, before)| before), &report);
        last.report = Some((now, report.clone()));
        report
    }

    /// Whether the object store answers.
    async fn objects(&self) -> Option<bool> {
        let objects = self.objects.as_ref()?;
        let failed = match timeout(PATIENCE, objects.check()).await {
            Ok(Ok(())) => return Some(true),
            Ok(Err(error)) => format!("{:#}", anyhow::Error::from(error)),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(error = failed, "the object store can't be used");
        Some(false)
    }

    /// What this machine has: keys, a login at the secrets manager, and room on its disks.
    async fn machine(&self) -> Machine {
        let (vault, secrets, folders) = (
            self.vault.clone(),
            self.secrets.clone(),
            self.folders.clone(),
        );
        let looked = tokio::task::spawn_blocking(move || {
            let keys = vault
                .check()
                .inspect_err(|error| tracing::warn!(%error, "the source of keys can't be used"));
            let standing = secrets.map(|manager| {
                let standing = manager.standing();
                standing.map_or_else(
                    |error| {
                        tracing::warn!("{error}");
                        Login::Silent
                    },
                    Login::Stands,
                )
            });
            Machine {
                keys: keys.is_ok(),
                login: standing,
                room: disk::least_room(&folders),
            }
        });
        let nothing = Machine {
            keys: false,
            login: self.secrets.as_ref().map(|_| Login::Silent),
            room: None,
        };
        timeout(PATIENCE, looked)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or(nothing)
    }

    /// Asks over a connection that is kept while it works. A failure is logged; whoever asked from outside learns only that it failed.
    async fn ask(&self, last: &mut Last) -> Option<Said> {
        let asked = timeout(PATIENCE, async {
            let client = match last.client.take() {
                Some(client) if !client.is_closed() => client,
                _ => connect(&self.database)
                    .await
                    .map_err(|error| tracing::warn!("not ready: {error}"))
                    .ok()?,
            };
            let before = self.clock.now();
            let row = client
                .query_one(ASK, &[])
                .await
                .map_err(|error| tracing::warn!(%error, "not ready"))
                .ok()?;
            let after = self.clock.now();
            // A database that has not been migrated so far knows neither.
            let backups = client.query_opt(ASK_BACKUPS, &[]).await.ok().flatten();
            let run = |at: usize| {
                let row = backups.as_ref()?;
                Some((row.try_get(at).ok()?, row.try_get(at + 1).ok()?))
            };
            let waiting = client
                .query_opt(ASK_ARCHIVE, &[])
                .await
                .inspect_err(|error| tracing::warn!(%error, "the archive can't be looked at"));
            let said = Said {
                before,
                database: row.try_get(0).ok()?,
                after,
                schema: row.try_get(1).ok()?,
                backup: run(0),
                drill: run(2),
                archive: waiting.map_or(Archive::Unknown, |waiting| {
                    archive(&mut last.unarchived, waiting.as_ref(), after)
                }),
                held: held(&mut last.oldest, &row, after)?,
            };
            last.client = Some(client);
            Some(said)
        });
        asked.await.ok().flatten()
    }
}

/// For how long the oldest transaction has been the oldest.
fn held(oldest: &mut Option<Lasting>, row: &Row, now: Timestamp) -> Option<SignedDuration> {
    let (transaction, next): (String, String) = (row.try_get(2).ok()?, row.try_get(3).ok()?);
    if transaction == next {
        // Nothing is under way.
        *oldest = None;
        return Some(SignedDuration::ZERO);
    }
    Some(now.duration_since(Lasting::since(oldest, transaction, now)))
}

/// Since when nothing has been archived although something waits.
fn archive(seen: &mut Option<Lasting>, waiting: Option<&Row>, now: Timestamp) -> Archive {
    let Some(waiting) = waiting else {
        *seen = None;
        return Archive::Arrives;
    };
    waiting.try_get(0).map_or(Archive::Unknown, |last| {
        Archive::WaitsSince(Lasting::since(seen, last, now))
    })
}

/// Says in the log what has gone wrong since the last look, and what is right again.
fn log_changes(before: Option<&Report>, now: &Report) {
    for check in now.all() {
        let was_ok = before
            .and_then(|before| before.all().find(|it| it.name == check.name))
            .is_none_or(|before| before.ok);
        match &check.reason {
            Some(reason) if was_ok => tracing::warn!("{}: {reason}", check.name),
            None if !was_ok => tracing::info!("{}: in order again", check.name),
            _ => {}
        }
    }
}

/// The same for whoever collects numbers.
fn gauge(seen: &Seen, report: &Report) {
    telemetry::readiness(
        report.ready,
        report.all().map(|check| (check.name, check.ok)),
    );
    if let Some(said) = &seen.database {
        let age = |run: Option<(Timestamp, bool)>| {
            run.map(|(ended, _)| said.after.duration_since(ended).as_secs_f64())
        };
        telemetry::ages(age(said.backup), age(said.drill), said.held.as_secs_f64());
    }
    if let Some(room) = seen.room {
        telemetry::room(room.free, room.total);
    }
}
