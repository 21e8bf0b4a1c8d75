//! What operator commands work with: the installation they are pointed at, as the schema's owner or as one person of a workspace.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fieldstone_model::clock::{Clock, SystemClock};
use fieldstone_model::{IdSource, RecordId};
use fieldstone_vault::{FileKeys, Vault};
use tokio_postgres::{Client, Config};

use super::failure::Failure;
use super::up::{databases, default_data_dir};
use crate::attachments::ObjectStorage;
use crate::backup::RepositoryOptions;
use crate::cluster;
use crate::config::Configuration;
use crate::data_dir::DataDir;
use crate::database::pool::{Pool, Sign};
use crate::database::{Actor, DEFAULT_DATABASE, connect};
use crate::identity::workspace::{self, WorkspaceSummary};
use crate::keys::SealedInDatabase;
use crate::platform::{ContextKeys, Databases};
use crate::store::{PgStore, Stores};

/// Connections of one command.
const CONNECTIONS: usize = 4;

/// Which installation a command is for.
#[derive(Debug, Clone, Args)]
pub(super) struct Installation {
    /// The data folder of a running `fieldstone up` [default: ~/.local/share/fieldstone, for root /var/lib/fieldstone]
    #[arg(
        long,
        value_name = "DIR",
        env = "FIELDSTONE_DATA",
        conflicts_with = "config"
    )]
    data: Option<PathBuf>,

    /// The configuration file of `fieldstone serve`, instead of a data folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// An installation's database, as an operator reaches it.
pub(super) struct Operator {
    owner: Config,
    databases: Databases,
    keys: Arc<ContextKeys>,
    /// Where people find the server.
    url: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: IdSource,
}

impl Installation {
    /// Reaches the installation.
    pub(super) fn open(&self) -> Result<Operator, Failure> {
        if let Some(config) = &self.config {
            let configuration = Configuration::read(config)?;
            let keys = ContextKeys::shared(configuration.context_key()?)?;
            return Operator::new(
                configuration.databases()?,
                Arc::new(keys),
                configuration.url,
            );
        }
        let folder = self.data.clone().map_or_else(default_data_dir, Ok)?;
        if !DataDir::holds_data(&folder) {
            return Err(Failure::new(format!(
                "There is no Fieldstone in {}; name its data folder with --data, or start one with `fieldstone up`.",
                folder.display()
            )));
        }
        let data_dir = DataDir::open(&folder)?;
        let mut admin = cluster::admin_config(&data_dir)?;
        admin.dbname(DEFAULT_DATABASE);
        let keys = Arc::new(ContextKeys::shared(data_dir.context_key())?);
        let url = fs::read_to_string(data_dir.url()).map_or_else(
            |_| "https://localhost:8443".to_owned(),
            |url| url.trim().to_owned(),
        );
        Operator::new(databases(&admin, &data_dir.role_passwords()?), keys, url)
    }
}

impl Installation {
    /// For how many days the database's backups go back, where that is known.
    pub(super) fn backup_days(&self) -> Result<Option<u16>, Failure> {
        if let Some(config) = &self.config {
            return Ok(Configuration::read(config)?.backup_days);
        }
        let folder = self.data.clone().map_or_else(default_data_dir, Ok)?;
        Ok(RepositoryOptions::of(&DataDir::open(&folder)?)?.map(|options| options.days))
    }

    /// What seals, and where files lie.
    pub(super) fn vault(&self) -> Result<(Vault, Option<ObjectStorage>), Failure> {
        if let Some(config) = &self.config {
            let configuration = Configuration::read(config)?;
            let witness = SealedInDatabase::new(configuration.databases()?.auth);
            let vault = configuration.vault()?.beside(Arc::new(witness));
            let objects = configuration.objects(&vault)?;
            return Ok((vault, objects));
        }
        let folder = self.data.clone().map_or_else(default_data_dir, Ok)?;
        let data_dir = DataDir::open(&folder)?;
        let mut admin = cluster::admin_config(&data_dir)?;
        admin.dbname(DEFAULT_DATABASE);
        let auth = databases(&admin, &data_dir.role_passwords()?).auth;
        let vault = Vault::new(Arc::new(FileKeys::shared(&data_dir.vault())?))
            .beside(Arc::new(SealedInDatabase::new(auth)));
        let objects = ObjectStorage::folder(&data_dir.objects()?, vault.clone())
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok((vault, Some(objects)))
    }
}

impl Operator {
    pub(super) fn new(
        databases: Databases,
        keys: Arc<ContextKeys>,
        url: String,
    ) -> Result<Self, Failure> {
        let owner = databases.owner.clone().ok_or_else(|| {
            Failure::new("The configuration names no owner_url, which this command needs.")
        })?;
        Ok(Self {
            owner,
            databases,
            keys,
            url,
            clock: Arc::new(SystemClock),
            ids: IdSource::default(),
        })
    }

    /// How the schema's owner connects.
    pub(super) fn owner_config(&self) -> Config {
        self.owner.clone()
    }

    /// A connection as the schema's owner.
    pub(super) async fn owner(&self) -> Result<Client, Failure> {
        connect(&self.owner).await.map_err(|error| match error {
            crate::database::DatabaseError::Unreachable(_) => {
                Failure::new("The database isn't running; start it with `fieldstone up` first.")
            }
            error => error.into(),
        })
    }

    /// The one-time address behind the secret of a set-up link. The secret stands in the query, which no log of ours holds.
    pub(super) fn link(&self, secret: &str) -> String {
        format!("{}/set-up?link={secret}", self.url)
    }

    /// The one-time address by which somebody comes in to help.
    pub(super) fn support_link(&self, secret: &str) -> String {
        format!("{}/support-entry?link={secret}", self.url)
    }

    /// Stores of the people of this installation.
    pub(super) fn stores(&self) -> Result<Stores, Failure> {
        let keys = Arc::clone(&self.keys);
        let sign: Sign = Arc::new(move |actor, backend, now| keys.sign(actor, backend, now));
        let pool = Pool::new(
            self.databases.app.clone(),
            CONNECTIONS,
            sign,
            Arc::clone(&self.clock),
        )?;
        Ok(Stores::new(pool, Arc::clone(&self.clock), None))
    }

    /// The workspace at an address.
    pub(super) async fn workspace(&self, slug: &str) -> Result<WorkspaceSummary, Failure> {
        let owner = self.owner().await?;
        workspace::find(&owner, slug).await.map_err(|_| {
            Failure::new(format!(
                "There is no workspace “{slug}”; `fieldstone workspace list` shows them."
            ))
        })
    }

    /// The store of one person of a workspace: the one with this address, or its first owner.
    pub(super) async fn store(
        &self,
        tenant: RecordId,
        email: Option<&str>,
    ) -> Result<PgStore, Failure> {
        let owner = self.owner().await?;
        let person = workspace::member(&owner, tenant, email).await.map_err(|_| match email {
            Some(email) => Failure::new(format!("Nobody in this workspace can sign in as {email}; `fieldstone user list` shows who can.")),
            None => Failure::new("This workspace has no active owner; add one with `fieldstone user add`."),
        })?;
        let actor = Actor {
            tenant,
            user: person.id,
            role: person.role,
            member_version: person.member_version,
            credential: None,
        };
        self.stores()?
            .open(actor)
            .await
            .map_err(|error| Failure::new(error.to_string()))
    }
}
