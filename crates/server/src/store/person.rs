//! What people read and change of themselves, whatever their role: profile and sessions; and how the workspace's people sign in.

use fieldstone_model::{RecordId, fold};
use fieldstone_store::StoreError;
use jiff::Timestamp;

use super::PgStore;

/// How a person wants to be addressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewProfile<'a> {
    /// Their name.
    pub(crate) name: &'a str,
    /// Language and conventions, e.g. `en-GB`.
    pub(crate) locale: &'a str,
    /// IANA time zone.
    pub(crate) time_zone: &'a str,
}

/// A person's own profile as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct OwnProfile {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) locale: String,
    pub(crate) time_zone: String,
}

/// A living session of whoever the store acts for.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct OwnSession {
    /// Its id, to end it by.
    pub(crate) id: RecordId,
    /// When the person signed in.
    pub(crate) created_at: Timestamp,
    /// When it was last used, to the minute.
    pub(crate) last_seen_at: Timestamp,
    /// What the browser calls itself.
    pub(crate) user_agent: String,
    /// Where it signed in from.
    pub(crate) address: String,
}

/// How a workspace's people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SignInPolicy {
    /// Minutes without a request after which a session ends.
    pub(crate) idle_minutes: i32,
    /// Minutes after which it ends at all.
    pub(crate) absolute_minutes: i32,
    /// Whether everybody needs a second factor.
    pub(crate) totp_required: bool,
}

impl SignInPolicy {
    /// Whether the limits are ones that can be set: 5 minutes to a day, a quarter of an hour to 30 days, the first not above the second.
    pub(crate) fn is_possible(&self) -> bool {
        (5..=1440).contains(&self.idle_minutes)
            && (15..=43_200).contains(&self.absolute_minutes)
            && self.idle_minutes <= self.absolute_minutes
    }
}

impl PgStore {
    /// The living sessions of whoever the store acts for, the last used first.
    pub(crate) async fn own_sessions(&self) -> Result<Vec<OwnSession>, StoreError> {
        let sql =
            "SELECT id, created_at, last_seen_at, user_agent, address FROM app.own_sessions()";
        let rows = self.run_step(sql, &[]).await?;
        let read = |row: &tokio_postgres::Row| {
            let id: &str = row.try_get(0).map_err(StoreError::internal)?;
            Ok(OwnSession {
                id: id.parse().map_err(StoreError::internal)?,
                created_at: row.try_get(1).map_err(StoreError::internal)?,
                last_seen_at: row.try_get(2).map_err(StoreError::internal)?,
                user_agent: row.try_get(3).map_err(StoreError::internal)?,
                address: row.try_get(4).map_err(StoreError::internal)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Ends one of them; false when there is no such living one.
    pub(crate) async fn end_own_session(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql = "SELECT app.end_own_session($1)";
        let rows = self.run_step(sql, &[&id.as_str()]).await?;
        let ended = rows.first().map_or(Ok(false), |row| row.try_get(0));
        self.note_written();
        ended.map_err(StoreError::internal)
    }

    /// Ends all of them but one; answers how many.
    pub(crate) async fn end_own_other_sessions(&self, kept: RecordId) -> Result<i64, StoreError> {
        let sql = "SELECT app.end_own_other_sessions($1)";
        let rows = self.run_step(sql, &[&kept.as_str()]).await?;
        let ended = rows.first().map_or(Ok(0), |row| row.try_get(0));
        self.note_written();
        ended.map_err(StoreError::internal)
    }

    /// How the workspace's people sign in.
    pub(crate) async fn sign_in_policy(&self) -> Result<SignInPolicy, StoreError> {
        let sql = "SELECT w.idle_minutes, w.absolute_minutes, w.totp_required FROM app.workspace w";
        let rows = self.run_step(sql, &[]).await?;
        let row = rows.first().ok_or(StoreError::SessionEnded)?;
        Ok(SignInPolicy {
            idle_minutes: row.try_get(0).map_err(StoreError::internal)?,
            absolute_minutes: row.try_get(1).map_err(StoreError::internal)?,
            totp_required: row.try_get(2).map_err(StoreError::internal)?,
        })
    }

    /// Changes it. The values have been checked, and whoever asks for a second factor has one.
    pub(crate) async fn set_sign_in_policy(&self, new: SignInPolicy) -> Result<(), StoreError> {
        let sql = "SELECT app.set_sign_in_policy($1, $2, $3)";
        let params = (&new.idle_minutes, &new.absolute_minutes, &new.totp_required);
        self.run_step(sql, &[params.0, params.1, params.2]).await?;
        self.note_written();
        Ok(())
    }

    /// The profile of whoever the store acts for.
    pub(crate) async fn own_profile(&self) -> Result<OwnProfile, StoreError> {
        let sql =
            "SELECT u.name, u.email, u.locale, u.time_zone FROM app.\"user\" u WHERE u.id = $1";
        let rows = self.run_step(sql, &[&self.actor.user.as_str()]).await?;
        let row = rows.first().ok_or(StoreError::SessionEnded)?;
        let text = |at: usize| row.try_get::<_, String>(at).map_err(StoreError::internal);
        Ok(OwnProfile {
            name: text(0)?,
            email: text(1)?,
            locale: text(2)?,
            time_zone: text(3)?,
        })
    }

    /// Changes the profile of whoever the store acts for. Values have been checked.
    pub(crate) async fn update_own_profile(&self, new: &NewProfile<'_>) -> Result<(), StoreError> {
        let sql = "SELECT app.update_own_profile($1, $2, $3, $4)";
        let key = fold::fold(new.name);
        self.run_step(sql, &[&new.name, &key, &new.locale, &new.time_zone])
            .await?;
        self.note_written();
        Ok(())
    }
}
