//! `fieldstone doctor`: what this machine has and lacks for `fieldstone up`, or for `fieldstone serve` with a configuration. It changes
//! nothing, and never shows a secret.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::output::say;
use super::up::default_data_dir;
use crate::backup;
use crate::cluster::examine;
use crate::config::Configuration;
use crate::secrets::{Manager, Place};
use crate::storage;

/// Say what this machine has and lacks
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The data folder that `up` would use
    #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA")]
    data: Option<PathBuf>,

    /// The address that `up` would serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// The configuration file of `fieldstone serve`, instead of a data folder: where each secret comes from, and whether it can be had
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "listen"])]
    config: Option<PathBuf>,
}

/// What was looked at, and what was found.
type Finding = (String, Result<String, String>);

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(file) = &self.config {
            return configured(&Configuration::read(file)?);
        }
        let data = self.data.map_or_else(default_data_dir, Ok)?;
        let port = TcpListener::bind(self.listen);
        for (what, finding) in notices(&data) {
            match finding {
                Ok(text) => say(&format!("ok    {what}: {text}"))?,
                Err(text) => say(&format!("note  {what}: {text}"))?,
            }
        }
        let findings = [
            (
                "Encryption",
                storage::examine(&data).map_err(|error| error.to_string()),
            ),
            (
                "PostgreSQL",
                examine(&data).map_err(|error| error.to_string()),
            ),
            (
                "Address",
                port.map(|_| format!("{} is free", self.listen))
                    .map_err(|error| format!("{}: {error}", self.listen)),
            ),
        ];
        if tell(&findings.map(|(what, finding)| (what.to_owned(), finding)))? {
            Ok(())
        } else {
            Err(Failure::new("`fieldstone up` would not start; see above."))
        }
    }
}

/// Says each finding; answers whether all are good.
fn tell(findings: &[Finding]) -> Result<bool, Failure> {
    for (what, finding) in findings {
        match finding {
            Ok(text) => say(&format!("ok    {what}: {text}"))?,
            Err(text) => say(&format!("FAIL  {what}: {text}"))?,
        }
    }
    Ok(findings.iter().all(|(_, finding)| finding.is_ok()))
}

/// Where the secrets of a configuration come from.
fn configured(configuration: &Configuration) -> Result<(), Failure> {
    let mut findings: Vec<Finding> = Vec::new();
    match configuration.manager() {
        Ok(None) => {}
        Ok(Some(manager)) => findings.push(("Secrets manager".to_owned(), standing(manager))),
        Err(error) => findings.push(("Secrets manager".to_owned(), Err(error.to_string()))),
    }
    findings.extend(configuration.places().into_iter().map(|(name, place)| {
        let found = configuration.secret(&place).and_then(|secret| {
            secret.read()?;
            Ok(match &place {
                Place::File(file) => format!("{}, a file of one user", file.display()),
                Place::Managed { .. } => format!("{place}, in the secrets manager"),
            })
        });
        (name, found.map_err(|error| error.to_string()))
    }));
    findings.extend(configuration.inline().into_iter().map(|name| {
        let found = Err(
            "it stands in the configuration itself; put it into a file or the secrets manager"
                .to_owned(),
        );
        (name, found)
    }));
    let place = configuration.vault_folder().map_or_else(
        || "the secrets manager".to_owned(),
        |folder| format!("{}, the same on all nodes", folder.display()),
    );
    let keys = configuration.vault().map(|_| place);
    findings.push((
        "Keys of workspaces".to_owned(),
        keys.map_err(|error| error.to_string()),
    ));
    if tell(&findings)? {
        Ok(())
    } else {
        Err(Failure::new(
            "`fieldstone serve` would not be as it should; see above.",
        ))
    }
}

/// How long something lasts, as people say it.
fn lasting(time: Duration) -> String {
    const HOUR: u64 = 60 * 60;
    let (number, unit) = match time.as_secs() {
        seconds if seconds < 2 * 60 => (seconds, "seconds"),
        seconds if seconds < 2 * HOUR => (seconds / 60, "minutes"),
        seconds if seconds < 48 * HOUR => (seconds / HOUR, "hours"),
        seconds => (seconds / (24 * HOUR), "days"),
    };
    format!("{number} {unit}")
}

/// How the login stands.
fn standing(manager: &Manager) -> Result<String, String> {
    let standing = manager.standing().map_err(|error| error.to_string())?;
    let settings = manager.settings();
    let ends = match standing.ends_in {
        None => "does not end".to_owned(),
        Some(rest) if standing.lasts => {
            format!("is good for {} and made longer by itself", lasting(rest))
        }
        Some(rest) => format!("ends in {}, and nothing makes it longer", lasting(rest)),
    };
    Ok(format!(
        "{}, {}/{}; the login by {} {ends}",
        settings.address,
        settings.mount,
        settings.path,
        settings.login.name()
    ))
}

/// What would not keep `up` from starting, and should be known all the same.
fn notices(data: &Path) -> [(&'static str, Result<String, String>); 3] {
    let swap = storage::unencrypted_swap();
    [
        (
            "Backups",
            backup::examine(data).map_err(|error| error.to_string()),
        ),
        ("Secrets", secrets(&data.join("secrets"))),
        (
            "Swap",
            if swap.is_empty() {
                Ok("memory is never written to a disk in the clear".to_owned())
            } else {
                Err(format!(
                    "memory may be written in the clear to {}",
                    swap.join(", ")
                ))
            },
        ),
    ]
}

/// Where each secret comes from; never what it is.
fn secrets(folder: &Path) -> Result<String, String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(format!(
            "made on the first start, as private files in {}",
            folder.display()
        ));
    };
    let mut names = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let exposed = entry
            .metadata()
            .is_ok_and(|facts| facts.mode() & 0o077 != 0);
        if exposed {
            return Err(format!(
                "{} can be read by other users",
                entry.path().display()
            ));
        }
        names.push(name);
    }
    names.sort();
    Ok(format!(
        "files of one user in {}: {}; keep a copy elsewhere",
        folder.display(),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_units_that_fit() {
        for (seconds, said) in [
            (59, "59 seconds"),
            (600, "10 minutes"),
            (3 * 60 * 60, "3 hours"),
            (32 * 24 * 60 * 60 + 5, "32 days"),
        ] {
            assert_eq!(lasting(Duration::from_secs(seconds)), said);
        }
    }
}
