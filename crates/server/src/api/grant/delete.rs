//! An application's sign-in ended by the person it acts for.

use fieldstone_model::RecordId;
use http::StatusCode;

use crate::api::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// `DELETE /oauth/grants/{id}`: 204; its tokens open nothing from now on.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    let missing = || ApiError::not_found("No application is signed in for you under this id.");
    let id = id.map_err(|_| missing())?;
    if call.store()?.end_grant(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}
