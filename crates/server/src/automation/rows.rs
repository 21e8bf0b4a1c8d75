//! Rules and what came of them, as whoever manages the workspace's objects sees and changes them.

use fieldstone_model::{RecordId, Role};
use fieldstone_store::{Store as _, StoreError};
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::{Row, types::ToSql};

use super::{Actions, Rule, Starts};
use crate::{database::pool::Step, identity::audit::Action, store::PgStore};

const PREFIX: [u8; 3] = *b"0AR";
/// Rules of a workspace.
const MOST: i64 = 200;
/// Runs shown.
const SHOWN: i64 = 50;

const COLUMNS: &str = "SELECT r.id, r.name, r.object, r.starts, r.fields, r.date_field, r.days, r.filter, r.actions::text, r.active, r.stopped, u.role, \
    (SELECT count(*) FROM app.automation_run n WHERE n.rule_id = r.id AND n.at > transaction_timestamp() - interval '7 days'), \
    (SELECT count(*) FROM app.automation_run n WHERE n.rule_id = r.id AND n.outcome = 'failed' AND n.at > transaction_timestamp() - interval '7 days') \
    FROM app.automation_rule r JOIN app.\"user\" u ON u.id = r.run_as_id";
const RUNS: &str = "SELECT n.record_id, n.outcome, n.detail, n.at FROM app.automation_run n WHERE n.rule_id = $1 ORDER BY n.at DESC, n.id LIMIT $2";
const ADD: &str = "INSERT INTO app.automation_rule (tenant_id, id, name, object, prefix, starts, fields, date_field, days, filter, actions, run_as_id, made_by_id, made_at, updated_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, (SELECT app.user_id()), transaction_timestamp(), transaction_timestamp() \
    WHERE (SELECT count(*) FROM app.automation_rule) < $12 RETURNING id";
const UPDATE: &str = "UPDATE app.automation_rule r SET name = $2, starts = $3, fields = $4, date_field = $5, days = $6, filter = $7, actions = $8::text::jsonb, \
    run_as_id = $9, updated_at = transaction_timestamp() WHERE r.id = $1 RETURNING r.id";
const SWITCH: &str = "UPDATE app.automation_rule r SET active = $2, stopped = NULL, updated_at = transaction_timestamp() WHERE r.id = $1 RETURNING r.id";
const REMOVE: &str = "DELETE FROM app.automation_rule r WHERE r.id = $1 RETURNING r.id";

/// A rule with how it stands.
#[derive(Debug, Clone)]
pub(crate) struct StoredRule {
    pub(crate) id: RecordId,
    pub(crate) rule: Rule,
    pub(crate) active: bool,
    /// Whether it was switched off since it ran too often.
    pub(crate) stopped: bool,
    /// The role of the account that it acts as.
    pub(crate) role: Role,
    /// How often it looked at a record in a week, and how often it failed.
    pub(crate) runs: i64,
    pub(crate) failed: i64,
}

/// What came of one event.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) record: Option<RecordId>,
    /// `done`, `passed` or `failed`.
    pub(crate) outcome: String,
    pub(crate) detail: String,
    pub(crate) at: Timestamp,
}

type ReadError = Box<dyn std::error::Error + Send + Sync>;

fn stored(row: &Row) -> Result<StoredRule, ReadError> {
    Ok(StoredRule {
        id: row.try_get::<_, &str>(0)?.parse()?,
        rule: Rule {
            name: row.try_get(1)?,
            object: row.try_get(2)?,
            starts: Starts::from_name(row.try_get(3)?).ok_or("an unknown start of a rule")?,
            fields: row.try_get(4)?,
            date_field: row.try_get(5)?,
            days: row.try_get(6)?,
            filter: row.try_get(7)?,
            actions: serde_json::from_str::<Actions>(row.try_get(8)?)?,
        },
        active: row.try_get(9)?,
        stopped: row.try_get::<_, Option<&str>>(10)?.is_some(),
        role: row.try_get::<_, &str>(11)?.parse()?,
        runs: row.try_get(12)?,
        failed: row.try_get(13)?,
    })
}

fn run(row: &Row) -> Result<Run, ReadError> {
    Ok(Run {
        record: row.try_get::<_, &str>(0)?.parse().ok(),
        outcome: row.try_get(1)?,
        detail: row.try_get(2)?,
        at: row.try_get(3)?,
    })
}

impl PgStore {
    /// The workspace's rules, by name.
    pub(crate) async fn automation_rules(&self) -> Result<Vec<StoredRule>, StoreError> {
        let sql = format!("{COLUMNS} ORDER BY lower(r.name), r.id");
        let rows = self.run_step(&sql, &[]).await?;
        rows.iter()
            .map(|row| stored(row).map_err(StoreError::internal))
            .collect()
    }

