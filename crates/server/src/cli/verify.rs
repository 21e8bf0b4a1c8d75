//! `fieldstone verify`: checks every claim on the running installation, and says what was seen.

use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fieldstone_model::clock::{Clock, SystemClock};
use serde_json::json;

use super::failure::Failure;
use super::output::say;
use super::serve::configured_subject;
use super::up::{default_data_dir, embedded_subject};
use crate::backup;
use crate::cluster;
use crate::config::Configuration;
use crate::data_dir::DataDir;
use crate::database::connect;
use crate::verify::{Report, Signer, Status, Subject, VERIFY_KEY, is_signed, run};

/// Check every claim on the running installation
#[derive(Debug, Args)]
pub(super) struct Verify {
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

    /// As JSON
    #[arg(long)]
    json: bool,

    /// Only say whether a report, as --json has printed it, is as it was signed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "config"])]
    signed: Option<PathBuf>,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(file) = &self.signed {
            return check_signature(file);
        }
        let (subject, signer) = self.subject()?;
        let began = subject.clock.now();
        let report = signer.sign(run(&subject).await);
        // So that the page shows it, too.
        match connect(&subject.owner).await {
            Ok(owner) => {
                backup::record(
                    &owner,
                    "verify",
                    began,
                    subject.clock.as_ref(),
                    Ok(json!(report)),
                )
                .await?;
            }
            Err(error) => tracing::warn!("The report can't be kept. {error}"),
        }
        if self.json {
            say(&json!(report).to_string())?;
        } else {
            for line in table(&report, std::io::stdout().is_terminal()) {
                say(&line)?;
            }
        }
        let failed = report.count(Status::Fail);
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{failed} of {} claims do not hold on this installation.",
            report.checks.len()
        )))
    }

    fn subject(&self) -> Result<(Subject, Signer), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        if let Some(config) = &self.config {
            let configuration = Configuration::read(config)?;
            let subject = configured_subject(config, &configuration, clock)?.ok_or_else(|| {
                Failure::new("The configuration names no owner_url, which this command needs.")
            })?;
            let signer = Signer::at(&configuration.verify_key()?)?;
            return Ok((subject, signer));
        }
        let folder = self.data.clone().map_or_else(default_data_dir, Ok)?;
        if !DataDir::holds_data(&folder) {
            return Err(Failure::new(format!(
                "There is no Fieldstone in {}.",
                folder.display()
            )));
        }
        let data_dir = DataDir::open(&folder)?;
        let url = fs::read_to_string(data_dir.url())
            .map_err(|_| Failure::new("The server has never run on this data folder; start it with `fieldstone up` first."))?;
        let signer = Signer::own(&data_dir.secret_file(VERIFY_KEY))?;
        let admin = cluster::admin_config(&data_dir)?;
        let subject = embedded_subject(
            &data_dir,
            &admin,
            &data_dir.role_passwords()?,
            url.trim().to_owned(),
            clock,
        );
        Ok((subject, signer))
    }
}

fn table(report: &Report, colours: bool) -> Vec<String> {
    let paint = |status: Status| {
        let (name, colour) = match status {
            Status::Pass => ("pass", 32),
            Status::Fail => ("FAIL", 31),
            Status::CannotCheck => ("cannot check here", 33),
        };
        let padded = format!("{name:17}");
        if colours {
            format!("\x1b[{colour}m{padded}\x1b[0m")
        } else {
            padded
        }
    };
    let mut lines: Vec<String> = report
        .checks
        .iter()
        .map(|check| format!("{:4}{}  {}", check.id, paint(check.status), check.seen))
        .collect();
    lines.push(format!(
        "{} pass, {} fail, {} can't be checked here; signed by {}",
        report.count(Status::Pass),
        report.count(Status::Fail),
        report.count(Status::CannotCheck),
        report.public_key
    ));
    lines
}

fn check_signature(file: &std::path::Path) -> Result<(), Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("{} can't be read: {error}", file.display())))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|_| Failure::new(format!("{} is no report.", file.display())))?;
    if is_signed(&report) {
        say(&format!(
            "The report of {} is as it was signed by {}.",
            report.at, report.public_key
        ))
    } else {
        Err(Failure::new("The report is not as it was signed."))
    }
}
