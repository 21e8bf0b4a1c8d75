//! Service accounts: users without a person, for programs that belong to nobody in particular; and their tokens.

use fieldstone_model::{Problem, RecordId, Rights, Role};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Map, Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body,
    call::Call,
    error::{ApiError, ApiResult},
    invitation::create::role,
    programs::{self, Faults, flag},
    token::{
        create::{Wanted, name},
        list::token,
    },
    written,
};
use crate::identity::service_account::{ServiceAccount, roles_below};

fn missing() -> ApiError {
    ApiError::not_found("There is no such service account.")
}

fn shown(account: &ServiceAccount) -> Json {
    json!({
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "active": account.active,
        "created_at": account.created_at,
        "last_seen_at": account.last_seen_at,
        "tokens": account.tokens,
    })
}

/// `GET /service-accounts`: all of them, by name.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let accounts = call.store()?.service_accounts().await?;
    let accounts: Vec<Json> = accounts.iter().map(shown).collect();
    written::value(StatusCode::OK, &json!({ "service_accounts": accounts }))
}

/// `POST /service-accounts` with `{"name","role"?}`: 201. A viewer when nothing is said; never above the caller, and never an owner.
pub(super) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let change = Change::read(&body::object(&bytes)?, own_role(&call)?, true)?;
    let (name, role) = (
        change.name.unwrap_or_default(),
        change.role.unwrap_or(Role::Viewer),
    );
    let id = call.store()?.add_service_account(&name, role).await?;
    let account = find(&call, id).await?;
    written::created(&format!("{ROOT}/service-accounts/{id}"), &shown(&account))
}

/// `GET /service-accounts/{id}`
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `PATCH /service-accounts/{id}` with `{"name"?,"role"?,"active"?}`: the account. Switched off, its tokens end for good.
pub(super) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let account = find(&call, id).await?;
    let change = Change::read(&members, own_role(&call)?, false)?;
    let store = call.store()?;
    if change.name.is_some() || change.role.is_some() {
        let name = change.name.unwrap_or(account.name);
        let role = change.role.unwrap_or(account.role);
        store.update_service_account(id, &name, role).await?;
    }
    if let Some(active) = change.active.filter(|active| *active != account.active) {
        store.switch_service_account(id, active).await?;
    }
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `GET /service-accounts/{id}/tokens`: those that live, without their secrets.
pub(super) async fn tokens<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    find(&call, id).await?;
    let tokens = call.store()?.service_tokens(id).await?;
    let tokens: Vec<Json> = tokens.iter().map(token).collect();
    written::value(StatusCode::OK, &json!({ "tokens": tokens }))
}

/// `POST /service-accounts/{id}/tokens` with `{"name","scopes"?,"days"?}`: 201 with the secret, which is never shown again.
pub(super) async fn create_token<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let account = find(&call, id).await?;
    if !account.active {
        let detail = "This service account is switched off. Switch it on first.";
        return Err(ApiError::new(StatusCode::CONFLICT, "switched-off", detail));
    }
    if account.role > own_role(&call)? {
        return Err(ApiError::denied());
    }
    let days_max = call.store()?.token_days_max().await?;
    let wanted = Wanted::read(&members, &Rights::new(account.role, &[]), days_max)?;
    let expires_at = call.viewer()?.now + SignedDuration::from_hours(24 * wanted.days);
    let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).collect();
    let (id, secret) = call
        .store()?
        .add_service_token(id, &wanted.name, &scopes, expires_at)
        .await?;
    let token = json!({ "id": id, "name": wanted.name, "scopes": scopes, "expires_at": expires_at, "token": secret.as_str() });
    written::value(StatusCode::CREATED, &token)
}

/// `DELETE /service-accounts/{id}/tokens/{token}`: 204; it opens nothing from now on.
pub(super) async fn delete_token<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let no_token = || ApiError::not_found("This service account has no such token.");
    let id = programs::id(&mut call, "id", missing).await?;
    let token = programs::id(&mut call, "token", no_token).await?;
    call.parameters(&[])?;
    find(&call, id).await?;
    let store = call.store()?;
    let tokens = store.service_tokens(id).await?;
    let is_theirs = tokens.iter().any(|it| it.id == token);
    if is_theirs && store.end_token(token).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(no_token())
    }
}

async fn find<S: ApiStore>(call: &Call<S>, id: RecordId) -> Result<ServiceAccount, ApiError> {
    let account = call.store()?.service_account(id).await?;
    account.ok_or_else(missing)
}

fn own_role<S: ApiStore>(call: &Call<S>) -> Result<Role, ApiError> {
    Ok(call.viewer()?.role)
}

/// What a service account is to be.
#[derive(Default)]
struct Change {
    name: Option<String>,
    role: Option<Role>,
    active: Option<bool>,
}

impl Change {
    fn read(members: &Map<String, Json>, own: Role, is_new: bool) -> Result<Self, ApiError> {
        let mut change = Self::default();
        let mut faults = Faults::default();
        if is_new && !members.contains_key("name") {
            faults.add("name", Problem::Required);
        }
        let below = |json: &Json| {
            role(json).and_then(|role| {
                let can_be = roles_below(own).any(|it| it == role);
                can_be.then_some(role).ok_or(Problem::UnknownChoice)
            })
        };
        for (member, json) in members {
            match member.as_str() {
                "name" => change.name = faults.read(member, name(json)),
                "role" => change.role = faults.read(member, below(json)),
                "active" if !is_new => change.active = faults.read(member, flag(json)),
                _ => faults.unknown(member),
            }
        }
        faults.check()?;
        Ok(change)
    }
}
