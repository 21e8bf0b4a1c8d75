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

use std::path::{Path, PathBuf};

use fieldstone_vault::Vault;
use serde::Deserialize;

use super::{ObjectStorage, storage::Bucket};
use crate::config::ConfigError;
use crate::secrets::{Place, Secret, check_private};

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
    secret_access_key_file: Place,
}

impl ObjectSettings {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Where the bucket's secret is, if it is one.
    pub fn secret(&self) -> Option<&Place> {
        Some(&self.bucket.as_ref()?.secret_access_key_file)
    }

    /// Opens it; whether a bucket answers is seen when it is used.
    pub fn open(
        &self,
        vault: &Vault,
        secret: Option<&Secret>,
    ) -> Result<ObjectStorage, ConfigError> {
        let opened = match (&self.folder, &self.bucket) {
            (Some(folder), None) => {
                check_private(folder)?;
                ObjectStorage::folder(folder, vault.clone())
            }
            (None, Some(bucket)) => {
                let secret = secret.ok_or(ConfigError::Objects("the bucket has no secret"))?;
                ObjectStorage::bucket(&bucket.read(secret)?, vault.clone())
            }
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
    fn read(&self, secret: &Secret) -> Result<Bucket, ConfigError> {
        Ok(Bucket {
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: secret.read()?.trim().into(),
        })
    }
}
