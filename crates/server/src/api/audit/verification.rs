//! Whether the log is whole.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `POST /audit-events/verification`: `{"whole","events","first_break"}`.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let verdict = call.store()?.verify_audit().await?;
    written::value(StatusCode::OK, &verdict)
}
