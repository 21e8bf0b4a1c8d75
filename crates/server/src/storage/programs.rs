//! Runs the system's programs for file systems. No secret is ever an argument of theirs.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::StorageError;

/// Where programs for file systems lie.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether a program is installed.
pub(super) fn find(program: &str) -> bool {
    PLACES
        .iter()
        .any(|place| Path::new(place).join(program).is_file())
}

/// Runs a program to its end, with `input` as what it reads; answers what it printed.
pub(super) fn run<I>(
    program: &'static str,
    package: &'static str,
    arguments: I,
    input: Option<&str>,
) -> Result<String, StorageError>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = start(command, program, package, input)?;
    let output = child
        .wait_with_output()
        .map_err(|error| failed(program, error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(complaint(program, &output.stderr, output.status))
}

/// Runs a program that leaves another one behind, which would hold a pipe open: what it says goes into the file `log`.
pub(super) fn run_and_leave<I>(
    program: &'static str,
    package: &'static str,
    arguments: I,
    input: &str,
    log: &Path,
) -> Result<(), StorageError>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(log)
        .map_err(|source| StorageError::file(log, source))?;
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(file);
    // Ctrl-C at a terminal is for the server, which needs the other one until it has stopped.
    command.process_group(0);
    let status = start(command, program, package, Some(input))?
        .wait()
        .map_err(|error| failed(program, error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    Err(complaint(
        program,
        &fs::read(log).unwrap_or_default(),
        status,
    ))
}

fn start(
    mut command: Command,
    program: &'static str,
    package: &'static str,
    input: Option<&str>,
) -> Result<Child, StorageError> {
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", PLACES.join(":"))
        .current_dir("/")
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => StorageError::NotInstalled { program, package },
        _ => failed(program, error.to_string()),
    })?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that ends before it has read says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    Ok(child)
}

fn failed(program: &'static str, reason: String) -> StorageError {
    StorageError::Program { program, reason }
}

/// The last line of what it said.
fn complaint(program: &'static str, said: &[u8], status: ExitStatus) -> StorageError {
    let said = String::from_utf8_lossy(said);
    let said = said
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .map(|line| line.trim_end_matches('.').to_owned());
    failed(program, said.unwrap_or_else(|| status.to_string()))
}
