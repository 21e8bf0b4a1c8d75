//! The object store: a folder, or a bucket of an S3 service. It never holds anything that isn't sealed.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fieldstone_vault::{Place, Purpose, Vault, VaultError, stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use nix::unistd::{AccessFlags, access};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{outgoing::is_on_this_machine, telemetry};

/// What the keys are for that seal content.
const CONTENT: Purpose = Purpose::new("attachment content");

/// How long a service may take to be reached, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the object store didn't do it. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is none.
    #[error("This installation keeps no files. Ask whoever runs it to set up an object store.")]
    None,
    /// It is out of reach, full, or refuses.
    #[error("The object store can't be used at the moment. Try again in a minute.")]
    Unusable(#[source] object_store::Error),
    /// The keys can't be had, or what lies there isn't what was put there.
    #[error("The content of this file can't be opened.")]
    Sealed(#[source] VaultError),
    /// The server is stopping.
    #[error("The server is stopping. Try again in a moment.")]
    Stopping,
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        Self::Unusable(error)
    }
}

impl From<VaultError> for StorageError {
    fn from(error: VaultError) -> Self {
        Self::Sealed(error)
    }
}

/// A bucket of a service that speaks S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Where the service is; AWS unless it is said.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// Who asks.
    pub access_key_id: String,
    /// The proof of it.
    pub secret_access_key: SecretString,
}

/// Where one sealed object lies and what it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    /// Whose it is.
    pub(crate) tenant: &'a str,
    /// The attachment.
    pub(crate) attachment: &'a str,
    /// Its name beneath, as the database has it.
    pub(crate) name: &'a str,
    /// Which part of the content.
    pub(crate) number: u32,
}

impl Object<'_> {
    fn path(&self) -> Path {
        Path::from_iter([self.tenant, self.attachment, self.name])
    }

    fn place(&self) -> Place<'_> {
        Place {
            tenant: self.tenant,
            object: "attachment",
            record: self.attachment,
            field: "content",
            version: u64::from(self.number),
        }
    }
}

/// Sealed objects of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    vault: Vault,
    /// The folder, if it is one on this machine.
    folder: Option<PathBuf>,
}

impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorage")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl ObjectStorage {
    /// A folder of this machine, which exists and is private. What was put there is on the disk when the call comes back.
    pub fn folder(folder: &FilePath, vault: Vault) -> Result<Self, StorageError> {
        let store = LocalFileSystem::new_with_prefix(folder)?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self::over(Arc::new(store), vault, Some(folder.to_owned())))
    }

    /// A bucket.
    pub fn bucket(bucket: &Bucket, vault: Vault) -> Result<Self, StorageError> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_access_key_id(&bucket.access_key_id)
            .with_secret_access_key(bucket.secret_access_key.expose_secret());
        if let Some(endpoint) = &bucket.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        // Whoever waits for an answer is told that there is none, well before their request runs out of time.
        let retries = RetryConfig {
            max_retries: 2,
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        // Only a service on this machine may be spoken to without TLS.
        let address = bucket.endpoint.as_deref().map(url::Url::parse);
        let is_near = address.is_some_and(|it| it.is_ok_and(|it| is_on_this_machine(&it)));
        let client = ClientOptions::new()
            .with_allow_http(is_near)
            .with_connect_timeout(CONNECT)
            .with_timeout(PATIENCE);
        let store = builder.with_retry(retries).with_client_options(client);
        Ok(Self::over(Arc::new(store.build()?), vault, None))
    }

    fn over(store: Arc<dyn ObjectStore>, vault: Vault, folder: Option<PathBuf>) -> Self {
        Self {
            store,
            vault,
            folder,
        }
    }

    /// Seals `content` and puts it there.
    pub(crate) async fn put(
        &self,
        object: &Object<'_>,
        content: Bytes,
    ) -> Result<(), StorageError> {
        let stream = self.vault.begin_stream(CONTENT, &object.place())?;
        let sealed = apart(move || stream.seal_all(&content)).await??;
        let path = object.path();
        let put = self.store.put(&path, PutPayload::from(sealed));
        counted("put", put.await)?;
        Ok(())
    }

    /// Gets it and opens it.
    pub(crate) async fn get(&self, object: &Object<'_>) -> Result<Bytes, StorageError> {
        let path = object.path();
        let got = async { self.store.get(&path).await?.bytes().await };
        let sealed = counted("get", got.await)?;
        let head = sealed
            .first_chunk::<{ stream::HEAD_LEN }>()
            .ok_or(VaultError::NotSealed)?;
        let stream = self.vault.open_stream(CONTENT, &object.place(), head)?;
        let opened = apart(move || {
            stream.open_all(sealed.get(stream::HEAD_LEN..).unwrap_or_default().to_vec())
        });
        Ok(opened.await??.into())
    }

    /// Seals an object under the keys of today; false when it was already.
    ///
    /// An object is replaced as a whole: whoever reads it meanwhile gets it as it was or as it is, and both open.
    pub(crate) async fn seal_anew(&self, object: &Object<'_>) -> Result<bool, StorageError> {
        let path = object.path();
        let end = u64::try_from(stream::HEAD_LEN).unwrap_or(u64::MAX);
        let head = self.store.get_range(&path, 0..end).await?;
        let head = head
            .first_chunk::<{ stream::HEAD_LEN }>()
            .ok_or(VaultError::NotSealed)?;
        if self.vault.is_current(object.tenant, head)? {
            return Ok(false);
        }
        self.put(object, self.get(object).await?).await?;
        Ok(true)
    }

    /// Removes one object; that it isn't there is as good.
    pub(crate) async fn remove(&self, object: &Object<'_>) -> Result<(), StorageError> {
        match self.store.delete(&object.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes all objects of an attachment.
    pub(crate) async fn remove_all(
        &self,
        tenant: &str,
        attachment: &str,
    ) -> Result<(), StorageError> {
        self.remove_below(&Path::from_iter([tenant, attachment]))
            .await
    }

    async fn remove_below(&self, prefix: &Path) -> Result<(), StorageError> {
        let found = self.store.list(Some(prefix)).map_ok(|found| found.location);
        self.store
            .delete_stream(found.boxed())
            .filter(|removed| {
                let is_gone = matches!(removed, Err(object_store::Error::NotFound { .. }));
                std::future::ready(!is_gone)
            })
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    /// Removes all objects of a workspace.
    pub(crate) async fn remove_tenant(&self, tenant: &str) -> Result<(), StorageError> {
        self.remove_below(&Path::from(tenant)).await
    }

    /// Whether it answers, for whoever asks if this server is ready.
    pub async fn check(&self) -> Result<(), StorageError> {
        // A store in a folder makes the folders it needs, and would take one that is gone for an empty one.
        if let Some(folder) = self.folder.clone() {
            let usable = apart(move || access(&folder, AccessFlags::W_OK | AccessFlags::X_OK));
            return usable.await?.map_err(|errno| {
                StorageError::Unusable(object_store::Error::Generic {
                    store: "folder",
                    source: Box::new(errno),
                })
            });
        }
        let nothing = Path::from("readiness");
        counted(
            "check",
            self.store.list_with_delimiter(Some(&nothing)).await,
        )?;
        Ok(())
    }
}

/// Counts how it went.
fn counted<T>(
    operation: &'static str,
    outcome: object_store::Result<T>,
) -> object_store::Result<T> {
    telemetry::object_store(operation, outcome.is_ok());
    outcome
}

/// Does what takes a processor for a while where no request waits for it.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StorageError::Stopping)
}

#[cfg(test)]
mod tests {
    use fieldstone_vault::MemoryKeys;

    use super::*;

    const OBJECT: Object<'_> = Object {
        tenant: "00D000000000001",
        attachment: "00P000000000001",
        name: "0-a",
        number: 0,
    };

    #[tokio::test]
    async fn what_is_put_is_had_again_and_lies_there_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let storage = ObjectStorage::folder(folder.path(), vault).unwrap();
        let content = Bytes::from(b"canary ".repeat(30_000));
        storage.put(&OBJECT, content.clone()).await.unwrap();
        assert_eq!(storage.get(&OBJECT).await.unwrap(), content);

        let file = folder.path().join("00D000000000001/00P000000000001/0-a");
        let lying = std::fs::read(&file).unwrap();
        assert!(!lying.windows(7).any(|window| window == b"canary "));
        // Another part, another attachment, another tenant: it opens for none of them.
        for (at, elsewhere) in [
            Object {
                number: 1,
                ..OBJECT
            },
            Object {
                attachment: "00P000000000002",
                ..OBJECT
            },
            Object {
                tenant: "00D000000000002",
                ..OBJECT
            },
        ]
        .iter()
        .enumerate()
        {
            let moved = folder.path().join(elsewhere.path().as_ref());
            std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
            std::fs::write(&moved, &lying).unwrap();
            let opened = storage.get(elsewhere).await;
            assert!(matches!(opened, Err(StorageError::Sealed(_))), "{at}");
        }

        storage
            .remove_all(OBJECT.tenant, OBJECT.attachment)
            .await
            .unwrap();
        assert!(!file.exists());
        assert!(storage.get(&OBJECT).await.is_err());
        storage
            .remove_all(OBJECT.tenant, OBJECT.attachment)
            .await
            .unwrap();
        storage.remove(&OBJECT).await.unwrap();
        storage.check().await.unwrap();
    }
}
