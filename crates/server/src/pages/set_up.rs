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
use fieldstone_ui::{Ask, Frame, locale::Locale, respond};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Entrance, Visitor, from_here, trouble, welcome};
use crate::identity::{IdentityError, sign_in::Invitee};

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    link: String,
}

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

#[derive(Template)]
#[template(path = "identity/spent.html")]
struct Spent<'a> {
    locale: &'a Locale,
    advice: &'static str,
}

/// `GET /set-up?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let link = parameters
        .map(|Query(parameters)| parameters.link)
        .unwrap_or_default();
    match entrance.sign_in.invitee(&link).await {
        Ok(invitee) => page(&visitor.locale, &link, &invitee, StatusCode::OK, None),
        Err(error) => refused(&visitor.locale, &error),
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
        return refused(&visitor.locale, &IdentityError::LinkSpent);
    };
    let invitee = match entrance.sign_in.invitee(&typed.link).await {
        Ok(invitee) => invitee,
        Err(error) => return refused(&visitor.locale, &error),
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
        Err(error @ IdentityError::LinkSpent) => refused(&visitor.locale, &error),
        Err(error) => {
            let (status, key) = trouble(&error);
            page(&visitor.locale, &typed.link, &invitee, status, Some(key))
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
    respond(
        Ask::Page,
        status,
        &Frame::alone(locale.clone(), locale.t("set-up-title")),
        &Page {
            locale,
            link,
            invitee,
            error,
        },
    )
}

fn refused(locale: &Locale, error: &IdentityError) -> Response {
    let (status, advice) = trouble(error);
    respond(
        Ask::Page,
        status,
        &Frame::alone(locale.clone(), locale.t("set-up-used-title")),
        &Spent { locale, advice },
    )
}
