//! What the pages behind the links of letters have in common: the secret stands in the query, since paths are logged, and leaves the page
//! with nobody.

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use fieldstone_ui::{Ask, Frame, locale::Locale, respond};
use serde::Deserialize;

use super::trouble;
use crate::identity::IdentityError;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    link: String,
}

/// The secret in the address; empty when there is none.
pub(super) fn secret(parameters: Result<Query<Parameters>, QueryRejection>) -> String {
    parameters
        .map(|Query(parameters)| parameters.link)
        .unwrap_or_default()
}

/// A page behind a link: a card of its own, whose address no request of it tells.
pub(super) fn page(
    locale: &Locale,
    status: StatusCode,
    title: &str,
    content: &impl Template,
) -> Response {
    let frame = Frame::alone(locale.clone(), title.to_owned());
    let mut response = respond(Ask::Page, status, &frame, content);
    // Not `no-referrer`, under which browsers send `Origin: null` with our own forms.
    response.headers_mut().insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin"),
    );
    response
}

#[derive(Template)]
#[template(path = "members/spent.html")]
struct Spent<'a> {
    locale: &'a Locale,
    title: &'a str,
    advice: &'a str,
}

/// The page for a link that opens nothing, or for a moment when nothing can be opened. `advice` is the key of what to do about a spent link.
pub(super) fn refused(locale: &Locale, error: &IdentityError, advice: &'static str) -> Response {
    let (status, key) = match error {
        IdentityError::LinkSpent => (StatusCode::GONE, advice),
        error => trouble(error),
    };
    let title = locale.t("link-spent-title");
    let content = Spent {
        locale,
        title: &title,
        advice: &locale.t(key),
    };
    page(locale, status, &title, &content)
}
