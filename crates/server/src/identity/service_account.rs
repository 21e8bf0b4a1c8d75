//! Service accounts: users without a person, for programs that belong to nobody in particular.
//!
//! They have tokens and nothing else: the database refuses them passwords and sessions, and the role of an owner.

use fieldstone_model::{RecordId, Role, fold};
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::Row;

use super::{USER_PREFIX, audit::Action, email_key};
use crate::{database::pool::Step, store::PgStore};

/// The domain of their addresses, which no mail reaches (RFC 2606).
const DOMAIN: &str = "service.invalid";

/// One service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its user id.
    pub id: RecordId,
    /// What it is called.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// Whether its tokens open anything.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When one of its tokens was last used.
    pub last_seen_at: Option<Timestamp>,
    /// How many living tokens it has.
    pub tokens: i64,
}

/// How long tokens may live in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPolicy {
    /// Most days of an API token.
    pub days_max: i64,
    /// Minutes of an application's access token.
    pub access_minutes: i64,
}

impl TokenPolicy {
    /// Days that can be set.
    pub const DAYS: std::ops::RangeInclusive<i64> = 1..=366;
    /// Minutes that can be set.
    pub const MINUTES: std::ops::RangeInclusive<i64> = 15..=60;
}

/// The roles that somebody of this role can give to a service account, weakest first.
pub fn roles_below(role: Role) -> impl Iterator<Item = Role> {
    Role::ALL
        .into_iter()
        .filter(move |it| *it <= role && *it != Role::Owner)
}

const COLUMNS: &str = "SELECT u.id, u.name, u.role, u.active, u.created_at, t.seen, coalesce(t.living, 0)
    FROM app.\"user\" u
    LEFT JOIN LATERAL (SELECT max(o.last_seen_at) AS seen, count(*) AS living FROM app.api_tokens_of(u.id) o) t ON true
    WHERE u.kind = 'service' AND u.deleted_at IS NULL";

fn read(row: &Row) -> Result<ServiceAccount, Box<dyn std::error::Error + Send + Sync>> {
    Ok(ServiceAccount {
        id: row.try_get::<_, &str>(0)?.parse()?,
        name: row.try_get(1)?,
        role: row.try_get::<_, &str>(2)?.parse()?,
        active: row.try_get(3)?,
        created_at: row.try_get(4)?,
        last_seen_at: row.try_get(5)?,
        tokens: row.try_get(6)?,
    })
}

impl PgStore {
    /// The workspace's service accounts, by name.
    pub(crate) async fn service_accounts(&self) -> Result<Vec<ServiceAccount>, StoreError> {
        let sql = format!("{COLUMNS} ORDER BY u.active DESC, u.name_key, u.id");
        let rows = self.run_step(&sql, &[]).await?;
        rows.iter()
            .map(|row| read(row).map_err(StoreError::internal))
            .collect()
    }

    /// One of them.
    pub(crate) async fn service_account(
        &self,
        id: RecordId,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        let sql = format!("{COLUMNS} AND u.id = $1");
        let rows = self.run_step(&sql, &[&id.as_str()]).await?;
        let account = rows.first().map(read).transpose();
        account.map_err(StoreError::internal)
    }

    /// Makes one with a role that is not above the caller's own; answers its id.
    pub(crate) async fn add_service_account(
        &self,
        name: &str,
        role: Role,
    ) -> Result<RecordId, StoreError> {
        self.check_role(role)?;
        let id = self.fresh_id(USER_PREFIX);
        let address = format!("{id}@{DOMAIN}");
        let (text, key, folded, role) = (
            id.to_string(),
            email_key(&address),
            fold::fold(name),
            role.name(),
        );
        let step = Step {
            sql: "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, kind, created_at, updated_at)
                VALUES (app.tenant_id(), $1, $2, $3, $4, $5, $6, 'service', transaction_timestamp(), transaction_timestamp())",
            params: &[&text, &address, &key, &name, &folded, &role],
        };
        let detail = json!({"name": name, "role": role});
        self.run_audited(&[step], Action::ServiceAdd, &text, &detail)
            .await?;
        Ok(id)
    }

    /// Gives one another name and role; false when there is no such one.
    pub(crate) async fn update_service_account(
        &self,
        id: RecordId,
        name: &str,
        role: Role,
    ) -> Result<bool, StoreError> {
        self.check_role(role)?;
        let (folded, role) = (fold::fold(name), role.name());
        let step = Step {
            sql: "UPDATE app.\"user\" SET name = $2, name_key = $3, role = $4, updated_at = transaction_timestamp(), version = version + 1
                WHERE id = $1 AND kind = 'service' AND deleted_at IS NULL RETURNING id",
            params: &[&id.as_str(), &name, &folded, &role],
        };
        let detail = json!({"name": name, "role": role});
        self.run_if_found(step, Action::ServiceUpdate, id, &detail)
            .await
    }

    /// Switches one on or off; off, its tokens end for good. False when there is no such one.
    pub(crate) async fn switch_service_account(
        &self,
        id: RecordId,
        active: bool,
    ) -> Result<bool, StoreError> {
        let step = Step {
            sql: "UPDATE app.\"user\" SET active = $2, updated_at = transaction_timestamp(), version = version + 1
                WHERE id = $1 AND kind = 'service' AND deleted_at IS NULL RETURNING id",
            params: &[&id.as_str(), &active],
        };
        let action = if active {
            Action::ServiceEnable
        } else {
            Action::ServiceDisable
        };
        self.run_if_found(step, action, id, &json!({})).await
    }

    /// How long tokens may live here.
    pub(crate) async fn token_policy(&self) -> Result<TokenPolicy, StoreError> {
        let sql = "SELECT (w.settings ->> 'api_token_days_max')::bigint, (w.settings ->> 'oauth_access_minutes')::bigint FROM app.workspace w";
        let rows = self.run_step(sql, &[]).await?;
        let row = rows.first().ok_or(StoreError::SessionEnded)?;
        let number = |at: usize| {
            row.try_get::<_, Option<i64>>(at)
                .map_err(StoreError::internal)
        };
        let within = |number: i64, range: std::ops::RangeInclusive<i64>| {
            number.clamp(*range.start(), *range.end())
        };
        Ok(TokenPolicy {
            days_max: within(number(0)?.unwrap_or(366), TokenPolicy::DAYS),
            access_minutes: within(number(1)?.unwrap_or(30), TokenPolicy::MINUTES),
        })
    }

    /// Sets how long tokens may live here; for those that are made from now on.
    pub(crate) async fn set_token_policy(&self, policy: TokenPolicy) -> Result<(), StoreError> {
        let settings = json!({"api_token_days_max": policy.days_max, "oauth_access_minutes": policy.access_minutes});
        let step = Step {
            sql: "UPDATE app.workspace SET settings = settings || $1, updated_at = transaction_timestamp(), version = version + 1",
            params: &[&settings],
        };
        self.run_audited(&[step], Action::TokenPolicyUpdate, "", &settings)
            .await
            .map(drop)
    }

    fn check_role(&self, role: Role) -> Result<(), StoreError> {
        if roles_below(self.actor().role).any(|it| it == role) {
            Ok(())
        } else {
            Err(StoreError::Denied)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gives_a_role_above_their_own_and_no_service_owns() {
        let below = |role| roles_below(role).collect::<Vec<_>>();
        assert_eq!(
            below(Role::Admin),
            [Role::Viewer, Role::Member, Role::Admin]
        );
        assert_eq!(below(Role::Owner), below(Role::Admin));
        assert_eq!(below(Role::Viewer), [Role::Viewer]);
    }
}
