//! A new record.

use fieldstone_model::Change;
use fieldstone_store::StoreError;
use http::StatusCode;

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::ApiResult,
    once::{self, Effect},
    written,
};

/// `POST /records/{object}`: 201 with the record, its address and its entity tag.
pub(in crate::api) async fn create<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    call.parameters(&[])?;
    body::check_type(&call.parts.headers)?;
    let bytes = body::bytes(std::mem::take(&mut call.body), RECORD_BYTES_MAX).await?;
    once::answer(&call, &bytes, async |once| {
        let store = call.store()?;
        let values = super::values(&object, &body::object(&bytes)?, "")?;
        let unknown = || StoreError::UnknownObject(object.name.to_string());
        let id = store.new_id(&object.name).ok_or_else(unknown)?;
        let change = Change::Create {
            object: object.name.to_string(),
            id,
            values,
        };
        let location = super::location(&object, id);
        if let Effect::Before(answer) = once.apply(store, &[change], StatusCode::CREATED, &location, |error| error.into()).await? {
            return Ok(answer);
        }
        let mut response = if call.wants_minimal() {
            let mut response = written::nothing(StatusCode::CREATED);
            written::tag(response.headers_mut(), 1);
            response
        } else {
            super::present(store, StatusCode::CREATED, &object, id).await?
        };
        super::set_location(&mut response, &location);
        Ok(response)
    })
    .await
}
