//! What applications are signed in for the caller.

use http::StatusCode;
use serde_json::{Value as Json, json};

use crate::{
    api::{ApiStore, call::Call, error::ApiResult, written},
    identity::oauth::{GrantSummary, scope},
};

/// `GET /oauth/grants`: those that live, newest first.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let grants = call.store()?.own_grants().await?;
    let grants: Vec<Json> = grants.iter().map(grant).collect();
    written::value(StatusCode::OK, &json!({ "grants": grants }))
}

fn grant(grant: &GrantSummary) -> Json {
    json!({
        "id": grant.id,
        "client_id": grant.client_id,
        "name": grant.name,
        "scope": scope::names(&grant.scopes).join(" "),
        "label": grant.label,
        "address": grant.address,
        "created_at": grant.created_at,
        "last_seen_at": grant.last_seen_at,
    })
}
