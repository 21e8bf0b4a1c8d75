//! `fieldstone keys`: shows which keys there are, never what they are, and changes them while everything is served.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use fieldstone_vault::Vault;
use serde_json::json;

use super::failure::Failure;
use super::operator::{Installation, Operator};
use super::output::say;
use crate::identity::workspace::{self, WorkspaceSummary};
use crate::keys::{Change, KeyError, LONGEST_WRITE, Level, Sealed};

/// Show and change the keys that seal secrets and files
#[derive(Debug, Args)]
pub(super) struct KeysCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which versions of keys there are
    Show(Show),
    /// Change keys; goes on where an earlier change was interrupted
    Rotate(Rotate),
}

#[derive(Debug, Args)]
struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
struct Rotate {
    /// Which keys: `root` wraps all workspaces' keys anew, `workspace` and `data` seal their secrets and files anew
    level: LevelName,
    /// One workspace's alone, by its address [default: all]
    #[arg(long, value_name = "SLUG")]
    workspace: Option<String>,
    /// Seconds until no server writes with the old keys any more [default: 75; less only when none is running]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelName {
    Root,
    Workspace,
    Data,
}

impl KeysCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Show(show) => show.run().await,
            Command::Rotate(rotate) => rotate.run().await,
        }
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let (vault, _) = self.installation.vault()?;
        let mut shown = Vec::new();
        for workspace in list(&operator).await? {
            let state = vault.state(workspace.id.as_str());
            let (text, state) = match state {
                Ok(state) if state.is_under_way() => ("a change is under way", Some(state)),
                Ok(state) => ("settled", Some(state)),
                Err(fieldstone_vault::VaultError::NoKey) => ("no keys yet, or destroyed", None),
                Err(error) => return Err(error.into()),
            };
            let versions = state.map_or_else(String::new, |state| {
                let [generation, number] = state.current.to_be_bytes();
                format!(
                    "workspace key {}, data keys {number}",
                    u16::from(generation) + 1
                )
            });
            if !self.json {
                say(&format!("{:<24} {versions:<32} {text}", workspace.slug))?;
            }
            shown.push(json!({
                "workspace": workspace.slug,
                "version": state.map(|state| state.current),
                "under_way": state.is_some_and(|state| state.is_under_way()),
            }));
        }
        if self.json {
            say(&json!({ "workspaces": shown }).to_string())?;
        }
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let (vault, objects) = self.installation.vault()?;
        let level = match self.level {
            LevelName::Root => return rotate_root(&vault),
            LevelName::Workspace => Level::Tenant,
            LevelName::Data => Level::Data,
        };
        let workspaces = match &self.workspace {
            Some(slug) => vec![operator.workspace(slug).await?],
            None => list(&operator).await?,
        };
        let owner = operator.owner().await?;
        let changes = workspaces.iter().map(|workspace| {
            let change = Change {
                owner: &owner,
                vault: &vault,
                objects: objects.as_ref(),
                tenant: workspace.id,
            };
            (workspace, change)
        });
        let mut under_way = Vec::new();
        for (workspace, change) in changes {
            match change.begin(level).await.map_err(failed)? {
                Some(_) => under_way.push((workspace, change)),
                None => say(&format!("{}: no keys yet", workspace.slug))?,
            }
        }
        // Servers notice new keys by themselves; what they began with the old ones ends with its request.
        self.seal_all(&under_way).await?;
        let wait = self
            .wait
            .map_or(vault.freshness() + LONGEST_WRITE, Duration::from_secs);
        if !under_way.is_empty() && !wait.is_zero() {
            say(&format!(
                "Waiting {} s for servers to finish what they began with the old keys; this can be interrupted and run again",
                wait.as_secs()
            ))?;
            tokio::time::sleep(wait).await;
            self.seal_all(&under_way).await?;
        }
        for (workspace, change) in &under_way {
            let state = change.settle().await.map_err(failed)?;
            say(&format!(
                "{}: done; version {} seals, and the old keys are gone",
                workspace.slug, state.current
            ))?;
        }
        Ok(())
    }

    async fn seal_all(&self, under_way: &[(&WorkspaceSummary, Change<'_>)]) -> Result<(), Failure> {
        for (workspace, change) in under_way {
            let mut told = 0;
            let sealed = change
                .seal_anew(&mut |sealed: Sealed| {
                    let done = sealed.values + sealed.objects;
                    if done >= told + 1_000 {
                        told = done;
                        tracing::info!(workspace = workspace.slug, done, "sealed anew");
                    }
                })
                .await
                .map_err(failed)?;
            say(&format!(
                "{}: {} values and {} parts of files sealed anew",
                workspace.slug, sealed.values, sealed.objects
            ))?;
        }
        Ok(())
    }
}

fn rotate_root(vault: &Vault) -> Result<(), Failure> {
    let mut wrapped = 0;
    let version = vault.rotate_root(&mut |done, _| wrapped = done)?;
    say(&format!(
        "The root key has version {version}; {wrapped} workspaces' keys are wrapped by it, and the old one is gone. Keep a copy of the new one elsewhere."
    ))
}

async fn list(operator: &Operator) -> Result<Vec<WorkspaceSummary>, Failure> {
    workspace::list(&operator.owner().await?)
        .await
        .map_err(|error| Failure::new(error.to_string()))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn failed(error: KeyError) -> Failure {
    Failure::new(format!(
        "The change of keys stopped: {error}. Nothing is lost; run the command again to go on."
    ))
}
