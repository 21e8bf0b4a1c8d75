//! `fieldstone doctor`: what this machine has and lacks for `fieldstone up`, or for `fieldstone serve` with a configuration. It changes
//! nothing, and never shows a secret.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
        for (what, finding) in notices(&data) {
            match finding {
                Ok(text) => say(&format!("ok    {what}: {text}"))?,
                Err(text) => say(&format!("note  {what}: {text}"))?,
            }
        }
        for (what, finding) in &findings {
            let (mark, text) = match finding {
                Ok(text) => ("ok   ", text),
                Err(text) => ("FAIL ", text),
            };
            say(&format!("{mark} {what}: {text}"))?;
        }
        let lacking = findings
            .iter()
            .filter(|(_, finding)| finding.is_err())
            .count();
        if lacking == 0 {
            Ok(())
        } else {
            Err(Failure::new("`fieldstone up` would not start; see above."))
        }
    }
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
        (name.to_owned(), found)
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
    let mut lacking = false;
    for (what, finding) in &findings {
        lacking |= finding.is_err();
        let (mark, text) = match finding {
            Ok(text) => ("ok   ", text),
            Err(text) => ("FAIL ", text),
        };
        say(&format!("{mark} {what}: {text}"))?;
    }
    if lacking {
        return Err(Failure::new(
            "`fieldstone serve` would not be as it should; see above.",
        ));
    }
    Ok(())
}

/// How the login stands.
fn standing(manager: &Manager) -> Result<String, String> {
    let standing = manager.standing().map_err(|error| error.to_string())?;
    let settings = manager.settings();
    let ends = match standing.ends_in {
        None => "does not end".to_owned(),
        Some(rest) if standing.lasts => {
            format!(
                "is good for {} minutes and made longer by itself",
                rest.as_secs() / 60
            )
        }
        Some(rest) => {
            format!(
                "ends in {} minutes, and nothing makes it longer",
                rest.as_secs() / 60
            )
        }
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
