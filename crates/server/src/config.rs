//! The configuration of `fieldstone serve` and `fieldstone migrate`: a TOML file.
//!
//! ```toml
//! listen = "0.0.0.0:8443"
//! url = "https://crm.example"
//! security_contact = "mailto:security@crm.example"
//! context_key_file = "/run/credentials/fieldstone/context.key"
//!
//! vault_folder = "/var/lib/fieldstone/vault"                  # keys that seal secrets in the database, the same on all nodes;
//!                                                             # `fieldstone migrate` makes the first ones
//! webhook_networks = ["10.20.0.0/16"]                         # optional: where webhooks may lead besides the public internet
//!
//! [tls]
//! certificate = "/etc/fieldstone/tls.pem"
//! key = "/run/credentials/fieldstone/tls-key.pem"
//!
//! [database]
//! owner_url_file = "/run/credentials/fieldstone/owner-url"   # optional on nodes that don't migrate
//! app_url_file = "/run/credentials/fieldstone/app-url"
//! auth_url_file = "/run/credentials/fieldstone/auth-url"
//! worker_url_file = "/run/credentials/fieldstone/worker-url"
//! ```
//!
//! Connections to a database on another machine are encrypted, and its certificate has to be good for the host's name; an authority of one's
//! own goes into the system's store or the file that `SSL_CERT_FILE` names. An address may name several hosts (`postgres://…@db1,db2/fieldstone`):
//! the one that takes changes is served from, never one that follows it.
//!
//! `[passwords]` says what a hash costs (`identity/password.rs`), `[proxies]` whose word on addresses counts (`http/proxies.rs`).
//! `backup_days = 35` says how long the database's backups are kept.
//! `[traces] endpoint = "https://otel.internal:4318/v1/traces"` sends spans there (`telemetry/traces.rs`).
//! `[metrics] listen = "127.0.0.1:9464"` lets Prometheus collect numbers there.
//! How letters are sent stands under `[mail]` (`mail/settings.rs`), where the content of files lies under `[objects]` (`attachments/settings.rs`).
//!
//! Secrets that lie in a secrets manager stand under `[secrets]` (`secrets/settings.rs`).
//!
//! Each `…_url_file` may be `…_url` with the address itself (`postgres://user:password@host/fieldstone`); then the file must be
//! private. `fieldstone migrate` also takes `admin_url` or `admin_url_file`.

mod addresses;

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fieldstone_vault::{FileKeys, ManagedKeys, Vault, VaultError};
use serde::Deserialize;

use crate::attachments::{ObjectSettings, ObjectStorage};
use crate::http::TrustedProxies;
use crate::identity::PasswordPolicy;
use crate::mail::{MailSettings, Post};
use crate::secrets::{Manager, Place, Secret, SecretError, SecretSettings, check_private};
use crate::telemetry::traces::TraceSettings;
use crate::verify::VERIFY_KEY;
use crate::webhooks::Networks;

use self::addresses::Addresses;
pub(crate) use self::addresses::is_loopback;

/// What is wrong with a configuration. Each message is a whole sentence for an operator, and never quotes a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file can't be read.
    #[error("The file {path} can't be read: {source}.")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("The configuration {path} is not valid: {reason}.")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without the text around it, which may hold a secret.
        reason: String,
    },
    /// A database address is missing or given twice.
    #[error(
        "The configuration needs exactly one of {name}_url and {name}_url_file under [database]."
    )]
    Address {
        /// Whose address.
        name: &'static str,
    },
    /// A database address can't be understood.
    #[error(
        "The database address {name}_url is not of the form postgres://user:password@host/database."
    )]
    Malformed {
        /// Whose address.
        name: &'static str,
    },
    /// A database on another machine, without TLS.
    #[error(
        "The database address {name}_url reaches over a network with sslmode=disable; leave that out, and give the database a certificate."
    )]
    Unencrypted {
        /// Whose address.
        name: &'static str,
    },
    /// Files can't be kept this way.
    #[error("The settings under [objects] can't be used: {0}.")]
    Objects(&'static str),
    /// There are no keys, and this node is not the one to make them.
    #[error(
        "There are no keys in {0}, which every node needs to have the same of; bring that folder here from a node that has it, or make the first ones with `fieldstone migrate`."
    )]
    NoKeys(PathBuf),
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] VaultError),
    /// A secret can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Letters can't be sent this way.
    #[error("The settings for mail can't be used: {0}.")]
    Mail(&'static str),
}

