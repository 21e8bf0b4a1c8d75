//! A browser holds one session: whoever signs in, by whatever way, ends the one that it had before.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;

use super::Application;
use crate::identity::AccessEnded;
use crate::identity::session::{COOKIE, SessionToken};

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

fn starts_session(response: &Response) -> bool {
    response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .filter_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='))
        .any(|secret| !secret.starts_with(';'))
}
