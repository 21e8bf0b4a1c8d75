//! An invitation sent again.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, member, written};

/// `POST /invitations/{id}/letter`: 202; the earlier letter's link opens nothing from now on.
pub(in crate::api) async fn resend<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = member::id(&mut call).await?;
    call.parameters(&[])?;
    call.store()?.resend_invitation(id).await?;
    Ok(written::nothing(StatusCode::ACCEPTED))
}
