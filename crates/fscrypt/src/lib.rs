//! Encrypts a folder by the kernel (fscrypt): a key is given to a file system, and a policy to an empty folder.
//!
//! Contents are encrypted with AES-256-XTS, names with AES-256-CTS (policy version 2). The kernel holds the key until it is removed; this
//! crate keeps nothing, writes no file, and knows nothing of what lies in the folder.

mod kernel;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use self::kernel::PolicyV2;

/// Bytes of a key.
pub const KEY_BYTES: usize = 64;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FscryptError {
    /// The file system can't encrypt, or has it switched off.
    #[error("the file system of {0} can't encrypt folders")]
    Unsupported(PathBuf),
    /// The kernel refused.
    #[error("{path}: {source}")]
    Kernel {
        /// The file or folder.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

/// The name of a key: derived from it by the kernel, and tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyName([u8; 16]);

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({self})")
    }
}

/// What protects a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Nothing that this crate could see.
    None,
    /// AES-256 in the modes of this crate, under this key.
    Aes256(KeyName),
    /// Encrypted in another way: by an older version of the policy or with other algorithms.
    Other,
}

/// What the kernel says of a file or folder. A file system that can't encrypt protects nothing.
pub fn protection(path: &Path) -> Result<Protection, FscryptError> {
    let file = open(path)?;
    match kernel::get_policy(&file) {
        Ok(policy) => Ok(match policy {
            PolicyV2 {
                version: kernel::POLICY_V2,
                contents: kernel::AES_256_XTS,
                names: kernel::AES_256_CTS,
                identifier,
                ..
            } => Protection::Aes256(KeyName(identifier)),
            _ => Protection::Other,
        }),
        Err(error) if errno(&error).is_some_and(is_unprotected) => Ok(Protection::None),
        Err(source) => Err(failed(path, source)),
    }
}

/// Whether empty folders of this file system can be encrypted. Changes nothing.
pub fn is_supported(path: &Path) -> Result<bool, FscryptError> {
    let file = open(path)?;
    match kernel::get_policy(&file) {
        Ok(_) => Ok(true),
        Err(error) if errno(&error) == Some(kernel::NOT_ENCRYPTED) => {
            // ext4 says so of every folder; whether encryption is switched on, the keys tell.
            match kernel::key_status(&file, [0; 16]) {
                Ok(_) => Ok(true),
                Err(error) if errno(&error).is_some_and(is_unsupported) => Ok(false),
                Err(source) => Err(failed(path, source)),
            }
        }
        Err(error) if errno(&error).is_some_and(is_unsupported) => Ok(false),
        Err(source) => Err(failed(path, source)),
    }
}

/// Gives the file system that `path` lies on a key, for as long as it is mounted or until the key is removed.
pub fn add_key(path: &Path, key: &[u8; KEY_BYTES]) -> Result<KeyName, FscryptError> {
    kernel::add_key(&open(path)?, key)
        .map(KeyName)
        .map_err(|source| failed(path, source))
}

/// Encrypts an empty folder under a key that was added. Everything made in it later is encrypted as well.
pub fn encrypt(folder: &Path, key: KeyName) -> Result<(), FscryptError> {
    let policy = PolicyV2 {
        version: kernel::POLICY_V2,
        contents: kernel::AES_256_XTS,
        names: kernel::AES_256_CTS,
        flags: kernel::PAD_32,
        reserved: [0; 4],
        identifier: key.0,
    };
    kernel::set_policy(&open(folder)?, &policy).map_err(|source| failed(folder, source))
}

/// Takes a key from the file system that `path` lies on; answers whether every file under it is locked now. One that is still open stays
/// readable until it is closed. A key that isn't there is as good as removed.
///
/// `of_all` takes it whoever has added it, which only root may.
pub fn remove_key(path: &Path, key: KeyName, of_all: bool) -> Result<bool, FscryptError> {
    match kernel::remove_key(&open(path)?, key.0, of_all) {
        Ok(left) => Ok(left & kernel::FILES_BUSY == 0),
        Err(error) if errno(&error) == Some(nix::libc::ENOKEY) => Ok(true),
        Err(source) => Err(failed(path, source)),
    }
}

fn open(path: &Path) -> Result<File, FscryptError> {
    File::open(path).map_err(|source| FscryptError::Kernel {
        path: path.to_owned(),
        source,
    })
}

fn errno(error: &io::Error) -> Option<i32> {
    error.raw_os_error()
}

fn is_unsupported(errno: i32) -> bool {
    kernel::UNSUPPORTED.contains(&errno)
}

fn is_unprotected(errno: i32) -> bool {
    errno == kernel::NOT_ENCRYPTED || is_unsupported(errno)
}

fn failed(path: &Path, source: io::Error) -> FscryptError {
    if errno(&source).is_some_and(is_unsupported) {
        FscryptError::Unsupported(path.to_owned())
    } else {
        FscryptError::Kernel {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_encryption_protects_nothing() {
        // procfs never encrypts.
        let path = Path::new("/proc");
        assert_eq!(protection(path).unwrap(), Protection::None);
        assert!(!is_supported(path).unwrap());
        assert!(matches!(
            add_key(path, &[7; KEY_BYTES]),
            Err(FscryptError::Unsupported(_))
        ));
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let message = protection(Path::new("/nowhere/at/all"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/at/all"), "{message}");
    }
}
