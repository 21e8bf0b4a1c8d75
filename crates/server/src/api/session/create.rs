//! Signing in with a password.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use fieldstone_model::{FieldError, Problem};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};

use crate::{
    api::{
        ApiStore, body,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{authenticate::check_same_origin, sign_in::Attempt},
    pages::Entrance,
};

/// Far more than an address, a password and a workspace take.
const BYTES_MAX: usize = 16 * 1024;

/// `POST /session` with `{"email","password","workspace"?}`: 201 and the session's cookie.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(BYTES_MAX)?;
    // A browser may only sign in from our own pages: another site could sign somebody in as somebody else.
    if call.parts.headers.contains_key("sec-fetch-site")
        || call.parts.headers.contains_key("origin")
    {
        check_same_origin(&call.parts.uri, &call.parts.headers)?;
    }
    let entrance = call.parts.extensions.get::<Entrance>().cloned();
    let entrance =
        entrance.ok_or_else(|| ApiError::not_found("Nobody signs in here with a password."))?;
    let typed = Typed::read(&body::object(&bytes)?)?;
    let peer = call.parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let attempt = Attempt {
        email: &typed.email,
        password: &typed.password,
        workspace: typed.workspace.as_deref(),
        address: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip()),
        user_agent: call.header("user-agent").ok().flatten().unwrap_or_default(),
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

struct Typed {
    email: String,
    password: SecretString,
    workspace: Option<String>,
}

impl Typed {
    fn read(members: &Map<String, Json>) -> Result<Self, ApiError> {
        let mut errors = Vec::new();
        let mut text = |name: &str, required: bool| match members.get(name) {
            Some(Json::String(text)) => Some(text.clone()),
            None | Some(Json::Null) if !required => None,
            None | Some(Json::Null) => {
                errors.push(FieldError::new(name, Problem::Required));
                None
            }
            Some(_) => {
                errors.push(FieldError::new(
                    name,
                    Problem::WrongType { expected: "a text" },
                ));
                None
            }
        };
        let (email, password, workspace) = (
            text("email", true),
            text("password", true),
            text("workspace", false),
        );
        for name in members.keys() {
            if !["email", "password", "workspace"].contains(&name.as_str()) {
                errors.push(FieldError::new(name.clone(), Problem::UnknownField));
            }
        }
        match (email, password) {
            (Some(email), Some(password)) if errors.is_empty() => Ok(Self {
                email,
                password: password.into(),
                workspace,
            }),
            _ => Err(ApiError::invalid("", &errors)),
        }
    }
}
