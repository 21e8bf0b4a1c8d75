//! How a person is addressed: name, workspace, language, time zone. Read under their own context, remembered for a minute.

use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use fieldstone_ui::{Viewer, locale::Locale};
use jiff::{Timestamp, tz::TimeZone};
use moka::sync::Cache;

use crate::database::{Actor, pool::Step};
use crate::identity::Identity;
use crate::store::{PgStore, store_error};

const PROFILE: &str = "SELECT u.name, u.locale, u.time_zone, w.name, coalesce(w.settings ->> 'currency', 'EUR'), w.slug, app.request_quota(), u.kind = 'support' \
    FROM app.\"user\" u JOIN app.workspace w ON w.tenant_id = u.tenant_id WHERE u.id = $1";

/// How one person is addressed.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The person's name.
    pub name: String,
    /// Name of the workspace.
    pub workspace: String,
    /// Address of the workspace.
    pub slug: String,
    /// Language, conventions, time zone, currency.
    pub locale: Locale,
    /// Whether an owner let them in to help.
    pub is_support: bool,
    /// How often programs of the workspace may ask in a minute.
    pub requests_per_minute: Option<u32>,
}

/// Profiles in memory.
#[derive(Debug, Clone)]
pub struct Profiles {
    known: Cache<(RecordId, RecordId), Profile>,
}

impl Default for Profiles {
    fn default() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(Duration::from_mins(1))
                .build(),
        }
    }
}

impl Profiles {
    /// Forgets how somebody is addressed, after they have changed it.
    pub(crate) fn forget(&self, actor: &Actor) {
        self.known.invalidate(&(actor.tenant, actor.user));
    }

    /// The profile of whoever the store acts for.
    pub(super) async fn of(&self, store: &PgStore) -> Result<Profile, StoreError> {
        let actor = store.actor();
        let key = (actor.tenant, actor.user);
        if let Some(profile) = self.known.get(&key) {
            return Ok(profile);
        }
        let id = actor.user.to_string();
        let step = Step {
            sql: PROFILE,
            params: &[&id],
        };
        let rows = store
            .pool()
            .flight(actor, None, &[step])
            .await
            .map_err(store_error)?;
        let row = rows
            .first()
            .and_then(|rows| rows.first())
            .ok_or(StoreError::SessionEnded)?;
        let text = |at: usize| row.try_get::<_, String>(at).map_err(StoreError::internal);
        let time_zone = TimeZone::get(&text(2)?).unwrap_or(TimeZone::UTC);
        let locale = Locale::new(&text(1)?, time_zone, &text(4)?);
        let profile = Profile {
            name: text(0)?,
            workspace: text(3)?,
            slug: text(5)?,
            locale,
            is_support: row.try_get(7).map_err(StoreError::internal)?,
            requests_per_minute: row
                .try_get::<_, Option<i32>>(6)
                .map_err(StoreError::internal)?
                .map(i32::unsigned_abs),
        };
        self.known.insert(key, profile.clone());
        Ok(profile)
    }
}

impl Profile {
    /// Whom pages are made for.
    pub(super) fn viewer(&self, store: &PgStore, identity: &Identity, now: Timestamp) -> Viewer {
        let actor = store.actor();
        Viewer {
            user_id: actor.user,
            name: self.name.clone(),
            role: actor.role,
            workspace: self.workspace.clone(),
            locale: self.locale.clone(),
            now,
            can_sign_out: actor.credential.is_some(),
            is_proven: identity.require_recent_proof(now).is_ok(),
        }
    }
}
