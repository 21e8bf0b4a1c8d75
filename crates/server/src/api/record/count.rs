//! How many records there are.

use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /records/{object}/count`
pub(in crate::api) async fn count<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let parameters = call.parameters(&super::WHICH)?;
    let query = super::query(&call, &object, &parameters)?;
    let count = call.store()?.count(&query).await?;
    Ok(written::json(
        StatusCode::OK,
        format!("{{\"count\":{count}}}"),
    ))
}
