//! A record taken away; it can be restored.

use fieldstone_model::Change;
use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `DELETE /records/{object}/{id}`: 204, also when it was deleted already. `If-Match` guards it.
pub(in crate::api) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let (object, id) = call.record_to_write().await?;
    call.parameters(&[])?;
    let change = Change::Delete {
        object: object.name.to_string(),
        id,
        expected: super::expected(&call, &object, id).await?,
    };
    let applied = super::apply(call.store()?, change).await?;
    let mut response = written::nothing(StatusCode::NO_CONTENT);
    written::tag(response.headers_mut(), applied.version);
    Ok(response)
}
