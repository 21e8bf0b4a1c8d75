//! Requests applied once, kept in `app.idempotency_key` in the transaction of their changes.

use fieldstone_model::{Change, Registry};
use fieldstone_store::{
    StoreError,
    once::{Answer, Once, OnceStore, Outcome, REMEMBERED},
};
use jiff::Timestamp;
use tokio_postgres::{Row, types::ToSql};

use super::{PgStore, store_error};
use crate::database::pool::Step;

/// What was answered under another sight is told without its body: the record may not be theirs to see any more.
const KEPT: &str = "SELECT k.request_hash, k.status, k.headers::text, CASE WHEN k.sight = $3 THEN k.body ELSE '' END \
    FROM app.idempotency_key k WHERE k.key = $1 AND k.created_at >= $2";
const KEEP: &str = "UPDATE app.idempotency_key k SET status = $2, headers = $3::text::jsonb, body = $4 WHERE k.key = $1";

impl OnceStore for PgStore {
    async fn kept(&self, key: &str, request: [u8; 32]) -> Result<Option<Outcome>, StoreError> {
        let oldest = self.shared.clock.now() - REMEMBERED;
        let rows = match self.kept_rows(&self.registry, key, oldest).await {
            Err(StoreError::SchemaChanged) => {
                let fresh = self.fresh_registry().await?;
                self.kept_rows(&fresh, key, oldest).await?
            }
            rows => rows?,
        };
        let outcome = |row| outcome(row, request).map_err(StoreError::internal);
        rows.first().map(outcome).transpose()
    }

    async fn apply_once(&self, once: &Once, changes: &[Change]) -> Result<Outcome, StoreError> {
        let mut registry = self.registry.clone();
        let mut written = self.write_once(&registry, changes, Some(once)).await;
        if matches!(written, Err(StoreError::SchemaChanged)) {
            registry = self.fresh_registry().await?;
            written = self.write_once(&registry, changes, Some(once)).await;
        }
        match written? {
            Some(applied) => Ok(Outcome::Applied(applied)),
            // Just kept by a request that ran beside this one.
            None => self
                .kept(&once.key, once.request)
                .await?
                .ok_or(StoreError::Busy),
        }
    }

    async fn keep(&self, key: &str, answer: &Answer) -> Result<(), StoreError> {
        let status = i16::try_from(answer.status).unwrap_or(200);
        let headers = headers_to_json(answer);
        self.run_step(KEEP, &[&key, &status, &headers, &answer.body])
            .await
            .map(drop)
    }
}

impl PgStore {
    /// By what an answer is made: the version of the membership and that of the objects and fields.
    pub(super) fn sight(&self, registry: &Registry) -> String {
        format!("{}.{}", self.actor().member_version, registry.version())
    }

    async fn kept_rows(
        &self,
        registry: &Registry,
        key: &str,
        oldest: Timestamp,
    ) -> Result<Vec<Row>, StoreError> {
        let sight = self.sight(registry);
        let step = Step {
            sql: KEPT,
            params: &[&key, &oldest, &sight],
        };
        let version = Some(registry.version());
        let flight = self.pool().flight(self.actor(), version, &[step]).await;
        let rows = flight.map_err(store_error)?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Runs these as one transaction.
    pub(crate) async fn run_extras(&self, extras: &[crate::sync::Extra]) -> Result<(), StoreError> {
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = extras
            .iter()
            .map(|extra| extra.params.iter().map(|it| it.as_ref() as _).collect())
            .collect();
        let steps: Vec<Step<'_>> = extras
            .iter()
            .zip(&params)
            .map(|(extra, params)| Step {
                sql: extra.sql,
                params,
            })
            .collect();
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        self.note_outcome(flight.map_err(store_error))?;
        self.note_written();
        Ok(())
    }

    pub(crate) async fn run_step(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let flight = self
            .pool()
            .flight(self.actor(), None, &[Step { sql, params }])
            .await;
        let rows = self.note_outcome(flight.map_err(store_error))?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }
}

/// Headers as a JSON object.
pub(super) fn headers_to_json(answer: &Answer) -> String {
    let headers: serde_json::Map<String, serde_json::Value> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    serde_json::Value::Object(headers).to_string()
}

fn outcome(
    row: &Row,
    request: [u8; 32],
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let hash: &[u8] = row.try_get(0)?;
    if hash != request {
        return Ok(Outcome::Different);
    }
    let status: i16 = row.try_get(1)?;
    let headers: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(row.try_get(2)?)?;
    let text =
        |(name, value): (String, serde_json::Value)| Some((name, value.as_str()?.to_owned()));
    Ok(Outcome::Before(Answer {
        status: u16::try_from(status)?,
        headers: headers.into_iter().filter_map(text).collect(),
        body: row.try_get(3)?,
    }))
}
