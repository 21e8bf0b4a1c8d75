//! What a workspace may use, and what it uses.
//!
//! Records and bytes are counted and refused by the database, in the transaction that makes them, whoever it is for (`V031`). Requests are
//! counted by the servers, which settle what they have let through with each other (`requests`).

mod requests;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::{Client, Row};

use crate::identity::IdentityError;
use crate::identity::audit::{self, Action};
use crate::store::PgStore;

pub use self::requests::Requests;

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
    /// Requests to the API in a minute, on all servers together.
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
