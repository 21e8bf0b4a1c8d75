//! `fieldstone workspace`: makes workspaces and lists them.

use clap::{Args, Subcommand};
use fieldstone_model::clock::{Clock as _, SystemClock};
use fieldstone_model::{IdSource, Role};

use super::failure::Failure;
use super::operator::{Installation, Operator};
use super::output::say;
use crate::identity::workspace::{NewUser, NewWorkspace, create, list};

#[derive(Debug, Subcommand)]
pub(super) enum Workspace {
    /// Make a workspace with its first owner; prints the link at which the owner sets a password
    Create(Create),
    /// List the workspaces
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its address: lower-case letters, digits and hyphens
    slug: String,
    /// What it is called
    #[arg(long)]
    name: String,
    /// The first owner's e-mail address
    #[arg(long, value_name = "EMAIL")]
    owner: String,
    /// The first owner's name
    #[arg(long, value_name = "NAME")]
    owner_name: String,
    /// The owner's language
    #[arg(long, default_value = "en")]
    locale: String,
    /// The owner's time zone
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

impl Workspace {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let (ids, now) = (IdSource::default(), SystemClock.now());
        let owner = NewUser {
            email: &self.owner,
            name: &self.owner_name,
            role: Role::Owner,
            password_phc: None,
            locale: &self.locale,
            time_zone: &self.time_zone,
        };
        let new = NewWorkspace { name: &self.name, slug: &self.slug, owner };
        let work = async |operator: &mut Operator| {
            let person = create(&mut operator.owner, &ids, &new, now).await?;
            operator.link(&ids, person, now).await
        };
        say(&self.installation.operate(work).await?)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let work = async |operator: &mut Operator| Ok(list(&operator.owner).await?);
        let workspaces = self.installation.operate(work).await?;
        if self.json {
            return say(&serde_json::json!({ "workspaces": workspaces }).to_string());
        }
        for workspace in workspaces {
            let (slug, name, users) = (workspace.slug, workspace.name, workspace.active_users);
            say(&format!("{slug:<24} {users:>5} users  {:.0}  {name}", workspace.created_at))?;
        }
        Ok(())
    }
}
