//! What people read and change of themselves, whatever their role.

use fieldstone_model::fold;
use fieldstone_store::StoreError;

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

impl PgStore {
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
