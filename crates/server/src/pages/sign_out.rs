//! `/sign-out`: ends the session here and on the server.

use axum::{
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse as _, Redirect, Response},
};

use super::Entrance;
use crate::identity::{IdentityError, session::forget_browser};

/// `POST /sign-out`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match entrance
        .authenticator
        .authenticate(&Method::POST, &uri, &headers, entrance.clock.now())
        .await
    {
        Ok(identity) => {
            if let Some(session) = identity.actor.credential
                && let Err(error) = entrance
                    .sign_in
                    .sign_out(identity.actor.tenant, session)
                    .await
            {
                // The person must not believe to be signed out while they aren't.
                tracing::error!(%error, "a session could not be ended");
                return Redirect::to("/").into_response();
            }
            entrance.authenticator.forget(&identity);
        }
        // Another site's form changes nothing here.
        Err(IdentityError::CrossSite) => return Redirect::to("/").into_response(),
        Err(_) => {}
    }
    let mut response = Redirect::to("/sign-in?after=out").into_response();
    forget_browser(response.headers_mut());
    response
}
