//! A browser holds one session: whoever signs in, by whatever way, ends the one that it had before. And no session outlives, with the same
//! secret, that its person is given more rights.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Application;
use super::full_disk::is_page;
use crate::identity::session::{COOKIE, SessionToken};
use crate::identity::{AccessEnded, Identity};
use crate::pages::renewed;

/// Middleware: ends the session whose cookie an answer replaces by another session's.
pub(super) async fn end(
    State(application): State<Application>,
    request: Request,
    next: Next,
) -> Response {
    let before = SessionToken::from_headers(request.headers());
    let response = next.run(request).await;
    // A session that took its own place has ended already.
    if let Some(before) = before
        && starts_session(&response)
        && response.extensions().get::<AccessEnded>().is_none()
    {
        application.authenticator.forget_session(&before);
        if let Err(error) = application.sign_in.end_replaced(&before).await {
            // It ends by itself when nobody uses it; the new one is good all the same.
            tracing::warn!(%error, "the session that was replaced could not be ended");
        }
    }
    response
}

/// Whether an answer to this request renews the secret of a session of somebody with more rights than it began with: a page that a browser puts in
/// the place of the one it shows, so that nothing else of that one still asks with the old secret. A device gets its own with its next proof.
pub(super) fn renews(identity: &Identity, parts: &Parts, response: &Response) -> bool {
    let is_navigation = match parts.headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => !parts.headers.contains_key("hx-request"),
    };
    identity.proved_at.is_none()
        && identity.credential.is_session()
        && parts.method == Method::GET
        && is_page(parts.uri.path())
        && is_navigation
        && response.status().is_success()
        && response.extensions().get::<AccessEnded>().is_none()
}

/// Renews that secret.
pub(super) async fn renew(
    application: &Application,
    identity: &Identity,
    response: Response,
) -> Response {
    let now = application.clock.now();
    match application.sign_in.renew_raised(identity, now).await {
        Ok(Some(token)) => {
            application.authenticator.forget(identity);
            renewed(response, &token)
        }
        Ok(None) => response,
        Err(error) => {
            // The page is theirs all the same, and the next one tries again.
            tracing::warn!(%error, "the session of somebody with more rights could not be renewed");
            response
        }
    }
}

fn starts_session(response: &Response) -> bool {
    response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .filter_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='))
        .any(|secret| !secret.starts_with(';'))
}
