//! The caller's tokens.

use http::StatusCode;
use serde_json::{Value as Json, json};

use crate::{
    api::{ApiStore, call::Call, error::ApiResult, written},
    identity::token::ApiTokenSummary,
};

/// `GET /tokens`: those that live, without their secrets.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let tokens = call.store()?.own_tokens().await?;
    let tokens: Vec<Json> = tokens.iter().map(token).collect();
    written::value(StatusCode::OK, &json!({ "tokens": tokens }))
}

/// A token without its secret.
pub(in crate::api) fn token(token: &ApiTokenSummary) -> Json {
    json!({
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_seen_at": token.last_seen_at,
    })
}
