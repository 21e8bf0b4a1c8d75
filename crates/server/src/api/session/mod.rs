//! The caller's session: who they are, signing in and out.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod password;
pub(super) mod person;
pub(super) mod proof;
pub(super) mod show;
pub(super) mod totp;

use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

use super::error::{ApiError, Place};
use crate::identity::IdentityError;

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        let error = match error {
            IdentityError::Records(error) => return error.into(),
            error => error,
        };
        let detail = error.to_string();
        let new = |status, code| Self::new(status, code, detail.clone());
        match &error {
            IdentityError::Unauthenticated => Self::not_signed_in(),
            IdentityError::WrongPassword => {
                let detail = "The e-mail address or the password is wrong.";
                Self::new(StatusCode::UNAUTHORIZED, "wrong-password", detail)
            }
            IdentityError::TotpRequired => {
                let detail = "The password is right. Send a code of the second factor too: `totp`, or `recovery_code`.";
                Self::new(StatusCode::UNAUTHORIZED, "totp-required", detail)
            }
            IdentityError::WrongCode => {
                let detail = "The code is wrong, or has been used. Wait for the next one.";
                Self::new(StatusCode::UNAUTHORIZED, "wrong-code", detail)
            }
            IdentityError::Weak(weakness) => {
                let place = Place::member("", "new");
                new(StatusCode::UNPROCESSABLE_ENTITY, "weak-password").with(
                    place,
                    weakness.code(),
                    detail.clone(),
                )
            }
            IdentityError::FactorChanged => new(StatusCode::CONFLICT, "second-factor-changed"),
            IdentityError::ProofNeeded => {
                let detail = "Prove that it is you: POST /api/v1/session/proof with the password, then repeat this.";
                Self::new(StatusCode::FORBIDDEN, "proof-required", detail)
            }
            IdentityError::SessionNeeded => Self::session_needed(),
            IdentityError::Missing(_) => Self::not_found(detail.clone()),
            IdentityError::LastOwner => new(StatusCode::CONFLICT, "last-owner"),
            IdentityError::AboveOwnRole => new(StatusCode::FORBIDDEN, "above-own-role"),
            IdentityError::AlreadyMember(_) => new(StatusCode::CONFLICT, "already-member"),
            IdentityError::AlreadyInvited(_) => new(StatusCode::CONFLICT, "already-invited"),
            IdentityError::TooOften => new(StatusCode::TOO_MANY_REQUESTS, "too-often")
                .with_header(RETRY_AFTER, HeaderValue::from_static("60")),
            IdentityError::CrossSite => new(StatusCode::FORBIDDEN, "cross-site"),
            IdentityError::Throttled { retry_after_s } => {
                let after = HeaderValue::from(*retry_after_s);
                new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts")
                    .with_header(RETRY_AFTER, after)
            }
            IdentityError::Busy => {
                let after = HeaderValue::from_static("1");
                new(StatusCode::TOO_MANY_REQUESTS, "busy").with_header(RETRY_AFTER, after)
            }
            _ => {
                tracing::error!(%error, "identity failed");
                let detail = "Signing in isn't possible just now. Try again in a moment.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
                    .with_header(RETRY_AFTER, HeaderValue::from_static("5"))
            }
        }
    }
}
