//! The command line: what is asked, one file per command, and how a refusal is told.
//!
//! A secret is never an argument: other users see arguments.

mod audit;
mod backup;
mod demo;
mod doctor;
mod failure;
mod first_run;
mod import;
mod keep_running;
mod keys;
mod logging;
mod migrate;
mod openapi;
mod operator;
mod output;
mod restore;
mod running;
mod serve;
mod storage;
mod support;
mod support_bundle;
mod up;
mod user;
mod verify;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::Failure;

/// What `fieldstone` can be told.
#[derive(Debug, Parser)]
#[command(
    name = "fieldstone",
    version,
    about = "Fieldstone: a multi-tenant CRM platform",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: database, certificate, server
    Up(up::Up),
    /// Run a server against an external database
    Serve(serve::Serve),
    /// Bring an external database up to date
    Migrate(migrate::Migrate),
    /// Make and list workspaces
    Workspace(workspace::Workspaces),
    /// Add and list people of a workspace
    User(user::Users),
    /// Check a workspace's audit log
    Audit(audit::Audit),
    /// Import a CSV file into a workspace
    Import(import::Import),
    /// Make backups, list them, and see whether they can be restored
    Backup(backup::BackupCommand),
    /// Restore a backup into a new data folder
    Restore(restore::Restore),
    /// Encrypt the data of a folder that isn't
    Storage(storage::StorageCommand),
    /// Show and change the keys that seal secrets and files
    Keys(keys::KeysCommand),
    /// Check every claim on the running installation
    Verify(verify::Verify),
    /// Say what this machine has and lacks
    Doctor(doctor::Doctor),
    /// Come into a workspace whose owner has let somebody in
    Support(support::Support),
    /// Write down what helps to help, without customers' data
    SupportBundle(support_bundle::SupportBundle),
    /// Print the OpenAPI description of the API
    Openapi(openapi::OpenApi),
}

/// Runs the command. Status 0: done; 1: refused or failed, with one sentence on standard error; 2: not understood.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::new(format!("The runtime can't be started: {error}")).report();
        }
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Up(up) => Box::pin(up.run()).await,
            Command::Serve(serve) => Box::pin(serve.run()).await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::Workspace(workspaces) => workspaces.run().await,
            Command::User(users) => users.run().await,
            Command::Audit(audit) => audit.run().await,
            Command::Import(import) => Box::pin(import.run()).await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Keys(keys) => keys.run().await,
            Command::Verify(verify) => verify.run().await,
            Command::Storage(storage) => storage.run().await,
            Command::Doctor(doctor) => doctor.run(),
            Command::Support(support) => support.run().await,
            Command::SupportBundle(bundle) => bundle.run().await,
            Command::Openapi(openapi) => openapi.run(),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
