//! What the installation has done for itself, written down in the database: backups, drills, checks.

use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Client, GenericClient};

use crate::database::DatabaseError;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Whether it did what it should.
    pub ok: bool,
    /// What was seen. Nothing secret, and nothing of a tenant's.
    pub detail: Value,
}

/// Writes a run down, as the cluster's superuser or the schema's owner.
pub async fn record(
    client: &Client,
    kind: &str,
    began: Timestamp,
    clock: &dyn Clock,
    outcome: Result<Value, String>,
) -> Result<(), DatabaseError> {
    write(client, "INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ($1, $2, $3, $4, $5)", kind, began, clock, outcome).await
}

/// Writes a run down, as the role that runs jobs.
pub async fn worker_record(
    client: &Client,
    kind: &str,
    began: Timestamp,
    clock: &dyn Clock,
    outcome: Result<Value, String>,
) -> Result<(), DatabaseError> {
    write(
        client,
        "SELECT app.record_operation($1, $2, $3, $4, $5)",
        kind,
        began,
        clock,
        outcome,
    )
    .await
}

async fn write(
    client: &Client,
    statement: &str,
    kind: &str,
    began: Timestamp,
    clock: &dyn Clock,
    outcome: Result<Value, String>,
) -> Result<(), DatabaseError> {
    let ended = clock.now().max(began);
    let (ok, detail) = match outcome {
        Ok(detail) => (true, detail),
        Err(reason) => (false, serde_json::json!({ "reason": reason })),
    };
    client
        .execute(statement, &[&kind, &began, &ended, &ok, &detail])
        .await?;
    Ok(())
}

/// The last runs of one kind, the latest first, as any role that may ask.
pub async fn latest(
    client: &impl GenericClient,
    kind: &str,
    most: i32,
) -> Result<Vec<Operation>, DatabaseError> {
    let rows = client
        .query(
            "SELECT began_at, ended_at, ok, detail FROM app.operations($1, $2)",
            &[&kind, &most],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Operation {
                began: row.try_get(0)?,
                ended: row.try_get(1)?,
                ok: row.try_get(2)?,
                detail: row.try_get(3)?,
            })
        })
        .collect()
}
