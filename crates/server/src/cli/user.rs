//! `fieldstone user`: adds people to a workspace and lists them.

use clap::{Args, Subcommand};
use fieldstone_model::clock::{Clock as _, SystemClock};
use fieldstone_model::{IdSource, Role};

use super::failure::Failure;
use super::operator::{Installation, Operator};
use super::output::say;
use crate::identity::workspace::{NewUser, add_user, find, users};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person to a workspace; prints the link at which they set a password
    Add(Add),
    /// List the people of a workspace
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The workspace's address
    workspace: String,
    /// The person's e-mail address
    #[arg(long)]
    email: String,
    /// The person's name
    #[arg(long)]
    name: String,
    /// owner, admin, member or viewer
    #[arg(long, default_value = "member")]
    role: Role,
    /// The person's language
    #[arg(long, default_value = "en")]
    locale: String,
    /// The person's time zone
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The workspace's address
    workspace: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

impl User {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(command) => command.run().await,
            Self::List(command) => command.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let (ids, now) = (IdSource::default(), SystemClock.now());
        let new = NewUser {
            email: &self.email,
            name: &self.name,
            role: self.role,
            password_phc: None,
            locale: &self.locale,
            time_zone: &self.time_zone,
        };
        let work = async |operator: &mut Operator| {
            let tenant = find(&operator.owner, &self.workspace).await?.id;
            let user = add_user(&mut operator.owner, &ids, tenant, &new, now).await?;
            operator.link(&ids, (tenant, user), now).await
        };
        say(&self.installation.operate(work).await?)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let work = async |operator: &mut Operator| {
            let tenant = find(&operator.owner, &self.workspace).await?.id;
            Ok(users(&operator.owner, tenant).await?)
        };
        let users = self.installation.operate(work).await?;
        if self.json {
            return say(&serde_json::json!({ "users": users }).to_string());
        }
        for user in users {
            let state = if user.active { "" } else { "  (deactivated)" };
            say(&format!("{:<8} {:<40} {}{state}", user.role.name(), user.email, user.name))?;
        }
        Ok(())
    }
}
