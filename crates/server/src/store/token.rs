//! API tokens of the person a store acts for, and of the workspace's service accounts. The secret leaves this module once, on the day it is
//! made.

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;

use super::PgStore;
use crate::identity::{
    API_TOKEN_PREFIX,
    token::{ApiToken, ApiTokenSummary},
};

impl PgStore {
    /// Makes a token for `person`, who is the caller or a service account; answers its id and its secret.
    ///
    /// It ends at `expires_at`, or earlier if the workspace's policy says so.
    pub(crate) async fn add_token(
        &self,
        person: RecordId,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> Result<(RecordId, ApiToken), StoreError> {
        let token = ApiToken::generate().map_err(StoreError::internal)?;
        let id = self.fresh_id(API_TOKEN_PREFIX);
        let sql = "SELECT app.add_token_for($1, $2, $3, $4, $5, $6, $7)";
        let hash = token.hash();
        self.run_step(
            sql,
            &[
                &person.as_str(),
                &id.as_str(),
                &name,
                &token.shown(),
                &hash.as_slice(),
                &scopes,
                &expires_at,
            ],
        )
        .await?;
        self.note_written();
        Ok((id, token))
    }

    /// The living tokens of `person`, who is the caller or a service account.
    pub(crate) async fn tokens_of(
        &self,
        person: RecordId,
    ) -> Result<Vec<ApiTokenSummary>, StoreError> {
        let sql = "SELECT id, name, prefix, scopes, created_at, expires_at, last_seen_at FROM app.api_tokens_of($1)";
        let rows = self.run_step(sql, &[&person.as_str()]).await?;
        rows.iter()
            .map(|row| ApiTokenSummary::read(row).map_err(StoreError::internal))
            .collect()
    }

    /// Ends a token; false when there is no such living one.
    pub(crate) async fn end_token(&self, id: RecordId) -> Result<bool, StoreError> {
        let rows = self
            .run_step("SELECT app.end_api_token($1)", &[&id.as_str()])
            .await?;
        let ended = rows.first().map_or(Ok(false), |row| row.try_get(0));
        let ended = ended.map_err(StoreError::internal)?;
        if ended {
            self.note_written();
        }
        Ok(ended)
    }
}
