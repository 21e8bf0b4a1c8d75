//! How each role reaches the database: an address in the configuration itself, or at a place of its own.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::{ConfigError, Configuration};
use crate::database::RolePasswords;
use crate::platform::Databases;
use crate::secrets::Place;

/// The part `[database]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addresses {
    admin_url: Option<SecretString>,
    admin_url_file: Option<Place>,
    owner_url: Option<SecretString>,
    owner_url_file: Option<Place>,
    app_url: Option<SecretString>,
    app_url_file: Option<Place>,
    auth_url: Option<SecretString>,
    auth_url_file: Option<Place>,
    worker_url: Option<SecretString>,
    worker_url_file: Option<Place>,
}

impl Addresses {
    /// Each role with the two ways to say its address.
    fn given(&self) -> [(&'static str, &Option<SecretString>, &Option<Place>); 5] {
        [
            ("admin", &self.admin_url, &self.admin_url_file),
            ("owner", &self.owner_url, &self.owner_url_file),
            ("app", &self.app_url, &self.app_url_file),
            ("auth", &self.auth_url, &self.auth_url_file),
            ("worker", &self.worker_url, &self.worker_url_file),
        ]
    }

    /// Settings that hold an address with its password themselves.
    pub(super) fn inline(&self) -> Vec<String> {
        let given = self.given().into_iter();
        given
            .filter(|(_, url, _)| url.is_some())
            .map(|(name, _, _)| format!("database.{name}_url"))
            .collect()
    }

    /// Settings that name a place, and which.
    pub(super) fn places(&self) -> Vec<(String, Place)> {
        let given = self.given().into_iter();
        given
            .filter_map(|(name, _, place)| {
                Some((format!("database.{name}_url_file"), place.clone()?))
            })
            .collect()
    }
}

impl Configuration {
    /// The database as each role.
    pub fn databases(&self) -> Result<Databases, ConfigError> {
        let given = &self.database;
        let needed = |name, url: &Option<SecretString>, file: &Option<Place>| {
            self.address(name, url.as_ref(), file.as_ref())?
                .ok_or(ConfigError::Address { name })
        };
        Ok(Databases {
            owner: self.address(
                "owner",
                given.owner_url.as_ref(),
                given.owner_url_file.as_ref(),
            )?,
            app: needed("app", &given.app_url, &given.app_url_file)?,
            auth: needed("auth", &given.auth_url, &given.auth_url_file)?,
            worker: needed("worker", &given.worker_url, &given.worker_url_file)?,
        })
    }

    /// The database as a superuser, to set up roles and rights.
    pub fn admin(&self) -> Result<Option<Config>, ConfigError> {
        self.address(
            "admin",
            self.database.admin_url.as_ref(),
            self.database.admin_url_file.as_ref(),
        )
    }

    /// An address given in one of two ways, or not at all.
    fn address(
        &self,
        name: &'static str,
        url: Option<&SecretString>,
        file: Option<&Place>,
    ) -> Result<Option<Config>, ConfigError> {
        match (url, file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(ConfigError::Address { name }),
            (Some(url), None) => address(name, url.expose_secret()).map(Some),
            (None, Some(place)) => address(name, &self.secret(place)?.read()?).map(Some),
        }
    }

    /// The passwords in the addresses, which the roles are to get.
    pub fn role_passwords(&self, databases: &Databases) -> Result<RolePasswords, ConfigError> {
        let password = |name, config: Option<&Config>| {
            let password = config
                .ok_or(ConfigError::Address { name })?
                .get_password()
                .ok_or(ConfigError::Malformed { name })?;
            let password = str::from_utf8(password).map_err(|_| ConfigError::Malformed { name })?;
            Ok::<_, ConfigError>(SecretString::from(password))
        };
        Ok(RolePasswords {
            owner: password("owner", databases.owner.as_ref())?,
            app: password("app", Some(&databases.app))?,
            auth: password("auth", Some(&databases.auth))?,
            worker: password("worker", Some(&databases.worker))?,
        })
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// How a database is reached: encrypted, unless it is on this machine.
fn address(name: &'static str, text: &str) -> Result<Config, ConfigError> {
    let mut config = text
        .trim()
        .parse::<Config>()
        .map_err(|_| ConfigError::Malformed { name })?;
    if config.get_hosts().is_empty() || config.get_user().is_none() {
        return Err(ConfigError::Malformed { name });
    }
    if config.get_hosts().iter().any(is_elsewhere) {
        if config.get_ssl_mode() == SslMode::Disable {
            return Err(ConfigError::Unencrypted { name });
        }
        config.ssl_mode(SslMode::Require);
    }
    Ok(config)
}

/// Whether what is said to this host travels over a network.
fn is_elsewhere(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => !is_loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => false,
    }
}
