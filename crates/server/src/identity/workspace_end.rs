//! The end of a workspace: asked for with time to think, taken back, and carried out for good.
//!
//! Carrying it out begins with the keys: from that moment nothing sealed can be read, whatever happens to the rest. Every step can be done
//! again, so an end that was interrupted goes on.

use std::sync::Arc;
use std::time::Duration;

use fieldstone_model::{Clock, RecordId};
use fieldstone_vault::Vault;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

use super::IdentityError;
use super::audit::{self, Action};
use super::sign_in::record_id;
use crate::attachments::{ObjectStorage, StorageError};
use crate::database::pool::Step;
use crate::database::{DatabaseError, connect};
use crate::jobs::{Job, Work};
use crate::store::PgStore;

/// Days between the wish and the end.
pub const GRACE_DAYS: i32 = 30;
/// A full backup is made each week, and the one before a removal goes once the one after it is old enough.
const BETWEEN_FULL_BACKUPS: SignedDuration = SignedDuration::from_hours(24 * 8);
/// How often the job looks.
const EVERY: Duration = Duration::from_mins(10);

/// Why a workspace could not be ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// The keys.
    #[error(transparent)]
    Vault(#[from] fieldstone_vault::VaultError),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] StorageError),
    /// The database can't be reached.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A statement was refused.
    #[error("the database doesn't do it: {0}")]
    Statement(#[from] tokio_postgres::Error),
    /// Rows that hold on to each other.
    #[error("rows of {0} can't be removed")]
    Held(String),
}

/// An end that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceEnd {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// By whom; nobody when it was an operator.
    pub asked_by: Option<RecordId>,
    /// When it comes.
    pub ends_at: Timestamp,
}

/// The day on which what isn't sealed has left the last backup, for backups that go back so many days.
pub fn last_backup(ends_at: Timestamp, backup_days: u16) -> Timestamp {
    let kept = SignedDuration::from_hours(24 * i64::from(backup_days));
    ends_at
        .saturating_add(kept + BETWEEN_FULL_BACKUPS)
        .unwrap_or(ends_at)
}

impl PgStore {
    /// When the caller's workspace ends, if it does.
    pub(crate) async fn workspace_end(&self) -> Result<Option<WorkspaceEnd>, IdentityError> {
        let rows = self
            .run_step(
                "SELECT e.asked_at, e.asked_by, e.ends_at FROM app.workspace_end() e",
                &[],
            )
            .await
            .map_err(IdentityError::Records)?;
        let row = rows.first();
        row.map(|row| {
            Ok(WorkspaceEnd {
                asked_at: row.try_get(0)?,
                asked_by: row
                    .try_get::<_, Option<&str>>(1)?
                    .map(record_id)
                    .transpose()?,
                ends_at: row.try_get(2)?,
            })
        })
        .transpose()
    }

    /// An owner asks for the end.
    pub(crate) async fn ask_workspace_end(&self) -> Result<(), IdentityError> {
        let ask = Step {
            sql: "SELECT app.ask_workspace_end($1)",
            params: &[&GRACE_DAYS],
        };
        self.run_audited(
            &[ask],
            Action::WorkspaceEndAsk,
            "",
            &json!({ "days": GRACE_DAYS }),
        )
        .await
        .map_err(IdentityError::Records)?;
        Ok(())
    }

    /// An owner takes it back.
    pub(crate) async fn stop_workspace_end(&self) -> Result<(), IdentityError> {
        let stop = Step {
            sql: "SELECT app.stop_workspace_end()",
            params: &[],
        };
        self.run_audited(&[stop], Action::WorkspaceEndStop, "", &json!({}))
            .await
            .map_err(IdentityError::Records)?;
        Ok(())
    }
}

/// An operator asks for the end in so many days, none for at once.
pub async fn ask(
    owner: &Client,
    tenant: RecordId,
    days: i32,
    now: Timestamp,
) -> Result<Timestamp, IdentityError> {
    let row = owner
        .query_one(
            "INSERT INTO app.workspace_end AS e (tenant_id, asked_at, ends_at) VALUES ($1, $2::timestamptz, $2::timestamptz + make_interval(days => $3))
             ON CONFLICT (tenant_id) DO UPDATE SET ends_at = least(e.ends_at, greatest(excluded.ends_at, e.asked_at)) RETURNING e.ends_at",
            &[&tenant.as_str(), &now, &days],
        )
        .await?;
    audit::record(
        owner,
        tenant,
        Action::WorkspaceEndAsk,
        "",
        &json!({ "days": days }),
    )
    .await?;
    Ok(row.try_get(0)?)
}

