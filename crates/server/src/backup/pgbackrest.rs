//! Runs pgBackRest, and says in plain words what went wrong.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::repository::{STANZA, config_folder};
use super::{BackupError, BackupKind, Inventory, Repository};
use crate::cluster::{self, Account};
use crate::data_dir::DataDir;

/// Where Debian and others put it.
const PLACES: [&str; 3] = [
    "/usr/bin/pgbackrest",
    "/usr/local/bin/pgbackrest",
    "/opt/pgbackrest/bin/pgbackrest",
];
/// How long the last piece of the database's log may take to arrive.
const ARRIVAL: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// The backups of one data folder, whose database runs or is to be restored.
#[derive(Debug, Clone)]
pub struct Backups {
    program: PathBuf,
    repository: Repository,
    config: PathBuf,
    password: SecretString,
}

impl Backups {
    /// Prepares backups of a data folder into a repository.
    pub fn new(data_dir: &DataDir, repository: Repository) -> Result<Self, BackupError> {
        let program = program().ok_or(BackupError::NotInstalled)?;
        let config = repository.configure(data_dir, &cluster::socket_folder(data_dir))?;
        Ok(Self {
            program,
            repository,
            config,
            password: cluster::admin_password(data_dir)?,
        })
    }

    /// The backups of a data folder as it was last told; the configuration has been written by the server that runs on it.
    pub fn of(data_dir: &DataDir) -> Result<Self, BackupError> {
        let repository = Repository::of(data_dir)?;
        if config_folder(data_dir).exists() {
            Self::new(data_dir, repository)
        } else {
            Err(BackupError::None(data_dir.root().to_owned()))
        }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What the database runs for each finished piece of its log. Holds no secret.
    pub fn archive_command(&self) -> String {
        format!(
            "{} --config={} --stanza={STANZA} archive-push \"%p\"",
            quoted(&self.program),
            quoted(&self.config)
        )
    }

    /// Makes the repository ready; quick when it is.
    pub async fn prepare(&self) -> Result<(), BackupError> {
        self.run(&["stanza-create"]).await.map(drop)
    }

    /// Makes a backup, and lets go of those that are older than they have to be.
    pub async fn make(&self, kind: BackupKind) -> Result<(), BackupError> {
        self.prepare().await?;
        self.run(&[&format!("--type={}", kind.name()), "backup"])
            .await
            .map(drop)
    }

    /// What there is.
    pub async fn inventory(&self) -> Result<Inventory, BackupError> {
        Inventory::parse(&self.run(&["--output=json", "info"]).await?)
    }

    /// Sends what the database has written so far to the repository, and waits for its arrival.
    pub async fn flush(&self, admin: &Client) -> Result<(), BackupError> {
        let row = admin
            .query_one(
                "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal())",
                &[],
            )
            .await?;
        let last: String = row.try_get(0)?;
        let deadline = Instant::now() + ARRIVAL;
        loop {
            let row = admin
                .query_one("SELECT coalesce(last_archived_wal >= $1, false), last_failed_wal FROM pg_catalog.pg_stat_archiver", &[&last])
                .await?;
            if row.try_get(0)? {
                return Ok(());
            }
            if Instant::now() > deadline {
                let failed: Option<String> = row.try_get(1)?;
                return Err(BackupError::NotArchiving {
                    repository: self.repository.folder().to_owned(),
                    reason: failed.map_or_else(
                        || "nothing was archived within a minute".to_owned(),
                        |segment| {
                            format!(
                                "{segment} could not be archived, and the database's log says why"
                            )
                        },
                    ),
                });
            }
            sleep(POLL).await;
        }
    }

    /// Runs one command of pgBackRest to its end; answers what it printed.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<String, BackupError> {
        let mut command = Command::new(&self.program);
        Account::choose()?.apply(&mut command);
        command
            .arg("--config")
            .arg(&self.config)
            .arg(format!("--stanza={STANZA}"))
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/bin:/bin")
            // Other users don't see the environment of a process.
            .env("PGPASSWORD", self.password.expose_secret())
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command
            .output()
            .await
            .map_err(|source| BackupError::file(&self.program, source))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        tracing::debug!(%said, "pgBackRest failed");
        Err(translate(
            &said,
            output.status.code().unwrap_or(-1),
            self.repository.folder(),
        ))
    }
}

/// The program, where it is installed.
pub(super) fn program() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Quoted for a shell, with `%` doubled, which the database replaces.
fn quoted(path: &Path) -> String {
    format!(
        "'{}'",
        path.display()
            .to_string()
            .replace('\'', r"'\''")
            .replace('%', "%%")
    )
}

/// `ERROR: [082]: WAL segment … was not archived`: the number says what it is about.
fn translate(said: &str, code: i32, repository: &Path) -> BackupError {
    let error = said.lines().find_map(|line| {
        let (number, text) = line.trim().strip_prefix("ERROR: [")?.split_once("]: ")?;
        Some((
            number.parse::<i32>().ok()?,
            text.trim().trim_end_matches('.').to_owned(),
        ))
    });
    let (number, reason) = error.unwrap_or_else(|| {
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        (code, last.unwrap_or("it gave no reason").to_owned())
    });
    let repository = repository.to_owned();
    match number {
        // A key that doesn't fit turns up as a file that can't be understood, or as one that can't be opened.
        29 | 31 | 95 if !reason.contains("option") => BackupError::WrongPassphrase(repository),
        82 => BackupError::NotArchiving { repository, reason },
        50 => BackupError::Busy,
        // Files and folders: open, read, write, sync, rename, make, list.
        38..=49 | 61..=64 | 70..=74 => BackupError::Unusable { repository, reason },
        75 => BackupError::TooEarly("a later time".to_owned()),
        _ if reason.contains("unable to find backup set") => {
            BackupError::TooEarly("a later time".to_owned())
        }
        _ => BackupError::Failed {
            code: number,
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> BackupError {
        translate(text, 1, Path::new("/backups"))
    }

    #[test]
    fn what_went_wrong_is_said_in_plain_words() {
        assert!(matches!(
            said("ERROR: [050]: unable to acquire lock on file"),
            BackupError::Busy
        ));
        let late = said(
            "WARN: x\nERROR: [082]: WAL segment 000000010000000000000002 was not archived before the 30000ms timeout",
        );
        assert!(
            late.to_string()
                .contains("don't arrive in the repository /backups"),
            "{late}"
        );
        assert!(matches!(
            said("ERROR: [029]: unable to load info file '/backups/backup/fieldstone/backup.info'"),
            BackupError::WrongPassphrase(_)
        ));
        assert!(matches!(
            said("ERROR: [041]: unable to open file for write: [30] Read-only file system"),
            BackupError::Unusable { .. }
        ));
        let unknown = said("Segmentation fault").to_string();
        assert!(unknown.contains("Segmentation fault"), "{unknown}");
    }

    #[test]
    fn a_path_is_taken_as_it_is_by_shell_and_database() {
        assert_eq!(
            quoted(Path::new("/a b/o'hara/50%")),
            r"'/a b/o'\''hara/50%%'"
        );
    }
}
