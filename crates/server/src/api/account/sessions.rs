//! Where the caller is signed in.

use std::sync::Arc;

use fieldstone_model::RecordId;
use http::StatusCode;
use serde_json::json;

use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::Identity,
};

/// `GET /sessions`
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let sessions = call.store()?.sessions(this(&call)).await?;
    written::value(StatusCode::OK, &json!({ "sessions": sessions }))
}

/// `DELETE /sessions/{id}`: 204. The caller's own ends with `DELETE /session`.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    let missing = || ApiError::not_found("You have no such other session.");
    let id = id.map_err(|_| missing())?;
    if this(&call) != Some(id) && call.store()?.end_session(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}

/// `DELETE /sessions`: ends all but the caller's; says how many.
pub(in crate::api) async fn delete_others<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let this = this(&call).ok_or_else(|| ApiError::not_found("You have no other sessions."))?;
    let ended = call.store()?.end_other_sessions(this).await?;
    written::value(StatusCode::OK, &json!({ "ended": ended }))
}

/// The session that the caller calls with.
fn this<S: ApiStore>(call: &Call<S>) -> Option<RecordId> {
    let identity = call.parts.extensions.get::<Arc<Identity>>()?;
    identity.actor.credential
}
