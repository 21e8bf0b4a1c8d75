//! `fieldstone serve`: one node against an external database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use fieldstone_model::clock::{Clock, SystemClock};
use fieldstone_vault::Vault;
use tokio_postgres::Config;

use super::failure::Failure;
use super::running::{Stop, export, last_spans, listen, serve_until_told, trace};
use crate::config::{ConfigError, Configuration};
use crate::database::{DatabaseError, connect, migrate, migration};
use crate::jobs::Job;
use crate::keys::{self, SealedInDatabase};
use crate::platform::{Accounts, ContextKeys, Platform, routes};
use crate::storage::{Seen, observe};
use crate::tls::{CertificateSource, Tls};
use crate::verify::{Signer, Subject, VerifyJob};

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
        let source = CertificateSource::Files {
            certificate: configuration.tls.certificate.clone(),
            key: configuration.tls_key()?,
        };
        let tls = Tls::load(source, clock.now())?;
        let context_keys = ContextKeys::shared(configuration.context_key()?)?;

        // A node without the owner's credentials leaves this to one that has them, or to `fieldstone migrate`.
        if let Some(owner) = &databases.owner {
            match migrate(owner).await {
                Ok(migrations) => {
                    for migration in migrations {
                        tracing::info!("Applied {migration}");
                    }
                }
                // The version before serves beside the one after, and again when that is taken back.
                Err(DatabaseError::Newer { found, known }) => tracing::warn!(
                    "The database has migration {found}, and this version was made for {known}; it serves all the same."
                ),
                Err(error) => return Err(error.into()),
            }
            context_keys.install(owner).await?;
        }
        refuse_unsafe_folders(&configuration)?;
        refuse_half_migrated(&databases.app).await?;
        let security_contact = configuration.security_contact.clone();
        let vault = keys_for_all(&configuration, databases.owner.as_ref())
            .await?
            .beside(Arc::new(SealedInDatabase::new(databases.auth.clone())));
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
            context_keys: Arc::new(context_keys),
            clock,
            folders: configuration.folders(),
            backup_days: configuration.backup_days,
            url: configuration.url.clone(),
            security_contact,
            webhook_networks: configuration.webhook_networks.clone(),
            secrets: configuration.manager()?.cloned(),
        };
        let mail = if let Some(post) = configuration.post()? {
            Some((post, configuration.url.clone()))
        } else {
            tracing::warn!(
                "The configuration has no [mail]: letters wait a day for a server that has it, and are given up."
            );
            None
        };
        let metrics = configuration.metrics.as_ref().map(|metrics| metrics.listen);
        let _exporter = export(metrics, &platform).await?;
        let traces = trace(configuration.traces.as_ref(), &platform)?;
        let router = routes(&platform).map_err(|error| Failure::new(error.to_string()))?;
        let jobs = self.verifying(&configuration, &platform)?;
        let served = serve_until_told(listener, tls, router, &platform, mail, jobs, stop).await;
        last_spans(traces).await;
        served
    }

    /// The daily check of every claim, where the owner's credentials are.
    fn verifying(
        &self,
        configuration: &Configuration,
        platform: &Platform,
    ) -> Result<Vec<Box<dyn Job>>, Failure> {
        let Some(subject) =
            configured_subject(&self.config, configuration, Arc::clone(&platform.clock))?
        else {
            return Ok(Vec::new());
        };
        let signer = Signer::at(&configuration.verify_key()?)?;
        Ok(vec![Box::new(VerifyJob::new(subject, signer))])
    }
}

/// What `verify` checks of an installation with a configuration; nothing without the owner's credentials.
pub(super) fn configured_subject(
    file: &Path,
    configuration: &Configuration,
    clock: Arc<dyn Clock>,
) -> Result<Option<Subject>, Failure> {
    let databases = configuration.databases()?;
    Ok(databases.owner.map(|owner| Subject {
        url: configuration.url.clone(),
        connect: None,
        ca: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
        owner,
        app: databases.app,
        data_dir: None,
        configuration: Some(file.to_owned()),
        passwords: configuration.passwords,
        clock,
    }))
}

/// What seals, under the keys that all nodes share. Whoever has the owner's credentials makes the first ones, unless something is sealed
/// already: then they are elsewhere, and others beside them would divide what can be opened.
pub(super) async fn keys_for_all(
    configuration: &Configuration,
    owner: Option<&Config>,
) -> Result<Vault, Failure> {
    let missing = match (configuration.vault(), owner) {
        (Err(error @ ConfigError::NoKeys(_)), Some(owner)) => {
            if !keys::is_anything_sealed(&connect(owner).await?).await? {
                return Ok(configuration.first_vault()?);
            }
            error
        }
        (opened, _) => return Ok(opened?),
    };
    Err(missing.into())
}

/// Acknowledged files have to survive a loss of power, which gocryptfs doesn't promise.
fn refuse_unsafe_folders(configuration: &Configuration) -> Result<(), Failure> {
    for folder in configuration.folders() {
        if let Seen::Encrypted {
            by,
            power_safe: false,
            ..
        } = observe(&folder)
        {
            return Err(Failure::new(format!(
                "{} is encrypted by {by}, which may lose what was acknowledged when power fails; production needs another way.",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// A server that lacks migrations would fail request by request.
async fn refuse_half_migrated(app: &Config) -> Result<(), Failure> {
    let client = connect(app).await?;
    let asked = client.query_one("SELECT app.schema_number()", &[]).await;
    let found: i32 = asked
        .ok()
        .and_then(|row| row.try_get::<_, Option<i32>>(0).ok().flatten())
        .unwrap_or_default();
    let known = migration::latest();
    if found >= known {
        return Ok(());
    }
    Err(Failure::new(format!(
        "The database has migration {found} and this server needs {known}; run `fieldstone migrate` first."
    )))
}
