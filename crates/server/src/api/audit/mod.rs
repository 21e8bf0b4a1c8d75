//! The audit log, for those who manage people.

pub(super) mod list;
pub(super) mod verification;

use fieldstone_store::StoreError;

use crate::{
    identity::audit::{AuditEvent, Filter, Verdict},
    store::PgStore,
};

/// Reads the audit log of the workspace it acts in.
pub trait AuditStore: Send + Sync {
    /// The newest `limit` events before number `before`.
    fn audit_events(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<AuditEvent>, StoreError>> + Send;

    /// Checks the chain, and notes that it was checked.
    fn verify_audit(&self) -> impl Future<Output = Result<Verdict, StoreError>> + Send;
}

impl AuditStore for PgStore {
    async fn audit_events(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        Self::audit_events(self, filter, before, limit).await
    }

    async fn verify_audit(&self) -> Result<Verdict, StoreError> {
        Self::verify_audit(self).await
    }
}
