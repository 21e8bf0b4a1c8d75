//! `/confirm?return_to=…`: the password once more, before something that weighs much.

use askama::Template;
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_ui::{PageError, PageResult, local_path, locale::Locale};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Entrance, Visitor, inside::Inside, retry_after, trouble};
use crate::identity::IdentityError;

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
    return_to: String,
}

#[derive(Template)]
#[template(path = "identity/confirm.html")]
struct Page<'a> {
    locale: &'a Locale,
    person: &'a str,
    return_to: &'a str,
    error: Option<&'static str>,
}

/// `GET /confirm`.
pub(crate) async fn show(
    inside: Inside,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> PageResult {
    let return_to = parameters
        .ok()
        .and_then(|Query(parameters)| parameters.return_to)
        .and_then(|path| local_path(&path))
        .unwrap_or_else(|| "/".to_owned());
    Ok(page(&inside, &return_to, StatusCode::OK, None))
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
    let proven = entrance
        .sign_in
        .prove(
            &inside.identity,
            &password,
            visitor.address,
            entrance.clock.now(),
        )
        .await;
    let token = match proven {
        Ok(token) => token,
        Err(error @ (IdentityError::Unauthenticated | IdentityError::SessionNeeded)) => {
            return Err(error.into());
        }
        Err(error) => {
            let (status, key) = match &error {
                IdentityError::WrongPassword => (StatusCode::UNPROCESSABLE_ENTITY, "confirm-wrong"),
                error => trouble(error),
            };
            let mut response = page(&inside, &return_to, status, Some(key));
            retry_after(&mut response, &error);
            return Ok(response);
        }
    };
    entrance.authenticator.forget(&inside.identity);
    let mut response = Redirect::to(&return_to).into_response();
    let mut cookie = HeaderValue::from_str(&token.set_cookie()).map_err(|_| PageError::Failed)?;
    cookie.set_sensitive(true);
    // The old session has ended with this answer.
    response
        .extensions_mut()
        .insert(crate::identity::AccessEnded);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn page(
    inside: &Inside,
    return_to: &str,
    status: StatusCode,
    error: Option<&'static str>,
) -> Response {
    let locale = &inside.viewer.locale;
    inside.page_with(
        status,
        locale.t("confirm-title"),
        &Page {
            locale,
            person: &inside.viewer.name,
            return_to,
            error,
        },
    )
}
