//! What a workspace may use, and what it uses.
//!
//! Records and bytes are counted and refused by the database, in the transaction that makes them, whoever it is for (`V031`). Requests are
//! counted here, by each server for itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::json;
use tokio_postgres::{Client, Row};

use crate::identity::IdentityError;
use crate::identity::audit::{self, Action};
use crate::store::PgStore;

/// Workspaces whose requests are counted at a time; the least used are forgotten first.
const COUNTED: u64 = 100_000;
const MINUTE_MS: f64 = 60_000.0;

/// What a workspace uses, and the limits it has; without one it may use as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Records, with those that can still be restored.
    pub records: i64,
    /// Bytes of files.
    pub bytes: i64,
    /// The limits.
    pub most: Quota,
}

/// What a workspace may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Records.
    pub records: Option<i64>,
    /// Bytes of files.
    pub bytes: Option<i64>,
    /// Requests to the API in a minute, on each server.
    pub requests_per_minute: Option<i32>,
}

fn usage(row: &Row) -> Result<Usage, tokio_postgres::Error> {
    Ok(Usage {
        records: row.try_get(0)?,
        bytes: row.try_get(1)?,
        most: Quota {
            records: row.try_get(2)?,
            bytes: row.try_get(3)?,
            requests_per_minute: row.try_get(4)?,
        },
    })
}

impl PgStore {
    /// What the workspace uses.
    pub(crate) async fn usage(&self) -> Result<Usage, StoreError> {
        let sql = "SELECT u.records, u.bytes, u.most_records, u.most_bytes, u.requests_per_minute FROM app.workspace_usage() u";
        let rows = self.run_step(sql, &[]).await?;
        let row = rows.first();
        let row = row.ok_or_else(|| StoreError::internal("no answer about what is used"))?;
        usage(row).map_err(StoreError::internal)
    }
}

/// What a workspace uses, for an operator. `owner` is a connection of the schema's owner.
pub async fn of(owner: &Client, tenant: RecordId) -> Result<Usage, IdentityError> {
    let sql = "SELECT coalesce(sum(u.records), 0)::bigint, coalesce(sum(u.bytes), 0)::bigint, max(q.records), max(q.bytes), max(q.requests_per_minute)
        FROM app.workspace w LEFT JOIN app.workspace_use u ON u.tenant_id = w.tenant_id LEFT JOIN app.workspace_quota q ON q.tenant_id = w.tenant_id
        WHERE w.tenant_id = $1";
    let row = owner.query_one(sql, &[&tenant.as_str()]).await?;
    Ok(usage(&row)?)
}

/// An operator sets the limits; the workspace sees it in its audit log. Neither happens without the other.
pub async fn set(
    owner: &mut Client,
    tenant: RecordId,
    quota: &Quota,
    now: Timestamp,
) -> Result<(), IdentityError> {
    let sql = "INSERT INTO app.workspace_quota (tenant_id, records, bytes, requests_per_minute, changed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant_id) DO UPDATE SET records = excluded.records, bytes = excluded.bytes,
        requests_per_minute = excluded.requests_per_minute, changed_at = excluded.changed_at";
    let Quota {
        records,
        bytes,
        requests_per_minute,
    } = quota;
    let tenant_id = tenant.as_str();
    let transaction = owner.transaction().await?;
    transaction
        .execute(
            sql,
            &[&tenant_id, records, bytes, requests_per_minute, &now],
        )
        .await?;
    let detail =
        json!({ "records": records, "bytes": bytes, "requests_per_minute": requests_per_minute });
    audit::record(&transaction, tenant, Action::WorkspaceQuota, "", &detail).await?;
    Ok(transaction.commit().await?)
}

/// How many requests each workspace has made of late.
#[derive(Debug, Clone)]
pub struct Requests(Cache<RecordId, Arc<Mutex<Taken>>>);

/// Requests that count, fewer with the time that passes.
#[derive(Debug)]
struct Taken {
    count: f64,
    at: Timestamp,
}

impl Taken {
    fn pass(&mut self, per_minute: f64, now: Timestamp) {
        let elapsed = now.duration_since(self.at).as_millis_f64().max(0.0);
        self.count = (self.count - elapsed * per_minute / MINUTE_MS).max(0.0);
        self.at = self.at.max(now);
    }
}

impl Default for Requests {
    fn default() -> Self {
        let known = Cache::builder()
            .max_capacity(COUNTED)
            .time_to_idle(Duration::from_mins(2));
        Self(known.build())
    }
}

impl Requests {
    /// Counts one request of a workspace that may make so many in a minute, or answers after how many seconds the next one is taken.
    pub fn take(&self, tenant: RecordId, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        let taken = self.0.get_with(tenant, || {
            Arc::new(Mutex::new(Taken {
                count: 0.0,
                at: now,
            }))
        });
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let most = f64::from(per_minute.max(1));
        taken.pass(most, now);
        if taken.count + 1.0 <= most {
            taken.count += 1.0;
            return Ok(());
        }
        let wait = Duration::from_secs_f64((taken.count + 1.0 - most) * 60.0 / most);
        Err(wait.as_secs() + 1)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn requests_of_one_workspace_are_bounded_and_come_back_with_time() {
        let requests = Requests::default();
        let (one, other): (RecordId, RecordId) = (
            "00D000000000001".parse().unwrap(),
            "00D000000000002".parse().unwrap(),
        );
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        for _ in 0..30 {
            requests.take(one, 30, now).unwrap();
        }
        assert_eq!(requests.take(one, 30, now), Err(3));
        requests.take(other, 30, now).unwrap();
        let later = now + SignedDuration::from_secs(4);
        requests.take(one, 30, later).unwrap();
        requests.take(one, 30, later).unwrap();
        assert!(requests.take(one, 30, later).is_err());
        // A clock that goes back gives nothing away.
        assert!(requests.take(one, 30, now).is_err());
        // A larger quota counts at once.
        requests.take(one, 31, later).unwrap();
    }
}
