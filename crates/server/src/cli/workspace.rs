//! `fieldstone workspace`: makes and lists workspaces. Shows nobody's records.

use std::str::FromStr;

use clap::{Args, Subcommand};
use fieldstone_model::Role;
use jiff::SignedDuration;
use serde_json::json;

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use crate::identity::workspace::{self, NewUser, NewWorkspace};
use crate::identity::workspace_end::{self, Ending, GRACE_DAYS};
use crate::quotas;
use crate::schema::create_default_pipeline;

/// How long a set-up link is good.
pub(super) const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Make and list workspaces
#[derive(Debug, Args)]
pub(super) struct Workspaces {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a workspace and print its owner's one-time set-up link
    Create(Create),
    /// List all workspaces
    List(List),
    /// End a workspace: after some days its keys are destroyed and its rows removed
    Delete(Delete),
    /// Take the end of a workspace back
    Keep(Keep),
    /// Show or set what a workspace may use
    Quota(Quota),
}

#[derive(Debug, Args)]
struct Create {
    /// Its address: lower-case letters, digits and hyphens
    slug: String,
    /// What it is called
    #[arg(long)]
    name: String,
    /// E-mail address of its first owner
    #[arg(long)]
    owner_email: String,
    /// Name of its first owner
    #[arg(long)]
    owner_name: String,
    /// Language of its first owner
    #[arg(long, default_value = "en")]
    locale: String,
    /// Time zone of its first owner, e.g. Europe/Berlin
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Delete {
    /// Its address
    workspace: String,
    /// Days until then, during which it goes on and can be kept; 0 ends it now, for good
    #[arg(long, default_value_t = GRACE_DAYS, value_parser = clap::value_parser!(i32).range(0..=365))]
    days: i32,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Keep {
    /// Its address
    workspace: String,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Quota {
    /// Its address
    workspace: String,
    /// Records at most, or `none`
    #[arg(long, value_name = "NUMBER")]
    records: Option<Limit>,
    /// Bytes of files at most, such as 500M or 20G, or `none`
    #[arg(long, value_name = "BYTES")]
    bytes: Option<Limit>,
    /// Requests to the API in a minute at most, on all servers together, or `none`
    #[arg(long, value_name = "NUMBER")]
    requests: Option<Limit>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

/// A limit as it is typed: a number, perhaps with a unit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<i64>);

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let (digits, unit) = match text.strip_suffix(['K', 'M', 'G', 'T']) {
            Some(digits) => (digits, text.chars().last()),
            None => (text, None),
        };
        let shift = match unit {
            Some('K') => 10,
            Some('M') => 20,
            Some('G') => 30,
            Some('T') => 40,
            _ => 0,
        };
        digits
            .parse::<i64>()
            .ok()
            .filter(|number| *number >= 0)
            .and_then(|number| number.checked_mul(1 << shift))
            .map(|number| Self(Some(number)))
            .ok_or("write a number, such as 100000 or 20G, or none")
    }
}

#[derive(Debug, Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

impl Workspaces {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Create(create) => create.run().await,
            Command::List(list) => list.run().await,
            Command::Delete(delete) => delete.run().await,
            Command::Keep(keep) => keep.run().await,
            Command::Quota(quota) => quota.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let owner = NewUser {
            email: &self.owner_email,
            name: &self.owner_name,
            role: Role::Owner,
            password_phc: None,
            locale: &self.locale,
            time_zone: &self.time_zone,
        };
        let new = NewWorkspace {
            name: &self.name,
            slug: &self.slug,
            owner,
        };
        let mut client = operator.owner().await?;
        let now = operator.clock.now();
        let (tenant, user) = workspace::create(&mut client, &operator.ids, &new, now).await?;
        let store = operator.store(tenant, None).await?;
        create_default_pipeline(&store)
            .await
            .map_err(|error| Failure::new(error.to_string()))?;
        let secret = workspace::make_setup_link(
            &mut client,
            &operator.ids,
            (tenant, user),
            LINK_LIFETIME,
            now,
        )
        .await?;
        let link = operator.link(&secret);
        say(&format!(
            "Made the workspace {} ({tenant}).
Its owner sets a password within seven days at {link}",
            self.slug
        ))
    }
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let owner = operator.owner().await?;
        let now = operator.clock.now();
        let ends = workspace_end::ask(&owner, tenant, self.days, now).await?;
        let backups = self.installation.backup_days()?.map_or_else(
            || "Its rows leave the backups when those are too old.".to_owned(),
            |days| {
                let gone = workspace_end::last_backup(ends, days);
                format!(
                    "Its rows leave the last backup by {}.",
                    gone.strftime("%Y-%m-%d")
                )
            },
        );
        if ends > now {
            return say(&format!(
                "The workspace {0} ends at {ends:.0}; `fieldstone workspace keep {0}` takes that back. {backups}",
                self.workspace
            ));
        }
        let (vault, objects) = self.installation.vault()?;
        let ending = Ending {
            owner: operator.owner_config(),
            vault,
            objects,
        };
        ending.carry_out(now).await.map_err(|error| {
            Failure::new(format!("The end of the workspace was interrupted: {error}. Run the command again, or leave it to a running server."))
        })?;
        say(&format!(
            "The workspace {} has ended: its keys are destroyed, its files and rows removed. {backups}",
            self.workspace
        ))
    }
}

