//! What requests are served from: the database as each role, the keys of the tenant context, the clock, and the routes over them.

mod application;
mod context_keys;
mod full_disk;
mod gate;
mod health;
mod profile;
mod replaced_session;
mod routes;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use fieldstone_model::clock::Clock;
use fieldstone_vault::Vault;
use tokio_postgres::Config;

use crate::attachments::ObjectStorage;
use crate::http::TrustedProxies;
use crate::identity::PasswordPolicy;
use crate::secrets::Manager;
use crate::webhooks::Networks;

pub use self::application::Application;
pub use self::context_keys::{ContextKeyError, ContextKeys};
pub use self::health::Readiness;
pub use self::profile::{Profile, Profiles};
pub use self::routes::{Site, pages, routes};

/// How to reach the database as each of its roles.
#[derive(Debug, Clone)]
pub struct Databases {
    /// Owns the schema. A serving node may do without: then somebody else migrates.
    pub owner: Option<Config>,
    /// Serves requests under a signed context.
    pub app: Config,
    /// Signs people in.
    pub auth: Config,
    /// Runs jobs.
    pub worker: Config,
}

/// How people are let in.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// What a password's hash costs.
    pub passwords: PasswordPolicy,
    /// Proxies whose word on where a request comes from counts.
    pub proxies: TrustedProxies,
    /// Seals the seeds of second factors.
    pub vault: Vault,
}

impl Accounts {
    /// The usual way, with this vault.
    pub fn new(vault: Vault) -> Self {
        Self {
            passwords: PasswordPolicy::default(),
            proxies: TrustedProxies::default(),
            vault,
        }
    }
}

/// Everything that is the same for all requests of one server. Cheap to clone.
#[derive(Clone)]
pub struct Platform {
    /// The database.
    pub databases: Databases,
    /// What signs a tenant context.
    pub context_keys: Arc<ContextKeys>,
    /// What passwords cost, whose word on addresses counts, and what seals secrets.
    pub accounts: Accounts,
    /// Where the content of files lies; without it none are taken.
    pub objects: Option<ObjectStorage>,
    /// Where webhooks may lead besides the public internet.
    pub webhook_networks: Networks,
    /// The secrets manager, where there is one.
    pub secrets: Option<Manager>,
    /// Folders of this machine that must not fill up.
    pub folders: Vec<PathBuf>,
    /// For how many days the database's backups go back, where that is known.
    pub backup_days: Option<u16>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where people find this installation, e.g. `https://crm.example`.
    pub url: String,
    /// Where a vulnerability of this installation is reported: a `mailto:` or `https:` address.
    pub security_contact: String,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}
