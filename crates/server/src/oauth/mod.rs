//! The addresses of the authorization server: where people agree, and where applications get and end their tokens.
//!
//! The endpoints for applications look at no cookie. What they decide is in `identity::oauth`.

pub(crate) mod authorize;
mod form;
pub(crate) mod metadata;
pub(crate) mod revoke;
pub(crate) mod token;

use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value as Json, json};

use crate::identity::{
    IdentityError,
    oauth::{Exchange, OAuthRefusal},
};

/// Where people find this server, without a slash at the end: what the authorization server calls itself (RFC 8414, RFC 9207).
#[derive(Debug, Clone)]
pub struct Issuer(String);

impl Issuer {
    /// `url` is the public address of the server.
    pub fn new(url: &str) -> Self {
        Self(url.trim_end_matches('/').to_owned())
    }

    /// The address itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address below it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// An answer that no cache keeps.
fn answer(status: StatusCode, body: &Json) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("pragma", HeaderValue::from_static("no-cache"));
    response
}

/// A refusal as RFC 6749, 5.2 has it.
fn refused(refusal: OAuthRefusal) -> Response {
    let status = match refusal {
        OAuthRefusal::InvalidClient => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({"error": refusal.code(), "error_description": refusal.to_string()});
    let mut response = answer(status, &body);
    if refusal == OAuthRefusal::InvalidClient {
        let scheme = HeaderValue::from_static("Basic realm=\"fieldstone\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Whatever came of an exchange that gave nothing. What could not be decided is never a refusal: a device would give its sign-in up.
fn failed(error: &Exchange) -> Response {
    let (status, seconds) = match error {
        Exchange::Refused(refusal) => return refused(*refusal),
        Exchange::Failed(IdentityError::Throttled { retry_after_s }) => {
            (StatusCode::TOO_MANY_REQUESTS, *retry_after_s)
        }
        Exchange::Failed(error) => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "no token could be given out"
            );
            (StatusCode::SERVICE_UNAVAILABLE, 5)
        }
    };
    let body = json!({
        "error": "temporarily_unavailable",
        "error_description": "The server has too much to do. Try again in a moment.",
    });
    let mut response = answer(status, &body);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
