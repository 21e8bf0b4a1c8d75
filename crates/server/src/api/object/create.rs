//! A new object of the workspace's own.

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body, call::Call, describe, error::ApiResult, schema, written,
};

/// `POST /objects` with `{"name","plural","label","plural_label"}`: 201 with its description.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let new = schema::new_object(body::object(&bytes)?)?;
    let object = call.store()?.create_object(&new).await?;
    written::created(
        &format!("{ROOT}/objects/{}", object.name),
        &describe::object(&object, call.rights()),
    )
}
