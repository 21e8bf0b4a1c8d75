//! A deleted record brought back.

use fieldstone_model::Change;
use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult};

/// `POST /records/{object}/{id}/restoration`: the record, also when it wasn't deleted. The body is ignored.
pub(in crate::api) async fn restore<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let (object, id) = call.record_to_write().await?;
    call.parameters(&[])?;
    let change = Change::Restore {
        object: object.name.to_string(),
        id,
    };
    let store = call.store()?;
    super::apply(store, change).await?;
    super::present(store, StatusCode::OK, &object, id).await
}
