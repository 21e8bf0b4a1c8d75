//! API tokens of the person a store acts for. The secret leaves this module once, on the day it is made.

use aws_lc_rs::rand;
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;

use super::PgStore;
use crate::identity::{
    API_TOKEN_PREFIX,
    token::{ApiToken, ApiTokenSummary},
};

impl PgStore {
    /// Makes a token; answers its id and its secret.
    pub(crate) async fn add_token(
        &self,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> Result<(RecordId, ApiToken), StoreError> {
        let token = ApiToken::generate().map_err(StoreError::internal)?;
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| StoreError::internal("no randomness"))?;
        let (now, random) = (self.shared.clock.now(), u64::from_le_bytes(random));
        let id = self.shared.ids.next(API_TOKEN_PREFIX, now, random);
        let sql = "SELECT app.add_api_token($1, $2, $3, $4, $5, $6)";
        let hash = token.hash();
        self.run_step(
            sql,
            &[
                &id.as_str(),
                &name,
                &token.shown(),
                &hash.as_slice(),
                &scopes,
                &expires_at,
            ],
        )
        .await?;
        Ok((id, token))
    }

    /// The living tokens.
    pub(crate) async fn own_tokens(&self) -> Result<Vec<ApiTokenSummary>, StoreError> {
        let sql =
            "SELECT id, name, prefix, scopes, created_at, expires_at FROM app.own_api_tokens()";
        let rows = self.run_step(sql, &[]).await?;
        rows.iter()
            .map(|row| ApiTokenSummary::read(row).map_err(StoreError::internal))
            .collect()
    }

    /// Ends a token; false when there is no such living one.
    pub(crate) async fn end_token(&self, id: RecordId) -> Result<bool, StoreError> {
        let rows = self
            .run_step("SELECT app.end_api_token($1)", &[&id.as_str()])
            .await?;
        let ended = rows.first().map(|row| row.try_get(0));
        ended.unwrap_or(Ok(false)).map_err(StoreError::internal)
    }
}
