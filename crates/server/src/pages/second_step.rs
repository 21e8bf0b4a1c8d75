//! `/sign-in/code`: the second step of signing in, a code of the authenticator or a recovery code.

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
use fieldstone_ui::{Ask, Frame, local_path, locale::Locale, respond};
use serde::Deserialize;

use super::{Entrance, Visitor, from_here, retry_after, trouble, with_cookie};
use crate::identity::{
    IdentityError,
    second_step::{StepToken, clear_cookie},
    totp::Code,
};

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    /// Where to go afterwards.
    #[serde(default)]
    to: String,
}

/// What was typed: one of the two.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    code: String,
    #[serde(default)]
    recovery: String,
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "identity/code.html")]
struct Page<'a> {
    locale: &'a Locale,
    to: &'a str,
    /// Whether a recovery code was tried.
    recovery: bool,
    error: Option<&'static str>,
}

impl Page<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        respond(
            Ask::Page,
            status,
            &Frame::alone(self.locale.clone(), self.locale.t("code-title")),
            self,
        )
    }
}

/// `GET /sign-in/code`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    headers: HeaderMap,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let to = parameters
        .ok()
        .and_then(|Query(parameters)| local_path(&parameters.to))
        .unwrap_or_default();
    let awaited = match StepToken::from_headers(&headers) {
        Some(token) => entrance.sign_in.awaits_code(&token).await,
        None => Ok(false),
    };
    match awaited {
        Ok(true) => Page {
            locale: &visitor.locale,
            to: &to,
            recovery: false,
            error: None,
        }
        .answer(StatusCode::OK),
        Ok(false) => over(),
        Err(error) => trouble(&error).0.into_response(),
    }
}

/// `POST /sign-in/code`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let (Ok(Form(typed)), Some(token)) = (typed, StepToken::from_headers(&headers)) else {
        return over();
    };
    let to = local_path(&typed.to).unwrap_or_default();
    let code = if typed.recovery.is_empty() {
        Code::Totp(&typed.code)
    } else {
        Code::Recovery(&typed.recovery)
    };
    let from = (visitor.address, visitor.user_agent.as_str());
    let outcome = match from_here(&uri, &headers) {
        Ok(()) => {
            let now = entrance.clock.now();
            entrance.sign_in.finish(&token, code, from, now).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(started) => {
            let to = Redirect::to(if to.is_empty() { "/" } else { &to });
            with_cookie(
                with_cookie(to, &started.token.set_cookie()),
                &clear_cookie(),
            )
        }
        Err(IdentityError::StepEnded) => over(),
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut response = Page {
                locale: &visitor.locale,
                to: &to,
                recovery: !typed.recovery.is_empty(),
                error: Some(key),
            }
            .answer(status);
            retry_after(&mut response, &error);
            response
        }
    }
}

/// Back to the password: no code is awaited, or not any more.
fn over() -> Response {
    with_cookie(Redirect::to("/sign-in?after=late"), &clear_cookie())
}
