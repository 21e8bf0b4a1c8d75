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

use self::report::{Login, Report, Said, Seen};
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
    oldest: Option<Oldest>,
    report: Option<(Timestamp, Report)>,
}

/// What was seen of this machine.
struct Machine {
    keys: bool,
    login: Option<Login>,
    room: Option<Space>,
}

/// The oldest transaction that wasn't finished, and since when it has been the oldest.
struct Oldest {
    transaction: String,
    since: Timestamp,
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
        let Last { client, oldest, .. } = &mut *last;
        let (database, objects, machine) =
            tokio::join!(self.ask(client, oldest), self.objects(), self.machine());
        let seen = Seen {
            database,
            objects,
            secrets: machine.keys,
            login: machine.login,
            room: machine.room,
        };
        let report = Report::of(&seen, migration::latest());
        gauge(&seen, &report);
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
    async fn ask(&self, kept: &mut Option<Client>, oldest: &mut Option<Oldest>) -> Option<Said> {
        let asked = timeout(PATIENCE, async {
            let client = match kept.take() {
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
            let said = Said {
                before,
                database: row.try_get(0).ok()?,
                after,
                schema: row.try_get(1).ok()?,
                backup: run(0),
                drill: run(2),
                held: held(oldest, &row, after)?,
            };
            *kept = Some(client);
            Some(said)
        });
        asked.await.ok().flatten()
    }
}

/// For how long the oldest transaction has been the oldest, as far as this server has seen.
fn held(oldest: &mut Option<Oldest>, row: &Row, now: Timestamp) -> Option<SignedDuration> {
    let (transaction, next): (String, String) = (row.try_get(2).ok()?, row.try_get(3).ok()?);
    // Nothing is under way, or this is another one than before.
    if transaction == next
        || oldest
            .as_ref()
            .is_none_or(|oldest| oldest.transaction != transaction)
    {
        *oldest = Some(Oldest {
            transaction,
            since: now,
        });
        return Some(SignedDuration::ZERO);
    }
    oldest
        .as_ref()
        .map(|oldest| now.duration_since(oldest.since))
}

/// The same for whoever collects numbers.
fn gauge(seen: &Seen, report: &Report) {
    let checks = report.checks.iter().chain(&report.warnings);
    telemetry::readiness(report.ready, checks.map(|check| (check.name, check.ok)));
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