impl Keep {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let kept = workspace_end::stop(&operator.owner().await?, tenant).await?;
        say(&if kept {
            format!("The workspace {} stays.", self.workspace)
        } else {
            format!("Nobody has asked for the end of {}.", self.workspace)
        })
    }
}

impl Quota {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let mut owner = operator.owner().await?;
        let mut usage = quotas::of(&owner, tenant).await?;
        let most = &mut usage.most;
        if let Some(Limit(records)) = self.records {
            most.records = records;
        }
        if let Some(Limit(bytes)) = self.bytes {
            most.bytes = bytes;
        }
        if let Some(Limit(requests)) = self.requests {
            most.requests_per_minute = match requests {
                None => None,
                Some(number) => Some(i32::try_from(number).ok().filter(|it| *it > 0).ok_or_else(
                    || Failure::new("Requests in a minute are at least 1, and at most two thousand million."),
                )?),
            };
        }
        if self.records.is_some() || self.bytes.is_some() || self.requests.is_some() {
            quotas::set(&mut owner, tenant, most, operator.clock.now()).await?;
        }
        if self.json {
            let shown = json!({
                "workspace": self.workspace,
                "records": { "used": usage.records, "most": usage.most.records },
                "bytes": { "used": usage.bytes, "most": usage.most.bytes },
                "requests_per_minute": { "most": usage.most.requests_per_minute },
            });
            return say(&shown.to_string());
        }
        let of = |most: Option<i64>| {
            most.map_or_else(
                || "without a limit".to_owned(),
                |most| format!("of {most} at most"),
            )
        };
        say(&format!(
            "{}: {} records {}, {} bytes of files {}, requests in a minute {}",
            self.workspace,
            usage.records,
            of(usage.most.records),
            usage.bytes,
            of(usage.most.bytes),
            of(usage.most.requests_per_minute.map(i64::from)),
        ))
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let workspaces = workspace::list(&operator.owner().await?).await?;
        if self.json {
            return say(&serde_json::json!({ "workspaces": workspaces }).to_string());
        }
        if workspaces.is_empty() {
            return say(
                "There are no workspaces yet; make one with `fieldstone workspace create`.",
            );
        }
        let lines: Vec<String> = workspaces
            .iter()
            .map(|it| {
                format!(
                    "{:<24} {:>5} people   {}   {}",
                    it.slug,
                    it.active_users,
                    it.created_at.strftime("%Y-%m-%d"),
                    it.name
                )
            })
            .collect();
        say(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_with_or_without_a_unit() {
        let limit = |text: &str| text.parse::<Limit>().map(|Limit(most)| most);
        assert_eq!(limit("none"), Ok(None));
        assert_eq!(limit("0"), Ok(Some(0)));
        assert_eq!(limit("100000"), Ok(Some(100_000)));
        assert_eq!(limit("20G"), Ok(Some(20 << 30)));
        for bad in ["", "-1", "1.5G", "G", "12 G", "9000000000000T"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
