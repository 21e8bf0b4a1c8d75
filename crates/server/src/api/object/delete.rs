//! An object of the workspace's own taken out of sight.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `DELETE /objects/{object}`: 204. Its records go with it.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    call.parameters(&[])?;
    call.store()?.remove_object(&object.name).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}
