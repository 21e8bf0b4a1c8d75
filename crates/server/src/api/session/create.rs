//! Signing in with a password, and with a code where there is a second factor.

use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use serde_json::json;

use super::{
    person::{Texts, address},
    totp,
};
use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{authenticate::check_same_origin, sign_in::Attempt},
    pages::Entrance,
};

/// `POST /session` with `{"email","password","workspace"?,"totp"?,"recovery_code"?}`: 201 and the session's cookie.
///
/// Without a code, somebody with a second factor is told that one is needed, once the password is right.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    // A browser may only sign in from our own pages: another site could sign somebody in as somebody else.
    if call.parts.headers.contains_key("sec-fetch-site")
        || call.parts.headers.contains_key("origin")
    {
        check_same_origin(&call.parts.uri, &call.parts.headers)?;
    }
    let entrance = call.parts.extensions.get::<Entrance>().cloned();
    let entrance =
        entrance.ok_or_else(|| ApiError::not_found("Nobody signs in here with a password."))?;
    let optional = ["workspace", "totp", "recovery_code"];
    let texts = Texts::read(&call, &["email", "password"], &optional)?;
    let attempt = Attempt {
        email: texts.get("email"),
        password: &texts.secret("password"),
        workspace: texts.find("workspace"),
        address: address(&call),
        user_agent: call.header("user-agent").ok().flatten().unwrap_or_default(),
        code: totp::code(&texts)?,
    };
    let started = entrance
        .sign_in
        .sign_in(&attempt, entrance.clock.now())
        .await?;
    let mut response = written::value(
        StatusCode::CREATED,
        &json!({ "user": { "id": started.user } }),
    )?;
    let mut cookie = HeaderValue::from_str(&started.token.set_cookie())
        .map_err(fieldstone_store::StoreError::internal)?;
    cookie.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}
