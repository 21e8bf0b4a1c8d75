//! A second factor that somebody has lost.

use fieldstone_model::RecordId;
use http::StatusCode;

use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::USER_PREFIX,
};

/// `POST /users/{id}/totp-reset`: 204; the person's sessions have ended, and they sign in with their password alone.
pub(in crate::api) async fn create<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    let missing = || ApiError::not_found("There is no such person with a second factor.");
    let id = id.map_err(|_| missing())?;
    if id.prefix().as_bytes() == USER_PREFIX && call.store()?.reset_totp(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}
