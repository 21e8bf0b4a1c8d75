//! The audit log as those read it who manage people, and what is noted in the same transaction as it happens.

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio_postgres::{Row, types::ToSql};

use super::{Action, AuditEvent, RECORD};
use crate::{
    database::pool::Step,
    store::{PgStore, store_error},
};

/// Which events are wanted; nothing said means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By whom: a user's id, `operator` or `system`.
    pub actor: Option<String>,
    /// What.
    pub action: Option<Action>,
    /// On whom or what: an id.
    pub target: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// What a check of the chain has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Whether every event is as it was written, and none is missing.
    pub whole: bool,
    /// How many events were there when it was checked.
    pub events: i64,
    /// The first event that isn't as it was written, or that follows one that is missing.
    pub first_break: Option<i64>,
}

impl Verdict {
    /// What the log says of it.
    pub(crate) fn detail(&self) -> Json {
        json!({"whole": self.whole, "events": self.events, "first_break": self.first_break})
    }
}

pub(super) fn read(row: &Row) -> Result<AuditEvent, tokio_postgres::Error> {
    Ok(AuditEvent {
        seq: row.try_get(0)?,
        at: row.try_get(1)?,
        actor: row.try_get(2)?,
        action: row.try_get(3)?,
        target: row.try_get(4)?,
        detail: row.try_get(5)?,
        hash: hex::encode(row.try_get::<_, Vec<u8>>(6)?),
    })
}

impl PgStore {
    /// The newest `limit` events before number `before`.
    pub(crate) async fn audit_events(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.events(filter, ("<", "DESC"), before.unwrap_or(i64::MAX), limit)
            .await
    }

    /// The oldest `limit` events after number `after`.
    pub(crate) async fn audit_events_after(
        &self,
        filter: &Filter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.events(filter, (">", "ASC"), after, limit).await
    }

    async fn events(
        &self,
        filter: &Filter,
        (than, order): (&'static str, &'static str),
        mark: i64,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let action = filter.action.map(Action::name);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&mark];
        // Only what is asked for stands in the text, so that each question finds its index.
        let mut wanted = vec![format!("seq {than} $1")];
        if let Some(actor) = &filter.actor {
            params.push(actor);
            wanted.push(format!("actor = ${}", params.len()));
        }
        if let Some(action) = &action {
            params.push(action);
            wanted.push(format!("action = ${}", params.len()));
        }
        if let Some(target) = &filter.target {
            params.push(target);
            wanted.push(format!("target = ${}", params.len()));
        }
        if let Some(from) = &filter.from {
            params.push(from);
            wanted.push(format!("at >= ${}", params.len()));
        }
        if let Some(until) = &filter.until {
            params.push(until);
            wanted.push(format!("at < ${}", params.len()));
        }
        params.push(&limit);
        let sql = format!(
            "SELECT seq, at, actor, action, target, detail, hash FROM app.audit_event \
             WHERE tenant_id = (SELECT app.tenant_id()) AND {} ORDER BY seq {order} LIMIT ${}",
            wanted.join(" AND "),
            params.len(),
        );
        let rows = self.run_step(&sql, &params).await?;
        rows.iter()
            .map(|row| read(row).map_err(StoreError::internal))
            .collect()
    }

    /// Checks the chain, and notes that it was checked and what came of it.
    pub(crate) async fn verify_audit(&self) -> Result<Verdict, StoreError> {
        let verdict = self.audit_verdict().await?;
        self.run_audited(&[], Action::AuditVerify, "", &verdict.detail())
            .await?;
        Ok(verdict)
    }

    /// Checks the chain.
    pub(crate) async fn audit_verdict(&self) -> Result<Verdict, StoreError> {
        let sql = "SELECT (SELECT h.seq FROM app.own_audit_head() h), app.audit_first_break()";
        let rows = self.run_step(sql, &[]).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::internal("no verdict"))?;
        let events: Option<i64> = row.try_get(0).map_err(StoreError::internal)?;
        let first_break: Option<i64> = row.try_get(1).map_err(StoreError::internal)?;
        Ok(Verdict {
            whole: first_break.is_none(),
            events: events.unwrap_or_default(),
            first_break,
        })
    }

    /// Runs `steps` and notes what was done, in one transaction.
    pub(crate) async fn run_audited(
        &self,
        steps: &[Step<'_>],
        action: Action,
        target: &str,
        detail: &Json,
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let tenant = self.actor().tenant;
        let (tenant, name) = (tenant.as_str(), action.name());
        let note: [&(dyn ToSql + Sync); 4] = [&tenant, &name, &target, detail];
        let mut steps = steps.to_vec();
        steps.push(Step {
            sql: RECORD,
            params: &note,
        });
        let rows = self.pool().flight(self.actor(), None, &steps).await;
        let rows = self.note_outcome(rows.map_err(store_error))?;
        self.note_written();
        Ok(rows)
    }

    /// Runs one change that answers a row if it found something, and notes it in the same transaction if it did.
    pub(crate) async fn run_if_found(
        &self,
        step: Step<'_>,
        action: Action,
        id: RecordId,
        detail: &Json,
    ) -> Result<bool, StoreError> {
        let transaction = self.pool().transaction(self.actor(), None).await;
        let mut transaction = transaction.map_err(store_error)?;
        let rows = transaction.run(&[step], false).await.map_err(store_error);
        let rows = self.note_outcome(rows)?;
        if rows.first().is_none_or(Vec::is_empty) {
            // Dropped, the transaction leaves nothing behind.
            return Ok(false);
        }
        let tenant = self.actor().tenant;
        let (tenant, name, target) = (tenant.as_str(), action.name(), id.as_str());
        let note = Step {
            sql: RECORD,
            params: &[&tenant, &name, &target, detail],
        };
        let noted = transaction.run(&[note], true).await.map_err(store_error);
        self.note_outcome(noted)?;
        self.note_written();
        Ok(true)
    }
}
