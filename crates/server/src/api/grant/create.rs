//! A device signs in without a browser.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use fieldstone_model::{Capability, FieldError, Problem};
use http::StatusCode;
use serde_json::{Map, Value as Json};

use crate::{
    api::{
        ApiStore, body,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{
        Identity,
        oauth::{DEVICE_CLIENT, NewGrant, scope},
    },
    oauth::token,
};

/// Far more than a name and a list of scopes take.
const BYTES_MAX: usize = 16 * 1024;

/// `POST /oauth/grants` with `{"client_id","scope"?,"label"?}`: 201 with the first tokens of a new sign-in, as the token endpoint gives them.
///
/// The password was proved to `POST /session` a moment ago, with everything that guards it; here is no second place to try one. Only for
/// what is built in: any other application asks in a browser, where the person sees who it is.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(BYTES_MAX)?;
    let wanted = read(&body::object(&bytes)?)?;
    let identity = call.parts.extensions.get::<Arc<Identity>>();
    let session = identity.and_then(|identity| identity.actor.credential);
    let session = session.ok_or_else(ApiError::session_needed)?;
    let peer = call.parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let new = NewGrant {
        address: address.to_string(),
        ..wanted
    };
    let now = call.viewer()?.now;
    let Some((id, tokens)) = call.store()?.add_device_grant(&new, session, now).await? else {
        let detail = "An admin has switched the field app off in this workspace.";
        return Err(ApiError::new(StatusCode::CONFLICT, "switched-off", detail));
    };
    let mut answer = token::wire(&tokens);
    if let Some(members) = answer.as_object_mut() {
        members.insert("grant".to_owned(), Json::from(id.as_str()));
    }
    written::value(StatusCode::CREATED, &answer)
}

/// What the field app can be given.
const SCOPES: [Capability; 3] = [
    Capability::RecordsRead,
    Capability::RecordsWrite,
    Capability::RecordsDelete,
];

fn read(members: &Map<String, Json>) -> Result<NewGrant, ApiError> {
    let mut new = NewGrant {
        scopes: None,
        label: String::new(),
        address: String::new(),
    };
    let mut errors = Vec::new();
    if !members.contains_key("client_id") {
        errors.push(FieldError::new("client_id", Problem::Required));
    }
    for (member, json) in members {
        let Some(text) = json.as_str() else {
            let problem = match member.as_str() {
                "client_id" | "scope" | "label" => Problem::WrongType { expected: "a text" },
                _ => Problem::UnknownField,
            };
            errors.push(FieldError::new(member.clone(), problem));
            continue;
        };
        let problem = match member.as_str() {
            "client_id" if text == DEVICE_CLIENT => None,
            "scope" => {
                new.scopes = scope::parse(text)
                    .filter(|scopes| scopes.iter().all(|scope| SCOPES.contains(scope)));
                new.scopes.is_none().then_some(Problem::UnknownChoice)
            }
            "label" if text.chars().count() > 255 => Some(Problem::TooLong { max: 255 }),
            "label" if text.chars().any(char::is_control) => Some(Problem::ControlCharacter),
            "label" => {
                text.trim().clone_into(&mut new.label);
                None
            }
            "client_id" => Some(Problem::UnknownChoice),
            _ => Some(Problem::UnknownField),
        };
        errors.extend(problem.map(|problem| FieldError::new(member.clone(), problem)));
    }
    if errors.is_empty() {
        Ok(new)
    } else {
        Err(ApiError::invalid("", &errors))
    }
}
