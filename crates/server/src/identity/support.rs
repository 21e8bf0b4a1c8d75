//! Access for whoever helps: an owner gives it for a time, an operator comes in by a one-time link, and it ends by itself.
//!
//! Nobody is ever let in by this without an owner's doing; see `V032`.

use std::net::IpAddr;

use fieldstone_model::{IdSource, RecordId, fold};
use fieldstone_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_postgres::Client;
use zeroize::Zeroizing;

use super::audit::Action;
use super::sign_in::{Begun, SignIn, record_id};
use super::{IdentityError, USER_PREFIX, random};
use crate::database::pool::Step;
use crate::store::PgStore;

/// What ids of accesses begin with.
const PREFIX: [u8; 3] = *b"0SA";
/// How long a link is good that was made and not used.
pub const LINK_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// For how many hours access may be given.
pub const HOURS: [i32; 5] = [1, 4, 8, 24, 72];

/// What an owner gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewAccess {
    /// Whom they know it is.
    pub(crate) operator: String,
    /// The operator's address, by which their operators know it is them.
    pub(crate) email: String,
    /// What for.
    pub(crate) reason: String,
    /// For how long.
    pub(crate) hours: i32,
    /// Whether records may be changed, too.
    pub(crate) may_write: bool,
}

/// An access that was given.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) id: RecordId,
    pub(crate) operator: String,
    pub(crate) email: String,
    pub(crate) reason: String,
    pub(crate) may_write: bool,
    pub(crate) given_by: Option<String>,
    pub(crate) given_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) ended_by: Option<String>,
    pub(crate) entered: i64,
    pub(crate) last_entered_at: Option<Timestamp>,
    pub(crate) lasts: bool,
}

/// Whom a link lets in, and where.
#[derive(Debug, Clone)]
pub struct Entering {
    /// The workspace's name.
    pub workspace: String,
    /// Who it is for.
    pub operator: String,
    /// When the access ends.
    pub ends_at: Timestamp,
}

impl PgStore {
    /// Gives access; only an owner can.
    pub(crate) async fn give_support_access(
        &self,
        ids: &IdSource,
        new: &NewAccess,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = |prefix| random::id(ids, prefix, now).map_err(StoreError::internal);
        let (access, person) = (id(PREFIX)?, id(USER_PREFIX)?);
        let detail = json!({
            "operator": new.operator, "email": new.email, "reason": new.reason, "hours": new.hours, "may_write": new.may_write,
        });
        let step = Step {
            sql: "SELECT app.give_support_access($1, $2, $3, $4, $5, $6, $7, $8)",
            params: &[
                &access.as_str(),
                &person.as_str(),
                &new.operator,
                &fold::fold(&new.operator),
                &new.email,
                &new.reason,
                &new.hours,
                &new.may_write,
            ],
        };
        self.run_audited(&[step], Action::SupportGive, access.as_str(), &detail)
            .await?;
        Ok(())
    }

    /// The last accesses; none for whoever isn't an owner.
    pub(crate) async fn support_accesses(&self) -> Result<Vec<Access>, StoreError> {
        let sql = "SELECT a.id, a.operator, a.email, a.reason, a.may_write, a.given_by, a.given_at, a.ends_at, a.ended_at, a.ended_by,
            a.entered, a.last_entered_at, a.lasts FROM app.support_accesses() a";
        let rows = self.run_step(sql, &[]).await?;
        rows.iter()
            .map(|row| {
                let id: &str = row.try_get(0)?;
                Ok(Access {
                    id: id.parse().map_err(StoreError::internal)?,
                    operator: row.try_get(1)?,
                    email: row.try_get(2)?,
                    reason: row.try_get(3)?,
                    may_write: row.try_get(4)?,
                    given_by: row.try_get(5)?,
                    given_at: row.try_get(6)?,
                    ends_at: row.try_get(7)?,
                    ended_at: row.try_get(8)?,
                    ended_by: row.try_get(9)?,
                    entered: row.try_get(10)?,
                    last_entered_at: row.try_get(11)?,
                    lasts: row.try_get(12)?,
                })
            })
            .collect::<Result<_, RowError>>()
            .map_err(|RowError(error)| error)
    }

    /// Ends an access at once; false when it had ended.
    pub(crate) async fn end_support_access(&self, id: RecordId) -> Result<bool, StoreError> {
        let step = Step {
            sql: "SELECT app.end_support_access($1)",
            params: &[&id.as_str()],
        };
        let detail = json!({ "by": "owner" });
        self.run_if_found(step, Action::SupportEnd, id, &detail)
            .await
    }
}

/// Either way a row can't be read.
struct RowError(StoreError);

impl From<tokio_postgres::Error> for RowError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(StoreError::internal(error))
    }
}

impl From<StoreError> for RowError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

/// The secret of a link for the operator with this address, and when their access ends; nothing when no owner has given them any. `owner` is
/// a connection of the schema's owner, which only operators have.
pub async fn make_link(
    owner: &Client,
    tenant: RecordId,
    email: &str,
    now: Timestamp,
) -> Result<Option<(Zeroizing<String>, Timestamp)>, IdentityError> {
    let secret = Zeroizing::new(random::secret()?);
    let until = now.saturating_add(LINK_LIFETIME).unwrap_or(now);
    let sql = "UPDATE app.support_access a SET link_hash = $3, link_ends_at = $4 WHERE (a.tenant_id, a.id) =
        (SELECT s.tenant_id, s.id FROM app.support_access s WHERE s.tenant_id = $1 AND lower(s.email) = lower($2)
            AND s.ended_at IS NULL AND s.ends_at > transaction_timestamp() ORDER BY s.ends_at DESC LIMIT 1) RETURNING a.ends_at";
    let hash = random::hash(&secret);
    let row = owner
        .query_opt(sql, &[&tenant.as_str(), &email, &hash.as_slice(), &until])
        .await?;
    let ends: Option<Timestamp> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(ends.map(|ends| (secret, ends)))
}

/// The accesses that last, over all workspaces, for operators: the workspace's address, whom it was given to, until when.
pub async fn lasting(owner: &Client) -> Result<Vec<(String, String, Timestamp)>, IdentityError> {
    let sql = "SELECT w.slug, a.email, a.ends_at FROM app.support_access a JOIN app.workspace w ON w.tenant_id = a.tenant_id
        WHERE a.ended_at IS NULL AND a.ends_at > transaction_timestamp() ORDER BY a.ends_at";
    let rows = owner.query(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(Into::into)
}

impl SignIn {
    /// Whom this link lets in.
    pub async fn support_entering(&self, secret: &str) -> Result<Entering, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT workspace, operator, ends_at FROM app.find_support_link($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&random::hash(secret).as_slice()])
            .await?
            .ok_or(IdentityError::LinkSpent)?;
        Ok(Entering {
            workspace: row.try_get(0)?,
            operator: row.try_get(1)?,
            ends_at: row.try_get(2)?,
        })
    }

    /// Lets an operator in by a link, which is spent by that.
    pub async fn enter_support(
        &self,
        secret: &str,
        address: IpAddr,
        user_agent: &str,
        now: Timestamp,
    ) -> Result<Begun, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT tenant_id, user_id FROM app.redeem_support_link($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&random::hash(secret).as_slice()])
            .await?
            .ok_or(IdentityError::LinkSpent)?;
        let who = (record_id(row.try_get(0)?)?, record_id(row.try_get(1)?)?);
        drop(client);
        self.admit(who, (address, user_agent), now).await
    }
}
