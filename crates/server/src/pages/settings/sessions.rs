//! `/settings/sessions`: where one is signed in, and signing out there.

use askama::Template;
use axum::{Form, extract::rejection::FormRejection, response::Response};
use fieldstone_model::RecordId;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use jiff::Timestamp;
use serde::Deserialize;

use super::Settings;
use crate::identity::device::device;

const PATH: &str = "/settings/sessions";

/// Which one to end.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    id: String,
}

/// A session as the page shows it.
struct Row {
    id: RecordId,
    device: String,
    /// What the browser calls itself, all of it.
    user_agent: String,
    address: String,
    used: (String, String),
    began: (String, String),
    is_this: bool,
}

#[derive(Template)]
#[template(path = "settings/sessions.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
}

/// `GET /settings/sessions`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let moment = |at: Timestamp| (at.to_string(), locale.instant(at));
    let rows = settings
        .store
        .own_sessions()
        .await?
        .into_iter()
        .map(|session| Row {
            device: name(locale, &session.user_agent),
            used: moment(session.last_seen_at),
            began: moment(session.created_at),
            is_this: settings.identity.actor.credential == Some(session.id),
            id: session.id,
            user_agent: session.user_agent,
            address: session.address,
        })
        .collect();
    settings.page(&Page { locale, rows })
}

/// A form without a field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `POST /settings/sessions/end`.
pub(crate) async fn end(
    settings: Settings,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(wanted) = wanted.map_err(|_| PageError::Invalid)?;
    let id = wanted.id.parse().map_err(|_| PageError::Invalid)?;
    settings.store.end_own_session(id).await?;
    Ok(Settings::done_at(PATH, "session-ended"))
}

/// `POST /settings/sessions/end-others`.
pub(crate) async fn end_others(
    settings: Settings,
    nothing: Result<Form<Nothing>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(Nothing {}) = nothing.map_err(|_| PageError::Invalid)?;
    let this = settings
        .identity
        .actor
        .credential
        .ok_or(PageError::SignedOut)?;
    settings.store.end_own_other_sessions(this).await?;
    Ok(Settings::done_at(PATH, "sessions-ended"))
}

/// `Firefox on Linux`, or as much of it as is known.
fn name(locale: &Locale, user_agent: &str) -> String {
    match device(user_agent) {
        (Some(browser), Some(system)) => {
            locale.t2("sessions-device", ("browser", browser), ("system", system))
        }
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => locale.t("sessions-unknown").into_owned(),
    }
}
