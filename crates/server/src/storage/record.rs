//! How a data folder is encrypted, in a file that holds no secret.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StorageError;
use super::key::Keys;
use crate::data_dir::write_public;

/// What encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The kernel, in the data folder's own file system.
    Fscrypt,
    /// The kernel, in a file system inside a file.
    FscryptImage,
    /// A program.
    Gocryptfs,
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u8,
    #[serde(rename = "encryption")]
    pub(super) kind: Kind,
    /// Which key: compared before anything is touched.
    key_check: String,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fscrypt => "fscrypt",
            Self::FscryptImage => "fscrypt in an image",
            Self::Gocryptfs => "gocryptfs",
        }
    }
}

impl Record {
    pub(super) fn new(kind: Kind, keys: &Keys) -> Self {
        Self {
            version: 1,
            kind,
            key_check: keys.check(),
        }
    }

    /// Nothing when there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StorageError> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| StorageError::file(path, source))?,
        };
        serde_json::from_slice::<Self>(&bytes)
            .ok()
            .filter(|record| record.version == 1)
            .map(Some)
            .ok_or_else(|| StorageError::Record(path.to_owned()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), StorageError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| StorageError::file(path, error.into()))?;
        write_public(path, &text).map_err(|source| StorageError::file(path, source))
    }

    /// Whether these are its keys.
    pub(super) fn fits(&self, keys: &Keys) -> bool {
        self.key_check == keys.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_from_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storage.json");
        assert!(Record::read(&path).unwrap().is_none());
        for text in [
            "",
            "{}",
            r#"{"version":2,"encryption":"fscrypt","key_check":""}"#,
            r#"{"version":1,"encryption":"rot13","key_check":""}"#,
        ] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(Record::read(&path), Err(StorageError::Record(_))),
                "{text}"
            );
        }
        fs::write(
            &path,
            r#"{"version":1,"encryption":"fscrypt-image","key_check":"00"}"#,
        )
        .unwrap();
        assert_eq!(
            Record::read(&path).unwrap().unwrap().kind,
            Kind::FscryptImage
        );
    }
}
