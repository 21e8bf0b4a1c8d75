//! What answers requests: stores, sign-in, the gate; made once from a [`Platform`].

use std::sync::Arc;
use std::time::Duration;

use fieldstone_model::IdSource;
use fieldstone_model::clock::Clock;

use super::Platform;
use super::profile::Profiles;
use crate::database::pool::{Pool, Sign};
use crate::database::{self, DatabaseError, serving};
use crate::identity::oauth::AuthorizationServer;
use crate::identity::{AuthPool, Authenticator, PasswordHasher, SignIn};
use crate::live::Live;
use crate::quotas::Requests;
use crate::room::Room;
use crate::store::Stores;
use crate::sync::Standings;
use crate::telemetry;

/// Connections that serve requests.
const SERVING: usize = 24;
/// Connections that look people up.
const LOOKING_UP: usize = 4;

/// Everything that answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Application {
    /// Stores of whoever asks.
    pub stores: Stores,
    /// Who asks.
    pub authenticator: Authenticator,
    /// Signing in.
    pub sign_in: SignIn,
    /// Telling devices how they stand.
    pub standings: Standings,
    /// Giving tokens to applications.
    pub authorization: AuthorizationServer,
    /// Looks people up.
    pub(crate) auth: AuthPool,
    /// What tells open pages of changes.
    pub(crate) live: Live,
    /// How often workspaces have asked of late.
    pub(super) requests: Requests,
    /// How people are addressed.
    pub(super) profiles: Profiles,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}

impl Application {
    /// Prepares to answer requests. Connects to nothing yet.
    pub fn new(platform: &Platform) -> anyhow::Result<Self> {
        let keys = Arc::clone(&platform.context_keys);
        let sign: Sign = Arc::new(move |actor, backend, now| keys.sign(actor, backend, now));
        let clock = Arc::clone(&platform.clock);
        let pool = Pool::new(
            platform.databases.app.clone(),
            SERVING,
            sign,
            Arc::clone(&clock),
        )?
        .watched("serving");
        let auth = auth_pool(platform)?;
        let ids = Arc::new(IdSource::default());
        let passwords = PasswordHasher::new(&platform.accounts.passwords)?;
        let vault = platform.accounts.vault.clone();
        Ok(Self {
            stores: Stores::new(pool, Arc::clone(&clock), platform.objects.clone())
                .sealing(vault.clone())
                .with_room(Room::of(&platform.folders)),
            authenticator: Authenticator::new(auth.clone()),
            standings: Standings::new(auth.clone(), vault.clone()),
            sign_in: SignIn::new(auth.clone(), Arc::clone(&ids), passwords, vault),
            authorization: AuthorizationServer::new(auth.clone(), ids),
            live: Live::new(auth.clone()),
            auth,
            requests: Requests::default(),
            profiles: Profiles::default(),
            clock,
        })
    }
}

fn auth_pool(platform: &Platform) -> Result<AuthPool, DatabaseError> {
    let manager = database::tls::manager(&serving(platform.databases.auth.clone()))?;
    let pool = deadpool_postgres::Pool::builder(manager)
        .max_size(LOOKING_UP)
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(5)))
        .create_timeout(Some(Duration::from_secs(10)))
        .build()
        .map_err(|_| DatabaseError::ContextKey("the pool needs a runtime"))?;
    telemetry::watch("sign-in", &pool);
    Ok(AuthPool::new(pool))
}
