//! The data folder: where everything that one machine keeps lives, and the lock that makes it one server's.
//!
//! It must never put a secret into a file that another user can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use secrecy::SecretString;

use crate::database::RolePasswords;
use crate::storage;

/// The file that is locked; it also marks a folder as ours.
const LOCK: &str = "lock";

/// What can be wrong with a data folder. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another server holds the lock.
    #[error("Another fieldstone is already running on the data folder {0}.")]
    InUse(PathBuf),
    /// The folder or something in it can't be written.
    #[error("The data folder {folder} can't be used: {source}.")]
    Unusable {
        /// The folder named on the command line.
        folder: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The folder belongs to something else.
    #[error("The folder {0} is not empty and was not made by fieldstone; choose another one.")]
    Foreign(PathBuf),
    /// A file that holds a secret could be read by others.
    #[error(
        "The secret file {0} can be read by other users; make it private (chmod 600) or replace it."
    )]
    Exposed(PathBuf),
    /// The source of randomness failed.
    #[error("The operating system's source of random numbers failed.")]
    Random,
}

/// A data folder that exists and can be written.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Held for as long as a server works on a data folder; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: Flock<File>,
}

impl DataDir {
    /// Opens the folder, and makes it when it isn't there.
    ///
    /// Started by root, others may pass through it (the database runs as a user of its own) but not list it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable {
            folder: path.to_owned(),
            source,
        };
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        if !path.exists() {
            if let Some(parent) = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
            {
                fs::create_dir_all(parent).map_err(unusable)?;
            }
            make_dir(path, mode).map_err(unusable)?;
        }
        let root = fs::canonicalize(path).map_err(unusable)?;
        let mut entries = fs::read_dir(&root).map_err(unusable)?;
        if entries.next().is_some() && !root.join(LOCK).exists() {
            return Err(DataDirError::Foreign(root));
        }
        let data_dir = Self { root };
        make_private(&data_dir.root, mode).map_err(unusable)?;
        data_dir.lock_file().map_err(unusable)?;
        make_dir(&data_dir.secrets(), 0o700).map_err(unusable)?;
        make_private(&data_dir.secrets(), 0o700).map_err(unusable)?;
        Ok(data_dir)
    }

    /// Takes the folder for this process alone.
    pub fn lock(&self) -> Result<DataLock, DataDirError> {
        let file = self.lock_file().map_err(|source| self.unusable(source))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(DataLock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(DataDirError::InUse(self.root.clone())),
            Err((_, errno)) => Err(self.unusable(errno.into())),
        }
    }

    /// The folder itself, as an absolute path without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where what has to be encrypted lies: in the encrypted storage (see `storage`) where there is one, else in the folder itself.
    pub fn inside(&self) -> PathBuf {
        if self.root.join(storage::RECORD).exists() {
            self.root.join(storage::ENCRYPTED)
        } else {
            self.root.clone()
        }
    }

    /// Where the database cluster lives.
    pub fn postgres(&self) -> PathBuf {
        self.inside().join("postgres")
    }

    /// Where the database writes its log.
    pub fn log(&self) -> PathBuf {
        self.inside().join("log")
    }

    /// Whether there is a cluster outside any encrypted storage.
    pub fn has_plain_cluster(&self) -> bool {
        self.root.join("postgres").exists()
    }

    /// Whether a server has ever kept data in `folder`.
    pub fn holds_data(folder: &Path) -> bool {
        folder.join("postgres").exists() || folder.join(storage::RECORD).exists()
    }

    /// Where certificates and their keys live.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The address, certificate authority, users and passwords of the demo, for scripts.
    pub fn demo(&self) -> PathBuf {
        self.root.join("demo.json")
    }

    /// Where letters are put when there is no mail server.
    pub fn outbox(&self) -> PathBuf {
        self.inside().join("outbox")
    }

    /// Where the content of files lies, sealed. Made when it isn't there.
    pub fn objects(&self) -> Result<PathBuf, DataDirError> {
        let folder = self.root.join("objects");
        make_dir(&folder, 0o700).map_err(|source| self.unusable(source))?;
        make_private(&folder, 0o700).map_err(|source| self.unusable(source))?;
        Ok(folder)
    }

    /// Where the server was last reached, for commands beside it.
    pub fn url(&self) -> PathBuf {
        self.root.join("url")
    }

    /// The named secret; 256 random bits on first use, the same ever after.
    pub fn secret(&self, name: &str) -> Result<SecretString, DataDirError> {
        let path = self.secret_file(name);
        match fs::read_to_string(&path) {
            Ok(secret) => {
                let mode = fs::metadata(&path)
                    .map_err(|source| self.unusable(source))?
                    .mode();
                if mode & 0o077 != 0 {
                    return Err(DataDirError::Exposed(path));
                }
                Ok(secret.trim_end().into())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0_u8; 32];
                aws_lc_rs::rand::fill(&mut bytes).map_err(|_| DataDirError::Random)?;
                let secret = URL_SAFE_NO_PAD.encode(bytes);
                write_private(&path, secret.as_bytes()).map_err(|source| self.unusable(source))?;
                Ok(secret.into())
            }
            Err(source) => Err(self.unusable(source)),
        }
    }

    /// Takes over one secret of another data folder.
    pub fn adopt_secret(&self, source: &Self, name: &str) -> Result<(), DataDirError> {
        let (from, to) = (source.secret_file(name), self.secret_file(name));
        let secret =
            zeroize::Zeroizing::new(fs::read(&from).map_err(|error| source.unusable(error))?);
        write_private(&to, &secret).map_err(|error| self.unusable(error))
    }

    /// Takes over the secrets of another data folder, save the one of its storage: keys of workspaces as they are now, so that those which
    /// were destroyed stay so.
    pub fn adopt_secrets(&self, source: &Self) -> Result<(), DataDirError> {
        self.adopt_folder(&source.secrets(), &self.secrets())
    }

    fn adopt_folder(&self, from: &Path, to: &Path) -> Result<(), DataDirError> {
        let failed = |error| self.unusable(error);
        make_dir(to, 0o700).map_err(failed)?;
        for entry in fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, target) = (entry.file_name(), to.join(entry.file_name()));
            if entry.file_type().map_err(failed)?.is_dir() {
                self.adopt_folder(&entry.path(), &target)?;
            } else if name != storage::SECRET {
                let secret = zeroize::Zeroizing::new(fs::read(entry.path()).map_err(failed)?);
                write_private(&target, &secret).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Lets go of a secret; the next who asks for it gets a new one.
    pub fn forget_secret(&self, name: &str) -> Result<(), DataDirError> {
        match fs::remove_file(self.secret_file(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.unusable(error)),
            _ => Ok(()),
        }
    }

    /// The file of the named secret, whether it is there or not.
    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    /// The passwords of the database's roles.
    pub fn role_passwords(&self) -> Result<RolePasswords, DataDirError> {
        Ok(RolePasswords {
            owner: self.secret("database-owner")?,
            app: self.secret("database-app")?,
            auth: self.secret("database-auth")?,
            worker: self.secret("database-worker")?,
        })
    }

    /// The file of the keys that sign the tenant context.
    pub fn context_key(&self) -> PathBuf {
        self.secrets().join("context.key")
    }

    /// Where the keys are that seal secrets in the database.
    pub fn vault(&self) -> PathBuf {
        self.secrets().join("vault")
    }

    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.root.join(LOCK))
    }

    fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    fn unusable(&self, source: io::Error) -> DataDirError {
        DataDirError::Unusable {
            folder: self.root.clone(),
            source,
        }
    }
}

