//! Sessions of the caller, the second factor of somebody else, and how the workspace's people sign in.

pub(super) mod policy;
pub(super) mod reset;
pub(super) mod sessions;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;

use crate::{
    identity::IdentityError,
    store::{OwnSession, PgStore, SignInPolicy},
};

/// Keeps what guards the accounts of a workspace.
pub trait AccountStore: Send + Sync {
    /// The caller's living sessions as JSON, the last used first; `this` is the one they call with.
    fn sessions(
        &self,
        this: Option<RecordId>,
    ) -> impl Future<Output = Result<Vec<serde_json::Value>, StoreError>> + Send;

    /// Ends one of them; false when there is no such living one.
    fn end_session(&self, id: RecordId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends all of them but one; answers how many.
    fn end_other_sessions(
        &self,
        kept: RecordId,
    ) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Minutes without a request and minutes at all that sessions last, and whether everybody needs a second factor.
    fn policy(&self) -> impl Future<Output = Result<(i32, i32, bool), StoreError>> + Send;

    /// Changes that; false when these limits can't be.
    fn set_policy(
        &self,
        policy: (i32, i32, bool),
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes the second factor from somebody else; false when they have none.
    fn reset_totp(
        &self,
        person: RecordId,
    ) -> impl Future<Output = Result<bool, IdentityError>> + Send;
}

impl AccountStore for PgStore {
    async fn sessions(&self, this: Option<RecordId>) -> Result<Vec<serde_json::Value>, StoreError> {
        let sessions = self.own_sessions().await?;
        Ok(sessions
            .iter()
            .map(|session| shown(session, this))
            .collect())
    }

    async fn end_session(&self, id: RecordId) -> Result<bool, StoreError> {
        self.end_own_session(id).await
    }

    async fn end_other_sessions(&self, kept: RecordId) -> Result<i64, StoreError> {
        self.end_own_other_sessions(kept).await
    }

    async fn policy(&self) -> Result<(i32, i32, bool), StoreError> {
        let policy = self.sign_in_policy().await?;
        Ok((
            policy.idle_minutes,
            policy.absolute_minutes,
            policy.totp_required,
        ))
    }

    async fn set_policy(&self, policy: (i32, i32, bool)) -> Result<bool, StoreError> {
        let policy = SignInPolicy {
            idle_minutes: policy.0,
            absolute_minutes: policy.1,
            totp_required: policy.2,
        };
        if !policy.is_possible() {
            return Ok(false);
        }
        self.set_sign_in_policy(policy).await?;
        Ok(true)
    }

    async fn reset_totp(&self, person: RecordId) -> Result<bool, IdentityError> {
        Self::reset_totp(self, person).await
    }
}

fn shown(session: &OwnSession, this: Option<RecordId>) -> serde_json::Value {
    serde_json::json!({
        "id": session.id,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "user_agent": session.user_agent,
        "address": session.address,
        "this": this == Some(session.id),
    })
}
