//! Whether anything of a workspace is sealed already, asked of the database before keys are made for it.
//!
//! That happens once in a workspace's life, so each question has a connection of its own; whoever asks is in the middle of anything and waits.

use std::io;
use std::thread;
use std::time::Duration;

use fieldstone_vault::{VaultError, Witness};
use tokio::runtime::{self, Handle, RuntimeFlavor};
use tokio_postgres::Config;

use crate::database::{connect, serving};

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database, as whoever looks people up reaches it.
#[derive(Debug, Clone)]
pub struct SealedInDatabase(Config);

impl SealedInDatabase {
    /// Asks the database as this role, which is `fieldstone_auth`.
    pub fn new(auth: Config) -> Self {
        Self(serving(auth))
    }

    async fn ask(self, tenant: String) -> io::Result<bool> {
        let client = connect(&self.0).await.map_err(io::Error::other)?;
        let row = client
            .query_one("SELECT app.has_sealed($1)", &[&tenant])
            .await
            .map_err(io::Error::other)?;
        row.try_get(0).map_err(io::Error::other)
    }
}

impl Witness for SealedInDatabase {
    fn has_sealed(&self, tenant: &str) -> Result<bool, VaultError> {
        let asked = self.clone().ask(tenant.to_owned());
        let asking = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await? })
        });
        let wait = || asking.join();
        let in_the_way = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let answer = if in_the_way {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        };
        let sealed = answer
            .unwrap_or_else(|_| Err(io::Error::other("the question failed")))
            .map_err(|source| VaultError::Source {
                path: "the database".into(),
                source,
            })?;
        if sealed {
            tracing::error!(workspace = tenant, "{}", VaultError::KeysLost);
        }
        Ok(sealed)
    }
}
