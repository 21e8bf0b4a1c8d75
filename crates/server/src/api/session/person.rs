//! The person behind a session, as what they do with their own account needs them; and bodies that hold nothing but texts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::response::Response;
use fieldstone_model::{FieldError, Problem};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::{
    api::{ApiStore, body, call::Call, error::ApiError},
    identity::{Identity, IdentityError, session::SessionToken},
    pages::{Entrance, renewed},
};

/// Far more than such a body takes.
const BYTES_MAX: usize = 16 * 1024;

/// Who calls, and what serves them.
pub(in crate::api) struct Person {
    pub(in crate::api) entrance: Entrance,
    pub(in crate::api) identity: Arc<Identity>,
    pub(in crate::api) address: IpAddr,
}

impl Person {
    /// The caller; none where nobody signs in with a password.
    pub(in crate::api) fn of<S: ApiStore>(call: &Call<S>) -> Result<Self, ApiError> {
        let extensions = &call.parts.extensions;
        let found = extensions
            .get::<Entrance>()
            .cloned()
            .zip(extensions.get::<Arc<Identity>>().cloned());
        let (entrance, identity) =
            found.ok_or_else(|| ApiError::not_found("Nobody signs in here with a password."))?;
        Ok(Self {
            entrance,
            identity,
            address: address(call),
        })
    }

    pub(in crate::api) fn now(&self) -> Timestamp {
        self.entrance.clock.now()
    }

    /// The answer with the cookie of the session that takes the old one's place.
    pub(in crate::api) fn renewed(&self, answer: Response, token: &SessionToken) -> Response {
        self.entrance.authenticator.forget(&self.identity);
        renewed(answer, token)
    }
}

/// Where a call comes from.
pub(in crate::api) fn address<S: ApiStore>(call: &Call<S>) -> IpAddr {
    let peer = call.parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// What is wrong with a proof of somebody who is known: 401 would say that they aren't.
pub(in crate::api) fn refused(error: IdentityError) -> ApiError {
    match error {
        IdentityError::WrongPassword => ApiError::new(
            StatusCode::FORBIDDEN,
            "wrong-password",
            "The password is wrong.",
        ),
        IdentityError::WrongCode => {
            let detail = "The code is wrong, or has been used. Wait for the next one.";
            ApiError::new(StatusCode::FORBIDDEN, "wrong-code", detail)
        }
        error => error.into(),
    }
}

/// A body whose members are texts: those that are `required`, those that may be there, flags, and no others.
pub(in crate::api) struct Texts(Map<String, Json>);

impl Texts {
    pub(in crate::api) fn read<S: ApiStore>(
        call: &Call<S>,
        required: &[&str],
        optional: &[&str],
    ) -> Result<Self, ApiError> {
        Self::read_with(call, required, optional, &[])
    }

    /// The same with members that are true or false.
    pub(in crate::api) fn read_with<S: ApiStore>(
        call: &Call<S>,
        required: &[&str],
        optional: &[&str],
        flags: &[&str],
    ) -> Result<Self, ApiError> {
        let bytes = call.json(BYTES_MAX)?;
        let members = body::object(&bytes)?;
        let mut errors = Vec::new();
        for name in required {
            if members.get(*name).is_none_or(Json::is_null) {
                errors.push(FieldError::new(*name, Problem::Required));
            }
        }
        for (name, value) in &members {
            if flags.contains(&name.as_str()) {
                if !value.is_boolean() {
                    let expected = "true or false";
                    errors.push(FieldError::new(
                        name.clone(),
                        Problem::WrongType { expected },
                    ));
                }
            } else if !required.contains(&name.as_str()) && !optional.contains(&name.as_str()) {
                errors.push(FieldError::new(name.clone(), Problem::UnknownField));
            } else if !value.is_null() && !value.is_string() {
                let expected = "a text";
                errors.push(FieldError::new(
                    name.clone(),
                    Problem::WrongType { expected },
                ));
            }
        }
        if errors.is_empty() {
            Ok(Self(members))
        } else {
            Err(ApiError::invalid("", &errors))
        }
    }

    /// The text of a member; empty when it isn't there.
    pub(in crate::api) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The text of a member that is there.
    pub(in crate::api) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str)
    }

    /// Whether a flag is set.
    pub(in crate::api) fn is_set(&self, name: &str) -> bool {
        self.0.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A member that is not to be printed.
    pub(in crate::api) fn secret(&self, name: &str) -> SecretString {
        SecretString::from(self.get(name))
    }
}