/// The file's content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The address to serve on.
    pub listen: SocketAddr,
    /// Where people find the server, through whatever stands before it: `https://…`.
    pub url: String,
    /// Where a vulnerability of this installation is reported.
    pub security_contact: String,
    /// The keys that sign the tenant context, the same on all nodes; `fieldstone migrate` makes and rotates them.
    context_key_file: Place,
    /// Where the keys are that seal secrets in the database; see [`Self::vault_folder`].
    vault_folder: Option<PathBuf>,
    /// What a password's hash costs.
    #[serde(default)]
    pub passwords: PasswordPolicy,
    /// Proxies before the server.
    #[serde(default)]
    pub proxies: TrustedProxies,
    /// The server's certificate.
    pub tls: TlsFiles,
    /// Where the content of files lies; without it none are taken.
    objects: Option<ObjectSettings>,
    /// Where webhooks may lead besides the public internet.
    #[serde(default)]
    pub webhook_networks: Networks,
    /// For how many days the backups of the database go back: whoever ends a workspace is told when its rows have left the last one.
    pub backup_days: Option<u16>,
    /// Where Prometheus finds numbers; without it nowhere.
    pub metrics: Option<Metrics>,
    /// Where spans for OpenTelemetry go; without it nowhere.
    pub traces: Option<TraceSettings>,
    /// How letters are sent; without it none are.
    pub mail: Option<MailSettings>,
    /// Where secrets come from besides files.
    secrets: Option<SecretSettings>,
    database: Addresses,
    /// The login at the secrets manager, made when a secret of it is first asked for.
    #[serde(skip)]
    manager: OnceLock<Manager>,
}

/// The server's certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate with its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: Place,
}

/// The private listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Its address: plain HTTP, so one that only those who collect numbers can reach.
    pub listen: SocketAddr,
}

