//! The people of a workspace and those who are invited, as owners and admins see and change them; and one's own membership.
//!
//! Who may do what is decided in the database: by the policies, by the guard on "user" and by the functions called here.

use fieldstone_model::{RecordId, Role};
use fieldstone_store::StoreError;
use jiff::Timestamp;
use tokio_postgres::{Row, types::ToSql};

use super::{PgStore, store_error};
use crate::{
    database::pool::{FlightError, Step},
    identity::{INVITATION_PREFIX, IdentityError, email_key},
};

/// A member as whoever manages people sees them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// Their user id.
    pub id: RecordId,
    /// What they are called.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Whether they can sign in.
    pub active: bool,
    /// When they last used the product in a browser or on a device.
    pub last_seen_at: Option<Timestamp>,
    /// Whether signing in takes a code besides the password.
    pub second_factor: bool,
}

/// An invitation as whoever manages people sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Invitation {
    /// Its id.
    pub id: RecordId,
    /// The address that is invited.
    pub email: String,
    /// What the person will be.
    pub role: Role,
    /// What has become of it.
    pub state: InvitationState,
    /// Name of whoever answers for it; none for an operator.
    pub invited_by: Option<String>,
    /// When its last letter was queued.
    pub sent_at: Timestamp,
    /// When its link ends.
    pub expires_at: Timestamp,
}

/// What has become of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InvitationState {
    /// It waits for an answer.
    Open,
    /// Its link has ended; it can be sent again.
    Expired,
    /// Somebody became a member by it.
    Accepted,
    /// It was taken back.
    Withdrawn,
}

/// One's own address, and the change that is under way.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnEmail {
    /// The address in use.
    pub email: String,
    /// What is to take its place.
    pub change: Option<PendingEmail>,
}

/// An address that waits to be confirmed from both sides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PendingEmail {
    /// The address.
    pub email: String,
    /// Until when it can be confirmed.
    pub until: Timestamp,
    /// Whether it was confirmed at the new address.
    pub new_confirmed: bool,
    /// Whether it was confirmed at the present one.
    pub old_confirmed: bool,
}

const MEMBERS: &str = "SELECT u.id, u.name, u.email, u.role, u.active, s.last_seen_at, coalesce(s.two_step, false) \
    FROM app.\"user\" u LEFT JOIN app.members_guarded() s ON s.user_id = u.id \
    WHERE u.deleted_at IS NULL AND u.kind = 'person' AND (strpos(u.name_key, $1) > 0 OR strpos(u.email_key, $2) > 0) \
    AND ($3::text IS NULL OR (u.name_key, u.id) > (SELECT a.name_key, a.id FROM app.\"user\" a WHERE a.id = $3)) \
    ORDER BY u.name_key, u.id LIMIT $4";
const MEMBER: &str = "SELECT u.id, u.name, u.email, u.role, u.active, s.last_seen_at, coalesce(s.two_step, false) \
    FROM app.\"user\" u LEFT JOIN app.members_guarded() s ON s.user_id = u.id WHERE u.deleted_at IS NULL AND u.kind = 'person' AND u.id = $1";
const CHANGE_MEMBER: &str = "UPDATE app.\"user\" u SET role = coalesce($2, u.role), active = coalesce($3, u.active), updated_at = transaction_timestamp(), \
    updated_by_id = (SELECT app.user_id()), version = u.version + 1 WHERE u.id = $1 AND u.deleted_at IS NULL AND u.kind = 'person' RETURNING u.id";
const INVITATIONS: &str = "SELECT i.id, i.email, i.role, u.name, i.sent_at, i.expires_at, i.accepted_at IS NOT NULL, i.withdrawn_at IS NOT NULL, \
    i.expires_at <= transaction_timestamp() \
    FROM app.invitation i LEFT JOIN app.\"user\" u ON u.tenant_id = i.tenant_id AND u.id = i.invited_by_id \
    ORDER BY coalesce(i.accepted_at, i.withdrawn_at) IS NOT NULL, i.id DESC LIMIT 200";

impl PgStore {
    /// Members whose name or address contains `search`, by name, after the member `after`.
    pub async fn members(
        &self,
        search: &str,
        after: Option<RecordId>,
        limit: i64,
    ) -> Result<Vec<Member>, IdentityError> {
        let (name, email) = (
            fieldstone_model::fold::fold(search.trim()),
            email_key(search),
        );
        let after = after.map(|id| id.to_string());
        let rows = self.ask(MEMBERS, &[&name, &email, &after, &limit]).await?;
        rows.iter().map(member).collect()
    }

    /// One member.
    pub async fn member(&self, id: RecordId) -> Result<Member, IdentityError> {
        let rows = self.ask(MEMBER, &[&id.as_str()]).await?;
        let row = rows.first().ok_or(IdentityError::Missing("member"))?;
        member(row)
    }

    /// Changes a member's role, access, or both. Whoever gets a lower role is signed out everywhere; whoever is shut out loses everything
    /// they could come back with.
    pub async fn change_member(
        &self,
        id: RecordId,
        role: Option<Role>,
        active: Option<bool>,
    ) -> Result<(), IdentityError> {
        let role = role.map(Role::name);
        let rows = self
            .change(CHANGE_MEMBER, &[&id.as_str(), &role, &active])
            .await?;
        rows.first()
            .map(drop)
            .ok_or(IdentityError::Missing("member"))
    }

    /// Takes the lost second factor from somebody else who is not above the caller, and writes them a letter; false when they have none.
    pub async fn reset_totp(&self, person: RecordId) -> Result<bool, IdentityError> {
        let rows = self
            .change("SELECT app.reset_totp($1)", &[&person.as_str()])
            .await?;
        let reset = rows.first().map(|row| row.try_get(0));
        Ok(reset.transpose()?.unwrap_or(false))
    }

