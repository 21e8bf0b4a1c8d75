//! What the operator's commands share: the database as the schema's owner, wherever it runs, and the links they hand out.
//!
//! None of them shows a workspace's records, and each leaves an event in the audit log that the workspace sees.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use fieldstone_model::{IdSource, RecordId};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Config};

use super::failure::Failure;
use super::up::{databases, default_data_dir};
use crate::cluster::{Cluster, admin_config};
use crate::config::Configuration;
use crate::data_dir::{DataDir, DataDirError, DataLock};
use crate::database::{DEFAULT_DATABASE, connect, prepare};
use crate::identity::workspace::make_setup_link;

/// How long a link to set a password is good.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Which installation a command is about.
#[derive(Debug, Args)]
pub(super) struct Installation {
    /// The data folder of `fieldstone up`, running or not
    #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA", conflicts_with = "config")]
    data: Option<PathBuf>,

    /// The configuration file of `fieldstone serve`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// An open installation.
pub(super) struct Operator {
    /// A connection of the schema's owner.
    pub(super) owner: Client,
    /// Where people find the server.
    pub(super) url: String,
    /// A database that runs for this command alone, since no server runs it.
    own: Option<(Cluster, DataLock)>,
}

impl Installation {
    /// Opens the installation, does the work, and ends what was started for it, also when the work is refused.
    pub(super) async fn operate<T>(&self, work: impl AsyncFnOnce(&mut Operator) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut operator = self.open().await?;
        let done = work(&mut operator).await;
        operator.close().await?;
        done
    }

    async fn open(&self) -> Result<Operator, Failure> {
        match &self.config {
            Some(path) => {
                let configuration = Configuration::read(path)?;
                let owner = configuration.databases()?.owner;
                let owner = owner.ok_or_else(|| Failure::new("The configuration names no owner_url, which this command needs."))?;
                Ok(Operator { owner: connect(&owner).await?, url: configuration.url, own: None })
            }
            None => self.open_data().await,
        }
    }

    async fn open_data(&self) -> Result<Operator, Failure> {
        let path = self.data.clone().map_or_else(default_data_dir, Ok)?;
        if !path.join("postgres").is_dir() {
            let path = path.display();
            return Err(Failure::new(format!("There is no installation in {path}; start one with `fieldstone up`, or name one with --data or --config.")));
        }
        let data_dir = DataDir::open(&path)?;
        let url = fs::read_to_string(data_dir.url()).map_or_else(|_| "https://localhost:8443".to_owned(), |url| url.trim().to_owned());
        let passwords = data_dir.role_passwords()?;
        let own = match data_dir.lock() {
            Ok(lock) => Some((Cluster::start(&data_dir).await?, lock)),
            Err(DataDirError::InUse(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let mut admin = admin_config(&data_dir)?;
        admin.dbname(DEFAULT_DATABASE);
        if own.is_some() {
            prepare(&admin, &passwords).await?;
        }
        let owner: Option<Config> = databases(&admin, &passwords).owner;
        let owner = owner.ok_or_else(|| Failure::new("The installation has no owner role."))?;
        Ok(Operator { owner: connect(&owner).await?, url, own })
    }
}

impl Operator {
    /// The address at which a person sets their password, once.
    pub(super) async fn link(&mut self, ids: &IdSource, person: (RecordId, RecordId), now: Timestamp) -> Result<String, Failure> {
        let secret = make_setup_link(&mut self.owner, ids, person, LINK_LIFE, now).await?;
        Ok(setup_address(&self.url, &secret))
    }

    async fn close(self) -> Result<(), Failure> {
        drop(self.owner);
        if let Some((cluster, lock)) = self.own {
            cluster.stop().await?;
            drop(lock);
        }
        Ok(())
    }
}

/// The secret stands in the query, which no log of ours holds.
pub(super) fn setup_address(url: &str, secret: &str) -> String {
    format!("{url}/set-up?token={secret}")
}
