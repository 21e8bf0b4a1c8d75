//! `/healthz` (the process is alive) and `/readyz` (it can serve, and why not if it can't).
//!
//! Both are public: they name what was checked, and never where it is or what it said.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fieldstone_model::clock::Clock;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, Config};

use super::Platform;
use crate::database::{connect, migration};

/// A signed context lives for a minute; this much of it may be lost to clocks that differ.
const MOST_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one answer serves all who ask.
const FRESH: Duration = Duration::from_secs(1);

/// What the database says of itself: its clock and its last migration.
const ASK: &str = "SELECT pg_catalog.clock_timestamp(), app.schema_number()";
/// When the last backup was made and the last restore was practised, and whether they worked.
const ASK_BACKUPS: &str = "SELECT b.ended_at, b.ok, d.ended_at, d.ok FROM (SELECT) one
    LEFT JOIN app.operations('backup', 1) b ON true LEFT JOIN app.operations('drill', 1) d ON true";
/// A backup a day and a drill a week, with some hours for them to run.
const OLDEST_BACKUP: SignedDuration = SignedDuration::from_hours(26);
const OLDEST_DRILL: SignedDuration = SignedDuration::from_hours(24 * 8);

impl Readiness {
    pub(super) fn new(platform: &Platform) -> Self {
        Self {
            database: platform.databases.app.clone(),
            clock: Arc::clone(&platform.clock),
            last: Mutex::default(),
        }
    }
}

/// `GET /healthz`.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

pub(super) struct Readiness {
    database: Config,
    clock: Arc<dyn Clock>,
    last: Mutex<Last>,
}

/// The connection that is asked, and what it last answered. Whoever holds the lock asks for all.
#[derive(Default)]
struct Last {
    client: Option<Client>,
    report: Option<(Instant, Report)>,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Report {
    ready: bool,
    checks: [Check; 3],
    /// What somebody should look at, although requests can be served: taking a server away would not mend it.
    warnings: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What the database said, between two looks at our own clock.
struct Said {
    before: Timestamp,
    database: Timestamp,
    after: Timestamp,
    schema: Option<i32>,
    /// The last backup and the last drill: when, and whether it worked. Nothing where none was ever made.
    backup: Option<(Timestamp, bool)>,
    drill: Option<(Timestamp, bool)>,
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
    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((when, report)) = &last.report
            && when.elapsed() < FRESH
        {
            return report.clone();
        }
        let report = Report::of(
            self.ask(&mut last.client).await.as_ref(),
            migration::latest(),
        );
        last.report = Some((Instant::now(), report.clone()));
        report
    }

    /// Asks over a connection that is kept while it works. A failure is logged; whoever asked from outside learns only that it failed.
    async fn ask(&self, kept: &mut Option<Client>) -> Option<Said> {
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
            };
            *kept = Some(client);
            Some(said)
        });
        asked.await.ok().flatten()
    }
}

impl Report {
    fn of(said: Option<&Said>, known: i32) -> Self {
        let checks = [
            Check::new(
                "database",
                said.map(|_| ())
                    .ok_or_else(|| "the database does not answer".to_owned()),
            ),
            Check::new("migrations", migrations(said, known)),
            Check::new("clock", clock(said)),
        ];
        Self {
            ready: checks.iter().all(|check| check.ok),
            checks,
            warnings: said.map(warnings).unwrap_or_default(),
        }
    }
}

impl Check {
    fn new(name: &'static str, outcome: Result<(), String>) -> Self {
        Self {
            name,
            ok: outcome.is_ok(),
            reason: outcome.err(),
        }
    }
}

/// A newer schema is no obstacle: migrations only ever add what the version before can live with.
fn migrations(said: Option<&Said>, known: i32) -> Result<(), String> {
    match said.map(|said| said.schema) {
        None => Err("unknown".to_owned()),
        Some(Some(found)) if found >= known => Ok(()),
        Some(found) => Err(format!(
            "the database has migration {}, this server needs {known}",
            found.unwrap_or_default()
        )),
    }
}

/// What to look at.
fn warnings(said: &Said) -> Vec<Check> {
    let judge = |run: Option<(Timestamp, bool)>, oldest| match run {
        None => Err("never made".to_owned()),
        Some((_, false)) => Err("the last one failed".to_owned()),
        Some((ended, true)) if said.after.duration_since(ended) > oldest => {
            Err("the last one is too old".to_owned())
        }
        Some((_, true)) => Ok(()),
    };
    vec![
        Check::new("backup", judge(said.backup, OLDEST_BACKUP)),
        Check::new("restore drill", judge(said.drill, OLDEST_DRILL)),
    ]
}

/// The database's clock has to lie between the two readings of ours, give or take the skew allowed.
fn clock(said: Option<&Said>) -> Result<(), String> {
    let Some(said) = said else {
        return Err("unknown".to_owned());
    };
    let behind = said.before.duration_since(said.database);
    let ahead = said.database.duration_since(said.after);
    let skew = behind.max(ahead);
    if skew <= MOST_SKEW {
        Ok(())
    } else {
        Err(format!(
            "the clocks of server and database differ by {} s",
            skew.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(database: &str, schema: Option<i32>) -> Said {
        let at = |text: &str| text.parse().unwrap();
        Said {
            before: at("2026-05-01T12:00:00Z"),
            database: at(database),
            after: at("2026-05-01T12:00:01Z"),
            schema,
            backup: Some((at("2026-05-01T03:00:00Z"), true)),
            drill: None,
        }
    }

    fn failing(said: Option<&Said>) -> Vec<&'static str> {
        let report = Report::of(said, 7);
        let failing = report
            .checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| check.name)
            .collect::<Vec<_>>();
        assert_eq!(report.ready, failing.is_empty());
        failing
    }

    #[test]
    fn an_old_or_failed_backup_is_a_warning_and_no_reason_to_go() {
        let warned = |backup: Option<(&str, bool)>| {
            let said = Said {
                backup: backup.map(|(at, ok)| (at.parse().unwrap(), ok)),
                ..said("2026-05-01T12:00:00Z", Some(7))
            };
            let report = Report::of(Some(&said), 7);
            assert!(report.ready);
            !report.warnings[0].ok
        };
        assert!(!warned(Some(("2026-04-30T12:00:00Z", true))));
        assert!(warned(Some(("2026-04-30T09:00:00Z", true))));
        assert!(warned(Some(("2026-05-01T11:00:00Z", false))));
        assert!(warned(None));
    }

    #[test]
    fn ready_means_reachable_migrated_and_in_time() {
        assert!(failing(Some(&said("2026-05-01T12:00:00.5Z", Some(7)))).is_empty());
        assert!(failing(Some(&said("2026-05-01T12:00:31Z", Some(8)))).is_empty());
        assert_eq!(
            failing(Some(&said("2026-05-01T12:00:32Z", Some(7)))),
            ["clock"]
        );
        assert_eq!(
            failing(Some(&said("2026-05-01T11:59:29Z", Some(7)))),
            ["clock"]
        );
        assert_eq!(
            failing(Some(&said("2026-05-01T12:00:00Z", Some(6)))),
            ["migrations"]
        );
        assert_eq!(
            failing(Some(&said("2026-05-01T12:00:00Z", None))),
            ["migrations"]
        );
        assert_eq!(failing(None), ["database", "migrations", "clock"]);
    }
}
