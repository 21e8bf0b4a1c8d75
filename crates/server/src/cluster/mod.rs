//! The embedded PostgreSQL: a private cluster in the data folder, reachable over a unix socket alone.
//!
//! The system's binaries run it, as an unprivileged account when the server was started by root. It must never listen on the network.

mod account;
mod binaries;
mod initialise;
mod postmaster;
mod settings;
mod socket;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;

pub(crate) use self::account::Account;
use self::binaries::Binaries;
use self::postmaster::Postmaster;
pub use self::settings::ClusterOptions;
use crate::data_dir::{DataDir, DataDirError, make_dir, write_public};

/// The cluster's superuser. The server uses it to make roles and databases, never to serve a request.
pub(crate) const ADMIN_ROLE: &str = "fieldstone_cluster";

/// The name of the superuser's password among the data folder's secrets.
pub(crate) const ADMIN_SECRET: &str = "database-cluster";

/// Why the embedded database can't run. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No PostgreSQL at all.
    #[error(
        "PostgreSQL 15 or later is not installed on this machine (Debian and Ubuntu: apt-get install postgresql)."
    )]
    NotInstalled,
    /// Not the one that made this cluster.
    #[error(
        "This data folder was made with PostgreSQL {0}, whose programs are not installed (Debian and Ubuntu: apt-get install postgresql-{0})."
    )]
    VersionNotInstalled(u32),
    /// Root has no lesser account to give the database to.
    #[error(
        "PostgreSQL can't run as root, and this machine has neither a user `postgres` nor a user `nobody`."
    )]
    NoAccount,
    /// A folder on the way is closed to the database's account.
    #[error(
        "The database runs as an unprivileged user, who can't pass through {barrier} to reach {folder}: choose another --data folder or open it with chmod o+x {barrier}."
    )]
    OutOfReach {
        /// Where the database would live.
        folder: PathBuf,
        /// The first closed folder, seen from there.
        barrier: PathBuf,
    },
    /// A file can't be read or written.
    #[error("{path} can't be used for the database: {source}.")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The folder for the socket belongs to somebody else.
    #[error(
        "The folder {0} for the database's socket exists and is not private to the database's user; remove it."
    )]
    SocketFolder(PathBuf),
    /// `initdb` failed.
    #[error("The database cluster could not be made: {0}.")]
    Initialise(String),
    /// `postgres` failed to start.
    #[error("The database did not start ({reason}); its log is in {log_dir}.")]
    Start {
        /// The last thing it said.
        reason: String,
        /// Where it says more.
        log_dir: PathBuf,
    },
    /// `postgres` failed to stop.
    #[error("The database did not stop when told to.")]
    WontStop,
    /// A program could not be run or waited for.
    #[error("PostgreSQL's programs can't be run: {0}.")]
    Program(#[source] io::Error),
    /// The data folder itself.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl ClusterError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// A running embedded database. Dropping it tells the database to shut down; [`Cluster::stop`] also waits.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Option<Postmaster>,
    admin: Config,
}

impl Cluster {
    /// Starts the cluster of this data folder, made first if it isn't there. The caller holds the folder's lock.
    pub async fn start(data_dir: &DataDir) -> Result<Self, ClusterError> {
        Self::start_with(data_dir, &ClusterOptions::DURABLE).await
    }

    /// [`Cluster::start`] with a command that takes each finished piece of the database's log away.
    pub async fn start_archiving(data_dir: &DataDir, command: &str) -> Result<Self, ClusterError> {
        Self::start_any(data_dir, &ClusterOptions::DURABLE, Some(command)).await
    }

    /// [`Cluster::start`] with other settings.
    pub async fn start_with(
        data_dir: &DataDir,
        options: &ClusterOptions,
    ) -> Result<Self, ClusterError> {
        Self::start_any(data_dir, options, None).await
    }

