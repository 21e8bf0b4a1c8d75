//! `/confirm?return_to=…`: the password or a code once more, before something that weighs much.

use askama::Template;
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::StatusCode,
    response::Redirect,
};
use fieldstone_ui::{PageError, PageResult, local_path, locale::Locale};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Entrance, Visitor, inside::Inside, renewed, retry_after, trouble};
use crate::identity::{IdentityError, account::Factor, proof::Proof, totp::Code};

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    return_to: Option<String>,
}

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    return_to: String,
}

#[derive(Template)]
#[template(path = "identity/confirm.html")]
struct Page<'a> {
    locale: &'a Locale,
    person: &'a str,
    return_to: &'a str,
    has_factor: bool,
    error: Option<&'static str>,
}

/// `GET /confirm`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    inside: Inside,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> PageResult {
    let return_to = parameters
        .ok()
        .and_then(|Query(parameters)| parameters.return_to)
        .and_then(|path| local_path(&path))
        .unwrap_or_else(|| "/".to_owned());
    page(&entrance, &inside, &return_to, StatusCode::OK, None).await
}

/// `POST /confirm`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    inside: Inside,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Ok(Form(typed)) = typed else {
        return Err(PageError::Invalid);
    };
    let return_to = local_path(&typed.return_to).unwrap_or_else(|| "/".to_owned());
    let password = SecretString::from(typed.password);
    let proof = if typed.code.is_empty() {
        Proof::Password(&password)
    } else {
        Proof::Code(Code::Totp(&typed.code))
    };
    let proven = entrance
        .sign_in
        .prove(
            &inside.identity,
            proof,
            visitor.address,
            entrance.clock.now(),
        )
        .await;
    match proven {
        Ok(token) => {
            entrance.authenticator.forget(&inside.identity);
            Ok(renewed(Redirect::to(&return_to), &token))
        }
        Err(error @ (IdentityError::Unauthenticated | IdentityError::SessionNeeded)) => {
            Err(error.into())
        }
        Err(error) => {
            let (status, key) = match &error {
                IdentityError::WrongPassword => (StatusCode::UNPROCESSABLE_ENTITY, "confirm-wrong"),
                error => trouble(error),
            };
            let mut response = page(&entrance, &inside, &return_to, status, Some(key)).await?;
            retry_after(&mut response, &error);
            Ok(response)
        }
    }
}

async fn page(
    entrance: &Entrance,
    inside: &Inside,
    return_to: &str,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let factor = entrance
        .sign_in
        .factor(&inside.identity, entrance.clock.now())
        .await?;
    let locale = &inside.viewer.locale;
    Ok(inside.page_with(
        status,
        locale.t("confirm-title"),
        &Page {
            locale,
            person: &inside.viewer.name,
            return_to,
            has_factor: matches!(factor, Factor::Totp { .. }),
            error,
        },
    ))
}
