//! `fieldstone user`: adds people to a workspace and lists them. Passwords are theirs to choose: they get a one-time link.

use clap::{Args, Subcommand};
use fieldstone_model::Role;

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use super::workspace::LINK_LIFETIME;
use crate::identity::workspace::{self, NewUser};

/// Add and list people of a workspace
#[derive(Debug, Args)]
pub(super) struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a person and print their one-time set-up link
    Add(Add),
    /// List the people of a workspace
    List(List),
    /// Print a new one-time link with which a person sets a new password
    Link(Link),
}

#[derive(Debug, Args)]
struct Add {
    /// The workspace's address
    workspace: String,
    /// The person's e-mail address
    email: String,
    /// The person's name
    #[arg(long)]
    name: String,
    /// owner, admin, member or viewer
    #[arg(long, default_value = "member")]
    role: Role,
    /// Language
    #[arg(long, default_value = "en")]
    locale: String,
    /// Time zone, e.g. Europe/Berlin
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct List {
    /// The workspace's address
    workspace: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Link {
    /// The workspace's address
    workspace: String,
    /// The person's e-mail address
    email: String,
    #[command(flatten)]
    installation: Installation,
}

impl Users {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Add(add) => add.run().await,
            Command::List(list) => list.run().await,
            Command::Link(link) => link.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let new = NewUser {
            email: &self.email,
            name: &self.name,
            role: self.role,
            password_phc: None,
            locale: &self.locale,
            time_zone: &self.time_zone,
        };
        let mut owner = operator.owner().await?;
        let now = operator.clock.now();
        let user = workspace::add_user(&mut owner, &operator.ids, tenant, &new, now)
            .await
            .map_err(|error| Failure::new(error.to_string()))?;
        let secret = workspace::make_setup_link(
            &mut owner,
            &operator.ids,
            (tenant, user),
            LINK_LIFETIME,
            now,
        )
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
        let link = operator.link(&secret);
        say(&format!(
            "Added {} as {}.
They set a password within seven days at {link}",
            self.email, self.role
        ))
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let people = workspace::members(&operator.owner().await?, tenant)
            .await
            .map_err(|error| Failure::new(error.to_string()))?;
        if self.json {
            return say(&serde_json::json!({ "users": people }).to_string());
        }
        let lines: Vec<String> = people
            .iter()
            .map(|it| {
                format!(
                    "{:<36} {:<7} {:<9} {}",
                    it.email,
                    it.role,
                    if it.active { "active" } else { "inactive" },
                    it.name
                )
            })
            .collect();
        say(&lines.join("\n"))
    }
}

impl Link {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let mut owner = operator.owner().await?;
        let person = workspace::member(&owner, tenant, Some(&self.email))
            .await
            .map_err(|_| {
                Failure::new(format!(
                    "Nobody in this workspace can sign in as {}.",
                    self.email
                ))
            })?;
        let secret = workspace::make_setup_link(
            &mut owner,
            &operator.ids,
            (tenant, person.id),
            LINK_LIFETIME,
            operator.clock.now(),
        )
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
        let link = operator.link(&secret);
        say(&format!(
            "{} sets a new password within seven days at {link}",
            self.email
        ))
    }
}
