//! Signing out.

use std::sync::Arc;

use http::StatusCode;

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
    session::forget_browser(response.headers_mut());
    Ok(response)
}
