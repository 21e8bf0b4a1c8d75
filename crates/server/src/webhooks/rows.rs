//! Webhooks and their deliveries as whoever manages the workspace sees and changes them.

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::Row;

use super::Secret;
use crate::{
    database::pool::Step,
    identity::audit::Action,
    store::{PgStore, store_error},
};

const PREFIX: [u8; 3] = *b"0WH";
/// Webhooks of a workspace.
const MOST: i64 = 100;
/// Deliveries shown.
const SHOWN: i64 = 50;

const COLUMNS: &str = "SELECT w.id, w.name, w.url, w.active, w.made_at, \
    (SELECT count(*) FROM app.webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'failed') FROM app.webhook w";
const DELIVERIES: &str = "SELECT d.id, d.state, d.attempts, d.status, d.problem, d.made_at, d.tried_at, d.due_at, d.body \
    FROM app.webhook_delivery d WHERE d.webhook_id = $1 ORDER BY d.made_at DESC, d.id LIMIT $2";
const ADD: &str = "INSERT INTO app.webhook (tenant_id, id, name, url, sealed, by_id, made_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, (SELECT app.user_id()), transaction_timestamp() \
    WHERE (SELECT count(*) FROM app.webhook) < $5 RETURNING id";
const UPDATE: &str =
    "UPDATE app.webhook w SET name = $2, url = $3, active = $4 WHERE w.id = $1 RETURNING w.id";
const RENEW: &str = "UPDATE app.webhook w SET sealed = $2, secret_no = $3::bigint WHERE w.id = $1 AND w.secret_no = $3::bigint - 1 RETURNING w.id";
const REMOVE: &str = "DELETE FROM app.webhook w WHERE w.id = $1 RETURNING w.id";
const REPLAY: &str = "INSERT INTO app.webhook_delivery (tenant_id, webhook_id, body, due_at, made_at) \
    SELECT d.tenant_id, d.webhook_id, d.body, transaction_timestamp(), transaction_timestamp() \
    FROM app.webhook_delivery d WHERE d.webhook_id = $1 AND d.id = $2 RETURNING id";

/// One webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) id: RecordId,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) active: bool,
    pub(crate) made_at: Timestamp,
    /// Deliveries that were given up, of the last 30 days.
    pub(crate) failed: i64,
}

/// One delivery.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    /// `waiting`, `sent` or `failed`.
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) status: Option<i32>,
    pub(crate) problem: Option<String>,
    pub(crate) made_at: Timestamp,
    pub(crate) tried_at: Option<Timestamp>,
    pub(crate) due_at: Timestamp,
    pub(crate) body: String,
}

type ReadError = Box<dyn std::error::Error + Send + Sync>;

fn webhook(row: &Row) -> Result<Webhook, ReadError> {
    Ok(Webhook {
        id: row.try_get::<_, &str>(0)?.parse()?,
        name: row.try_get(1)?,
        url: row.try_get(2)?,
        active: row.try_get(3)?,
        made_at: row.try_get(4)?,
        failed: row.try_get(5)?,
    })
}

fn delivery(row: &Row) -> Result<Delivery, ReadError> {
    Ok(Delivery {
        id: row.try_get(0)?,
        state: row.try_get(1)?,
        attempts: row.try_get(2)?,
        status: row.try_get(3)?,
        problem: row.try_get(4)?,
        made_at: row.try_get(5)?,
        tried_at: row.try_get(6)?,
        due_at: row.try_get(7)?,
        body: row.try_get(8)?,
    })
}

