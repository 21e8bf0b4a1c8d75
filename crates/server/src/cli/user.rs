//! `fieldstone user`: invites and adds people, shuts them out, lists them. Passwords are theirs to choose: they get a one-time link.
//!
//! The rules of the database hold for operators too: the last owner stays, and every change stands in the workspace's log.

use clap::{Args, Subcommand};
use fieldstone_model::{RecordId, Role};
use tokio_postgres::Client;

use super::failure::Failure;
use super::operator::{Installation, Operator};
use super::output::say;
use super::workspace::LINK_LIFETIME;
use crate::identity::IdentityError;
use crate::identity::workspace::{self, NewInvitation, NewUser};

/// Invite, add, shut out and list people of a workspace
#[derive(Debug, Args)]
pub(super) struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a letter with which a person joins
    Invite(Invite),
    /// Add a person and print their one-time set-up link
    Add(Add),
    /// List the people of a workspace
    List(List),
    /// Print a new one-time link with which a person sets a new password
    Link(Link),
    /// Send a person a letter with which they set a new password
    Reset(Person),
    /// Shut a person out: sessions, tokens and links end at once
    Deactivate(Person),
    /// Let a person in again
    Reactivate(Person),
}

#[derive(Debug, Args)]
struct Invite {
    /// The workspace's address
    workspace: String,
    /// The person's e-mail address
    email: String,
    /// owner, admin, member or viewer
    #[arg(long, default_value = "member")]
    role: Role,
    /// Language of the letter
    #[arg(long, default_value = "en")]
    locale: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Person {
    /// The workspace's address
    workspace: String,
    /// The person's e-mail address
    email: String,
    #[command(flatten)]
    installation: Installation,
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
            Command::Invite(invite) => invite.run().await,
            Command::Add(add) => add.run().await,
            Command::List(list) => list.run().await,
            Command::Link(link) => link.run().await,
            Command::Reset(person) => person.reset().await,
            Command::Deactivate(person) => person.set_active(false).await,
            Command::Reactivate(person) => person.set_active(true).await,
        }
    }
}

impl Invite {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let new = NewInvitation {
            email: &self.email,
            role: self.role,
            locale: &self.locale,
        };
        let owner = operator.owner().await?;
        workspace::invite(&owner, &operator.ids, tenant, &new, operator.clock.now())
            .await
            .map_err(|error| refused(&error))?;
        say(&format!(
            "A letter to {} is on its way. They join as {} within seven days.",
            self.email, self.role
        ))
    }
}

impl Person {
    /// The installation, a connection to it, and the person, whether or not they are shut out.
    async fn find(&self) -> Result<(Operator, Client, (RecordId, RecordId)), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let owner = operator.owner().await?;
        let user = workspace::find_user(&owner, tenant, &self.email)
            .await
            .map_err(|_| {
                Failure::new(format!("Nobody in this workspace has the address {}; `fieldstone user list` shows who is there.", self.email))
            })?;
        Ok((operator, owner, (tenant, user)))
    }

    async fn reset(self) -> Result<(), Failure> {
        let (_, owner, who) = self.find().await?;
        if !workspace::send_password_reset(&owner, who)
            .await
            .map_err(|error| refused(&error))?
        {
            return Err(Failure::new(format!(
                "{} is deactivated; `fieldstone user reactivate` lets them in again.",
                self.email
            )));
        }
        say(&format!(
            "A letter to {} is on its way. They set a new password within an hour.",
            self.email
        ))
    }

    async fn set_active(self, active: bool) -> Result<(), Failure> {
        let (_, owner, who) = self.find().await?;
        workspace::set_active(&owner, who, active)
            .await
            .map_err(|error| refused(&error))?;
        say(&if active {
            format!("{} can sign in again.", self.email)
        } else {
            format!(
                "{} is shut out. Sessions, tokens and links have ended.",
                self.email
            )
        })
    }
}

/// A refusal as a sentence of its own.
fn refused(error: &IdentityError) -> Failure {
    let text = error.to_string();
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    Failure::new(format!("{first}{}.", letters.as_str()))
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