/// Writes a file that only its owner can read, whole or not at all, and durably.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write_whole(path, content, 0o600)
}

/// Writes a file that anyone may read, whole or not at all, and durably.
pub fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    write_whole(path, content, 0o644)
}

fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".new");
    let partial = PathBuf::from(partial);
    // A left-over of an interrupted write may have other permissions, so it is never reused.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&partial)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    File::open(parent)?.sync_all()
}

/// Makes a folder with exactly this mode; one that exists is left as it is.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // The umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes from a folder every right that goes beyond `mode`; a folder that others could write would not be private.
fn make_private(path: &Path, mode: u32) -> io::Result<()> {
    let current = fs::metadata(path)?.mode() & 0o7777;
    if current != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&folder.path().join("data")).unwrap();
        let first = data_dir.secret("cluster").unwrap();
        assert_eq!(first.expose_secret().len(), 43);
        assert_eq!(
            first.expose_secret(),
            data_dir.secret("cluster").unwrap().expose_secret()
        );
        assert_ne!(
            first.expose_secret(),
            data_dir.secret("app").unwrap().expose_secret()
        );
        let mode = fs::metadata(data_dir.secrets().join("cluster"))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_exposed_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        data_dir.secret("cluster").unwrap();
        let path = data_dir.secrets().join("cluster");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            data_dir.secret("cluster"),
            Err(DataDirError::Exposed(_))
        ));
    }

    #[test]
    fn one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        let held = data_dir.lock().unwrap();
        assert!(matches!(data_dir.lock(), Err(DataDirError::InUse(_))));
        drop(held);
        data_dir.lock().unwrap();
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "").unwrap();
        let before = fs::metadata(folder.path()).unwrap().mode();
        assert!(matches!(
            DataDir::open(folder.path()),
            Err(DataDirError::Foreign(_))
        ));
        assert_eq!(fs::metadata(folder.path()).unwrap().mode(), before);
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        fs::write(&file, "").unwrap();
        let message = DataDir::open(&file).unwrap_err().to_string();
        assert!(message.contains("can't be used"), "{message}");
    }
}