impl Configuration {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let configuration = Self::parse(path, &text)?;
        if !configuration.inline().is_empty() {
            check_private(path)?;
        }
        Ok(configuration)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Invalid {
            path: path.to_owned(),
            reason: error.message().to_owned(),
        })
    }

    /// The secrets manager, if the configuration names one; logged in to by the first who asks.
    pub fn manager(&self) -> Result<Option<&Manager>, ConfigError> {
        let Some(settings) = &self.secrets else {
            return Ok(None);
        };
        if let Some(manager) = self.manager.get() {
            return Ok(Some(manager));
        }
        let opened = Manager::open(settings)?;
        Ok(Some(self.manager.get_or_init(|| opened)))
    }

    /// The secret at a place.
    pub fn secret(&self, place: &Place) -> Result<Secret, ConfigError> {
        let manager = match place {
            Place::File(_) => None,
            Place::Managed { .. } => self.manager()?,
        };
        Ok(Secret::at(place.clone(), manager)?)
    }

    /// The keys that sign the tenant context.
    pub fn context_key(&self) -> Result<Secret, ConfigError> {
        self.secret(&self.context_key_file)
    }

    /// The key that signs reports of `fieldstone verify`: beside the context's.
    pub fn verify_key(&self) -> Result<Secret, ConfigError> {
        self.secret(&match &self.context_key_file {
            Place::File(file) => Place::File(file.with_file_name(VERIFY_KEY)),
            Place::Managed { .. } => Place::Managed {
                path: "verify".to_owned(),
                field: "key".to_owned(),
            },
        })
    }

    /// The private key of the server's certificate.
    pub fn tls_key(&self) -> Result<Secret, ConfigError> {
        self.secret(&self.tls.key)
    }

    /// Every secret that this configuration names: what it is for and where it is.
    pub fn places(&self) -> Vec<(String, Place)> {
        let mut places = vec![
            ("context_key_file".to_owned(), self.context_key_file.clone()),
            ("tls.key".to_owned(), self.tls.key.clone()),
        ];
        places.extend(self.database.places());
        let mail = self.mail.as_ref().and_then(MailSettings::password);
        places.extend(mail.map(|place| ("mail.smtp.password_file".to_owned(), place.clone())));
        let objects = self.objects.as_ref().and_then(ObjectSettings::secret);
        places.extend(objects.map(|place| {
            (
                "objects.bucket.secret_access_key_file".to_owned(),
                place.clone(),
            )
        }));
        places
    }

    /// Secrets that stand in the configuration itself.
    pub fn inline(&self) -> Vec<String> {
        self.database.inline()
    }

    /// Where the keys are that seal secrets in the database, the same on all nodes: a folder that is named, or else the secrets manager, or
    /// else beside the context's. Nothing when they lie in the secrets manager.
    pub fn vault_folder(&self) -> Option<PathBuf> {
        match (&self.vault_folder, &self.secrets, &self.context_key_file) {
            (Some(folder), _, _) => Some(folder.clone()),
            (None, None, Place::File(file)) => Some(file.with_file_name("vault")),
            _ => None,
        }
    }

    /// What seals secrets and files, under keys that are there already.
    pub fn vault(&self) -> Result<Vault, ConfigError> {
        let Some(folder) = self.vault_folder() else {
            return self.managed_vault();
        };
        match FileKeys::shared(&folder) {
            Ok(keys) => Ok(Vault::new(Arc::new(keys))),
            Err(VaultError::Source { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Err(ConfigError::NoKeys(folder))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same, under keys that are made when there are none: for whoever sets an installation up, since keys of one node alone would
    /// seal what no other node can open.
    pub fn first_vault(&self) -> Result<Vault, ConfigError> {
        match self.vault_folder() {
            Some(folder) => Ok(Vault::new(Arc::new(FileKeys::own(&folder)?))),
            None => self.managed_vault(),
        }
    }

    /// A manager is the same for all nodes, so a workspace's keys may be made in it by any of them.
    fn managed_vault(&self) -> Result<Vault, ConfigError> {
        let manager = self
            .manager()?
            .ok_or(SecretError::NoManager("no vault_folder".to_owned()))?;
        let keys = ManagedKeys::new(Arc::new(manager.clone()));
        Ok(Vault::new(Arc::new(keys)))
    }

    /// Where the content of files lies, sealed by this vault.
    pub fn objects(&self, vault: &Vault) -> Result<Option<ObjectStorage>, ConfigError> {
        let settings = self.objects.as_ref();
        let Some(settings) = settings else {
            return Ok(None);
        };
        let secret = settings
            .secret()
            .map(|place| self.secret(place))
            .transpose()?;
        settings.open(vault, secret.as_ref()).map(Some)
    }

    /// How letters leave; nothing where no way is named.
    pub fn post(&self) -> Result<Option<Post>, ConfigError> {
        let Some(settings) = &self.mail else {
            return Ok(None);
        };
        let password = settings
            .password()
            .map(|place| self.secret(place))
            .transpose()?;
        settings.open_with(password.as_ref()).map(Some)
    }

    /// Folders of this machine that must not fill up.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.objects
            .iter()
            .filter_map(|objects| objects.folder().map(Path::to_owned))
            .collect()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio_postgres::config::SslMode;

    use super::*;
    use crate::platform::Databases;

    const FRAME: &str = r#"
        listen = "127.0.0.1:8443"
        url = "https://crm.example"
        security_contact = "mailto:security@crm.example"
        context_key_file = "context.key"
        [tls]
        certificate = "tls.pem"
        key = "tls-key.pem"
        [database]
        auth_url = "postgres://fieldstone_auth:two@db.example/fieldstone"
        worker_url = "postgres://fieldstone_worker:three@db.example/fieldstone"
    "#;

    fn read_with(lines: &str) -> Result<Databases, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, format!("{FRAME}{lines}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Configuration::read(&path)?.databases()
    }

    #[test]
    fn an_address_stands_in_the_file_or_in_one_of_its_own() {
        let databases =
            read_with(r#"app_url = "postgres://fieldstone_app:one@db.example/fieldstone""#)
                .unwrap();
        assert_eq!(databases.app.get_user(), Some("fieldstone_app"));
        assert!(databases.owner.is_none());
        assert_eq!(databases.app.get_ssl_mode(), SslMode::Require);
        let open =
            r#"app_url = "postgres://fieldstone_app:one@db.example/fieldstone?sslmode=disable""#;
        assert!(matches!(
            read_with(open),
            Err(ConfigError::Unencrypted { name: "app" })
        ));
        let near = r#"app_url = "postgres://fieldstone_app:one@127.0.0.1/fieldstone""#;
        assert_ne!(
            read_with(near).unwrap().app.get_ssl_mode(),
            SslMode::Require
        );

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app-url");
        fs::write(
            &file,
            "postgres://fieldstone_app:one@db.example/fieldstone\n",
        )
        .unwrap();
        let line = format!("app_url_file = {file:?}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            read_with(&line),
            Err(ConfigError::Secret(SecretError::Exposed(_)))
        ));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            read_with(&line).unwrap().app.get_password(),
            Some(&b"one"[..])
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for lines in [
            "",
            r#"app_url = "postgres://secret@""#,
            r#"app_url = "postgres://fieldstone_app:secret@db.example:port/""#,
            "app_url = 'postgres://fieldstone_app:secret@db.example/'\napp_url_file = 'x'",
            r#"app_uri = "postgres://fieldstone_app:secret@db.example/""#,
            r#"app_url = ["secret"]"#,
            r#"app_url = "secret"#,
        ] {
            let message = read_with(lines).unwrap_err().to_string();
            assert!(
                !message.contains("secret") || message.contains("holds a secret"),
                "{lines}: {message}"
            );
            assert!(!message.contains('\n'), "{lines}: {message}");
        }
    }

    #[test]
    fn keys_are_made_by_whoever_sets_up_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let text = FRAME.replace(
            "context.key",
            folder.path().join("context.key").to_str().unwrap(),
        );
        let configuration = Configuration::parse(Path::new("config.toml"), &text).unwrap();
        let refused = configuration.vault().unwrap_err();
        assert!(matches!(refused, ConfigError::NoKeys(_)), "{refused}");
        let vault = configuration.vault_folder().unwrap();
        assert!(!vault.exists());
        fs::create_dir(vault).unwrap();
        assert!(matches!(configuration.vault(), Err(ConfigError::NoKeys(_))));
        configuration.first_vault().unwrap();
        configuration.vault().unwrap();
    }

    #[test]
    fn a_configuration_with_addresses_in_it_has_to_be_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, FRAME).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Configuration::read(&path),
            Err(ConfigError::Secret(SecretError::Exposed(_)))
        ));
    }
}
