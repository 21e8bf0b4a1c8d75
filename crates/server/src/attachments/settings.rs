//! Where the content of files lies, as the configuration says it.
//!
//! ```toml
//! [objects]
//! folder = "/var/lib/fieldstone/objects"     # on one machine; every node has to reach the same one
//!
//! # or a bucket of a service that speaks S3
//! [objects.bucket]
//! name = "fieldstone"
//! region = "eu-central-1"
//! endpoint = "https://s3.example"            # unless it is AWS
//! access_key_id = "AKIA…"
//! secret_access_key_file = "/run/credentials/fieldstone/s3-secret"
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use fieldstone_vault::Vault;
use serde::Deserialize;

use super::{ObjectStorage, storage::Bucket};
use crate::config::{ConfigError, check_private};

/// The part `[objects]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectSettings {
    /// A folder.
    folder: Option<PathBuf>,
    /// A bucket.
    bucket: Option<BucketSettings>,
}

/// The part `[objects.bucket]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketSettings {
    name: String,
    region: String,
    endpoint: Option<String>,
    access_key_id: String,
    secret_access_key_file: PathBuf,
}

impl ObjectSettings {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Opens it; whether a bucket answers is seen when it is used.
    pub fn open(&self, vault: &Vault) -> Result<ObjectStorage, ConfigError> {
        let opened = match (&self.folder, &self.bucket) {
            (Some(folder), None) => {
                check_private(folder)?;
                ObjectStorage::folder(folder, vault.clone())
            }
            (None, Some(bucket)) => ObjectStorage::bucket(&bucket.read()?, vault.clone()),
            _ => {
                return Err(ConfigError::Objects("it needs either a folder or a bucket"));
            }
        };
        opened.map_err(|_| {
            ConfigError::Objects("the folder can't be opened, or the bucket's names are not valid")
        })
    }
}

impl BucketSettings {
    fn read(&self) -> Result<Bucket, ConfigError> {
        let file = &self.secret_access_key_file;
        check_private(file)?;
        let secret = fs::read_to_string(file).map_err(|source| ConfigError::File {
            path: file.clone(),
            source,
        })?;
        Ok(Bucket {
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: secret.trim().into(),
        })
    }
}
