//! Proving oneself again before something that weighs much.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use fieldstone_model::{FieldError, Problem};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use secrecy::SecretString;
use serde_json::Value as Json;

use crate::{
    api::{
        ApiStore, body,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{Identity, IdentityError},
    pages::Entrance,
};

/// Far more than a password takes.
const BYTES_MAX: usize = 16 * 1024;

/// `POST /session/proof` with `{"password"}`: 204 and the cookie of the session that takes the old one's place.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let password = read(&call)?;
    let (Some(entrance), Some(identity)) = (
        call.parts.extensions.get::<Entrance>(),
        call.parts.extensions.get::<Arc<Identity>>(),
    ) else {
        return Err(ApiError::not_found("Nobody signs in here with a password."));
    };
    let peer = call.parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let proven = entrance
        .sign_in
        .prove(identity, &password, address, entrance.clock.now())
        .await;
    let token = match proven {
        // The caller is known: 401 would say that they aren't.
        Err(IdentityError::WrongPassword) => {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "wrong-password",
                "The password is wrong.",
            ));
        }
        outcome => outcome?,
    };
    entrance.authenticator.forget(identity);
    let mut response = written::nothing(StatusCode::NO_CONTENT);
    let mut cookie = HeaderValue::from_str(&token.set_cookie())
        .map_err(fieldstone_store::StoreError::internal)?;
    cookie.set_sensitive(true);
    // The old session has ended with this answer.
    response
        .extensions_mut()
        .insert(crate::identity::AccessEnded);
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

fn read<S: ApiStore>(call: &Call<S>) -> Result<SecretString, ApiError> {
    let bytes = call.json(BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let mut errors = Vec::new();
    for name in members.keys().filter(|name| *name != "password") {
        errors.push(FieldError::new(name.clone(), Problem::UnknownField));
    }
    let password = match members.get("password") {
        Some(Json::String(password)) => Some(SecretString::from(password.clone())),
        None | Some(Json::Null) => {
            errors.push(FieldError::new("password", Problem::Required));
            None
        }
        Some(_) => {
            let expected = "a text";
            errors.push(FieldError::new("password", Problem::WrongType { expected }));
            None
        }
    };
    match password {
        Some(password) if errors.is_empty() => Ok(password),
        _ => Err(ApiError::invalid("", &errors)),
    }
}
