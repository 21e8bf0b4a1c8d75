//! `fieldstone up`: everything on one machine.

use std::env;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use fieldstone_model::clock::{Clock, SystemClock};
use fieldstone_vault::{FileKeys, Vault, VaultError};
use ipnet::IpNet;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::geteuid;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio_postgres::Config;

use super::backup::BackupOptions;
use super::demo;
use super::failure::Failure;
use super::first_run::invitation;
use super::keep_running::{keep_running, start};
use super::operator::Operator;
use super::running::{Stop, export, last_spans, listen, serve_until_told, trace, url};
use super::storage::StorageOptions;
use crate::attachments::ObjectStorage;
use crate::backup::BackupJob;
use crate::backup::Backups;
use crate::data_dir::{DataDir, write_public};
use crate::database::{DEFAULT_DATABASE, RolePasswords, connect, prepare};
use crate::identity::PasswordPolicy;
use crate::jobs::Job;
use crate::keys::{self, SealedInDatabase};
use crate::mail::MailSettings;
use crate::platform::{Accounts, ContextKeys, Databases, Platform, routes};
use crate::telemetry::traces::TraceSettings;
use crate::tls::{CertificateSource, LocalAuthority, Names, Tls, host_name};
use crate::verify::{Signer, Subject, VERIFY_KEY, VerifyJob};
use crate::webhooks::Networks;

/// Run everything on this machine: database, certificate, server
#[derive(Debug, Args)]
pub(super) struct Up {
    /// Where everything is kept [default: ~/.local/share/fieldstone, for root /var/lib/fieldstone]
    #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA")]
    data: Option<PathBuf>,

    /// The address to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Make two companies with invented data to look around in
    #[arg(long)]
    demo: bool,

    /// Where a vulnerability of this installation is reported, for /.well-known/security.txt [default: mailto:security@ this machine]
    #[arg(long, value_name = "URI")]
    security_contact: Option<String>,

    /// How letters are sent: a file with `from` and [smtp], as under [mail] in a configuration [default: they are put into the data folder]
    #[arg(long, value_name = "FILE")]
    mail: Option<PathBuf>,

    /// A network that webhooks may lead to besides the public internet, e.g. 10.20.0.0/16; may be named several times
    #[arg(long, value_name = "NETWORK")]
    webhook_network: Vec<IpNet>,
    /// Where Prometheus finds numbers, at /metrics over plain HTTP; keep it off public networks [default: nowhere]
    #[arg(long, value_name = "ADDRESS", env = "FIELDSTONE_METRICS")]
    metrics: Option<SocketAddr>,

    /// Where spans for OpenTelemetry go (OTLP over HTTP): the collector's address, which ends in /v1/traces [default: nowhere]
    #[arg(long, value_name = "URL", env = "FIELDSTONE_TRACES")]
    traces: Option<String>,

    #[command(flatten)]
    storage: StorageOptions,

    #[command(flatten)]
    backups: BackupOptions,
}

