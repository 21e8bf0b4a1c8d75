//! A member's role and access.

use fieldstone_model::{FieldError, Problem, Role};
use http::StatusCode;
use serde_json::{Map, Value as Json};

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// `PATCH /members/{id}` with `{"role"?,"active"?}`: 204; it counts from their next request.
pub(in crate::api) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = super::id(&mut call).await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let (role, active) = read(&body::object(&bytes)?)?;
    call.store()?.change_member(id, role, active).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

fn read(members: &Map<String, Json>) -> Result<(Option<Role>, Option<bool>), ApiError> {
    let (mut role, mut active) = (None, None);
    let mut errors = Vec::new();
    for (name, json) in members {
        let read = match name.as_str() {
            "role" => super::super::invitation::create::role(json).map(|read| role = Some(read)),
            "active" => json
                .as_bool()
                .map(|read| active = Some(read))
                .ok_or(Problem::WrongType {
                    expected: "true or false",
                }),
            _ => Err(Problem::UnknownField),
        };
        errors.extend(
            read.err()
                .map(|problem| FieldError::new(name.clone(), problem)),
        );
    }
    if errors.is_empty() && role.is_none() && active.is_none() {
        errors.push(FieldError::new("role", Problem::Required));
    }
    if errors.is_empty() {
        Ok((role, active))
    } else {
        Err(ApiError::invalid("", &errors))
    }
}
