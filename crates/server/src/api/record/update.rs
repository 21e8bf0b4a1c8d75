//! Some fields of a record anew.

use fieldstone_model::Change;
use http::StatusCode;

use crate::api::{ApiStore, RECORD_BYTES_MAX, body, call::Call, error::ApiResult, written};

/// `PATCH /records/{object}/{id}`: a merge patch (RFC 7396) of declared fields; null empties a field. `If-Match` guards it.
pub(in crate::api) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let (object, id) = call.record_to_write().await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let values = super::values(&object, &body::object(&bytes)?, "")?;
    let change = Change::Update {
        object: object.name.to_string(),
        id,
        expected: super::expected(&call, &object, id).await?,
        values,
    };
    let store = call.store()?;
    let applied = super::apply(store, change).await?;
    if call.wants_minimal() {
        let mut response = written::nothing(StatusCode::NO_CONTENT);
        written::tag(response.headers_mut(), applied.version);
        return Ok(response);
    }
    super::present(store, StatusCode::OK, &object, id).await
}