impl PgStore {
    /// The workspace's webhooks, by name.
    pub(crate) async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let sql = format!("{COLUMNS} ORDER BY lower(w.name), w.id");
        let rows = self.run_step(&sql, &[]).await?;
        rows.iter()
            .map(|row| webhook(row).map_err(StoreError::internal))
            .collect()
    }

    /// One of them.
    pub(crate) async fn webhook(&self, id: RecordId) -> Result<Option<Webhook>, StoreError> {
        let sql = format!("{COLUMNS} WHERE w.id = $1");
        let rows = self.run_step(&sql, &[&id.as_str()]).await?;
        let found = rows.first().map(webhook).transpose();
        found.map_err(StoreError::internal)
    }

    /// Makes one; answers its id and its secret. `None` when there are too many.
    pub(crate) async fn add_webhook(
        &self,
        name: &str,
        url: &str,
    ) -> Result<Option<(RecordId, Secret)>, StoreError> {
        let id = self.fresh_id(PREFIX);
        let (secret, sealed) = self.new_secret(id, 1)?;
        let text = id.to_string();
        let step = Step {
            sql: ADD,
            params: &[&text, &name, &url, &sealed, &MOST],
        };
        let detail = json!({"name": name, "url": url});
        let added = self
            .run_if_found(step, Action::WebhookAdd, id, &detail)
            .await?;
        Ok(added.then_some((id, secret)))
    }

    fn new_secret(&self, id: RecordId, number: i64) -> Result<(Secret, Vec<u8>), StoreError> {
        let vault = self
            .vault()
            .ok_or_else(|| StoreError::internal("there is no vault for secrets"))?;
        let secret = Secret::generate().map_err(StoreError::internal)?;
        let sealed = secret
            .seal(vault, self.actor().tenant, id, number)
            .map_err(StoreError::internal)?;
        Ok((secret, sealed))
    }

    /// Changes one; false when there is no such one.
    pub(crate) async fn update_webhook(
        &self,
        id: RecordId,
        name: &str,
        url: &str,
        active: bool,
    ) -> Result<bool, StoreError> {
        let step = Step {
            sql: UPDATE,
            params: &[&id.as_str(), &name, &url, &active],
        };
        let detail = json!({"name": name, "url": url, "active": active});
        self.run_if_found(step, Action::WebhookUpdate, id, &detail)
            .await
    }

    /// Gives one another secret; what waits is signed with it. `None` when there is no such one.
    pub(crate) async fn renew_webhook_secret(
        &self,
        id: RecordId,
    ) -> Result<Option<Secret>, StoreError> {
        let sql = "SELECT w.secret_no FROM app.webhook w WHERE w.id = $1";
        let rows = self.run_step(sql, &[&id.as_str()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let number = row.try_get::<_, i64>(0).map_err(StoreError::internal)? + 1;
        let (secret, sealed) = self.new_secret(id, number)?;
        let step = Step {
            sql: RENEW,
            params: &[&id.as_str(), &sealed, &number],
        };
        let renewed = self
            .run_if_found(step, Action::WebhookSecret, id, &json!({}))
            .await?;
        Ok(renewed.then_some(secret))
    }

    /// Removes one with its deliveries; false when there is no such one.
    pub(crate) async fn remove_webhook(&self, id: RecordId) -> Result<bool, StoreError> {
        let step = Step {
            sql: REMOVE,
            params: &[&id.as_str()],
        };
        self.run_if_found(step, Action::WebhookRemove, id, &json!({}))
            .await
    }

    /// What it was told lately, newest first.
    pub(crate) async fn deliveries(&self, id: RecordId) -> Result<Vec<Delivery>, StoreError> {
        let rows = self.run_step(DELIVERIES, &[&id.as_str(), &SHOWN]).await?;
        rows.iter()
            .map(|row| delivery(row).map_err(StoreError::internal))
            .collect()
    }

    /// Sends something again, as a delivery of its own; its id, or nothing when there is no such one.
    pub(crate) async fn replay_delivery(
        &self,
        webhook: RecordId,
        delivery: &str,
    ) -> Result<Option<String>, StoreError> {
        let steps = [Step {
            sql: REPLAY,
            params: &[&webhook.as_str(), &delivery],
        }];
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        let rows = self.note_outcome(flight.map_err(store_error))?;
        let row = rows.first().and_then(|rows| rows.first());
        let id = row.map(|row| row.try_get(0)).transpose();
        let id = id.map_err(StoreError::internal)?;
        if id.is_some() {
            self.note_written();
        }
        Ok(id)
    }
}
