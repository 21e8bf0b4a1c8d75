//! `fieldstone restore`: brings a backup back, as a data folder of its own that `fieldstone up --data` serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use fieldstone_model::clock::SystemClock;
use jiff::Timestamp;

use super::backup::moment;
use super::failure::Failure;
use super::output::say;
use super::storage::StorageOptions;
use super::up::default_data_dir;
use crate::backup::{BackupError, Backups, Repository, RepositoryOptions, Until, restore};
use crate::cluster;
use crate::data_dir::DataDir;
use crate::database::{DEFAULT_DATABASE, connect};

/// What a restored folder takes from the one that was backed up, besides its secrets: certificates, and files of records, which are sealed
/// under keys that no backup has.
const ALONG: [&str; 2] = ["tls", "objects"];

/// Restore a backup into a new data folder
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The moment to go back to, as in 2026-05-01T12:00:00Z [default: everything that the backups hold]
    #[arg(long = "to", value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,

    /// The new data folder
    #[arg(long, value_name = "DIR")]
    into: PathBuf,

    /// The data folder that was backed up, for its secrets and files; its server may be running or not
    #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA")]
    data: Option<PathBuf>,

    /// The repository, when it is no longer where the data folder says
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,

    #[command(flatten)]
    storage: StorageOptions,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let from = self.data.clone().map_or_else(default_data_dir, Ok)?;
        if !from.join("secrets").is_dir() {
            return Err(Failure::new(format!(
                "There are no secrets in {}; name the data folder that was backed up, or what is left of it, with --data.",
                from.display()
            )));
        }
        let source = DataDir::open(&from)?;
        let target = DataDir::open(&self.into)?;
        let _lock = target.lock()?;
        if !is_empty(target.root()) {
            return Err(BackupError::Occupied(target.root().to_owned()).into());
        }
        flush(&source).await;
        let done = self.restore(&source, &target).await;
        if done.is_err() {
            // The storage is closed by now; a second attempt begins anew.
            clear(target.root());
        }
        done
    }

    async fn restore(&self, source: &DataDir, target: &DataDir) -> Result<(), Failure> {
        target.adopt_secrets(source)?;
        let options = match &self.repository {
            Some(repository) => RepositoryOptions {
                repository: fs::canonicalize(repository).map_err(|error| {
                    Failure::new(format!(
                        "There is no repository in {}: {error}",
                        repository.display()
                    ))
                })?,
                days: 14,
            },
            None => RepositoryOptions::of(source)?
                .ok_or_else(|| BackupError::None(source.root().to_owned()))?,
        };
        let repository = Repository::open(target, options)?;
        let storage = self.storage.open(target)?;
        let until = self.to.map_or(Until::Latest, Until::Time);
        let restored = restore(repository, target, until, &SystemClock).await?;
        restored.cluster.stop().await?;
        storage.close();
        for name in ALONG {
            copy(&source.root().join(name), target.root())?;
        }
        // What is backed up from now on is another history, with a repository of its own.
        target.forget_secret("backup")?;
        let last = restored.last_change.map_or_else(String::new, |last| {
            format!("; the last change is from {last}")
        });
        say(&format!(
            "Restored into {} in {}.{} s{last}.",
            target.root().display(),
            restored.took.as_secs(),
            restored.took.subsec_millis() / 100
        ))?;
        say(&format!(
            "Serve it with: fieldstone up --data {}",
            target.root().display()
        ))
    }
}

/// Whether there is nothing in a folder but what opening it has made. Everything in it is removed when the restore fails.
fn is_empty(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.all(|entry| {
        entry.is_ok_and(|entry| match entry.file_name().to_str() {
            Some("lock") => true,
            Some("secrets") => {
                fs::read_dir(entry.path()).is_ok_and(|mut secrets| secrets.next().is_none())
            }
            _ => false,
        })
    })
}

/// What a running database has written since it last archived something goes along, too.
async fn flush(source: &DataDir) {
    let flushed = async {
        let backups = Backups::of(source)?;
        let mut admin = cluster::admin_config(source)?;
        admin.dbname(DEFAULT_DATABASE);
        let client = connect(&admin).await?;
        // A commit after the moment that is asked for, by which recovery knows that it has come far enough.
        client
            .batch_execute(
                "INSERT INTO app.backup_canary (planted_at) VALUES (pg_catalog.clock_timestamp())",
            )
            .await?;
        backups.flush(&client).await
    };
    if let Err(error) = flushed.await {
        tracing::info!(
            "The database that was backed up is not asked for its latest changes. {error}"
        );
    }
}

fn copy(from: &Path, into: &Path) -> Result<(), Failure> {
    if !from.is_dir() {
        return Ok(());
    }
    let copied = Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(from)
        .arg(into)
        .status();
    match copied {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!(
            "{} can't be copied ({status}).",
            from.display()
        ))),
        Err(error) => Err(Failure::new(format!(
            "{} can't be copied: {error}.",
            from.display()
        ))),
    }
}

/// Removes what a restore that failed has made. Only what this program makes, in a folder that was empty before.
fn clear(folder: &Path) {
    for name in [
        "postgres",
        "pgbackrest",
        "log",
        "storage",
        "storage.img",
        "storage.gocryptfs",
        "storage.json",
        "secrets",
        "tls",
        "objects",
        "run",
    ] {
        let path = folder.join(name);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
}
