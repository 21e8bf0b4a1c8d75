//! The store while an import runs: renewed when the workspace's fields change, patient when the database is busy.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fieldstone_model::{Change, Object, RecordId};
use fieldstone_store::{Applied, ChangeError, Store, StoreError};
use jiff::Timestamp;

use super::Workspace;

/// How often a busy database is asked again.
const ATTEMPTS: u32 = 6;

/// A store that can be renewed.
pub(super) struct Handle<'a, W: Workspace> {
    workspace: &'a W,
    current: Mutex<Arc<W::Store>>,
    imagined: AtomicU64,
}

impl<'a, W: Workspace> Handle<'a, W> {
    pub(super) fn new(workspace: &'a W, store: W::Store) -> Self {
        Self {
            workspace,
            current: Mutex::new(Arc::new(store)),
            imagined: AtomicU64::new(0),
        }
    }

    /// The store as it is now.
    pub(super) fn store(&self) -> Arc<W::Store> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A fresh id; one of an object that a trial run only imagines is made here.
    pub(super) fn new_id(&self, object: &Object, now: Timestamp) -> RecordId {
        self.store().new_id(&object.name).unwrap_or_else(|| {
            let count = self.imagined.fetch_add(1, Ordering::Relaxed);
            RecordId::compose(object.prefix, now, count)
        })
    }

    /// Waits after a refusal that passes; answers whether it is worth asking again.
    async fn recover(&self, error: &StoreError, attempt: u32) -> Result<bool, StoreError> {
        if attempt >= ATTEMPTS {
            return Ok(false);
        }
        match error {
            StoreError::Busy => tokio::time::sleep(Duration::from_millis(50 << attempt)).await,
            StoreError::SchemaChanged => {
                let store = Arc::new(self.workspace.store().await?);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = store;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads something, again when the database was busy.
    pub(super) async fn read<T, F>(&self, ask: impl Fn(Arc<W::Store>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut attempt = 0;
        loop {
            match ask(self.store()).await {
                Err(error) if self.recover(&error, attempt).await? => attempt += 1,
                answer => return answer,
            }
        }
    }

    /// Applies changes once, however often it has to be tried.
    ///
    /// A try whose answer was lost may have been committed: then the next one finds its first new id taken, which no other writer can
    /// have made, and the changes count as applied.
    pub(super) async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let mut attempt = 0;
        loop {
            match self.store().apply(changes).await {
                Err(StoreError::Change(_, ChangeError::IdTaken)) if attempt > 0 => {
                    return self.applied_before(changes).await;
                }
                Err(error) if self.recover(&error, attempt).await? => attempt += 1,
                answer => return answer,
            }
        }
    }

    async fn applied_before(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            let record = self.store().get(change.object(), change.id(), &[]).await?;
            applied.push(Applied {
                id: record.id,
                version: record.version,
            });
        }
        Ok(applied)
    }
}
