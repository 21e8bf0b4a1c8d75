//! Another address for the caller. It is asked for here and confirmed through letters to both addresses.

use fieldstone_model::{FieldError, Problem};
use http::StatusCode;
use serde_json::{Map, Value as Json};

use crate::{
    api::{
        ApiStore, RECORD_BYTES_MAX, body,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::workspace::check_email,
};

/// `POST /membership/email-change` with `{"email"}`: 202.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let email = read(&body::object(&bytes)?)?;
    call.store()?.ask_email_change(&email).await?;
    Ok(written::nothing(StatusCode::ACCEPTED))
}

/// `DELETE /membership/email-change`: 204; the links of both letters open nothing from now on.
pub(in crate::api) async fn delete<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    if call.store()?.stop_email_change().await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(ApiError::not_found("No change of address is under way."))
    }
}

fn read(members: &Map<String, Json>) -> Result<String, ApiError> {
    let mut errors = Vec::new();
    for name in members.keys().filter(|name| *name != "email") {
        errors.push(FieldError::new(name.clone(), Problem::UnknownField));
    }
    let email = match members.get("email") {
        Some(Json::String(text)) => check_email(text)
            .map(str::to_owned)
            .map_err(|_| Problem::NotAnEmail),
        None | Some(Json::Null) => Err(Problem::Required),
        Some(_) => Err(Problem::WrongType { expected: "a text" }),
    };
    match email {
        Ok(email) if errors.is_empty() => Ok(email),
        Ok(_) => Err(ApiError::invalid("", &errors)),
        Err(problem) => {
            errors.push(FieldError::new("email", problem));
            Err(ApiError::invalid("", &errors))
        }
    }
}
