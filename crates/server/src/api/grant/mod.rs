//! Sign-ins of applications for the caller, and the one way for a device to sign in without a browser. Only for a person with a session.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;

use crate::{
    identity::oauth::{GrantSummary, NewGrant, TokenSet},
    store::PgStore,
};

/// Keeps the sign-ins of applications for the person it acts for.
pub trait GrantStore: Send + Sync {
    /// Signs the field app in; `None` when it is switched off.
    fn add_device_grant(
        &self,
        new: &NewGrant,
        session: RecordId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<(RecordId, TokenSet)>, StoreError>> + Send;

    /// The living ones.
    fn own_grants(&self) -> impl Future<Output = Result<Vec<GrantSummary>, StoreError>> + Send;

    /// Ends one; false when there is no such living one.
    fn end_grant(&self, id: RecordId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

impl GrantStore for PgStore {
    async fn add_device_grant(
        &self,
        new: &NewGrant,
        session: RecordId,
        now: Timestamp,
    ) -> Result<Option<(RecordId, TokenSet)>, StoreError> {
        Self::add_device_grant(self, new, session, now).await
    }

    async fn own_grants(&self) -> Result<Vec<GrantSummary>, StoreError> {
        Self::own_grants(self).await
    }

    async fn end_grant(&self, id: RecordId) -> Result<bool, StoreError> {
        Self::end_grant(self, id).await
    }
}
