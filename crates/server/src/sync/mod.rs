//! Synchronisation with devices: what the routes under `/api/v1/sync/` do, on PostgreSQL.
//!
//! A page is read in one REPEATABLE READ transaction, which also keeps the cursor and commits before the answer leaves. Nothing here
//! decides what a merge does (`fieldstone_model::merge`) or what a scope is made of (`scope`).

mod conflict;
mod device;
mod pull;
mod push;
mod reading;
mod rows;
mod scope;
mod sighting;

use fieldstone_model::{RecordId, query::Environment};
use fieldstone_protocol::{
    device::{Registered, Registration},
    hello::{Hello, Schema, Welcome},
    pull::{PullAnswer, PullRequest},
    push::{PushAnswer, PushRequest},
    sighting::Sightings,
};
use fieldstone_store::StoreError;
use jiff::Timestamp;

use crate::store::PgStore;
pub(crate) use push::Extra;

/// Why a device gets no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The store couldn't do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a device of this person, or not any more.
    #[error("This device isn't registered any more. Sign in again on it.")]
    UnknownDevice,
    /// The two speak no common version of the protocol.
    #[error("This app and the platform are too far apart. Update the app.")]
    Incompatible,
    /// A request that contradicts itself.
    #[error("{0}")]
    BadRequest(&'static str),
}

/// A device, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: RecordId,
    /// What its user calls it.
    pub name: String,
    /// The system it runs on.
    pub platform: String,
    /// Its build.
    pub app: String,
    /// When its user signed in on it.
    pub created_at: Timestamp,
    /// When it last asked for something.
    pub last_seen_at: Timestamp,
    /// Whether it was taken off the list.
    pub revoked: bool,
}

/// Keeps a person's devices in step. A store without devices answers that it has none.
pub trait SyncStore: Send + Sync {
    /// Finds the version of the protocol that both speak.
    fn hello(&self, hello: &Hello) -> impl Future<Output = Result<Welcome, SyncError>> + Send {
        let _ = hello;
        async { Err(SyncError::UnknownDevice) }
    }

    /// What a device needs to know of the workspace's objects.
    fn describe(&self) -> impl Future<Output = Result<Schema, SyncError>> + Send {
        async { Err(SyncError::UnknownDevice) }
    }

    /// Makes a device known.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = Result<Registered, SyncError>> + Send {
        let _ = registration;
        async { Err(SyncError::UnknownDevice) }
    }

    /// The person's devices, the last seen first.
    fn devices(&self) -> impl Future<Output = Result<Vec<Device>, SyncError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Takes a device off the list; false when there is no such device.
    fn revoke(&self, device: RecordId) -> impl Future<Output = Result<bool, SyncError>> + Send {
        let _ = device;
        async { Ok(false) }
    }

    /// One page for a device.
    fn pull(
        &self,
        request: &PullRequest,
        environment: Environment,
    ) -> impl Future<Output = Result<PullAnswer, SyncError>> + Send {
        let _ = (request, environment);
        async { Err(SyncError::UnknownDevice) }
    }

    /// Notes what a device's guard has seen.
    fn note_sightings(
        &self,
        sightings: &Sightings,
    ) -> impl Future<Output = Result<(), SyncError>> + Send {
        let _ = sightings;
        async { Err(SyncError::UnknownDevice) }
    }

    /// Does what was done on a device.
    fn push(
        &self,
        request: &PushRequest,
    ) -> impl Future<Output = Result<PushAnswer, SyncError>> + Send {
        let _ = request;
        async { Err(SyncError::UnknownDevice) }
    }
}

impl SyncStore for PgStore {
    async fn hello(&self, hello: &Hello) -> Result<Welcome, SyncError> {
        self.sync_hello(hello).await
    }

    async fn describe(&self) -> Result<Schema, SyncError> {
        self.sync_describe().await
    }

    async fn register(&self, registration: &Registration) -> Result<Registered, SyncError> {
        self.sync_register(registration).await
    }

    async fn devices(&self) -> Result<Vec<Device>, SyncError> {
        self.sync_devices().await
    }

    async fn revoke(&self, device: RecordId) -> Result<bool, SyncError> {
        self.sync_revoke(device).await
    }

    async fn pull(
        &self,
        request: &PullRequest,
        environment: Environment,
    ) -> Result<PullAnswer, SyncError> {
        self.sync_pull(request, environment).await
    }

    async fn note_sightings(&self, sightings: &Sightings) -> Result<(), SyncError> {
        self.sync_note_sightings(sightings).await
    }

    async fn push(&self, request: &PushRequest) -> Result<PushAnswer, SyncError> {
        self.sync_push(request).await
    }
}
