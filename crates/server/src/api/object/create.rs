//! A new object of the workspace's own.

use http::{HeaderValue, StatusCode, header::LOCATION};

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body, call::Call, describe, error::ApiResult, schema, written,
};

/// `POST /objects` with `{"name","plural","label","plural_label"}`: 201 with its description.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let new = schema::new_object(body::object(&bytes)?)?;
    let object = call.store()?.create_object(&new).await?;
    let mut response = written::value(
        StatusCode::CREATED,
        &describe::object(&object, call.rights()),
    )?;
    if let Ok(address) = HeaderValue::from_str(&format!("{ROOT}/objects/{}", object.name)) {
        response.headers_mut().insert(LOCATION, address);
    }
    Ok(response)
}
