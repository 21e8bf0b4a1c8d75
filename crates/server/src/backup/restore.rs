//! Restores the database to a second, into a data folder of its own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use tokio_postgres::Client;

use super::{BackupError, Backups, Repository};
use crate::cluster::{Account, Cluster, ClusterError, ClusterOptions};
use crate::data_dir::{DataDir, make_dir};
use crate::database::connect;

/// How far to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Everything that was committed up to this moment, and nothing after.
    Time(Timestamp),
    /// Everything that the backups hold.
    Latest,
}

/// A restored database, running.
#[derive(Debug)]
pub struct Restored {
    /// The database; to be stopped.
    pub cluster: Cluster,
    /// When the last change was committed that it has; nothing when the backup alone was enough.
    pub last_change: Option<Timestamp>,
    /// From the first byte to a database that answers.
    pub took: Duration,
}

/// Restores into `target`, a data folder without a database that has the secrets of the one that was backed up.
pub async fn restore(
    repository: Repository,
    target: &DataDir,
    until: Until,
    clock: &dyn Clock,
) -> Result<Restored, BackupError> {
    let folder = target.postgres();
    if folder.exists() {
        return Err(BackupError::Occupied(target.root().to_owned()));
    }
    let began = clock.now();
    let account = Account::choose()?;
    make_dir(&folder, 0o700)
        .and_then(|()| account.give(&folder))
        .map_err(|source| BackupError::file(&folder, source))?;
    let backups = Backups::new(target, repository)?;
    if let Until::Time(time) = until {
        let inventory = backups.inventory().await?;
        let oldest = inventory.oldest().map(|backup| backup.ended);
        if time > began {
            return Err(missing(BackupError::TooLate, &folder));
        }
        if oldest.is_none_or(|oldest| time <= oldest) {
            let oldest = oldest.map_or_else(|| "never".to_owned(), |oldest| oldest.to_string());
            return Err(missing(BackupError::TooEarly(oldest), &folder));
        }
    }
    match until {
        Until::Latest => backups.run(&["restore"]).await,
        Until::Time(time) => {
            let target = format!("--target={}", in_postgres_words(time));
            backups
                .run(&["--type=time", &target, "--target-action=promote", "restore"])
                .await
        }
    }
    .map_err(|error| missing(error, &folder))?;
    answer_only_when_done(&folder)?;
    let cluster = Cluster::start_with(target, &ClusterOptions::DURABLE)
        .await
        .map_err(|error| match error {
            ClusterError::Start { reason, .. }
                if reason.contains("before configured recovery target") =>
            {
                BackupError::TooLate
            }
            other => other.into(),
        })?;
    let client = connect(&cluster.admin_config()).await?;
    let last_change = settle(&client).await?;
    let took = clock.now().duration_since(began).unsigned_abs();
    let config = super::repository::config_folder(target);
    fs::remove_dir_all(&config).map_err(|source| BackupError::file(&config, source))?;
    Ok(Restored {
        cluster,
        last_change,
        took,
    })
}

/// The database takes nobody in before it has reached its target, so that it is either there or has said why not.
fn answer_only_when_done(folder: &Path) -> Result<(), BackupError> {
    let path = folder.join("postgresql.auto.conf");
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"\nhot_standby = 'off'\n"))
        .map_err(|source| BackupError::file(&path, source))
}

/// Takes back what recovery was told; the next start is one like any other.
async fn settle(client: &Client) -> Result<Option<Timestamp>, BackupError> {
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_xact_replay_timestamp()",
            &[],
        )
        .await?;
    if row.try_get(0)? {
        return Err(BackupError::Drill(
            "the database is still recovering".to_owned(),
        ));
    }
    client.batch_execute("ALTER SYSTEM RESET ALL").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(row.try_get(1)?)
}

/// A half restored folder is of no use to anybody.
fn missing(error: BackupError, folder: &Path) -> BackupError {
    match fs::remove_dir_all(folder) {
        Ok(()) => error,
        Err(source) => {
            tracing::warn!("{} could not be removed: {source}", folder.display());
            error
        }
    }
}

/// `2026-05-01 12:00:00.250000+00`.
fn in_postgres_words(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%6f+00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_named_to_the_microsecond() {
        let time: Timestamp = "2026-05-01T14:00:00.25+02:00".parse().unwrap();
        assert_eq!(in_postgres_words(time), "2026-05-01 12:00:00.250000+00");
    }
}
