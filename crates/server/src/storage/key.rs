//! The key of the storage: 256 random bits in a private file, from which each use derives its own.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use aws_lc_rs::hkdf;
use fieldstone_fscrypt::KEY_BYTES;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::StorageError;
use crate::data_dir::DataDir;

/// The name of the key among the data folder's secrets.
pub(crate) const SECRET: &str = "storage";
/// 32 bytes as base64 without padding.
const LEAST_CHARS: usize = 43;

/// Where the key is.
#[derive(Debug, Clone)]
pub struct StorageKey {
    data_dir: DataDir,
    /// A file that somebody else keeps; otherwise one among the data folder's secrets.
    file: Option<PathBuf>,
}

/// The key's derivations.
pub(super) struct Keys(SecretString);

impl StorageKey {
    /// The key in `file`, which a secrets manager keeps, or the data folder's own.
    pub fn new(data_dir: &DataDir, file: Option<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.clone(),
            file,
        }
    }

    /// Where it is read from.
    pub fn path(&self) -> PathBuf {
        self.file
            .clone()
            .unwrap_or_else(|| self.data_dir.secret_file(SECRET))
    }

    /// The key; nothing when there is none.
    pub(super) fn read(&self) -> Result<Option<Keys>, StorageError> {
        let path = self.path();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => Zeroizing::new(read.map_err(|source| StorageError::file(&path, source))?),
        };
        let mode = fs::metadata(&path)
            .map_err(|source| StorageError::file(&path, source))?
            .mode();
        if mode & 0o077 != 0 {
            return Err(StorageError::ExposedKey(path));
        }
        let text = text.trim();
        if text.len() < LEAST_CHARS {
            return Err(StorageError::WeakKey(path));
        }
        Ok(Some(Keys(text.into())))
    }

    /// The key, made when it is the data folder's own and not there.
    pub(super) fn read_or_make(&self) -> Result<Keys, StorageError> {
        if let Some(keys) = self.read()? {
            return Ok(keys);
        }
        match &self.file {
            Some(file) => Err(StorageError::file(file, ErrorKind::NotFound.into())),
            None => Ok(Keys(self.data_dir.secret(SECRET)?)),
        }
    }
}

impl Keys {
    /// For the kernel.
    pub(super) fn fscrypt(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        self.derive(b"fieldstone storage fscrypt 1")
    }

    /// For gocryptfs, which wants a line of text.
    pub(super) fn password(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(
            self.derive::<32>(b"fieldstone storage gocryptfs 1")
                .as_slice(),
        ))
    }

    /// Tells one key from another, and nothing of either.
    pub(super) fn check(&self) -> String {
        hex::encode(self.derive::<16>(b"fieldstone storage check 1").as_slice())
    }

    /// HKDF-SHA256 (RFC 5869).
    fn derive<const LENGTH: usize>(&self, purpose: &[u8]) -> Zeroizing<[u8; LENGTH]> {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut out = Zeroizing::new([0; LENGTH]);
        let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
            .extract(self.0.expose_secret().as_bytes())
            .expand(&[purpose], Length(LENGTH))
            .and_then(|okm| okm.fill(out.as_mut_slice()));
        debug_assert!(filled.is_ok(), "no more than 255 blocks are asked for");
        out
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let keys = Keys("a".repeat(43).into());
        let other = Keys("b".repeat(43).into());
        assert_eq!(keys.check().len(), 32);
        assert_ne!(keys.check(), other.check());
        assert_ne!(keys.fscrypt().as_slice(), other.fscrypt().as_slice());
        assert!(!hex::encode(keys.fscrypt().as_slice()).contains(&*keys.password()));
        assert!(!keys.password().contains(&keys.check()));
    }

    #[test]
    fn a_key_that_others_can_read_or_guess_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&folder.path().join("data")).unwrap();
        let file = folder.path().join("key");
        let key = StorageKey::new(&data_dir, Some(file.clone()));
        assert!(key.read().unwrap().is_none());
        assert!(key.read_or_make().is_err(), "a manager's file is not made");
        fs::write(&file, "short").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(key.read(), Err(StorageError::WeakKey(_))));
        fs::write(&file, "k".repeat(43)).unwrap();
        assert!(key.read().unwrap().is_some());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(key.read(), Err(StorageError::ExposedKey(_))));
        let own = StorageKey::new(&data_dir, None);
        assert!(own.read().unwrap().is_none());
        let made = own.read_or_make().unwrap().check();
        assert_eq!(own.read().unwrap().unwrap().check(), made);
    }
}
