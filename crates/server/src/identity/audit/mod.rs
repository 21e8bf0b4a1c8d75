//! The audit log of a workspace: what happened, chained by hashes, never changed.
//!
//! The database fills number, time, actor and hashes. Here only what happened is said. Details carry no secrets.

mod action;
mod log;

use fieldstone_model::RecordId;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::GenericClient;

pub use self::action::Action;
pub use self::log::{Filter, Verdict};
use super::IdentityError;

/// One event as a person reads it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AuditEvent {
    /// Its number in the workspace, from 1 without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a user's id, or `operator`.
    pub actor: String,
    /// What, e.g. `session.start`.
    pub action: String,
    /// On whom or what: an id, or empty.
    pub target: String,
    /// More, by action.
    pub detail: Value,
    /// What chains it to the one before, in hexadecimal digits.
    pub hash: String,
}

/// Adds an event: workspace, action, target, detail.
pub(crate) const RECORD: &str = "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash)
    VALUES ($1, 0, transaction_timestamp(), '', $2, $3, $4, '', '')";

/// Adds an event to the workspace `tenant`. Under a context the actor is the person of that context.
pub async fn record<C: GenericClient>(
    client: &C,
    tenant: RecordId,
    action: Action,
    target: &str,
    detail: &Value,
) -> Result<(), IdentityError> {
    client
        .execute(RECORD, &[&tenant.as_str(), &action.name(), &target, detail])
        .await?;
    Ok(())
}

/// The newest `limit` events before number `before` of the workspace whose context the transaction has entered.
pub async fn list<C: GenericClient>(
    client: &C,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditEvent>, IdentityError> {
    let rows = client
        .query(
            "SELECT seq, at, actor, action, target, detail, hash FROM app.audit_event
             WHERE tenant_id = (SELECT app.tenant_id()) AND seq < $1 ORDER BY seq DESC LIMIT $2",
            &[&before.unwrap_or(i64::MAX), &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(log::read)
        .collect::<Result<_, tokio_postgres::Error>>()?)
}

/// The number of the first event at which the chain of the entered workspace breaks; `None` when it is whole.
pub async fn first_break<C: GenericClient>(client: &C) -> Result<Option<i64>, IdentityError> {
    Ok(client
        .query_one("SELECT app.audit_first_break()", &[])
        .await?
        .try_get(0)?)
}