    /// One of them.
    pub(crate) async fn automation_rule(
        &self,
        id: RecordId,
    ) -> Result<Option<StoredRule>, StoreError> {
        let sql = format!("{COLUMNS} WHERE r.id = $1");
        let rows = self.run_step(&sql, &[&id.as_str()]).await?;
        let found = rows.first().map(stored).transpose();
        found.map_err(StoreError::internal)
    }

    /// What came of it lately, newest first.
    pub(crate) async fn automation_runs(&self, id: RecordId) -> Result<Vec<Run>, StoreError> {
        let rows = self.run_step(RUNS, &[&id.as_str(), &SHOWN]).await?;
        rows.iter()
            .map(|row| run(row).map_err(StoreError::internal))
            .collect()
    }

    /// The service account that rules of `role` act as; made when there is none yet.
    async fn automation_account(&self, role: Role, name: &str) -> Result<RecordId, StoreError> {
        let sql = "SELECT r.run_as_id FROM app.automation_rule r JOIN app.\"user\" u ON u.id = r.run_as_id \
            WHERE u.role = $1 AND u.active AND u.deleted_at IS NULL AND u.kind = 'service' LIMIT 1";
        let rows = self.run_step(sql, &[&role.name()]).await?;
        if let Some(row) = rows.first() {
            let id: &str = row.try_get(0).map_err(StoreError::internal)?;
            return id.parse().map_err(StoreError::internal);
        }
        self.add_service_account(name, role).await
    }

    /// Makes a rule that acts with the rights of `role`, switched off; `None` when there are too many. `account` names what acts, if it has
    /// to be made.
    pub(crate) async fn add_automation_rule(
        &self,
        said: &Rule,
        role: Role,
        account: &str,
    ) -> Result<Option<RecordId>, StoreError> {
        let unknown = || StoreError::UnknownObject(said.object.clone());
        let prefix = self.registry().object(&said.object).ok_or_else(unknown)?;
        let prefix = prefix.prefix_str().to_owned();
        let acts_as = self.automation_account(role, account).await?.to_string();
        let id = self.fresh_id(PREFIX);
        let (text, starts, actions) = (id.to_string(), said.starts.name(), as_json(said)?);
        let params: [&(dyn ToSql + Sync); 12] = [
            &text,
            &said.name,
            &said.object,
            &prefix,
            &starts,
            &said.fields,
            &said.date_field,
            &said.days,
            &said.filter,
            &actions,
            &acts_as,
            &MOST,
        ];
        let step = Step {
            sql: ADD,
            params: &params,
        };
        let detail = json!({"name": said.name, "object": said.object, "role": role.name()});
        let added = self
            .run_if_found(step, Action::RuleAdd, id, &detail)
            .await?;
        Ok(added.then_some(id))
    }

    /// Changes one; false when there is no such one. Its object stays.
    pub(crate) async fn update_automation_rule(
        &self,
        id: RecordId,
        said: &Rule,
        role: Role,
        account: &str,
    ) -> Result<bool, StoreError> {
        let acts_as = self.automation_account(role, account).await?.to_string();
        let (starts, actions) = (said.starts.name(), as_json(said)?);
        let params: [&(dyn ToSql + Sync); 9] = [
            &id.as_str(),
            &said.name,
            &starts,
            &said.fields,
            &said.date_field,
            &said.days,
            &said.filter,
            &actions,
            &acts_as,
        ];
        let step = Step {
            sql: UPDATE,
            params: &params,
        };
        let detail = json!({"name": said.name, "role": role.name()});
        self.run_if_found(step, Action::RuleUpdate, id, &detail)
            .await
    }

    /// Switches one on or off; false when there is no such one.
    pub(crate) async fn switch_automation_rule(
        &self,
        id: RecordId,
        active: bool,
    ) -> Result<bool, StoreError> {
        let step = Step {
            sql: SWITCH,
            params: &[&id.as_str(), &active],
        };
        let action = if active {
            Action::RuleEnable
        } else {
            Action::RuleDisable
        };
        self.run_if_found(step, action, id, &json!({})).await
    }

    /// Removes one with what came of it; false when there is no such one.
    pub(crate) async fn remove_automation_rule(&self, id: RecordId) -> Result<bool, StoreError> {
        let step = Step {
            sql: REMOVE,
            params: &[&id.as_str()],
        };
        self.run_if_found(step, Action::RuleRemove, id, &json!({}))
            .await
    }
}

fn as_json(rule: &Rule) -> Result<String, StoreError> {
    serde_json::to_string(&rule.actions).map_err(StoreError::internal)
}
