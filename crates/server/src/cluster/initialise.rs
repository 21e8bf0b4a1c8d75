//! Makes a new database cluster: whole or not at all.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

use super::account::Account;
use super::binaries::Binaries;
use super::{ADMIN_ROLE, ClusterError, ClusterOptions};
use crate::data_dir::{make_dir, write_private};

/// Runs `initdb` beside `folder`, waits for the disk once, then moves the result into place.
///
/// An interrupted attempt leaves nothing that a later one would take for a cluster.
pub(super) async fn initialise(
    binaries: &Binaries,
    account: Account,
    folder: &Path,
    password: &SecretString,
    options: &ClusterOptions,
) -> Result<(), ClusterError> {
    let partial = folder.with_extension("new");
    remove_all(&partial)?;
    make_dir(&partial, 0o700)
        .and_then(|()| account.give(&partial))
        .map_err(|source| ClusterError::file(&partial, source))?;

    let password_file = folder.with_extension("password");
    write_private(&password_file, password.expose_secret().as_bytes())
        .and_then(|()| account.give(&password_file))
        .map_err(|source| ClusterError::file(&password_file, source))?;
    let mut initdb = command(binaries, account, &partial);
    initdb.args([
        "--username",
        ADMIN_ROLE,
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
    ]);
    initdb
        .args([
            "--data-checksums",
            "--no-sync",
            "--no-instructions",
            "--pwfile",
        ])
        .arg(&password_file);
    let made = run(initdb).await;
    let removed = fs::remove_file(&password_file)
        .map_err(|source| ClusterError::file(&password_file, source));
    made?;
    removed?;

    if options.durable {
        let mut sync = command(binaries, account, &partial);
        sync.arg("--sync-only");
        run(sync).await?;
    }
    fs::rename(&partial, folder).map_err(|source| ClusterError::file(folder, source))?;
    if let Some(parent) = folder.parent() {
        fs::File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(|source| ClusterError::file(parent, source))?;
    }
    Ok(())
}

fn command(binaries: &Binaries, account: Account, folder: &Path) -> Command {
    let mut command = Command::new(binaries.initdb());
    account.apply(&mut command);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .arg("--pgdata")
        .arg(folder);
    command
}

async fn run(mut command: Command) -> Result<(), ClusterError> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(ClusterError::Program)?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint
        .lines()
        .rfind(|line| line.contains("error:") || line.contains("FATAL:"));
    Err(ClusterError::Initialise(
        complaint
            .unwrap_or("initdb gave no reason")
            .trim()
            .to_owned(),
    ))
}

fn remove_all(folder: &Path) -> Result<(), ClusterError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ClusterError::file(folder, error)),
        _ => Ok(()),
    }
}
