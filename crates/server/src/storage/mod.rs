//! What encrypts the files of the embedded database: a file system that is there only while the server runs.
//!
//! ```text
//! DIR/storage.json         how this data folder is encrypted, and a check of the key; written last, when everything else stands
//! DIR/storage.img          the file system's blocks (fscrypt in an image), or
//! DIR/storage.gocryptfs/   the encrypted files (gocryptfs)
//! DIR/storage/             where it is mounted
//! DIR/storage/encrypted/   what is encrypted: database, write-ahead log, temporary files, logs, letters, scratch space
//! ```
//!
//! The key comes from the secrets, is checked before anything is touched, and leaves the kernel when the server stops. What was mounted when
//! a server was killed is taken over by the next. Nothing here is ever decrypted into another place.

mod existing;
mod fscrypt;
mod gocryptfs;
mod growth;
mod image;
mod key;
mod mounts;
mod observe;
mod programs;
mod record;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fieldstone_fscrypt::FscryptError;
use nix::unistd::geteuid;

pub use self::existing::encrypt_existing;
pub use self::growth::{Growth, Space};
pub(crate) use self::key::SECRET;
pub use self::key::StorageKey;
pub use self::observe::{Seen, observe, unencrypted_swap};
use self::record::{Kind, Record};
use crate::data_dir::{DataDir, DataDirError, make_dir};

/// How the files of the embedded database are to be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encryption {
    /// The best way this machine offers; refused when there is none
    Auto,
    /// By the kernel, in the data folder's file system or, for root, in one inside a file
    Fscrypt,
    /// By gocryptfs: keeps others out, but can lose what was committed when the power fails
    Gocryptfs,
    /// By what is below the data folder: LUKS, an encrypted ZFS or cloud volume; refused when none is seen
    External,
    /// Not at all
    None,
}

