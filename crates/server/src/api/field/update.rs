//! What people call a field, what they are told of it, and who reads and sets it.

use fieldstone_model::Needs;
use http::StatusCode;

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    describe,
    error::{ApiError, ApiResult},
    schema, written,
};
use crate::schema::Wording;

/// `PATCH /objects/{object}/fields/{field}` with `{"label"?,"help"?,"default"?,"read_role"?,"write_role"?}`: its description.
///
/// Names and types stay for ever. Of standard fields only the roles can be set, and those by a session with a recent proof alone.
pub(in crate::api) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let name = call.path("field").await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let missing = || ApiError::not_found("There is no custom field of this name.");
    let mut members = body::object(&bytes)?;
    let known = object.field(&name).ok_or_else(missing)?;
    let roles = schema::roles(known, &mut members)?;
    if roles.is_some() {
        call.admit(Needs::Proof)?;
    }
    if let Some(roles) = roles
        && members.is_empty()
    {
        let field = call.store()?.restrict_field(&object.name, &name, roles);
        return written::value(StatusCode::OK, &describe::field(&field.await?));
    }
    if !known.custom {
        return Err(missing());
    }
    let labels = schema::labels(known, members)?;
    if let Some(roles) = roles {
        call.store()?
            .restrict_field(&object.name, &name, roles)
            .await?;
    }
    let field = call
        .store()?
        .relabel_field(
            &object.name,
            &name,
            &Wording {
                label: &labels.label,
                help: labels.help.as_deref(),
                default: labels.default.as_deref(),
            },
        )
        .await?;
    written::value(StatusCode::OK, &describe::field(&field))
}
