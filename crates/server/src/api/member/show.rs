//! One member.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /members/{id}`
pub(in crate::api) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = super::id(&mut call).await?;
    call.parameters(&[])?;
    let member = call.store()?.member(id).await?;
    written::value(StatusCode::OK, &member)
}
