//! Who the caller is and what they may do.

use http::StatusCode;
use serde_json::json;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /session`
pub(in crate::api) async fn show<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let viewer = call.viewer()?;
    let time_zone = viewer.locale.time_zone().iana_name().unwrap_or("UTC");
    let capabilities: Vec<&str> = call
        .rights()
        .capabilities()
        .map(fieldstone_model::Capability::name)
        .collect();
    let session = json!({
        "user": { "id": viewer.user_id, "name": viewer.name, "role": viewer.role },
        "workspace": { "name": viewer.workspace },
        "time_zone": time_zone,
        "today": viewer.today(),
        "capabilities": capabilities,
    });
    written::value(StatusCode::OK, &session)
}
