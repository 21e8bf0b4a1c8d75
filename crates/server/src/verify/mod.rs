//! `fieldstone verify`: each claim that the product makes of itself, checked on the installation as it runs.
//!
//! A check observes; it never trusts what a configuration says. What can't be seen from here is *cannot check*, which is never a pass.
//! The report is signed, so that evidence can be shown elsewhere and nobody has to believe the page it stands on.

mod backups;
mod data;
mod device;
mod job;
mod people;
mod probe;
mod service;
mod signature;
mod tenancy;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;

use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Config};

pub use self::job::{VerifyJob, last_report};
pub use self::signature::{Signer, VERIFY_KEY, VerifyKeyError, is_signed};
use crate::data_dir::DataDir;
use crate::database::connect;
use crate::identity::PasswordPolicy;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was seen to hold.
    Pass,
    /// It was seen not to hold.
    Fail,
    /// It can't be seen from here. Never counts as a pass.
    CannotCheck,
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Which: `P1` … `P16`, `F1` … `F12`.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// What was seen.
    pub seen: String,
}

/// All claims, and when they were checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// Where people find what was checked.
    pub url: String,
    /// The version of the program that checked.
    pub version: String,
    /// The claims.
    pub checks: Vec<Check>,
    /// The Ed25519 key that signs, base64.
    #[serde(default)]
    pub public_key: String,
    /// The signature of everything above in its order, as compact JSON without these two fields, base64.
    #[serde(default)]
    pub signature: String,
}

/// What is checked.
#[derive(Clone)]
pub struct Subject {
    /// Where people find it.
    pub url: String,
    /// Where it is reached from here, when that is another address.
    pub connect: Option<std::net::SocketAddr>,
    /// The certificate authority that clients trust; the system's when there is none.
    pub ca: Option<PathBuf>,
    /// The database as the schema's owner.
    pub owner: Config,
    /// The database as the role that serves requests.
    pub app: Config,
    /// The data folder, where everything is on one machine.
    pub data_dir: Option<DataDir>,
    /// A configuration file that may hold what it shouldn't.
    pub configuration: Option<PathBuf>,
    /// What hashes of the probe's passwords cost.
    pub passwords: PasswordPolicy,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What a check found: pass, fail or can't be seen, each with its evidence.
type Seen = Result<Pass, Miss>;

/// Evidence that a claim holds.
struct Pass(String);

/// Why it doesn't, or can't be seen to.
enum Miss {
    Fail(String),
    Unseen(String),
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "so that it reads like its opposites"
)]
fn pass(seen: impl Into<String>) -> Seen {
    Ok(Pass(seen.into()))
}

fn fail<T>(seen: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Fail(seen.into()))
}

fn unseen<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Unseen(why.into()))
}

/// What goes wrong while a check is made speaks against the claim: a system that can't answer doesn't keep its promises.
impl<E: std::error::Error> From<E> for Miss {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Fail(text)
    }
}

impl Check {
    fn new(id: &str, seen: Seen) -> Self {
        let (status, seen) = match seen {
            Ok(Pass(seen)) => (Status::Pass, seen),
            Err(Miss::Fail(seen)) => (Status::Fail, seen),
            Err(Miss::Unseen(seen)) => (Status::CannotCheck, seen),
        };
        Self {
            id: id.to_owned(),
            status,
            seen,
        }
    }
}

impl Report {
    /// Whether nothing was seen to fail.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Fail)
    }

    /// How many claims have this status.
    pub fn count(&self, status: Status) -> usize {
        self.checks
            .iter()
            .filter(|check| check.status == status)
            .count()
    }
}

impl Subject {
    async fn owner(&self) -> Result<Client, Miss> {
        Ok(connect(&self.owner).await?)
    }
}

/// Checks every claim.
pub async fn run(subject: &Subject) -> Report {
    let at = subject.clock.now();
    let probed = probe::run(subject).await;
    let mut checks = vec![
        Check::new("P1", transport::tls(subject).await),
        Check::new("P2", data::at_rest(subject).await),
        Check::new("P3", data::objects(subject).await),
        Check::new("P4", tenancy::isolation(subject).await),
        Check::new("P5", people::passwords(subject).await),
        Check::new("P6", probed.cookies),
        Check::new("P7", probed.second_factor),
        Check::new("P8", probed.roles),
        Check::new("P9", probed.exports),
        Check::new("P10", backups::made(subject).await),
        Check::new("P11", backups::encrypted(subject).await),
        Check::new("P12", service::health(subject).await),
        Check::new("P13", service::deployment(subject).await),
        Check::new("P14", service::secrets(subject)),
        Check::new("P15", service::disclosure(subject).await),
        Check::new("P16", service::controls()),
    ];
    checks.extend(device::checks(subject).await);
    if let Some(data_dir) = &subject.data_dir {
        // The report is shown to everybody; where things lie on this machine is nobody's business.
        let root = data_dir.root().display().to_string();
        for check in &mut checks {
            check.seen = check.seen.replace(&root, "DIR");
        }
    }
    Report {
        at,
        url: subject.url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        checks,
        public_key: String::new(),
        signature: String::new(),
    }
}
