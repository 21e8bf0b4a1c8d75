//! `/settings/membership`: one's own address and role, and leaving the workspace.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::Settings;
use crate::{
    identity::{
        AccessEnded, IdentityError, email_key, session::forget_browser, workspace::check_email,
    },
    pages::Entrance,
    store::OwnEmail,
};

pub(crate) const PATH: &str = "/settings/membership";

#[derive(Template)]
#[template(path = "settings/membership.html")]
struct Page<'a> {
    locale: &'a Locale,
    own: &'a OwnEmail,
    until: String,
    role: String,
    workspace: &'a str,
}

#[derive(Template)]
#[template(path = "settings/new_email.html")]
struct NewEmail<'a> {
    locale: &'a Locale,
    present: &'a str,
    email: &'a str,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "settings/departure.html")]
struct Departure<'a> {
    locale: &'a Locale,
    workspace: &'a str,
    error: Option<&'static str>,
}

/// `GET /settings/membership`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let own = settings.store.own_email().await?;
    let locale = settings.locale();
    settings.page(&Page {
        locale,
        until: own
            .change
            .as_ref()
            .map(|change| locale.instant(change.until))
            .unwrap_or_default(),
        own: &own,
        role: locale
            .t(&format!("role-{}", settings.viewer.role))
            .into_owned(),
        workspace: &settings.viewer.workspace,
    })
}

/// What was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    email: String,
}

/// `GET /settings/membership/email`.
pub(crate) async fn email(settings: Settings) -> PageResult {
    email_page(&settings, "", StatusCode::OK, None).await
}

/// `POST /settings/membership/email`.
pub(crate) async fn ask(
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let unchanged = || async {
        let own = settings.store.own_email().await?;
        Ok::<_, PageError>(email_key(&own.email) == email_key(&typed.email))
    };
    let key = match check_email(&typed.email) {
        Err(_) => "email-unusable",
        Ok(_) if unchanged().await? => "email-unchanged",
        Ok(email) => match settings.store.ask_email_change(email).await {
            Ok(()) => return Ok(Settings::done_at(PATH, "email-asked")),
            Err(IdentityError::AlreadyMember(_)) => "email-in-use",
            Err(IdentityError::TooOften) => "email-too-often",
            Err(error) => return Err(error.into()),
        },
    };
    email_page(
        &settings,
        &typed.email,
        StatusCode::UNPROCESSABLE_ENTITY,
        Some(key),
    )
    .await
}

/// `POST /settings/membership/email/stop`.
pub(crate) async fn stop(settings: Settings) -> PageResult {
    settings.store.stop_email_change().await?;
    Ok(Settings::done_at(PATH, "email-stopped"))
}

/// What was pressed.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    #[serde(default)]
    leave: String,
}

/// `GET /settings/membership/departure`.
pub(crate) async fn departure(settings: Settings) -> PageResult {
    departure_page(&settings, StatusCode::OK, None)
}

/// `POST /settings/membership/departure`.
pub(crate) async fn leave(
    State(entrance): State<Entrance>,
    settings: Settings,
    pressed: Result<Form<Pressed>, FormRejection>,
) -> PageResult {
    if !pressed.is_ok_and(|Form(pressed)| pressed.leave == "yes") {
        return Err(PageError::Invalid);
    }
    match settings.store.leave().await {
        Ok(()) => {}
        Err(IdentityError::LastOwner) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return departure_page(&settings, status, Some("departure-last-owner"));
        }
        Err(error) => return Err(error.into()),
    }
    entrance.authenticator.forget(&settings.identity);
    let mut response = Redirect::to("/sign-in?after=left").into_response();
    forget_browser(response.headers_mut());
    response.extensions_mut().insert(AccessEnded);
    Ok(response)
}

async fn email_page(
    settings: &Settings,
    email: &str,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let own = settings.store.own_email().await?;
    let content = NewEmail {
        locale: settings.locale(),
        present: &own.email,
        email,
        error,
    };
    settings.page_with(status, &content)
}

fn departure_page(
    settings: &Settings,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let content = Departure {
        locale: settings.locale(),
        workspace: &settings.viewer.workspace,
        error,
    };
    settings.page_with(status, &content)
}
