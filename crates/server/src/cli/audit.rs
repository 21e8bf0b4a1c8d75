//! `fieldstone audit`: whether a workspace's audit log is as it was written.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use crate::identity::audit::{self, Action};

/// Check a workspace's audit log
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work the chain of the log out again; status 1 when an event was changed or removed
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Verify {
    /// The workspace's address
    workspace: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

impl Audit {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Verify(verify) => verify.run().await,
        }
    }
}

impl Verify {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        // Read under the context of one of its owners, like everything of a tenant; noted as what it is, an operator's doing.
        let verdict = operator.store(tenant, None).await?.audit_verdict().await;
        let verdict = verdict.map_err(|error| Failure::new(error.to_string()))?;
        let owner = operator.owner().await?;
        audit::record(&owner, tenant, Action::AuditVerify, "", &verdict.detail())
            .await
            .map_err(|error| Failure::new(error.to_string()))?;
        if self.json {
            say(&verdict.detail().to_string())?;
        }
        match verdict.first_break {
            Some(at) => Err(Failure::new(format!(
                "Event {at} is not as it was written, or events before it are missing."
            ))),
            None if self.json => Ok(()),
            None => say(&format!(
                "All {} events are as they were written, and none is missing.",
                verdict.events
            )),
        }
    }
}