    /// The caller leaves the workspace.
    pub async fn leave(&self) -> Result<(), IdentityError> {
        self.change("SELECT app.leave_workspace()", &[])
            .await
            .map(drop)
    }

    /// Invitations, the open ones first, then the newest.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, IdentityError> {
        let rows = self.ask(INVITATIONS, &[]).await?;
        rows.iter().map(invitation).collect()
    }

    /// Invites these addresses, all or none; answers the ids of the invitations.
    pub async fn invite(
        &self,
        emails: &[String],
        role: Role,
        locale: &str,
    ) -> Result<Vec<RecordId>, IdentityError> {
        let ids: Vec<RecordId> = emails
            .iter()
            .map(|_| self.shared.new_id(INVITATION_PREFIX))
            .collect();
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let keys: Vec<String> = emails.iter().map(|email| email_key(email)).collect();
        let sql = "SELECT app.invite($1, $2, $3, $4, $5)";
        self.change(sql, &[&texts, &emails, &keys, &role.name(), &locale])
            .await?;
        Ok(ids)
    }

    /// Sends an invitation again; the earlier letter's link opens nothing any more.
    pub async fn resend_invitation(&self, id: RecordId) -> Result<(), IdentityError> {
        self.on_invitation("SELECT app.resend_invitation($1)", id)
            .await
    }

    /// Takes an invitation back.
    pub async fn withdraw_invitation(&self, id: RecordId) -> Result<(), IdentityError> {
        self.on_invitation("SELECT app.withdraw_invitation($1)", id)
            .await
    }

    async fn on_invitation(&self, sql: &str, id: RecordId) -> Result<(), IdentityError> {
        let rows = self.change(sql, &[&id.as_str()]).await?;
        let done = rows.first().map(|row| row.try_get::<_, bool>(0));
        if done.transpose()?.unwrap_or(false) {
            Ok(())
        } else {
            Err(IdentityError::Missing("open invitation"))
        }
    }

    /// The caller's own address.
    pub async fn own_email(&self) -> Result<OwnEmail, IdentityError> {
        let sql =
            "SELECT email, new_email, until, new_confirmed, old_confirmed FROM app.own_email()";
        let rows = self.ask(sql, &[]).await?;
        let row = rows.first().ok_or(IdentityError::Unauthenticated)?;
        let change = match row.try_get::<_, Option<String>>(1)? {
            Some(email) => Some(PendingEmail {
                email,
                until: row.try_get(2)?,
                new_confirmed: row.try_get(3)?,
                old_confirmed: row.try_get(4)?,
            }),
            None => None,
        };
        Ok(OwnEmail {
            email: row.try_get(0)?,
            change,
        })
    }

    /// Asks for another address of the caller's own: letters go to it and to the present one.
    pub async fn ask_email_change(&self, email: &str) -> Result<(), IdentityError> {
        let sql = "SELECT app.ask_email_change($1, $2)";
        self.change(sql, &[&email, &email_key(email)])
            .await
            .map(drop)
    }

    /// Stops the caller's own change of address; false when there is none.
    pub async fn stop_email_change(&self) -> Result<bool, IdentityError> {
        let rows = self
            .change("SELECT app.stop_own_email_change()", &[])
            .await?;
        let stopped = rows.first().map(|row| row.try_get(0));
        Ok(stopped.transpose()?.unwrap_or(false))
    }

    /// Runs a statement that writes.
    async fn change(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, IdentityError> {
        let rows = self.ask(sql, params).await?;
        self.note_written();
        Ok(rows)
    }

    /// Runs a statement; the rules of identity keep their own names.
    async fn ask(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, IdentityError> {
        let flight = self
            .pool()
            .flight(self.actor(), None, &[Step { sql, params }])
            .await;
        match flight {
            Ok(answers) => {
                self.note_flight();
                Ok(answers.into_iter().next().unwrap_or_default())
            }
            Err(FlightError::Statement(error)) if IdentityError::is_rule(&error) => {
                self.note_flight();
                Err(error.into())
            }
            Err(error) => {
                let error = store_error(error);
                self.note_refusal(&error);
                Err(match error {
                    StoreError::SessionEnded => IdentityError::Unauthenticated,
                    error => IdentityError::Records(error),
                })
            }
        }
    }
}

fn member(row: &Row) -> Result<Member, IdentityError> {
    Ok(Member {
        id: parsed(row, 0)?,
        name: row.try_get(1)?,
        email: row.try_get(2)?,
        role: parsed(row, 3)?,
        active: row.try_get(4)?,
        last_seen_at: row.try_get(5)?,
        second_factor: row.try_get(6)?,
    })
}

fn invitation(row: &Row) -> Result<Invitation, IdentityError> {
    let (accepted, withdrawn, expired) = (row.try_get(6)?, row.try_get(7)?, row.try_get(8)?);
    Ok(Invitation {
        id: parsed(row, 0)?,
        email: row.try_get(1)?,
        role: parsed(row, 2)?,
        invited_by: row.try_get(3)?,
        sent_at: row.try_get(4)?,
        expires_at: row.try_get(5)?,
        state: match (accepted, withdrawn, expired) {
            (true, _, _) => InvitationState::Accepted,
            (_, true, _) => InvitationState::Withdrawn,
            (_, _, true) => InvitationState::Expired,
            _ => InvitationState::Open,
        },
    })
}

fn parsed<T: std::str::FromStr>(row: &Row, at: usize) -> Result<T, IdentityError> {
    let text: &str = row.try_get(at)?;
    text.parse().map_err(|_| IdentityError::Crypto)
}
