//! `fieldstone support`: comes into a workspace whose owner has let somebody in. Without an owner's doing it opens nothing.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use crate::identity::support;

/// Come into a workspace whose owner has let somebody in
#[derive(Debug, Args)]
pub(super) struct Support {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a link that works once, for whom an owner has let in
    Enter(Enter),
    /// List the accesses that owners have given and that last
    List(List),
}

#[derive(Debug, Args)]
struct Enter {
    /// The workspace's address
    workspace: String,
    /// E-mail address of the operator, as the owner has named it
    #[arg(long, value_name = "EMAIL")]
    operator: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    installation: Installation,
}

impl Support {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Enter(enter) => enter.run().await,
            Command::List(list) => list.run().await,
        }
    }
}

impl Enter {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let now = operator.clock.now();
        let owner = operator.owner().await?;
        let made = support::make_link(&owner, tenant, &self.operator, now).await?;
        let Some((secret, ends)) = made else {
            return Err(Failure::new(format!(
                "No owner of {} has let {} in. An owner does that under Settings, Access for support.",
                self.workspace, self.operator
            )));
        };
        say(&format!(
            "Open this within {} minutes, once: {}\nThe access ends at {ends:.0}.",
            support::LINK_LIFETIME.as_mins(),
            operator.support_link(&secret)
        ))
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let lasting = support::lasting(&operator.owner().await?).await?;
        if lasting.is_empty() {
            return say("No owner has let anybody in.");
        }
        let lines: Vec<String> = lasting
            .iter()
            .map(|(slug, email, ends)| format!("{slug:<24} {email:<32} until {ends:.0}"))
            .collect();
        say(&lines.join("\n"))
    }
}