    async fn start_any(
        data_dir: &DataDir,
        options: &ClusterOptions,
        archive_command: Option<&str>,
    ) -> Result<Self, ClusterError> {
        let account = Account::choose()?;
        account.check_reach(data_dir.root())?;
        let folder = data_dir.postgres();
        let binaries = Binaries::find(major_version(&folder)?)?;
        let log_dir = data_dir.log();
        let socket_dir = socket::folder(data_dir.root());
        socket::make(&socket_dir, account)?;
        make_dir(&log_dir, 0o700)
            .and_then(|()| account.give(&log_dir))
            .map_err(|source| ClusterError::file(&log_dir, source))?;

        if folder.exists() {
            postmaster::stop_left_over(&folder, &socket_dir).await?;
        } else {
            let password = data_dir.secret(ADMIN_SECRET)?;
            initialise::initialise(&binaries, account, &folder, &password, options).await?;
        }
        for (name, content) in [
            (
                "postgresql.conf",
                settings::configuration(options, &socket_dir, &log_dir, archive_command),
            ),
            ("pg_hba.conf", settings::HOST_BASED_ACCESS.to_owned()),
        ] {
            write_if_changed(&folder.join(name), &content)?;
        }
        let postmaster = Postmaster::start(&binaries, account, &folder, &log_dir).await?;
        Ok(Self {
            postmaster: Some(postmaster),
            admin: admin_config(data_dir)?,
        })
    }

    /// How to reach the cluster as its superuser, over the socket.
    pub fn admin_config(&self) -> Config {
        self.admin.clone()
    }

    /// Returns when the database ends although nobody told it to.
    pub async fn ended(&mut self) -> Result<ExitStatus, ClusterError> {
        match &mut self.postmaster {
            Some(postmaster) => postmaster.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Shuts the database down and waits until every process of it is gone.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        match self.postmaster.take() {
            Some(mut postmaster) => postmaster.stop().await,
            None => Ok(()),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = &self.postmaster {
            postmaster.signal(Signal::SIGINT);
        }
    }
}

/// Stops a database that an interrupted run has left behind on this data folder.
pub async fn stop_left_over(data_dir: &DataDir) -> Result<(), ClusterError> {
    postmaster::stop_left_over(&data_dir.postgres(), &socket::folder(data_dir.root())).await
}

/// The folder of the database's socket.
pub(crate) fn socket_folder(data_dir: &DataDir) -> PathBuf {
    socket::folder(data_dir.root())
}

/// The password of the cluster's superuser.
pub(crate) fn admin_password(data_dir: &DataDir) -> Result<SecretString, ClusterError> {
    Ok(data_dir.secret(ADMIN_SECRET)?)
}

/// How to reach, as superuser, the cluster that some process runs on this data folder.
pub fn admin_config(data_dir: &DataDir) -> Result<Config, ClusterError> {
    let mut config = Config::new();
    config
        .host_path(socket::folder(data_dir.root()))
        .user(ADMIN_ROLE)
        .password(data_dir.secret(ADMIN_SECRET)?.expose_secret())
        .dbname("postgres")
        .application_name("fieldstone");
    Ok(config)
}

/// The major version of PostgreSQL that made the cluster in `folder`; nothing when there is none.
fn major_version(folder: &Path) -> Result<Option<u32>, ClusterError> {
    let path = folder.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let version = text
                .trim()
                .parse()
                .map_err(|_| ClusterError::file(&path, io::ErrorKind::InvalidData.into()))?;
            Ok(Some(version))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => Ok(None),
        Err(source) => Err(ClusterError::file(&path, source)),
    }
}

/// These files hold no secret; the folder around them is closed to others all the same.
fn write_if_changed(path: &Path, content: &str) -> Result<(), ClusterError> {
    if fs::read_to_string(path).is_ok_and(|current| current == content) {
        return Ok(());
    }
    write_public(path, content.as_bytes()).map_err(|source| ClusterError::file(path, source))
}

/// What a start of the cluster in `data_dir` would run, in words, or why it would be refused. Changes nothing.
pub fn examine(data_dir: &Path) -> Result<String, ClusterError> {
    let nearest = data_dir
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(data_dir);
    let nearest =
        fs::canonicalize(nearest).map_err(|source| ClusterError::file(nearest, source))?;
    Account::choose()?.check_reach(&nearest)?;
    let binaries = Binaries::find(major_version(&data_dir.join("postgres"))?)?;
    Ok(binaries.postgres().display().to_string())
}
