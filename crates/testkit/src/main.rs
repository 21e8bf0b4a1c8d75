//! Runs a command with one disposable PostgreSQL for all the tests in it: `fieldstone-test-cluster cargo nextest run`.
//!
//! The database ends with the command, also when that fails or is interrupted.

use std::env;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_testkit::CLUSTER_VARIABLE;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        bail!("Usage: fieldstone-test-cluster COMMAND [ARGUMENT]…")
    };
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-tests-")
        .tempdir_in("/tmp")
        .context("making a folder")?;
    let data_dir = DataDir::open(folder.path())?;
    let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE).await?;

    let status = run(Command::new(program)
        .args(arguments)
        .env(CLUSTER_VARIABLE, folder.path()))
    .await;
    cluster.stop().await?;
    folder.close().context("removing the folder")?;
    status
}

/// Runs the command to its end. An interrupt at the terminal reaches the command by itself; a request to end is passed on.
async fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = command.spawn().context("running the command")?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status?.code().and_then(|code| u8::try_from(code).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM)?;
                }
            }
        }
    }
}
