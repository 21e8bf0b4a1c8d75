//! A new field of an object.

use http::StatusCode;

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body, call::Call, describe, error::ApiResult, schema, written,
};

/// `POST /objects/{object}/fields` with `{"name","type","label", …}`: 201 with its description.
pub(in crate::api) async fn create<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let new = schema::new_field(body::object(&bytes)?)?;
    let field = call.store()?.create_field(&object.name, &new).await?;
    written::value(StatusCode::CREATED, &describe::field(&field))
}
