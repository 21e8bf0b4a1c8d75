//! Signing out.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header::SET_COOKIE};

use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{AccessEnded, Identity, authenticate::Credential, session},
    pages::Entrance,
};

/// `DELETE /session`: 204; the cookie is worth nothing from now on. An API token isn't a session.
pub(in crate::api) async fn delete<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let no_session = || {
        ApiError::new(
            StatusCode::CONFLICT,
            "no-session",
            "There is no session to end here.",
        )
    };
    let entrance = call
        .parts
        .extensions
        .get::<Entrance>()
        .ok_or_else(no_session)?;
    let identity = call
        .parts
        .extensions
        .get::<Arc<Identity>>()
        .ok_or_else(no_session)?;
    let (Credential::Session, Some(session)) = (&identity.credential, identity.actor.credential)
    else {
        return Err(no_session());
    };
    // Asked of the database: what is remembered of the caller may have ended.
    let now = call.viewer()?.now;
    entrance.authenticator.renew(identity, now).await?;
    entrance
        .sign_in
        .sign_out(identity.actor.tenant, session)
        .await?;
    entrance.authenticator.forget(identity);
    let mut response = written::nothing(StatusCode::NO_CONTENT);
    response.extensions_mut().insert(AccessEnded);
    let headers = response.headers_mut();
    let cookie = HeaderValue::from_str(&session::clear_cookie())
        .map_err(fieldstone_store::StoreError::internal)?;
    headers.insert(SET_COOKIE, cookie);
    headers.insert(
        "clear-site-data",
        HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""),
    );
    Ok(response)
}
