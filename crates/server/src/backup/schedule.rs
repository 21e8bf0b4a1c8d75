//! Makes backups by itself: a full one each week, what has changed since then each day, and a drill each week.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fieldstone_model::clock::Clock;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_postgres::Config;

use super::{BackupKind, Backups, Inventory, drill, latest, worker_record};
use crate::data_dir::DataDir;
use crate::jobs::{Job, Work};

/// How often it looks whether something is due.
const EVERY: Duration = Duration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);
/// A drill that failed is repeated after this long.
const DRILL_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A backup.
    Backup(BackupKind),
    /// Nothing.
    Nothing,
}

/// Which backup is due.
pub fn due(inventory: &Inventory, now: Timestamp) -> Due {
    let age = |kind: Option<BackupKind>| {
        let of_kind = |backup: &&super::Backup| kind.is_none_or(|kind| backup.kind == kind);
        inventory
            .backups
            .iter()
            .rfind(of_kind)
            .map(|backup| now.duration_since(backup.began))
    };
    match (age(Some(BackupKind::Full)), age(None)) {
        (Some(full), Some(last)) if full < WEEK => {
            if last < DAY {
                Due::Nothing
            } else {
                Due::Backup(BackupKind::Diff)
            }
        }
        _ => Due::Backup(BackupKind::Full),
    }
}

/// The job.
pub struct BackupJob {
    data_dir: DataDir,
    backups: Backups,
    admin: Config,
    clock: Arc<dyn Clock>,
    prepared: AtomicBool,
}

impl BackupJob {
    /// Backups of a running database.
    pub fn new(data_dir: DataDir, backups: Backups, admin: Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            data_dir,
            backups,
            admin,
            clock,
            prepared: AtomicBool::new(false),
        }
    }

    async fn back_up(&self, work: &Work<'_>) -> anyhow::Result<()> {
        if !self.prepared.load(Ordering::Relaxed) {
            self.backups.prepare().await?;
            self.prepared.store(true, Ordering::Relaxed);
        }
        let began = self.clock.now();
        let Due::Backup(kind) = due(&self.backups.inventory().await?, began) else {
            return Ok(());
        };
        tracing::info!("Making a {} backup …", kind.name());
        let made = self.backups.make(kind).await;
        let outcome = match &made {
            Ok(()) => {
                let inventory = self.backups.inventory().await?;
                let backup = inventory
                    .latest()
                    .filter(|backup| backup.ended.as_second() >= began.as_second());
                backup
                    .map(|backup| json!(backup))
                    .ok_or_else(|| "the new backup is not in the repository".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        worker_record(work.client, "backup", began, self.clock.as_ref(), outcome).await?;
        Ok(made?)
    }

    async fn practise(&self, work: &Work<'_>) -> anyhow::Result<()> {
        let began = self.clock.now();
        let last = latest(work.client, "drill", 1).await?;
        let rest = |last: &super::Operation| if last.ok { WEEK } else { DRILL_AGAIN };
        if last
            .first()
            .is_some_and(|last| began.duration_since(last.began) < rest(last))
            || work.is_stopping()
        {
            return Ok(());
        }
        tracing::info!("Restoring the last backup to see whether it works …");
        let drilled = drill(
            &self.data_dir,
            &self.backups,
            &self.admin,
            self.clock.as_ref(),
        )
        .await;
        if matches!(drilled, Err(super::BackupError::Busy)) {
            return Ok(());
        }
        let outcome = drilled
            .as_ref()
            .map(|seen| json!(seen))
            .map_err(ToString::to_string);
        worker_record(work.client, "drill", began, self.clock.as_ref(), outcome).await?;
        drilled?;
        Ok(())
    }
}

impl Job for BackupJob {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            self.back_up(work).await?;
            self.practise(work).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Backup;

    fn at(kind: BackupKind, time: &str) -> Backup {
        let began: Timestamp = time.parse().unwrap();
        Backup {
            label: String::new(),
            kind,
            began,
            ended: began,
            database_bytes: 0,
            repository_bytes: 0,
            damaged_pages: false,
        }
    }

    #[test]
    fn a_full_one_each_week_and_the_changes_each_day() {
        use BackupKind::{Diff, Full};
        let due_at = |backups: &[Backup], now: &str| {
            let inventory = Inventory {
                backups: backups.to_vec(),
            };
            due(&inventory, now.parse().unwrap())
        };
        assert_eq!(due_at(&[], "2026-05-01T00:00:00Z"), Due::Backup(Full));
        let mut backups = vec![at(Full, "2026-05-01T00:00:00Z")];
        assert_eq!(due_at(&backups, "2026-05-01T23:59:59Z"), Due::Nothing);
        assert_eq!(due_at(&backups, "2026-05-02T00:00:00Z"), Due::Backup(Diff));
        backups.push(at(Diff, "2026-05-07T20:00:00Z"));
        assert_eq!(due_at(&backups, "2026-05-07T23:59:59Z"), Due::Nothing);
        assert_eq!(due_at(&backups, "2026-05-08T00:00:00Z"), Due::Backup(Full));
        assert_eq!(
            due_at(&[at(Diff, "2026-05-01T00:00:00Z")], "2026-05-01T01:00:00Z"),
            Due::Backup(Full)
        );
    }
}
