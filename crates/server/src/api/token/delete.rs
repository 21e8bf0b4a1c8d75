//! A token ended.

use fieldstone_model::RecordId;
use http::StatusCode;

use crate::api::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// `DELETE /tokens/{id}`: 204; it opens nothing from now on.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    let missing = || ApiError::not_found("You have no such token.");
    let id = id.map_err(|_| missing())?;
    if call.store()?.end_token(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}
