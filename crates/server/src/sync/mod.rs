//! Synchronisation with devices: what the routes under `/api/v1/sync/` do, on PostgreSQL.
//!
//! A page is read in one REPEATABLE READ transaction, which also keeps the cursor and commits before the answer leaves. Nothing here
//! decides what a merge does (`fieldstone_model::merge`) or what a scope is made of (`scope`).

pub(crate) mod conflict;
pub(crate) mod device;
pub(crate) mod keys;
mod names;
mod plan;
pub(crate) mod policy;
mod pull;
mod push;
mod reading;
mod recall;
mod rows;
pub(crate) mod scope;
pub(crate) mod sealed;
pub(crate) mod sets;
mod sighting;
mod standing;
mod sums;
mod walk;

use fieldstone_model::{RecordId, query::Environment};
use fieldstone_protocol::{
    device::{Registered, Registration},
    hello::{Hello, Schema, Welcome},
    pull::{PullAnswer, PullRequest},
    push::{PushAnswer, PushRequest},
    sealed::{DeliveryAnswer, DeliveryRequest},
    sighting::Sightings,
};
use fieldstone_store::StoreError;
use jiff::Timestamp;

use crate::store::PgStore;
pub use {
    policy::DeviceRules,
    scope::{Branch, RecordSet},
    sets::{Audience, Figure, NewSet, PublishedSet, SetError, SetProblem},
    standing::Standings,
};
pub(crate) use {push::Extra, recall::Recall, rows::to_json};

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
    /// The device has no key to check an order with.
    #[error(
        "This device can't check an order to erase: it was registered without a key. Revoke it."
    )]
    Unsignable,
}

/// Bytes as they stand in messages.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A device, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: RecordId,
    /// Whose it is.
    pub user: RecordId,
    /// What they are called.
    pub person: String,
    /// Names the installation of the app.
    pub installation: String,
    /// What its user calls it.
    pub name: String,
    /// The system it runs on.
    pub platform: String,
    /// Its build.
    pub app: String,
    /// When its user signed in on it.
    pub created_at: Timestamp,
    /// When it last asked for something, give or take some minutes.
    pub last_seen_at: Timestamp,
    /// Whether what it had was as it should be, when it last compared.
    pub proven: Option<bool>,
    /// When it last said so.
    pub proven_at: Option<Timestamp>,
    /// When it was taken off the list.
    pub revoked_at: Option<Timestamp>,
    /// When it was ordered to erase everything.
    pub wipe_ordered_at: Option<Timestamp>,
    /// When it said that it has.
    pub erased_at: Option<Timestamp>,
    /// What has been counted.
    pub counts: Counts,
    /// Number of the signing key that it knows.
    pub signing_kid: Option<i32>,
}

/// What has been counted of a device since it was registered. Pulls that brought nothing don't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Pages of pulls.
    pub pulls: u64,
    /// Rows that they brought.
    pub rows: u64,
    /// Pushes.
    pub pushes: u64,
    /// Changes that they brought.
    pub changes: u64,
    /// How many of those met another change.
    pub conflicts: u64,
    /// How often what it had wasn't as it should be.
    pub repairs: u64,
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

    /// Devices, the last seen first: the person's own, or everybody's for those who manage people.
    fn devices(
        &self,
        everybodys: bool,
    ) -> impl Future<Output = Result<Vec<Device>, SyncError>> + Send {
        let _ = everybodys;
        async { Ok(Vec::new()) }
    }

    /// Takes a device off the list; false when there is no such device.
    fn revoke(&self, device: RecordId) -> impl Future<Output = Result<bool, SyncError>> + Send {
        let _ = device;
        async { Ok(false) }
    }

    /// Orders a device to erase everything; false when there is no such device.
    fn wipe(&self, device: RecordId) -> impl Future<Output = Result<bool, SyncError>> + Send {
        let _ = device;
        async { Ok(false) }
    }

    /// What the workspace asks of its devices.
    fn rules(&self) -> impl Future<Output = Result<DeviceRules, SyncError>> + Send {
        async { Ok(DeviceRules::default()) }
    }

    /// Changes it; what can't be set has been refused before.
    fn set_rules(&self, rules: &DeviceRules) -> impl Future<Output = Result<(), SyncError>> + Send {
        let _ = rules;
        async { Ok(()) }
    }

    /// Takes in what devices sealed.
    fn deliver(
        &self,
        request: &DeliveryRequest,
    ) -> impl Future<Output = Result<DeliveryAnswer, SyncError>> + Send {
        let _ = request;
        async { Err(SyncError::UnknownDevice) }
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

    async fn devices(&self, everybodys: bool) -> Result<Vec<Device>, SyncError> {
        self.sync_devices(everybodys).await
    }

    async fn wipe(&self, device: RecordId) -> Result<bool, SyncError> {
        self.sync_wipe(device).await
    }

    async fn rules(&self) -> Result<DeviceRules, SyncError> {
        Ok(self.device_rules().await?)
    }

    async fn set_rules(&self, rules: &DeviceRules) -> Result<(), SyncError> {
        Ok(self.set_device_rules(rules).await?)
    }

    async fn deliver(&self, request: &DeliveryRequest) -> Result<DeliveryAnswer, SyncError> {
        self.sync_deliver(request).await
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
