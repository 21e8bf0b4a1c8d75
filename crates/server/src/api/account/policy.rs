//! How the workspace's people sign in.

use std::sync::Arc;

use fieldstone_model::{FieldError, Problem};
use http::StatusCode;
use serde_json::{Value as Json, json};

use crate::{
    api::{
        ApiStore, RECORD_BYTES_MAX, body,
        call::Call,
        error::{ApiError, ApiResult},
        session::person::Person,
        written,
    },
    identity::{Identity, account::Factor},
};

/// `GET /workspace/sign-in-policy`
pub(in crate::api) async fn show<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let policy = call.store()?.policy().await?;
    written::value(StatusCode::OK, &shown(policy))
}

/// `PATCH /workspace/sign-in-policy`: changes the members that are sent.
pub(in crate::api) async fn update<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let mut policy = call.store()?.policy().await?;
    let mut errors = Vec::new();
    for (name, value) in &members {
        let minutes = || {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            number.ok_or(Problem::WrongType {
                expected: "a whole number",
            })
        };
        let read = match name.as_str() {
            "idle_minutes" => minutes().map(|minutes| policy.0 = minutes),
            "absolute_minutes" => minutes().map(|minutes| policy.1 = minutes),
            "totp_required" => match value {
                Json::Bool(required) => {
                    policy.2 = *required;
                    Ok(())
                }
                _ => Err(Problem::WrongType {
                    expected: "true or false",
                }),
            },
            _ => Err(Problem::UnknownField),
        };
        errors.extend(
            read.err()
                .map(|problem| FieldError::new(name.clone(), problem)),
        );
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid("", &errors));
    }
    if policy.2 && call.parts.extensions.get::<Arc<Identity>>().is_some() {
        let person = Person::of(&call)?;
        let factor = person
            .entrance
            .sign_in
            .factor(&person.identity, person.now());
        if !matches!(factor.await?, Factor::Totp { .. }) {
            let detail = "Set up a second factor of your own first.";
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "second-factor-missing",
                detail,
            ));
        }
    }
    if !call.store()?.set_policy(policy).await? {
        let detail = "idle_minutes is 5 to 1440, absolute_minutes is 15 to 43200, and the first is not above the second.";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            detail,
        ));
    }
    written::value(StatusCode::OK, &shown(policy))
}

fn shown((idle, absolute, totp): (i32, i32, bool)) -> Json {
    json!({ "idle_minutes": idle, "absolute_minutes": absolute, "totp_required": totp })
}
