//! Changing a workspace's keys while it is served: everything sealed under the old ones is sealed anew, and then they are let go.
//!
//! What is sealed says which version of the keys it needs, so a change can stop anywhere and go on later: what is left to do is whatever
//! says an older version. `places` lists every place where something is sealed; a place that is missing there would be unreadable after a
//! change, which is why the test of this module seals something in each and counts the columns of the schema.

mod objects;
mod places;
mod witness;

use std::time::Duration;

use fieldstone_model::RecordId;
use fieldstone_vault::{Purpose, RingState, Vault, VaultError};
use serde_json::json;
use tokio_postgres::Client;

use crate::attachments::{ObjectStorage, StorageError};
use crate::database::DatabaseError;
use crate::identity::audit::{self, Action};
use crate::identity::{IdentityError, totp};

pub use self::witness::SealedInDatabase;

/// Requests and jobs that sealed something just before a change have written it after this long, whatever happens.
pub const LONGEST_WRITE: Duration = Duration::from_secs(65);

/// The purposes of blind indexes: they are found by what they were made with for ever.
const INDEXES: [Purpose; 1] = [totp::CODES];

/// Which keys are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The workspace's own key, and with it all its data keys.
    Tenant,
    /// The data keys alone.
    Data,
}

/// Why keys can't be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error("the database doesn't do it: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] StorageError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] IdentityError),
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Values of the database.
    pub values: u64,
    /// Parts of files.
    pub objects: u64,
}

/// Whether anything is sealed in this database: then there are keys somewhere. `owner` is a connection of the schema's owner.
pub async fn is_anything_sealed(owner: &Client) -> Result<bool, DatabaseError> {
    for place in places::ALL {
        let (table, column) = place.name;
        let ask = format!("SELECT EXISTS (SELECT FROM app.{table} WHERE {column} IS NOT NULL)");
        if owner.query_one(&ask, &[]).await?.try_get(0)? {
            return Ok(true);
        }
    }
    let files = "SELECT EXISTS (SELECT FROM app.content_part) OR EXISTS (SELECT FROM app.import_part WHERE object IS NOT NULL)";
    Ok(owner.query_one(files, &[]).await?.try_get(0)?)
}

/// Whose keys are changed, and where they are.
#[derive(Debug)]
pub struct Change<'a> {
    /// The schema owner's connection.
    pub owner: &'a Client,
    /// The keys.
    pub vault: &'a Vault,
    /// Where files lie, if any are kept.
    pub objects: Option<&'a ObjectStorage>,
    /// The workspace.
    pub tenant: RecordId,
}

impl Change<'_> {
    /// Lets new keys seal from now on, unless a change is under way: that one goes on. Nothing happens to a workspace that has no keys yet.
    pub async fn begin(&self, level: Level) -> Result<Option<RingState>, KeyError> {
        let tenant = self.tenant.as_str();
        let state = match self.vault.state(tenant) {
            Err(VaultError::NoKey) => return Ok(None),
            state => state?,
        };
        if state.is_under_way() {
            return Ok(Some(state));
        }
        let state = match level {
            Level::Tenant => self.vault.rotate_tenant_key(tenant, &INDEXES)?,
            Level::Data => self.vault.rotate_data_keys(tenant)?,
        };
        let level = match level {
            Level::Tenant => "workspace",
            Level::Data => "data",
        };
        self.note(&json!({ "level": level, "version": state.current, "phase": "begun" }))
            .await?;
        Ok(Some(state))
    }

    /// Seals everything anew that is sealed under older keys.
    pub async fn seal_anew(
        &self,
        progress: &mut (dyn FnMut(Sealed) + Send),
    ) -> Result<Sealed, KeyError> {
        let mut sealed = Sealed::default();
        for place in places::ALL {
            self.seal_values(place, &mut sealed, progress).await?;
        }
        if let Some(objects) = self.objects {
            self.seal_objects(objects, &mut sealed, progress).await?;
        }
        Ok(sealed)
    }

    /// Lets the old keys go. Whoever calls this has waited until nobody writes with them any more and has sealed once more since then.
    pub async fn settle(&self) -> Result<RingState, KeyError> {
        let state = self.vault.settle(self.tenant.as_str())?;
        self.note(&json!({ "version": state.current, "phase": "finished" }))
            .await?;
        Ok(state)
    }

    async fn note(&self, detail: &serde_json::Value) -> Result<(), KeyError> {
        Ok(audit::record(self.owner, self.tenant, Action::KeysRotate, "", detail).await?)
    }
}