/// Why the files can't be encrypted, or not be reached. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No way works here.
    #[error(
        "Nothing on this machine can encrypt the data folder ({0}): install gocryptfs (Debian and Ubuntu: apt-get install gocryptfs), or go without by --storage-encryption none."
    )]
    NoWay(String),
    /// The way that was asked for doesn't work here.
    #[error("The data folder can't be encrypted in this way: {0}.")]
    CannotEncrypt(String),
    /// There is data that isn't encrypted.
    #[error(
        "The data in {0} is not encrypted: `fieldstone storage encrypt --data {0}` encrypts it; --storage-encryption none goes on without."
    )]
    NotEncrypted(PathBuf),
    /// There is encrypted data, and none or another kind was asked for.
    #[error(
        "The data in {folder} is encrypted by {kind}; leave out --storage-encryption, which can't change that."
    )]
    OtherKind {
        /// The data folder.
        folder: PathBuf,
        /// How it is encrypted.
        kind: &'static str,
    },
    /// Nothing below the folder was seen to encrypt it.
    #[error("Nothing that encrypts {folder} was seen: {why}.")]
    NothingBelow {
        /// The data folder.
        folder: PathBuf,
        /// What was seen instead.
        why: String,
    },
    /// The key isn't there.
    #[error(
        "The key that the data folder is encrypted with is missing: put the file {0} back, from wherever its copy is kept. Nothing was touched."
    )]
    KeyMissing(PathBuf),
    /// The key is another one.
    #[error(
        "The key in {0} is not the one that the data folder is encrypted with. Nothing was touched."
    )]
    WrongKey(PathBuf),
    /// The key can't be one.
    #[error("The key file {0} is too short: it needs 32 random bytes, as 43 or more characters.")]
    WeakKey(PathBuf),
    /// The key file is open to others.
    #[error("The key file {0} can be read by other users; make it private (chmod 600).")]
    ExposedKey(PathBuf),
    /// The record is not what it should be.
    #[error(
        "The file {0}, which says how the data folder is encrypted, is damaged or was made by a newer Fieldstone."
    )]
    Record(PathBuf),
    /// A part of it isn't there.
    #[error("The encrypted data {0} is missing.")]
    Missing(PathBuf),
    /// Something else is mounted there.
    #[error("Something else is mounted on {0}; unmount it first.")]
    Occupied(PathBuf),
    /// There is too little room.
    #[error(
        "There is too little room for the data in {folder}: {free_mib} MiB are free, {needed_mib} MiB are needed."
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// How much there is.
        free_mib: u64,
        /// How much it takes.
        needed_mib: u64,
    },
    /// A program failed.
    #[error("{program} failed: {reason}.")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        reason: String,
    },
    /// A program is missing.
    #[error("The program {program} is missing (Debian and Ubuntu: apt-get install {package}).")]
    NotInstalled {
        /// Which.
        program: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// A file or folder can't be used.
    #[error("{path} can't be used: {source}.")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("The kernel does not encrypt: {0}.")]
    Kernel(#[from] FscryptError),
    /// The data folder itself.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl StorageError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Open storage of a data folder. Closed with the value: the key is taken from the kernel, and what was mounted is unmounted.
#[derive(Debug)]
pub struct Storage {
    layout: Layout,
    open: Option<Open>,
}

/// What has to be closed.
#[derive(Debug)]
enum Open {
    /// Nothing: there is none, or it isn't ours.
    Plain,
    Native(fscrypt::Native),
    Image(image::Image),
    Gocryptfs(gocryptfs::Gocryptfs),
}

/// The places of the parts; see the head of this file.
#[derive(Debug, Clone)]
struct Layout {
    root: PathBuf,
}

impl Layout {
    fn new(data_dir: &DataDir) -> Self {
        Self {
            root: data_dir.root().to_owned(),
        }
    }

    fn record(&self) -> PathBuf {
        self.root.join(RECORD)
    }

    fn image(&self) -> PathBuf {
        self.root.join("storage.img")
    }

    fn ciphertext(&self) -> PathBuf {
        self.root.join("storage.gocryptfs")
    }

    fn mount(&self) -> PathBuf {
        self.root.join("storage")
    }

    fn encrypted(&self) -> PathBuf {
        self.root.join(ENCRYPTED)
    }
}

/// The file that says how a data folder is encrypted.
pub(crate) const RECORD: &str = "storage.json";
/// Where the encrypted files are seen, while the storage is open.
pub(crate) const ENCRYPTED: &str = "storage/encrypted";

impl Storage {
    /// Opens the storage of a data folder, and makes it when the folder is new. The caller holds the folder's lock.
    ///
    /// A key that is missing or wrong, or data that isn't as it should be, leaves everything untouched.
    pub fn open(
        data_dir: &DataDir,
        wanted: Encryption,
        key: &StorageKey,
    ) -> Result<Self, StorageError> {
        let layout = Layout::new(data_dir);
        existing::settle(&layout.root)?;
        let open = match Record::read(&layout.record())? {
            Some(record) => reopen(&layout, &record, wanted, key)?,
            None if data_dir.has_plain_cluster() => plain(&layout, wanted)?,
            None => {
                let (open, record) = make(&layout, wanted, key, 0)?;
                let storage = Self {
                    layout: layout.clone(),
                    open: Some(open),
                };
                if let Some(record) = record {
                    record.write(&layout.record())?;
                }
                return Ok(storage);
            }
        };
        Ok(Self {
            layout,
            open: Some(open),
        })
    }

    /// Keeps an image large enough; nothing to do for every other kind.
    pub fn growth(&self) -> Option<Growth> {
        match &self.open {
            Some(Open::Image(_)) => Some(Growth::new(self.layout.mount(), self.layout.image())),
            _ => None,
        }
    }

    /// How it is encrypted, in words; nothing when it isn't.
    pub fn describe(&self) -> &'static str {
        match &self.open {
            Some(Open::Native(_)) => "the kernel (fscrypt, AES-256)",
            Some(Open::Image(_)) => "the kernel (fscrypt, AES-256) in an image",
            Some(Open::Gocryptfs(_)) => "gocryptfs (AES-256), which is not power-safe",
            Some(Open::Plain) | None => "nothing of its own",
        }
    }

    /// Whether what was committed survives a loss of power.
    pub fn is_power_safe(&self) -> bool {
        !matches!(self.open, Some(Open::Gocryptfs(_)))
    }

    /// Closes it. Says so in the log when somebody still has a file open.
    pub fn close(mut self) {
        self.close_now();
    }

    fn close_now(&mut self) {
        let closed = match self.open.take() {
            None | Some(Open::Plain) => return,
            Some(Open::Native(native)) => native.close(),
            Some(Open::Image(image)) => image.close(),
            Some(Open::Gocryptfs(mounted)) => mounted.close(),
        };
        if let Err(error) = closed {
            tracing::error!("The encrypted storage is still open. {error}");
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.close_now();
    }
}

/// What encrypts the data of a folder, or would encrypt it in a new one, in words. Changes nothing.
pub fn examine(folder: &Path) -> Result<String, StorageError> {
    let layout = Layout {
        root: folder.to_owned(),
    };
    if let Some(record) = Record::read(&layout.record())? {
        let power = if record.kind == Kind::Gocryptfs {
            ", which is not power-safe"
        } else {
            ""
        };
        let seen = observe(&layout.encrypted());
        let now = if seen.is_encrypted() {
            seen.words()
        } else {
            "locked"
        };
        return Ok(format!("{}{power} ({now})", record.kind.name()));
    }
    let below = observe(folder);
    if below.is_encrypted() {
        return Ok(format!("below the data folder: {}", below.words()));
    }
    if folder.join("postgres").exists() || existing::is_moving(folder) {
        return Err(StorageError::NotEncrypted(folder.to_owned()));
    }
    let nearest = folder
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(folder);
    if fieldstone_fscrypt::is_supported(nearest)? {
        Ok("the file system can (fscrypt)".to_owned())
    } else if geteuid().is_root() {
        Ok("a file system in an image would be made (fscrypt)".to_owned())
    } else if programs::find("gocryptfs") {
        Ok("gocryptfs would be used, which is not power-safe".to_owned())
    } else {
        Err(StorageError::NoWay(
            "the file system can't, and only root can mount one that does".to_owned(),
        ))
    }
}

/// Storage that was made before.
fn reopen(
    layout: &Layout,
    record: &Record,
    wanted: Encryption,
    key: &StorageKey,
) -> Result<Open, StorageError> {
    let fits = match wanted {
        Encryption::Auto => true,
        Encryption::Fscrypt => record.kind != Kind::Gocryptfs,
        Encryption::Gocryptfs => record.kind == Kind::Gocryptfs,
        Encryption::External | Encryption::None => false,
    };
    if !fits {
        return Err(StorageError::OtherKind {
            folder: layout.root.clone(),
            kind: record.kind.name(),
        });
    }
    let keys = key
        .read()?
        .ok_or_else(|| StorageError::KeyMissing(key.path()))?;
    if !record.fits(&keys) {
        return Err(StorageError::WrongKey(key.path()));
    }
    Ok(match record.kind {
        Kind::Fscrypt => Open::Native(fscrypt::Native::open(layout, &keys)?),
        Kind::FscryptImage => Open::Image(image::Image::open(layout, &keys)?),
        Kind::Gocryptfs => Open::Gocryptfs(gocryptfs::Gocryptfs::open(layout, &keys)?),
    })
}

/// A cluster that lies in the data folder as it is.
fn plain(layout: &Layout, wanted: Encryption) -> Result<Open, StorageError> {
    match wanted {
        Encryption::None => Ok(Open::Plain),
        Encryption::External => below(layout),
        Encryption::Auto if observe(&layout.root).is_encrypted() => Ok(Open::Plain),
        Encryption::Auto | Encryption::Fscrypt | Encryption::Gocryptfs => {
            Err(StorageError::NotEncrypted(layout.root.clone()))
        }
    }
}

/// Encrypted by what is below, as far as can be seen.
fn below(layout: &Layout) -> Result<Open, StorageError> {
    match observe(&layout.root) {
        Seen::Encrypted { .. } => Ok(Open::Plain),
        Seen::Unknown(why) => {
            tracing::warn!("Whether the data folder is encrypted can't be seen from here: {why}");
            Ok(Open::Plain)
        }
        Seen::Plain(why) => Err(StorageError::NothingBelow {
            folder: layout.root.clone(),
            why,
        }),
    }
}

/// Storage with room for this many bytes, and the record to write once it holds what it should; none when nothing has to be made.
fn make(
    layout: &Layout,
    wanted: Encryption,
    key: &StorageKey,
    bytes: u64,
) -> Result<(Open, Option<Record>), StorageError> {
    match wanted {
        Encryption::None => return Ok((Open::Plain, None)),
        Encryption::External => return Ok((below(layout)?, None)),
        Encryption::Auto if observe(&layout.root).is_encrypted() => return Ok((Open::Plain, None)),
        Encryption::Auto | Encryption::Fscrypt | Encryption::Gocryptfs => {}
    }
    remove_unfinished(layout)?;
    let keys = key.read_or_make()?;
    let mut reasons = Vec::new();
    let ways: &[Kind] = match wanted {
        Encryption::Fscrypt => &[Kind::Fscrypt, Kind::FscryptImage],
        Encryption::Gocryptfs => &[Kind::Gocryptfs],
        _ => &[Kind::Fscrypt, Kind::FscryptImage, Kind::Gocryptfs],
    };
    for kind in ways {
        let made = match kind {
            Kind::Fscrypt => fscrypt::Native::make(layout, &keys).map(Open::Native),
            Kind::FscryptImage if geteuid().is_root() => {
                image::Image::make(layout, &keys, bytes).map(Open::Image)
            }
            Kind::FscryptImage => Err(StorageError::CannotEncrypt(
                "only root can mount a file system of its own".to_owned(),
            )),
            Kind::Gocryptfs => gocryptfs::Gocryptfs::make(layout, &keys).map(Open::Gocryptfs),
        };
        match made {
            Ok(open) => {
                if *kind == Kind::Gocryptfs {
                    tracing::warn!(
                        "The data is encrypted by gocryptfs, which is not power-safe: good for looking around, not for work that matters."
                    );
                }
                return Ok((open, Some(Record::new(*kind, &keys))));
            }
            Err(error) => {
                reasons.push(error.to_string().trim_end_matches('.').to_owned());
                remove_unfinished(layout)?;
            }
        }
    }
    let reasons = reasons.join("; ");
    Err(if wanted == Encryption::Auto {
        StorageError::NoWay(reasons)
    } else {
        StorageError::CannotEncrypt(reasons)
    })
}

/// Removes what an interrupted first start has left. There is no record, so nothing was ever kept in it.
fn remove_unfinished(layout: &Layout) -> Result<(), StorageError> {
    mounts::unmount(&layout.encrypted())?;
    mounts::unmount(&layout.mount())?;
    for file in [layout.image(), layout.image().with_extension("img.new")] {
        remove(fs::remove_file(&file), &file)?;
    }
    for folder in [layout.mount(), layout.ciphertext()] {
        remove(fs::remove_dir_all(&folder), &folder)?;
    }
    Ok(())
}

fn remove(removed: io::Result<()>, path: &Path) -> Result<(), StorageError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::file(path, error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder that the database's account may pass through, and others may not list.
fn make_passage(folder: &Path) -> Result<(), StorageError> {
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    make_dir(folder, mode).map_err(|source| StorageError::file(folder, source))
}
