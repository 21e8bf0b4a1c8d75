//! The repository: where backups go, what encrypts them, how long they stay.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::cluster::Account;
use crate::data_dir::{DataDir, make_dir, write_private, write_public};

/// The name of the passphrase among the secrets.
const SECRET: &str = "backup";
/// What pgBackRest calls this database.
pub(super) const STANZA: &str = "fieldstone";
/// Where a data folder says where its backups are.
pub(super) const RECORD: &str = "backup.json";

/// Where backups go and how long they stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryOptions {
    /// The folder.
    pub repository: PathBuf,
    /// Days that can be gone back to.
    pub days: u16,
}

/// A repository and its passphrase.
#[derive(Debug, Clone)]
pub struct Repository {
    options: RepositoryOptions,
    passphrase: SecretString,
}

impl RepositoryOptions {
    /// What a data folder has been told; nothing when no backups are made of it.
    pub fn of(data_dir: &DataDir) -> Result<Option<Self>, BackupError> {
        let path = data_dir.root().join(RECORD);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BackupError::file(&path, source)),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| BackupError::file(&path, error.into())),
        }
    }

    /// Tells a data folder.
    pub fn remember(&self, data_dir: &DataDir) -> Result<(), BackupError> {
        let path = data_dir.root().join(RECORD);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::file(&path, error.into()))?;
        write_public(&path, &text).map_err(|source| BackupError::file(&path, source))
    }

    /// Tells a data folder that no backups are made of it.
    pub fn forget(data_dir: &DataDir) -> Result<(), BackupError> {
        let path = data_dir.root().join(RECORD);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(BackupError::file(&path, error))
            }
            _ => Ok(()),
        }
    }
}

impl Repository {
    /// Opens a repository of a data folder, and makes it when it isn't there. A passphrase is made only for an empty one.
    pub fn open(data_dir: &DataDir, options: RepositoryOptions) -> Result<Self, BackupError> {
        let folder = &options.repository;
        let account = Account::choose()?;
        if !folder.exists() {
            if let Some(parent) = folder.parent() {
                fs::create_dir_all(parent).map_err(|source| BackupError::file(parent, source))?;
            }
            make_dir(folder, 0o700)
                .and_then(|()| account.give(folder))
                .map_err(|source| BackupError::file(folder, source))?;
        }
        if !folder.is_dir() {
            return Err(BackupError::Unusable {
                repository: folder.clone(),
                reason: "it is not a folder".to_owned(),
            });
        }
        account.check_reach(folder)?;
        let mut entries =
            fs::read_dir(folder).map_err(|source| BackupError::file(folder, source))?;
        let file = data_dir.secret_file(SECRET);
        if entries.next().is_some() && !file.exists() {
            return Err(BackupError::PassphraseMissing {
                repository: folder.clone(),
                file,
            });
        }
        Ok(Self {
            passphrase: data_dir.secret(SECRET)?,
            options,
        })
    }

    /// Opens the repository that a data folder was told of.
    pub fn of(data_dir: &DataDir) -> Result<Self, BackupError> {
        let options = RepositoryOptions::of(data_dir)?
            .ok_or_else(|| BackupError::None(data_dir.root().to_owned()))?;
        Self::open(data_dir, options)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.options.repository
    }

    /// Days that can be gone back to.
    pub fn days(&self) -> u16 {
        self.options.days
    }

    /// Writes what pgBackRest reads, for a cluster in `data_dir` whose socket is in `socket`. Answers where it is.
    pub(super) fn configure(
        &self,
        data_dir: &DataDir,
        socket: &Path,
    ) -> Result<PathBuf, BackupError> {
        let account = Account::choose()?;
        let folder = config_folder(data_dir);
        let path = folder.join("pgbackrest.conf");
        let text = self.configuration(&data_dir.postgres(), socket, &folder);
        make_dir(&folder, 0o700)
            .and_then(|()| account.give(&folder))
            .and_then(|()| write_private(&path, text.as_bytes()))
            .and_then(|()| account.give(&path))
            .map_err(|source| BackupError::file(&path, source))?;
        Ok(path)
    }

    fn configuration(&self, postgres: &Path, socket: &Path, folder: &Path) -> String {
        let lines = [
            ("[global]", String::new()),
            ("repo1-path", self.options.repository.display().to_string()),
            ("repo1-cipher-type", "aes-256-cbc".to_owned()),
            (
                "repo1-cipher-pass",
                self.passphrase.expose_secret().to_owned(),
            ),
            ("repo1-retention-full-type", "time".to_owned()),
            ("repo1-retention-full", self.options.days.to_string()),
            ("compress-type", "zst".to_owned()),
            ("process-max", "2".to_owned()),
            ("start-fast", "y".to_owned()),
            ("archive-timeout", "30".to_owned()),
            ("lock-path", folder.join("lock").display().to_string()),
            ("log-level-file", "off".to_owned()),
            ("log-level-console", "warn".to_owned()),
            ("log-timestamp", "n".to_owned()),
            ("[fieldstone]", String::new()),
            ("pg1-path", postgres.display().to_string()),
            ("pg1-socket-path", socket.display().to_string()),
            ("pg1-port", "5432".to_owned()),
            ("pg1-user", crate::cluster::ADMIN_ROLE.to_owned()),
        ];
        lines
            .iter()
            .map(|(name, value)| {
                if value.is_empty() {
                    format!("{name}\n")
                } else {
                    format!("{name}={value}\n")
                }
            })
            .collect()
    }
}

/// Where pgBackRest's configuration and locks are, for one data folder.
pub(super) fn config_folder(data_dir: &DataDir) -> PathBuf {
    data_dir.inside().join("pgbackrest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_never_made_for_backups_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o711),
        )
        .unwrap();
        let data_dir = DataDir::open(&folder.path().join("data")).unwrap();
        let options = RepositoryOptions {
            repository: data_dir.root().join("backups"),
            days: 14,
        };
        assert!(RepositoryOptions::of(&data_dir).unwrap().is_none());
        assert!(matches!(
            Repository::of(&data_dir),
            Err(BackupError::None(_))
        ));
        options.remember(&data_dir).unwrap();
        let repository = Repository::of(&data_dir).unwrap();
        let text =
            repository.configuration(Path::new("/pg"), Path::new("/run"), Path::new("/conf"));
        assert!(
            text.contains("repo1-cipher-type=aes-256-cbc\n") && text.contains("pg1-path=/pg\n"),
            "{text}"
        );
        fs::create_dir(repository.folder().join("archive")).unwrap();
        Repository::of(&data_dir).unwrap();
        fs::remove_file(data_dir.secret_file("backup")).unwrap();
        assert!(matches!(
            Repository::of(&data_dir),
            Err(BackupError::PassphraseMissing { .. })
        ));
    }
}
