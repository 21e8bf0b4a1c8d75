//! `fieldstone doctor`: what this machine has and lacks for `fieldstone up`. It changes nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::output::say;
use super::up::default_data_dir;
use crate::cluster::examine;
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
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
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
        for (what, finding) in &findings {
            let (mark, text) = match finding {
                Ok(text) => ("ok  ", text),
                Err(text) => ("FAIL", text),
            };
            say(&format!("{mark}  {what}: {text}"))?;
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
