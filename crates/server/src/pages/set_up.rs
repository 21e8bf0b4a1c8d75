//! `/set-up?link=…`: the first password, through a link that works once.

use askama::Template;
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use fieldstone_ui::locale::Locale;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Entrance, Visitor, from_here,
    letter_link::{self, Parameters},
    retry_after, trouble, welcome,
};
use crate::identity::{IdentityError, sign_in::Invitee};

/// What to do about a link that opens nothing any more.
const USED: &str = "set-up-used";

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    link: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    repeat: String,
}

#[derive(Template)]
#[template(path = "identity/set_up.html")]
struct Page<'a> {
    locale: &'a Locale,
    link: &'a str,
    invitee: &'a Invitee,
    error: Option<&'static str>,
}

/// `GET /set-up?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let link = letter_link::secret(parameters);
    match entrance.sign_in.invitee(&link).await {
        Ok(invitee) => page(&visitor.locale, &link, &invitee, StatusCode::OK, None),
        Err(error) => letter_link::refused(&visitor.locale, &error, USED),
    }
}

/// `POST /set-up`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let Ok(Form(typed)) = typed else {
        return letter_link::refused(&visitor.locale, &IdentityError::LinkSpent, USED);
    };
    let invitee = match entrance.sign_in.invitee(&typed.link).await {
        Ok(invitee) => invitee,
        Err(error) => return letter_link::refused(&visitor.locale, &error, USED),
    };
    if typed.password != typed.repeat {
        return page(
            &visitor.locale,
            &typed.link,
            &invitee,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("set-up-different"),
        );
    }
    let password = SecretString::from(typed.password);
    let redeemed = match from_here(&uri, &headers) {
        Ok(()) => {
            entrance
                .sign_in
                .redeem(
                    &typed.link,
                    &password,
                    visitor.address,
                    &visitor.user_agent,
                    entrance.clock.now(),
                )
                .await
        }
        Err(error) => Err(error),
    };
    match redeemed {
        Ok(begun) => welcome(&begun, "/"),
        Err(error @ IdentityError::LinkSpent) => {
            letter_link::refused(&visitor.locale, &error, USED)
        }
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut response = page(&visitor.locale, &typed.link, &invitee, status, Some(key));
            retry_after(&mut response, &error);
            response
        }
    }
}

fn page(
    locale: &Locale,
    link: &str,
    invitee: &Invitee,
    status: StatusCode,
    error: Option<&'static str>,
) -> Response {
    let content = Page {
        locale,
        link,
        invitee,
        error,
    };
    letter_link::page(locale, status, &locale.t("set-up-title"), &content)
}
