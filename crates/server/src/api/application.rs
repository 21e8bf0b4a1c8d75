//! Applications: who may ask people of the workspace for access.

use fieldstone_model::{Capability, Problem, RecordId};
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body,
    call::Call,
    error::{ApiError, ApiResult},
    programs::{self, Faults, flag},
    written,
};
use crate::identity::oauth::{
    Application, NewApplication, application::ADDRESSES_MAX, redirect, scope,
};

fn missing() -> ApiError {
    ApiError::not_found("There is no such application.")
}

/// What comes with Fieldstone is switched on and off, no more.
fn built_in() -> ApiError {
    let detail = "This application comes with Fieldstone. It can be switched on and off.";
    ApiError::new(StatusCode::CONFLICT, "built-in", detail)
}

fn shown(application: &Application) -> Json {
    json!({
        "id": application.id,
        "client_id": application.client_id,
        "name": application.name,
        "built_in": application.built_in,
        "confidential": application.confidential,
        "redirect_uris": application.redirect_uris,
        "scopes": scope::names(&application.scopes),
        "active": application.active,
    })
}

/// `GET /oauth/applications`: what is built in first, then by name.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let applications = call.store()?.applications().await?;
    let applications: Vec<Json> = applications.iter().map(shown).collect();
    written::value(StatusCode::OK, &json!({ "applications": applications }))
}

/// `POST /oauth/applications` with `{"name","redirect_uris","scopes","confidential"?}`: 201; a confidential one comes with its
/// `client_secret`, which is never shown again.
pub(super) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let change = Change::read(&body::object(&bytes)?, true)?;
    let new = NewApplication {
        name: change.name.unwrap_or_default(),
        redirect_uris: change.redirect_uris.unwrap_or_default(),
        scopes: change.scopes.unwrap_or_default(),
        confidential: change.confidential.unwrap_or(false),
    };
    let (id, secret) = call.store()?.add_application(&new).await?;
    let mut made = shown(&find(&call, id).await?);
    if let (Some(members), Some(secret)) = (made.as_object_mut(), secret) {
        members.insert("client_secret".to_owned(), Json::from(secret.as_str()));
    }
    written::created(&format!("{ROOT}/oauth/applications/{id}"), &made)
}

/// `GET /oauth/applications/{id}`
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `PATCH /oauth/applications/{id}` with `{"name"?,"redirect_uris"?,"scopes"?,"active"?}`: the application. Switched off, nothing of it
/// opens anything.
pub(super) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let known = find(&call, id).await?;
    let change = Change::read(&members, false)?;
    let store = call.store()?;
    let is_described =
        change.name.is_some() || change.redirect_uris.is_some() || change.scopes.is_some();
    if is_described {
        if known.built_in {
            return Err(built_in());
        }
        let new = NewApplication {
            name: change.name.unwrap_or(known.name),
            redirect_uris: change.redirect_uris.unwrap_or(known.redirect_uris),
            scopes: change.scopes.unwrap_or(known.scopes),
            confidential: known.confidential,
        };
        if !store.update_application(id, &new).await? {
            return Err(missing());
        }
    }
    if let Some(active) = change.active.filter(|active| *active != known.active) {
        store.switch_application(id, active).await?;
    }
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `DELETE /oauth/applications/{id}`: 204; all its sign-ins go with it.
pub(super) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    if find(&call, id).await?.built_in {
        return Err(built_in());
    }
    if call.store()?.remove_application(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}

/// `POST /oauth/applications/{id}/secret`: 201 with another `client_secret`; the one before is worth nothing from now on.
pub(super) async fn renew_secret<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let application = find(&call, id).await?;
    let Some(secret) = call.store()?.renew_secret(id).await? else {
        let detail = "This application keeps no secret.";
        return Err(ApiError::new(StatusCode::CONFLICT, "no-secret", detail));
    };
    let renewed = json!({ "client_id": application.client_id, "client_secret": secret.as_str() });
    written::value(StatusCode::CREATED, &renewed)
}

async fn find<S: ApiStore>(call: &Call<S>, id: RecordId) -> Result<Application, ApiError> {
    let application = call.store()?.application(id).await?;
    application.ok_or_else(missing)
}

/// What an application is to be.
#[derive(Default)]
struct Change {
    name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scopes: Option<Vec<Capability>>,
    confidential: Option<bool>,
    active: Option<bool>,
}

impl Change {
    fn read(members: &Map<String, Json>, is_new: bool) -> Result<Self, ApiError> {
        let mut change = Self::default();
        let mut faults = Faults::default();
        for name in ["name", "redirect_uris", "scopes"] {
            if is_new && !members.contains_key(name) {
                faults.add(name, Problem::Required);
            }
        }
        for (member, json) in members {
            match member.as_str() {
                "name" => change.name = faults.read(member, super::token::create::name(json)),
                "redirect_uris" => change.redirect_uris = faults.read(member, addresses(json)),
                "scopes" => change.scopes = faults.read(member, scopes(json)),
                "confidential" if is_new => change.confidential = faults.read(member, flag(json)),
                "active" if !is_new => change.active = faults.read(member, flag(json)),
                _ => faults.unknown(member),
            }
        }
        faults.check()?;
        Ok(change)
    }
}

fn texts(json: &Json) -> Result<Vec<String>, Problem> {
    let expected = "a list of texts";
    let items = json.as_array().ok_or(Problem::WrongType { expected })?;
    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
    texts
        .collect::<Option<_>>()
        .ok_or(Problem::WrongType { expected })
}

/// Addresses that people may be sent back to.
fn addresses(json: &Json) -> Result<Vec<String>, Problem> {
    let addresses = texts(json)?;
    if addresses.is_empty() {
        return Err(Problem::Required);
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(Problem::OutOfRange {
            min: "1".to_owned(),
            max: ADDRESSES_MAX.to_string(),
        });
    }
    if addresses
        .iter()
        .all(|address| redirect::check(address).is_ok())
    {
        return Ok(addresses);
    }
    Err(Problem::Rule {
        code: "redirect_uri",
        advice: "Use https, http://127.0.0.1 or http://[::1], or a scheme of the application's own such as com.example.app:/callback; in its plain form, without a fragment or a user.",
    })
}

/// Capabilities, each once and in the table's order.
fn scopes(json: &Json) -> Result<Vec<Capability>, Problem> {
    let names = texts(json)?;
    if names.is_empty() {
        return Err(Problem::Required);
    }
    scope::parse(&names.join(" "))
        .filter(|_| names.iter().all(|name| scope::capability(name).is_some()))
        .ok_or(Problem::UnknownChoice)
}
