//! `/invitation?link=…`: becoming a member. The address and the role are the invitation's, whatever the form says.

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
use crate::identity::{
    IdentityError,
    invitation::{Acceptance, Offer},
    sign_in::Begun,
    workspace::check_name,
};

const ADVICE: &str = "invitation-spent";

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    link: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    repeat: String,
}

#[derive(Template)]
#[template(path = "members/invitation.html")]
struct Page<'a> {
    locale: &'a Locale,
    link: &'a str,
    offer: &'a Offer,
    lead: String,
    name: &'a str,
    name_error: Option<&'static str>,
    error: Option<&'static str>,
}

/// `GET /invitation?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let link = letter_link::secret(parameters);
    match entrance.sign_in.offer(&link).await {
        Ok(offer) => page(
            &visitor.locale,
            &link,
            &offer,
            "",
            StatusCode::OK,
            (None, None),
        ),
        Err(error) => letter_link::refused(&visitor.locale, &error, ADVICE),
    }
}

/// `POST /invitation`.
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
    let offer = match entrance.sign_in.offer(&typed.link).await {
        Ok(offer) => offer,
        Err(error) => return letter_link::refused(locale, &error, ADVICE),
    };
    let name = typed.name.trim();
    let again = |status, errors| page(locale, &typed.link, &offer, name, status, errors);
    if check_name(name).is_err() {
        let error = if name.is_empty() {
            "profile-name-missing"
        } else {
            "profile-name-unusable"
        };
        return again(StatusCode::UNPROCESSABLE_ENTITY, (Some(error), None));
    }
    if typed.password != typed.repeat {
        return again(
            StatusCode::UNPROCESSABLE_ENTITY,
            (None, Some("set-up-different")),
        );
    }
    let password = SecretString::from(typed.password.clone());
    let acceptance = Acceptance {
        name,
        password: &password,
        locale: locale.tag(),
        time_zone: &offer.time_zone,
        address: visitor.address,
        user_agent: &visitor.user_agent,
    };
    let accepted = match from_here(&uri, &headers) {
        Ok(()) => {
            let now = entrance.clock.now();
            entrance.sign_in.accept(&typed.link, &acceptance, now).await
        }
        Err(error) => Err(error),
    };
    match accepted {
        Ok(started) => welcome(&Begun::Session(started), "/"),
        // Somebody made a member of this address meanwhile.
        Err(IdentityError::LinkSpent | IdentityError::Taken(_)) => {
            letter_link::refused(locale, &IdentityError::LinkSpent, ADVICE)
        }
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut response = again(status, (None, Some(key)));
            retry_after(&mut response, &error);
            response
        }
    }
}

fn page(
    locale: &Locale,
    link: &str,
    offer: &Offer,
    name: &str,
    status: StatusCode,
    (name_error, error): (Option<&'static str>, Option<&'static str>),
) -> Response {
    let role = locale.t(&format!("role-{}", offer.role)).into_owned();
    let inviter = if offer.inviter.is_empty() {
        locale.t("letter-operator").into_owned()
    } else {
        offer.inviter.clone()
    };
    let facts = [
        ("inviter", inviter),
        ("workspace", offer.workspace.clone()),
        ("role", role),
    ];
    let title = locale.t1("invitation-title", "workspace", offer.workspace.as_str());
    let content = Page {
        locale,
        link,
        offer,
        lead: locale.t_with("invitation-lead", &facts),
        name,
        name_error,
        error,
    };
    letter_link::page(locale, status, &title, &content)
}
