//! The pages that only a platform has: signing in and out, the first set-up, and Settings.
//!
//! They never show a record, and never echo a password.

pub(crate) mod attachments;
pub(crate) mod calendar_feed;
pub(crate) mod confirm;
pub(crate) mod email_change;
pub(crate) mod exports;
pub(crate) mod forgotten_password;
pub(crate) mod imports;
pub(crate) mod inside;
pub(crate) mod invitation;
mod letter_link;
pub(crate) mod live;
pub(crate) mod notifications;
pub(crate) mod password_reset;
pub(crate) mod path_id;
pub(crate) mod second_step;
pub(crate) mod security;
pub(crate) mod set_up;
pub mod settings;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod support_entry;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use fieldstone_model::clock::Clock;
use fieldstone_ui::locale::Locale;

use crate::{
    identity::{
        AccessEnded, Authenticator, IdentityError, SignIn, session::SessionToken, sign_in::Begun,
    },
    platform::Profiles,
};

/// What the pages of the entrance need.
#[derive(Clone)]
pub struct Entrance {
    /// Checks passwords and starts sessions.
    pub sign_in: SignIn,
    /// Remembers who has signed in, and must forget it at the end.
    pub authenticator: Authenticator,
    /// How people are addressed; must forget who has changed that.
    pub profiles: Profiles,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance").finish_non_exhaustive()
    }
}

/// Where a request came from and how to speak to whoever sent it.
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    pub(crate) user_agent: String,
    pub(crate) locale: Locale,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| peer.ip());
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Ok(Self {
            // Without a known peer all share one limit, which errs on the safe side.
            address: peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            user_agent: user_agent.chars().take(400).collect(),
            locale: fieldstone_ui::locale_of_browser(&parts.headers),
        })
    }
}

/// Sends a person who has just proved who they are on their way: with their cookie, or to the question for a code.
pub(crate) fn welcome(begun: &Begun, to: &str) -> Response {
    match begun {
        Begun::Session(started) => with_cookie(Redirect::to(to), &started.token.set_cookie()),
        Begun::Code(step) => {
            let to = percent_encoding::utf8_percent_encode(to, percent_encoding::NON_ALPHANUMERIC);
            let question = Redirect::to(&format!("/sign-in/code?to={to}"));
            with_cookie(question, &step.set_cookie())
        }
    }
}

/// An answer with one more cookie.
pub(crate) fn with_cookie(response: impl IntoResponse, cookie: &str) -> Response {
    let mut response = response.into_response();
    match HeaderValue::from_str(cookie) {
        Ok(mut cookie) => {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        // A token is base64: this cannot happen, and without a cookie nobody is signed in.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer with the secret of the session that takes the place of the one that asked. That one has ended, so the answer stands as it is.
pub(crate) fn renewed(response: impl IntoResponse, token: &SessionToken) -> Response {
    let mut response = with_cookie(response, &token.set_cookie());
    response.extensions_mut().insert(AccessEnded);
    response
}

/// The key of the text that says what went wrong, and the status to say it with.
pub(crate) fn trouble(error: &IdentityError) -> (StatusCode, &'static str) {
    match error {
        IdentityError::WrongPassword => (StatusCode::UNAUTHORIZED, "sign-in-wrong"),
        IdentityError::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "sign-in-too-often"),
        IdentityError::Busy => (StatusCode::TOO_MANY_REQUESTS, "sign-in-busy"),
        IdentityError::CrossSite => (StatusCode::FORBIDDEN, "error-invalid"),
        IdentityError::Weak(weakness) => (StatusCode::UNPROCESSABLE_ENTITY, weakness.text_key()),
        IdentityError::WrongCode => (StatusCode::UNPROCESSABLE_ENTITY, "code-wrong"),
        IdentityError::FactorChanged => (StatusCode::CONFLICT, "two-step-changed"),
        IdentityError::LinkSpent => (StatusCode::GONE, "set-up-used"),
        error => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "nobody can sign in"
            );
            (StatusCode::SERVICE_UNAVAILABLE, "error-busy")
        }
    }
}

/// When to come back, for those who have tried too often.
pub(crate) fn retry_after(response: &mut Response, error: &IdentityError) {
    let seconds = match error {
        IdentityError::Throttled { retry_after_s } => *retry_after_s,
        IdentityError::Busy => 1,
        _ => return,
    };
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

/// Whether a form was sent by a page of this site.
pub(crate) fn from_here(uri: &http::Uri, headers: &HeaderMap) -> Result<(), IdentityError> {
    crate::identity::authenticate::check_same_origin(uri, headers)
}
