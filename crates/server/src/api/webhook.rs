//! Webhooks: addresses of other systems that rules tell, what they were told, and telling it again. For those who manage the workspace.

use fieldstone_model::{FieldError, Problem, RecordId};
use fieldstone_store::StoreError;
use http::StatusCode;
use serde_json::{Map, Value as Json, json};
use zeroize::Zeroizing;

use super::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body,
    call::Call,
    error::{ApiError, ApiResult},
    programs::{self, flag},
    team::{only, required, text},
    token, written,
};
use crate::{
    store::PgStore,
    webhooks::{AddressProblem, Delivery, Networks, URL_MAX, Webhook, check_url},
};

/// Keeps the webhooks of a workspace.
pub trait WebhookStore: Send + Sync {
    /// All of them, by name.
    fn webhooks(&self) -> impl Future<Output = Result<Vec<Webhook>, StoreError>> + Send;

    /// One of them.
    fn webhook(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<Webhook>, StoreError>> + Send;

    /// Makes one; answers its id and its secret. `None` when there are too many.
    fn add_webhook(
        &self,
        name: &str,
        url: &str,
    ) -> impl Future<Output = Result<Option<(RecordId, Zeroizing<String>)>, StoreError>> + Send;

    /// Changes one; false when there is no such one.
    fn update_webhook(
        &self,
        id: RecordId,
        name: &str,
        url: &str,
        active: bool,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives one another secret. `None` when there is no such one.
    fn renew_webhook_secret(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<Zeroizing<String>>, StoreError>> + Send;

    /// Removes one with its deliveries; false when there is no such one.
    fn remove_webhook(&self, id: RecordId)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What it was told lately, newest first.
    fn deliveries(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// Sends something again; the id of the new delivery, or nothing when there is no such one.
    fn replay_delivery(
        &self,
        webhook: RecordId,
        delivery: &str,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;
}

impl WebhookStore for PgStore {
    async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.webhooks().await
    }

    async fn webhook(&self, id: RecordId) -> Result<Option<Webhook>, StoreError> {
        self.webhook(id).await
    }

    async fn add_webhook(
        &self,
        name: &str,
        url: &str,
    ) -> Result<Option<(RecordId, Zeroizing<String>)>, StoreError> {
        let added = self.add_webhook(name, url).await?;
        Ok(added.map(|(id, secret)| (id, Zeroizing::new(secret.reveal().to_owned()))))
    }

    async fn update_webhook(
        &self,
        id: RecordId,
        name: &str,
        url: &str,
        active: bool,
    ) -> Result<bool, StoreError> {
        self.update_webhook(id, name, url, active).await
    }

    async fn renew_webhook_secret(
        &self,
        id: RecordId,
    ) -> Result<Option<Zeroizing<String>>, StoreError> {
        let renewed = self.renew_webhook_secret(id).await?;
        Ok(renewed.map(|secret| Zeroizing::new(secret.reveal().to_owned())))
    }

    async fn remove_webhook(&self, id: RecordId) -> Result<bool, StoreError> {
        self.remove_webhook(id).await
    }

    async fn deliveries(&self, id: RecordId) -> Result<Vec<Delivery>, StoreError> {
        self.deliveries(id).await
    }

    async fn replay_delivery(
        &self,
        webhook: RecordId,
        delivery: &str,
    ) -> Result<Option<String>, StoreError> {
        self.replay_delivery(webhook, delivery).await
    }
}

fn missing() -> ApiError {
    ApiError::not_found("There is no such webhook.")
}

fn shown(hook: &Webhook) -> Json {
    json!({
        "id": hook.id,
        "name": hook.name,
        "url": hook.url,
        "active": hook.active,
        "created_at": hook.made_at,
        "failed": hook.failed,
    })
}

fn told(delivery: &Delivery) -> Json {
    // What was sent is JSON of ours; what can't be read any more is shown as it is.
    let body = serde_json::from_str(&delivery.body);
    json!({
        "id": delivery.id,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "problem": delivery.problem,
        "created_at": delivery.made_at,
        "tried_at": delivery.tried_at,
        "due_at": (delivery.state == "waiting").then_some(delivery.due_at),
        "body": body.unwrap_or_else(|_| Json::String(delivery.body.clone())),
    })
}

/// Name and address as a body says them, over those that are there.
fn read<S: ApiStore>(
    call: &Call<S>,
    members: &Map<String, Json>,
    known: Option<&Webhook>,
) -> Result<(String, String), ApiError> {
    let of = |name: &str, now: Option<&String>| match text(members, name)? {
        Some(text) => Ok(text.trim().to_owned()),
        None => now.cloned().ok_or_else(|| required(name)),
    };
    let name = of("name", known.map(|hook| &hook.name))?;
    let name = token::create::name(&Json::String(name));
    let url = of("url", known.map(|hook| &hook.url))?;
    let rule = |code, advice| Problem::Rule { code, advice };
    let networks = call.parts.extensions.get::<Networks>();
    let checked = check_url(&url, networks.unwrap_or(&Networks::default())).map(drop);
    let problem = match checked {
        Ok(()) => None,
        Err(AddressProblem::TooLong) => Some(Problem::TooLong { max: URL_MAX }),
        Err(AddressProblem::Unreadable) => Some(Problem::NotAUrl),
        Err(AddressProblem::Unencrypted) => Some(rule(
            "webhook_unencrypted",
            "Use an address that begins with https://.",
        )),
        Err(AddressProblem::Closed) => Some(rule(
            "webhook_closed",
            "Use an address of the public internet.",
        )),
    };
    match (name, problem) {
        (Ok(name), None) => Ok((name, url)),
        (name, problem) => {
            let name = name.err().map(|problem| FieldError::new("name", problem));
            let url = problem.map(|problem| FieldError::new("url", problem));
            let errors: Vec<_> = name.into_iter().chain(url).collect();
            Err(ApiError::invalid("", &errors))
        }
    }
}

async fn find<S: ApiStore>(call: &Call<S>, id: RecordId) -> Result<Webhook, ApiError> {
    let found = WebhookStore::webhook(call.store()?, id).await?;
    found.ok_or_else(missing)
}

/// `GET /webhooks`: all of them, by name, without their secrets.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let hooks = WebhookStore::webhooks(call.store()?).await?;
    let hooks: Vec<Json> = hooks.iter().map(shown).collect();
    written::value(StatusCode::OK, &json!({ "webhooks": hooks }))
}

/// `POST /webhooks` with `{"name","url"}`: 201 with the secret, which is never shown again.
pub(super) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    only(&members, &["name", "url"])?;
    let (name, url) = read(&call, &members, None)?;
    let added = WebhookStore::add_webhook(call.store()?, &name, &url).await?;
    let (id, secret) = added.ok_or_else(|| {
        ApiError::new(
            StatusCode::CONFLICT,
            "too-many-webhooks",
            "There are too many webhooks already. Remove some first.",
        )
    })?;
    let mut made = shown(&find(&call, id).await?);
    if let Some(members) = made.as_object_mut() {
        members.insert("secret".to_owned(), Json::String(secret.to_string()));
    }
    written::created(&format!("{ROOT}/webhooks/{id}"), &made)
}

/// `GET /webhooks/{id}`
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `PATCH /webhooks/{id}` with `{"name"?,"url"?,"active"?}`: the webhook.
pub(super) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    only(&members, &["name", "url", "active"])?;
    let hook = find(&call, id).await?;
    let active = match members.get("active") {
        None => hook.active,
        Some(json) => flag(json)
            .map_err(|problem| ApiError::invalid("", &[FieldError::new("active", problem)]))?,
    };
    let (name, url) = read(&call, &members, Some(&hook))?;
    WebhookStore::update_webhook(call.store()?, id, &name, &url, active).await?;
    written::value(StatusCode::OK, &shown(&find(&call, id).await?))
}

/// `DELETE /webhooks/{id}`: 204; what it was told is forgotten with it.
pub(super) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    if WebhookStore::remove_webhook(call.store()?, id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}

/// `POST /webhooks/{id}/secret`: another secret, which is never shown again; what waits is signed with it.
pub(super) async fn renew_secret<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    let secret = WebhookStore::renew_webhook_secret(call.store()?, id).await?;
    let secret = secret.ok_or_else(missing)?;
    written::value(StatusCode::OK, &json!({ "secret": secret.as_str() }))
}

/// `GET /webhooks/{id}/deliveries`: the last fifty, newest first.
pub(super) async fn deliveries<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    call.parameters(&[])?;
    find(&call, id).await?;
    let deliveries = WebhookStore::deliveries(call.store()?, id).await?;
    let deliveries: Vec<Json> = deliveries.iter().map(told).collect();
    written::value(StatusCode::OK, &json!({ "deliveries": deliveries }))
}

/// `POST /webhooks/{id}/deliveries/{delivery}/replay`: 202 with the id of the new delivery.
pub(super) async fn replay<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = programs::id(&mut call, "id", missing).await?;
    let delivery = call.path("delivery").await?;
    call.parameters(&[])?;
    let none = || ApiError::not_found("There is no such delivery.");
    let is_one =
        delivery.len() <= 40 && delivery.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !is_one {
        return Err(none());
    }
    let queued = WebhookStore::replay_delivery(call.store()?, id, &delivery).await?;
    let queued = queued.ok_or_else(none)?;
    written::value(StatusCode::ACCEPTED, &json!({ "id": queued }))
}
