//! The invitations.

use http::StatusCode;
use serde_json::json;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /invitations`: the open ones first, then the newest 200.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let invitations = call.store()?.invitations().await?;
    written::value(StatusCode::OK, &json!({ "invitations": invitations }))
}
