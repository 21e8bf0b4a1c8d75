//! `POST /oauth/revoke`: an application gives up what it was allowed (RFC 7009).
//!
//! Refresh and access token of one sign-in end together, and a token that there isn't is revoked as well as any.

use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{answer, failed, form::Form};
use crate::{
    identity::oauth::{AuthorizationServer, Exchange},
    pages::{Entrance, Visitor},
};

/// `POST /oauth/revoke`.
pub(crate) async fn submit(
    State(server): State<AuthorizationServer>,
    State(entrance): State<Entrance>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let revoked = async {
        let form = Form::read(&headers, &body)?;
        let client = form.client(&headers)?;
        let token = form.required("token")?;
        let now = entrance.clock.now();
        server.revoke(&client, token, visitor.address, now).await?;
        Ok::<_, Exchange>(())
    };
    match revoked.await {
        Ok(()) => answer(StatusCode::OK, &json!({})),
        Err(error) => failed(&error),
    }
}
