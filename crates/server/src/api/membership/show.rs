//! The caller's address.

use http::StatusCode;
use serde_json::json;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /membership`
pub(in crate::api) async fn show<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let own = call.store()?.own_email().await?;
    let role = call.viewer()?.role;
    let membership = json!({ "role": role, "email": own.email, "email_change": own.change });
    written::value(StatusCode::OK, &membership)
}
