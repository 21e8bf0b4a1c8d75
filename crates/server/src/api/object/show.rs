//! One object with its fields.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, describe, error::ApiResult, written};

/// `GET /objects/{object}`
pub(in crate::api) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &describe::object(&object, call.rights()))
}
