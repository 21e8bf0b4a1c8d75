//! Backups: what `up` is told about them, and `fieldstone backup now|list|drill` beside a running server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fieldstone_model::clock::{Clock as _, SystemClock};
use jiff::Timestamp;
use serde_json::json;

use super::failure::Failure;
use super::output::say;
use super::up::default_data_dir;
use crate::backup::{
    self, Backup, BackupError, BackupKind, Backups, Repository, RepositoryOptions, drill,
};
use crate::cluster;
use crate::data_dir::DataDir;
use crate::database::{DEFAULT_DATABASE, connect};

/// What `up` is told.
#[derive(Debug, Clone, Args)]
pub(super) struct BackupOptions {
    /// Where backups go, best on another disk; `none` makes none [default: the folder `backups` in the data folder]
    #[arg(long = "backups", value_name = "DIR", env = "FIELDSTONE_BACKUPS")]
    repository: Option<PathBuf>,

    /// How many days can be gone back to
    #[arg(long = "backup-days", value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

impl BackupOptions {
    /// How many days can be gone back to; nothing when no backups are made.
    pub(super) fn days(&self) -> Option<u16> {
        let none = self
            .repository
            .as_deref()
            .is_some_and(|folder| folder.as_os_str() == "none");
        (!none).then_some(self.days)
    }

    /// Backups of this data folder, whose storage is open; nothing when there are to be none.
    ///
    /// Where nobody has asked for them and the program is missing, the log says so and the server starts all the same.
    pub(super) fn open(&self, data_dir: &DataDir) -> Result<Option<Backups>, Failure> {
        let asked = self.repository.as_deref();
        if asked.is_some_and(|folder| folder.as_os_str() == "none") {
            RepositoryOptions::forget(data_dir)?;
            return Ok(None);
        }
        let repository = match asked {
            Some(folder) => std::path::absolute(folder).map_err(|error| {
                Failure::new(format!(
                    "{} is no folder for backups: {error}",
                    folder.display()
                ))
            })?,
            None => data_dir.root().join("backups"),
        };
        let options = RepositoryOptions {
            repository,
            days: self.days,
        };
        match Repository::open(data_dir, options.clone())
            .and_then(|repository| Backups::new(data_dir, repository))
        {
            Ok(backups) => {
                options.remember(data_dir)?;
                Ok(Some(backups))
            }
            Err(error @ BackupError::NotInstalled) if asked.is_none() => {
                tracing::warn!("{error}");
                RepositoryOptions::forget(data_dir)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Make backups, list them, and see whether they can be restored
#[derive(Debug, Args)]
pub(super) struct BackupCommand {
    /// The data folder of a running `fieldstone up` [default: ~/.local/share/fieldstone, for root /var/lib/fieldstone]
    #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA", global = true)]
    data: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a backup now
    Now {
        /// Everything, not only what has changed since the last full one
        #[arg(long)]
        full: bool,
    },
    /// List the backups, and from when to when can be restored
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Restore the last backup into scratch space and check it
    Drill {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl BackupCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = self.data.map_or_else(default_data_dir, Ok)?;
        if !DataDir::holds_data(&folder) {
            return Err(Failure::new(format!(
                "There is no Fieldstone in {}.",
                folder.display()
            )));
        }
        let data_dir = DataDir::open(&folder)?;
        if !data_dir.postgres().exists() {
            return Err(Failure::new(
                "The encrypted storage of this data folder is locked; start it with `fieldstone up` first.",
            ));
        }
        let backups = Backups::of(&data_dir)?;
        match self.command {
            Command::Now { full } => now(&data_dir, &backups, full).await,
            Command::List { json } => list(&backups, json).await,
            Command::Drill { json } => practise(&data_dir, &backups, json).await,
        }
    }
}

async fn admin(data_dir: &DataDir) -> Result<tokio_postgres::Client, Failure> {
    let mut admin = cluster::admin_config(data_dir)?;
    admin.dbname(DEFAULT_DATABASE);
    connect(&admin).await.map_err(|_| {
        Failure::new("The database isn't running; start it with `fieldstone up` first.")
    })
}

async fn now(data_dir: &DataDir, backups: &Backups, full: bool) -> Result<(), Failure> {
    let client = admin(data_dir).await?;
    let began = SystemClock.now();
    // The first one is full whatever is asked for.
    let kind = if full {
        BackupKind::Full
    } else {
        BackupKind::Diff
    };
    let made = backups.make(kind).await;
    let outcome = match &made {
        Ok(()) => backups
            .inventory()
            .await?
            .latest()
            .map(|backup| json!(backup))
            .ok_or_else(|| "no backup was made".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    backup::record(&client, "backup", began, &SystemClock, outcome).await?;
    made?;
    let inventory = backups.inventory().await?;
    if let Some(backup) = inventory.latest() {
        say(&line(backup))?;
    }
    Ok(())
}

async fn list(backups: &Backups, json: bool) -> Result<(), Failure> {
    let inventory = backups.inventory().await?;
    if json {
        let text = json!({
            "repository": backups.repository().folder(),
            "days": backups.repository().days(),
            "backups": inventory.backups,
        });
        return say(&text.to_string());
    }
    for backup in &inventory.backups {
        say(&line(backup))?;
    }
    match inventory.oldest() {
        Some(oldest) => say(&format!(
            "Any moment since {} can be restored.",
            oldest.ended
        )),
        None => say("There is no backup yet."),
    }
}

fn line(backup: &Backup) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    format!(
        "{}  {:4}  {} MiB, {} MiB in the repository",
        backup.ended,
        backup.kind.name(),
        mib(backup.database_bytes),
        mib(backup.repository_bytes)
    )
}

async fn practise(data_dir: &DataDir, backups: &Backups, json: bool) -> Result<(), Failure> {
    let client = admin(data_dir).await?;
    let began = SystemClock.now();
    let drilled = drill(
        data_dir,
        backups,
        &cluster::admin_config(data_dir)?,
        &SystemClock,
    )
    .await;
    if matches!(drilled, Err(BackupError::Busy)) {
        drilled?;
        return Ok(());
    }
    let outcome = drilled
        .as_ref()
        .map(|seen| json!(seen))
        .map_err(ToString::to_string);
    backup::record(&client, "drill", began, &SystemClock, outcome).await?;
    let seen = drilled?;
    if json {
        return say(&json!(seen).to_string());
    }
    say(&format!(
        "Restored to {} in {}.{:03} s; at most {} s of work would have been lost; {} indexes and {} workspaces are sound.",
        seen.restored_to,
        seen.rto_ms / 1000,
        seen.rto_ms % 1000,
        seen.rpo_seconds,
        seen.indexes_checked,
        seen.workspaces
    ))
}

/// A moment, as a person or a script names it: RFC 3339.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "name a moment with its offset, as in 2026-05-01T14:00:00+02:00 or 2026-05-01T12:00:00Z"
            .to_owned()
    })
}
