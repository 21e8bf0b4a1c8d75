//! An invitation taken back.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, member, written};

/// `DELETE /invitations/{id}`: 204; its link opens nothing from now on.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = member::id(&mut call).await?;
    call.parameters(&[])?;
    call.store()?.withdraw_invitation(id).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}
