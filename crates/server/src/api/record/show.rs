//! One record.

use http::StatusCode;

use fieldstone_store::StoreError;

use crate::api::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    etag::Condition,
    written,
};

/// `GET /records/{object}/{id}`: also a deleted record, which says so in `deleted_at`. `If-None-Match` saves the body.
pub(in crate::api) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let (object, id) = call.record().await?;
    let parameters = call.parameters(&["columns"])?;
    let columns = super::paths(parameters.get("columns").unwrap_or_default());
    let known = Condition::read(call.header("if-none-match")?, true);
    let record = call
        .store()?
        .get(&object.name, id, &columns)
        .await
        .map_err(|error| match error {
            StoreError::Query(error) => ApiError::from_query(&error, Some("columns")),
            error => error.into(),
        })?;
    if known.names(record.version) {
        let mut response = written::nothing(StatusCode::NOT_MODIFIED);
        written::tag(response.headers_mut(), record.version);
        return Ok(response);
    }
    Ok(written::record(StatusCode::OK, &record))
}
