//! `/password-reset?link=…`: a new password through a letter's link. It signs nobody in, since that may take a second factor.

use askama::Template;
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_ui::locale::Locale;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Entrance, Visitor, from_here,
    letter_link::{self, Parameters},
    retry_after, trouble,
};
use crate::identity::{IdentityError, sign_in::Invitee};

const ADVICE: &str = "reset-spent";

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    link: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    repeat: String,
    /// There when the API tokens are to end too.
    end_tokens: Option<String>,
}

#[derive(Template)]
#[template(path = "members/password_reset.html")]
struct Page<'a> {
    locale: &'a Locale,
    link: &'a str,
    person: &'a Invitee,
    /// Whether the API tokens are to end too.
    end_tokens: bool,
    error: Option<&'static str>,
}

/// `GET /password-reset?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let link = letter_link::secret(parameters);
    match entrance.sign_in.resetter(&link).await {
        Ok(person) => page(
            &visitor.locale,
            (&link, false),
            &person,
            StatusCode::OK,
            None,
        ),
        Err(error) => letter_link::refused(&visitor.locale, &error, ADVICE),
    }
}

/// `POST /password-reset`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let locale = &visitor.locale;
    let Ok(Form(typed)) = typed else {
        return letter_link::refused(locale, &IdentityError::LinkSpent, ADVICE);
    };
    let person = match entrance.sign_in.resetter(&typed.link).await {
        Ok(person) => person,
        Err(error) => return letter_link::refused(locale, &error, ADVICE),
    };
    let end_tokens = typed.end_tokens.is_some();
    let again = |status, key| {
        let typed = (typed.link.as_str(), end_tokens);
        page(locale, typed, &person, status, Some(key))
    };
    if typed.password != typed.repeat {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "set-up-different");
    }
    let password = SecretString::from(typed.password.clone());
    let done = match from_here(&uri, &headers) {
        Ok(()) => {
            entrance
                .sign_in
                .reset_password(&typed.link, &password, end_tokens)
                .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Redirect::to("/sign-in?after=reset").into_response(),
        Err(error @ IdentityError::LinkSpent) => letter_link::refused(locale, &error, ADVICE),
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut response = again(status, key);
            retry_after(&mut response, &error);
            response
        }
    }
}

fn page(
    locale: &Locale,
    (link, end_tokens): (&str, bool),
    person: &Invitee,
    status: StatusCode,
    error: Option<&'static str>,
) -> Response {
    let content = Page {
        locale,
        link,
        person,
        end_tokens,
        error,
    };
    letter_link::page(locale, status, &locale.t("reset-title"), &content)
}
