//! A field of the workspace's own taken out of sight.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `DELETE /objects/{object}/fields/{field}`: 204. Its values go with it.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let name = call.path("field").await?;
    call.parameters(&[])?;
    call.store()?.remove_field(&object.name, &name).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}
