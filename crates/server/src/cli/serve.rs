//! `fieldstone serve`: one node against an external database.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fieldstone_model::clock::{Clock, SystemClock};

use super::failure::Failure;
use super::running::{Stop, export, listen, serve_until_told};
use crate::config::Configuration;
use crate::database::migrate;
use crate::platform::{Accounts, ContextKeys, Platform, routes};
use crate::tls::{CertificateSource, Tls};

/// Run a server against an external database
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let configuration = Configuration::read(&self.config)?;
        let databases = configuration.databases()?;
        let stop = Stop::listen()?;
        let listener = listen(configuration.listen).await?;
        let (certificate, key) = (
            configuration.tls.certificate.clone(),
            configuration.tls.key.clone(),
        );
        let tls = Tls::load(CertificateSource::Files { certificate, key }, clock.now())?;
        let keys = ContextKeys::shared(configuration.context_key_file.clone())?;

        // A node without the owner's credentials leaves this to one that has them, or to `fieldstone migrate`.
        if let Some(owner) = &databases.owner {
            for migration in migrate(owner).await? {
                tracing::info!("Applied {migration}");
            }
            keys.install(owner).await?;
        }
        let security_contact = configuration.security_contact.clone();
        let vault = configuration.vault()?;
        let objects = configuration.objects(&vault)?;
        if objects.is_none() {
            tracing::warn!("The configuration has no [objects]: files on records are not taken.");
        }
        let accounts = Accounts {
            passwords: configuration.passwords,
            proxies: configuration.proxies.clone(),
            vault,
        };
        let platform = Platform {
            databases,
            accounts,
            objects,
            context_keys: Arc::new(keys),
            clock,
            folders: configuration.folders(),
            url: configuration.url.clone(),
            security_contact,
            webhook_networks: configuration.webhook_networks.clone(),
        };
        let mail = if let Some(settings) = &configuration.mail {
            Some((settings.open()?, configuration.url.clone()))
        } else {
            tracing::warn!(
                "The configuration has no [mail]: letters wait a day for a server that has it, and are given up."
            );
            None
        };
        let metrics = configuration.metrics.as_ref().map(|metrics| metrics.listen);
        let _exporter = export(metrics, &platform).await?;
        let router = routes(&platform).map_err(|error| Failure::new(error.to_string()))?;
        serve_until_told(listener, tls, router, &platform, mail, Vec::new(), stop).await
    }
}
