//! A new record.

use fieldstone_model::Change;
use fieldstone_store::StoreError;
use http::StatusCode;

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::ApiResult,
    once::{Attempt, Begun, Effect},
    written,
};

/// `POST /records/{object}`: 201 with the record, its address and its entity tag.
pub(in crate::api) async fn create<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object_to_write().await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let once = match Attempt::begin(&call, &bytes).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Answered(response) => return Ok(response),
    };
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
    if let Effect::Before(answer) = once
        .apply(store, &[change], StatusCode::CREATED, &location, |error| {
            error.into()
        })
        .await?
    {
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
    once.finish(store, response).await
}
