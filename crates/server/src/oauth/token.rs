//! `POST /oauth/token`: codes and refresh tokens for tokens (RFC 6749, 4.1.3 and 6).

use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};

use super::{answer, failed, form::Form};
use crate::{
    identity::oauth::{AuthorizationServer, Exchange, OAuthRefusal, TokenSet, scope},
    pages::{Entrance, Visitor},
};

/// `POST /oauth/token`.
pub(crate) async fn submit(
    State(server): State<AuthorizationServer>,
    State(entrance): State<Entrance>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match exchange(&server, &entrance, &visitor, &headers, &body).await {
        Ok(tokens) => answer(StatusCode::OK, &wire(&tokens)),
        Err(error) => failed(&error),
    }
}

async fn exchange(
    server: &AuthorizationServer,
    entrance: &Entrance,
    visitor: &Visitor,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<TokenSet, Exchange> {
    let form = Form::read(headers, body)?;
    let client = form.client(headers)?;
    let now = entrance.clock.now();
    match form.required("grant_type")? {
        "authorization_code" => {
            let code = (
                form.required("code")?,
                form.required("code_verifier")?,
                form.required("redirect_uri")?,
            );
            let from = (visitor.address, visitor.user_agent.as_str());
            server.redeem(&client, code, from, now).await
        }
        "refresh_token" => {
            let token = (form.required("refresh_token")?, form.get("scope"));
            server.refresh(&client, token, visitor.address, now).await
        }
        _ => Err(OAuthRefusal::UnsupportedGrantType.into()),
    }
}

/// The answer of RFC 6749, 5.1.
pub(crate) fn wire(tokens: &TokenSet) -> Json {
    json!({
        "access_token": tokens.access.expose(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh.expose(),
        "scope": scope::names(&tokens.scopes).join(" "),
    })
}