impl Up {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let stop = Stop::listen()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let data_dir = DataDir::open(&self.data.clone().map_or_else(default_data_dir, Ok)?)?;
        let _lock = data_dir.lock()?;
        let listener = listen(self.listen).await?;
        let authority =
            LocalAuthority::new(data_dir.tls(), Names::of_this_machine(self.listen.ip()));
        let ca = authority.ca_file();
        let tls = Tls::load(CertificateSource::Local(authority), clock.now())?;
        let keys = Arc::new(ContextKeys::own(data_dir.context_key(), clock.now())?);
        forbid_core_dumps()?;
        let storage = self.storage.open(&data_dir)?;
        let growing = storage
            .growth()
            .map(|growth| tokio::spawn(growth.keep_room()));
        let running = self.run_on(&data_dir, listener, tls, (keys, ca), clock, stop);
        let ran = Box::pin(running).await;
        if let Some(growing) = growing {
            growing.abort();
        }
        storage.close();
        ran
    }

    /// Runs everything that lies in the storage, and ends it all.
    async fn run_on(
        &self,
        data_dir: &DataDir,
        listener: TcpListener,
        tls: Tls,
        (keys, ca): (Arc<ContextKeys>, PathBuf),
        clock: Arc<dyn Clock>,
        stop: Stop,
    ) -> Result<(), Failure> {
        let post = match &self.mail {
            Some(file) => MailSettings::read(file)?,
            None => MailSettings::into_outbox(data_dir.outbox()),
        };
        let post = post.open()?;

        let backups = self.backups.open(data_dir)?;
        let archive = backups.as_ref().map(Backups::archive_command);
        let mut cluster = start(data_dir, archive.as_deref()).await?;
        let admin = cluster.admin_config();
        let address = url(&listener)?;
        let passwords = data_dir.role_passwords()?;
        let subject = embedded_subject(data_dir, &admin, &passwords, address, Arc::clone(&clock));
        let signer = Signer::own(&data_dir.secret_file(VERIFY_KEY))?;
        let mut jobs: Vec<Box<dyn Job>> = vec![Box::new(VerifyJob::new(subject, signer))];
        jobs.extend(backups.map(|backups| -> Box<dyn Job> {
            Box::new(BackupJob::new(
                data_dir.clone(),
                backups,
                admin.clone(),
                Arc::clone(&clock),
            ))
        }));
        let served = async {
            let preparing = async {
                let url = url(&listener)?;
                let platform = self.prepare(data_dir, admin, keys, clock, url).await?;
                self.greet(data_dir, &ca, &platform).await?;
                Ok::<_, Failure>(platform)
            };
            let platform = tokio::select! {
                platform = preparing => platform?,
                () = stop.clone().told() => return Ok(()),
            };
            let _exporter = export(self.metrics, &platform).await?;
            let collector = self.traces.clone().map(TraceSettings::to);
            let traces = trace(collector.as_ref(), &platform)?;
            let router = routes(&platform).map_err(|error| Failure::new(error.to_string()))?;
            if let Some(folder) = post.folder() {
                tracing::info!(
                    "Letters are put into {}, since no mail server is named",
                    folder.display()
                );
            }
            let mail = Some((post, url(&listener)?));
            let served = serve_until_told(listener, tls, router, &platform, mail, jobs, stop).await;
            last_spans(traces).await;
            served
        };
        let outcome = tokio::select! {
            outcome = served => outcome,
            failure = keep_running(&mut cluster, data_dir, archive.as_deref()) => Err(failure),
        };
        cluster.stop().await?;
        outcome
    }

    /// Brings the database to where requests can be served from it.
    async fn prepare(
        &self,
        data_dir: &DataDir,
        mut admin: Config,
        keys: Arc<ContextKeys>,
        clock: Arc<dyn Clock>,
        url: String,
    ) -> Result<Platform, Failure> {
        let passwords = data_dir.role_passwords()?;
        admin.dbname(DEFAULT_DATABASE);
        let prepared = prepare(&admin, &passwords).await?;
        if !prepared.migrated.is_empty() {
            tracing::info!("The database was migrated to version {}", prepared.schema);
        }
        let databases = databases(&admin, &passwords);
        if let Some(owner) = &databases.owner {
            keys.install(owner).await?;
        }
        let security_contact = self
            .security_contact
            .clone()
            .unwrap_or_else(|| format!("mailto:security@{}", host_name()));
        let vault = own_vault(data_dir, &databases).await?;
        let objects = ObjectStorage::folder(&data_dir.objects()?, vault.clone())
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Platform {
            databases,
            accounts: Accounts::new(vault),
            objects: Some(objects),
            context_keys: keys,
            clock,
            folders: vec![data_dir.root().to_owned(), data_dir.inside()],
            backup_days: self.backups.days(),
            url,
            security_contact,
            webhook_networks: Networks::new(self.webhook_network.iter().copied()),
            secrets: None,
        })
    }

    /// Says where the server is found and how to get in.
    #[expect(
        clippy::print_stderr,
        reason = "a link that opens the door is for whoever sits here, not for a log"
    )]
    async fn greet(
        &self,
        data_dir: &DataDir,
        ca: &Path,
        platform: &Platform,
    ) -> Result<(), Failure> {
        let url = &platform.url;
        write_public(&data_dir.url(), format!("{url}\n").as_bytes())
            .map_err(|error| Failure::new(format!("The data folder can't be written: {error}.")))?;
        tracing::info!(
            "Clients trust the certificate authority in {}",
            ca.display()
        );
        let operator = Operator::new(
            platform.databases.clone(),
            Arc::clone(&platform.context_keys),
            url.clone(),
        )?;
        if self.demo {
            return demo::ensure(&operator, data_dir, url, ca).await;
        }
        if let Some(link) = invitation(&operator).await? {
            eprintln!("\nChoose the first owner's password within seven days, once: {link}\n");
        }
        Ok(())
    }
}