/// An operator takes it back; false when there was nothing to take back.
pub async fn stop(owner: &Client, tenant: RecordId) -> Result<bool, IdentityError> {
    let sql = "DELETE FROM app.workspace_end WHERE tenant_id = $1 AND erased_at IS NULL AND ends_at > now()";
    let stopped = owner.execute(sql, &[&tenant.as_str()]).await? > 0;
    if stopped {
        audit::record(owner, tenant, Action::WorkspaceEndStop, "", &json!({})).await?;
    }
    Ok(stopped)
}

/// What carries ends out.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The schema's owner, who alone removes rows of every table.
    pub owner: Config,
    /// What holds the keys.
    pub vault: Vault,
    /// Where files lie, if any are kept.
    pub objects: Option<ObjectStorage>,
}

impl Ending {
    /// Ends every workspace whose time has come; answers how many.
    pub async fn carry_out(&self, now: Timestamp) -> Result<usize, EndError> {
        let mut owner = connect(&self.owner).await?;
        let due = owner
            .query("SELECT t FROM app.due_workspace_ends($1) t", &[&now])
            .await?;
        for row in &due {
            let tenant: &str = row.try_get(0)?;
            self.vault.destroy(tenant)?;
            if let Some(objects) = &self.objects {
                objects.remove_tenant(tenant).await?;
            }
            remove_rows(&mut owner, tenant).await?;
            owner
                .execute("UPDATE app.workspace_end SET erased_at = greatest($2, ends_at) WHERE tenant_id = $1", &[&tenant, &now])
                .await?;
            tracing::info!(
                workspace = tenant,
                "a workspace has ended: its keys are destroyed and its rows removed"
            );
        }
        Ok(due.len())
    }
}

/// Tables with rows of workspaces, without the parts of partitioned ones; the workspace's own last.
const TABLES: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped
        AND c.relname <> 'workspace_end' ORDER BY c.relname = 'workspace', c.relname = 'user', c.relname";

/// Removes everything of a workspace in one transaction. Tables whose rows others still refer to come again after those.
async fn remove_rows(owner: &mut Client, tenant: &str) -> Result<(), EndError> {
    let mut transaction = owner.transaction().await?;
    let rows = transaction.query(TABLES, &[]).await?;
    let mut left = rows
        .iter()
        .map(|row| row.try_get::<_, String>(0))
        .collect::<Result<Vec<_>, _>>()?;
    while let Some(first) = left.first().cloned() {
        let mut held = Vec::new();
        for table in &left {
            let attempt = transaction.transaction().await?;
            match attempt
                .execute(
                    &format!("DELETE FROM app.\"{table}\" WHERE tenant_id = $1"),
                    &[&tenant],
                )
                .await
            {
                Ok(_) => attempt.commit().await?,
                Err(error)
                    if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION)
                        || error.code().is_some_and(|code| code.code() == "FS003") =>
                {
                    attempt.rollback().await?;
                    held.push(table.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if held.len() == left.len() {
            // Nothing moves: the workspace's own row takes the rest along.
            let gone = transaction
                .execute("DELETE FROM app.workspace WHERE tenant_id = $1", &[&tenant])
                .await?;
            if gone == 0 {
                return Err(EndError::Held(first));
            }
        }
        left = held;
    }
    // What triggers wrote down of the removal itself.
    for table in ["content_orphan", "audit_event", "audit_head"] {
        transaction
            .execute(
                &format!("DELETE FROM app.{table} WHERE tenant_id = $1"),
                &[&tenant],
            )
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// The job. Runs where the schema owner's credentials are.
pub struct EndJob {
    ending: Ending,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for EndJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndJob").finish_non_exhaustive()
    }
}

impl EndJob {
    /// Carries ends out when their time has come.
    pub fn new(ending: Ending, clock: Arc<dyn Clock>) -> Self {
        Self { ending, clock }
    }
}

impl Job for EndJob {
    fn name(&self) -> &'static str {
        "workspace ends"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let now = self.clock.now();
            let due = work
                .client
                .query("SELECT t FROM app.due_workspace_ends($1) t", &[&now])
                .await?;
            if !due.is_empty() {
                self.ending.carry_out(now).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_backup_goes_a_week_after_its_days() {
        let ends = "2026-05-01T12:00:00Z".parse().unwrap();
        assert_eq!(last_backup(ends, 14).to_string(), "2026-05-23T12:00:00Z");
    }
}
