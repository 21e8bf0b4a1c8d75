//! `fieldstone migrate`: brings an external database up to date, before the servers that need it.

use std::path::PathBuf;

use clap::Args;
use fieldstone_model::clock::{Clock as _, SystemClock};

use super::failure::Failure;
use super::serve::keys_for_all;
use crate::config::Configuration;
use crate::database::{connect, migrate, prepare};
use crate::keys;
use crate::platform::ContextKeys;

/// Bring an external database up to date
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The configuration file (TOML); with `admin_url` in it, roles and rights are set first
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let configuration = Configuration::read(&self.config)?;
        let databases = configuration.databases()?;
        let owner = databases.owner.as_ref().ok_or_else(|| {
            Failure::new("The configuration names no owner_url, which migrations need.")
        })?;
        let applied = match configuration.admin()? {
            Some(admin) => {
                prepare(&admin, &configuration.role_passwords(&databases)?)
                    .await?
                    .migrated
            }
            None => migrate(owner).await?,
        };
        // Whoever migrates also makes and rotates the keys; the servers only read them.
        ContextKeys::own(configuration.context_key()?, SystemClock.now())?
            .install(owner)
            .await?;
        // Where something is sealed already, the keys for it are with the servers.
        if !keys::is_anything_sealed(&connect(owner).await?).await? {
            keys_for_all(&configuration, Some(owner)).await?;
        }
        for migration in &applied {
            tracing::info!("Applied {migration}");
        }
        if applied.is_empty() {
            tracing::info!("The database is up to date.");
        }
        Ok(())
    }
}