/// What seals. The first keys are made unless something is sealed already: then they are lost, and others would hide that.
async fn own_vault(data_dir: &DataDir, databases: &Databases) -> Result<Vault, Failure> {
    let folder = data_dir.vault();
    let keys = match (FileKeys::shared(&folder), &databases.owner) {
        (Err(VaultError::Source { source, .. }), Some(owner))
            if source.kind() == ErrorKind::NotFound =>
        {
            if keys::is_anything_sealed(&connect(owner).await?).await? {
                return Err(Failure::new(format!(
                    "The keys in {} are gone, and something is sealed under them; bring that folder back from your copy (docs/runbooks/lost-keys.md).",
                    folder.display()
                )));
            }
            FileKeys::own(&folder)?
        }
        (opened, _) => opened?,
    };
    let witness = SealedInDatabase::new(databases.auth.clone());
    Ok(Vault::new(Arc::new(keys)).beside(Arc::new(witness)))
}

/// What `verify` checks of an installation on one machine.
pub(super) fn embedded_subject(
    data_dir: &DataDir,
    admin: &Config,
    passwords: &RolePasswords,
    url: String,
    clock: Arc<dyn Clock>,
) -> Subject {
    let mut admin = admin.clone();
    admin.dbname(DEFAULT_DATABASE);
    let role = |name: &str, password: &SecretString| {
        let mut config = admin.clone();
        config.user(name).password(password.expose_secret());
        config
    };
    Subject {
        url,
        connect: None,
        ca: Some(data_dir.tls().join("ca.pem")),
        owner: role("fieldstone_owner", &passwords.owner),
        app: role("fieldstone_app", &passwords.app),
        data_dir: Some(data_dir.clone()),
        configuration: None,
        passwords: PasswordPolicy::default(),
        clock,
    }
}

/// Neither this process nor the database leaves its memory behind when it crashes. One byte instead of none, since a limit of zero does not
/// keep a dump from a program that collects them (`core(5)`).
fn forbid_core_dumps() -> Result<(), Failure> {
    setrlimit(Resource::RLIMIT_CORE, 1, 1)
        .map_err(|errno| Failure::new(format!("Core dumps can't be switched off: {errno}.")))
}

/// The same database as each of its roles.
pub(super) fn databases(admin: &Config, passwords: &RolePasswords) -> Databases {
    let role = |name: &str, password: &SecretString| {
        let mut config = admin.clone();
        config.user(name).password(password.expose_secret());
        config
    };
    Databases {
        owner: Some(role("fieldstone_owner", &passwords.owner)),
        app: role("fieldstone_app", &passwords.app),
        auth: role("fieldstone_auth", &passwords.auth),
        worker: role("fieldstone_worker", &passwords.worker),
    }
}

/// Where data is kept when nobody says: the system's place for root, the user's own otherwise (XDG base directories).
pub(super) fn default_data_dir() -> Result<PathBuf, Failure> {
    if geteuid().is_root() {
        return Ok("/var/lib/fieldstone".into());
    }
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let share = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    share.map(|share| share.join("fieldstone")).ok_or_else(|| {
        Failure::new("There is no home folder to keep data in; name one with --data.")
    })
}
