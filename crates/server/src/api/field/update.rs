//! What people call a field, and what they are told of it.

use http::StatusCode;

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    describe,
    error::{ApiError, ApiResult},
    schema, written,
};

/// `PATCH /objects/{object}/fields/{field}` with `{"label"?,"help"?}`: its description. Names and types stay for ever.
pub(in crate::api) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let name = call.path("field").await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let missing = || ApiError::not_found("There is no custom field of this name.");
    let field = object
        .field(&name)
        .filter(|field| field.custom)
        .ok_or_else(missing)?;
    let labels = schema::labels(field, body::object(&bytes)?)?;
    let field = call
        .store()?
        .relabel_field(&object.name, &name, &labels.label, labels.help.as_deref())
        .await?;
    written::value(StatusCode::OK, &describe::field(&field))
}
