//! The kernel encrypts a folder in the data folder's own file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use fieldstone_fscrypt::{
    KeyName, Protection, add_key, encrypt, is_supported, protection, remove_key,
};
use nix::unistd::geteuid;

use super::key::Keys;
use super::{Layout, StorageError, make_passage};

/// How often a key that is still in use is tried again, and the pause between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// An encrypted folder whose key the kernel holds.
#[derive(Debug)]
pub(super) struct Native {
    folder: PathBuf,
    key: KeyName,
}

impl Native {
    /// Makes the folder.
    pub(super) fn make(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        if !is_supported(&layout.root)? {
            return Err(StorageError::CannotEncrypt(format!(
                "the file system of {} can't",
                layout.root.display()
            )));
        }
        make_passage(&layout.mount())?;
        let folder = layout.encrypted();
        make_passage(&folder)?;
        let key = unlock_new(&folder, keys)?;
        Ok(Self { folder, key })
    }

    /// Gives the kernel the key of a folder that is there.
    pub(super) fn open(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        let folder = layout.encrypted();
        let key = unlock(&folder, keys)?;
        Ok(Self { folder, key })
    }

    /// Takes the key from the kernel.
    pub(super) fn close(self) -> Result<(), StorageError> {
        lock(&self.folder, self.key)
    }
}

/// Encrypts an empty folder.
pub(super) fn unlock_new(folder: &Path, keys: &Keys) -> Result<KeyName, StorageError> {
    let key = add_key(folder, &keys.fscrypt())?;
    encrypt(folder, key)?;
    Ok(key)
}

/// Gives the kernel the key of an encrypted folder; one of another folder is taken back.
pub(super) fn unlock(folder: &Path, keys: &Keys) -> Result<KeyName, StorageError> {
    if fs::symlink_metadata(folder).is_err() {
        return Err(StorageError::Missing(folder.to_owned()));
    }
    let key = add_key(folder, &keys.fscrypt())?;
    if protection(folder)? == Protection::Aes256(key) {
        return Ok(key);
    }
    remove_key(folder, key, geteuid().is_root())?;
    Err(StorageError::Missing(folder.to_owned()))
}

/// Takes the key from the kernel, and waits a while for who still has a file open.
pub(super) fn lock(folder: &Path, key: KeyName) -> Result<(), StorageError> {
    // Any path on the same file system will do; the folder itself would be held open.
    let beside = folder.parent().unwrap_or(folder);
    for _ in 0..TRIES {
        if remove_key(beside, key, geteuid().is_root())? {
            return Ok(());
        }
        sleep(PAUSE);
    }
    Err(StorageError::file(folder, nix::errno::Errno::EBUSY.into()))
}
