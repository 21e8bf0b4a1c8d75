//! The caller's own API tokens. Only a person with a session makes or ends them: a token never makes another one.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{identity::token::ApiTokenSummary, store::PgStore};

/// Keeps the API tokens of the person it acts for.
pub trait TokenStore: Send + Sync {
    /// Makes a token that may do what `scopes` name; answers its id and its secret.
    fn add_token(
        &self,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(RecordId, Zeroizing<String>), StoreError>> + Send;

    /// How many days a token may live at most in this workspace.
    fn token_days_max(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// The living tokens.
    fn own_tokens(&self) -> impl Future<Output = Result<Vec<ApiTokenSummary>, StoreError>> + Send;

    /// Ends a token; false when there is no such living one.
    fn end_token(&self, id: RecordId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

impl TokenStore for PgStore {
    async fn add_token(
        &self,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> Result<(RecordId, Zeroizing<String>), StoreError> {
        let (id, token) =
            Self::add_token(self, self.actor().user, name, scopes, expires_at).await?;
        Ok((id, Zeroizing::new(token.expose().to_owned())))
    }

    async fn token_days_max(&self) -> Result<i64, StoreError> {
        Ok(self.token_policy().await?.days_max)
    }

    async fn own_tokens(&self) -> Result<Vec<ApiTokenSummary>, StoreError> {
        self.tokens_of(self.actor().user).await
    }

    async fn end_token(&self, id: RecordId) -> Result<bool, StoreError> {
        Self::end_token(self, id).await
    }
}
