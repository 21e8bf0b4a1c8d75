//! The process that is the database: started, watched, stopped, and replaced when an earlier server left one behind.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::ClusterError;
use super::account::Account;
use super::binaries::Binaries;

/// How long a fast shutdown (its final checkpoint) may take before the database is told to drop everything.
const FAST_SHUTDOWN: Duration = Duration::from_secs(30);
/// How long an immediate shutdown may take.
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the workers of a database that was killed may hold its shared memory.
const ORPHANS: Duration = Duration::from_secs(10);
/// The pause between two looks at a state that nothing announces.
const POLL: Duration = Duration::from_millis(5);

/// A running database server, child of this process.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
}

impl Postmaster {
    /// Starts the database and returns once it accepts connections; recovery after a crash takes the time it takes.
    pub(super) async fn start(
        binaries: &Binaries,
        account: Account,
        folder: &Path,
        log_dir: &Path,
    ) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + ORPHANS;
        let log = log_dir.join("start.log");
        loop {
            let mut postmaster = Self::spawn(binaries, account, folder, &log)?;
            let Some(status) = postmaster.ready_or_gone(folder).await? else {
                return Ok(postmaster);
            };
            let said = last_complaint(log_dir).unwrap_or_else(|| status.to_string());
            // After a kill -9 of the whole group the database's workers may outlive it for a moment.
            if !said.contains("pre-existing shared memory block") || Instant::now() > deadline {
                return Err(ClusterError::Start {
                    reason: said,
                    log_dir: log_dir.to_owned(),
                });
            }
            sleep(10 * POLL).await;
        }
    }

    fn spawn(
        binaries: &Binaries,
        account: Account,
        folder: &Path,
        log: &Path,
    ) -> Result<Self, ClusterError> {
        let stderr: File = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(log)
            .map_err(|source| ClusterError::file(log, source))?;
        let mut command = Command::new(binaries.postgres());
        account.apply(&mut command);
        command
            .arg("-D")
            .arg(folder)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        // A group of its own: Ctrl-C at a terminal reaches the server first, which drains before it stops the database.
        command.process_group(0);
        Ok(Self {
            child: command.spawn().map_err(ClusterError::Program)?,
        })
    }

    /// Waits until the database is ready (`None`) or has ended (its status).
    async fn ready_or_gone(&mut self, folder: &Path) -> Result<Option<ExitStatus>, ClusterError> {
        let mut told = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(status) = self.child.try_wait().map_err(ClusterError::Program)? {
                return Ok(Some(status));
            }
            if PidFile::read(folder).is_some_and(|file| file.ready && Some(file.pid) == self.pid())
            {
                return Ok(None);
            }
            if Instant::now() > told {
                tracing::info!(
                    "The database is recovering what was written before it was interrupted …"
                );
                told += Duration::from_secs(30);
            }
            sleep(POLL).await;
        }
    }

    /// Waits for the database to end by itself, which it shouldn't.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, ClusterError> {
        self.child.wait().await.map_err(ClusterError::Program)
    }

    /// Stops the database: a clean shutdown first, an abrupt one (recovered at the next start) if that takes too long.
    pub(super) async fn stop(&mut self) -> Result<(), ClusterError> {
        for (signal, patience) in [
            (Signal::SIGINT, FAST_SHUTDOWN),
            (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN),
        ] {
            self.signal(signal);
            if let Ok(status) = timeout(patience, self.child.wait()).await {
                status.map_err(ClusterError::Program)?;
                return Ok(());
            }
        }
        Err(ClusterError::WontStop)
    }

    /// Tells the database to shut down without waiting for it.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // Already gone is as good as told.
            let _ = kill(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw)
    }
}

/// The last thing that kept a database from starting: early on it complains to `start.log`, later to its own log.
fn last_complaint(log_dir: &Path) -> Option<String> {
    let logs = fs::read_dir(log_dir).ok()?.flatten();
    let newest = logs.max_by_key(|log| log.metadata().and_then(|facts| facts.modified()).ok())?;
    let text = fs::read_to_string(newest.path()).ok()?;
    let complaint = text
        .lines()
        .rev()
        .find_map(|line| line.split_once("FATAL:"))?
        .1;
    Some(complaint.trim().to_owned())
}

/// Stops a database that an earlier server, killed before it could do so, left running on `folder`.
///
/// The process named by a stale file may be anyone's by now: only one that runs on this very folder is touched. A stale file that
/// names a stranger, or a process that has ended and that nobody has buried, is removed, since PostgreSQL would take either for a
/// server at work. One that names nobody is PostgreSQL's to judge.
pub(super) async fn stop_left_over(folder: &Path, socket_dir: &Path) -> Result<(), ClusterError> {
    let Some(PidFile {
        pid, shared_memory, ..
    }) = PidFile::read(folder)
    else {
        return Ok(());
    };
    if !serves(pid, folder) {
        if command_line(pid).is_some_and(|line| !program(&line).ends_with(b"postgres")) {
            workers_gone(shared_memory).await?;
            for file in [
                folder.join("postmaster.pid"),
                socket_dir.join(".s.PGSQL.5432.lock"),
            ] {
                remove(&file)?;
            }
        }
        return Ok(());
    }
    tracing::info!("Stopping the database that an interrupted run left behind …");
    for (signal, patience) in [
        (Signal::SIGINT, FAST_SHUTDOWN),
        (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN),
    ] {
        match kill(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(ClusterError::Program(errno.into())),
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !serves(pid, folder) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
    Err(ClusterError::WontStop)
}

fn remove(file: &Path) -> Result<(), ClusterError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ClusterError::file(file, error)),
        _ => Ok(()),
    }
}

/// Waits until nobody works on the shared memory of a database that has ended: its workers may outlive it for a moment.
async fn workers_gone(shared_memory: Option<u64>) -> Result<(), ClusterError> {
    let deadline = Instant::now() + ORPHANS;
    while shared_memory.is_some_and(is_attached) {
        if Instant::now() > deadline {
            return Err(ClusterError::WontStop);
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Whether any process is attached to the System V shared memory segment with this id.
fn is_attached(id: u64) -> bool {
    let Ok(table) = fs::read_to_string("/proc/sysvipc/shm") else {
        return false;
    };
    // Columns: key, shmid, perms, size, cpid, lpid, nattch, …
    table.lines().skip(1).any(|line| {
        let column = |number| {
            line.split_whitespace()
                .nth(number)
                .and_then(|text| text.parse::<u64>().ok())
        };
        column(1) == Some(id) && column(6).is_some_and(|attached| attached > 0)
    })
}

/// Whether this process is a PostgreSQL on `folder`.
fn serves(pid: Pid, folder: &Path) -> bool {
    command_line(pid).is_some_and(|line| {
        let mut arguments = line.split(|byte| *byte == 0).skip(1);
        program(&line).ends_with(b"/postgres")
            && arguments.next() == Some(b"-D")
            && arguments.next() == Some(folder.as_os_str().as_encoded_bytes())
    })
}

/// The program that a process was started as.
fn program(command_line: &[u8]) -> &[u8] {
    command_line
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
}

/// What a process was started as; empty for one that has ended but is still in the table, nothing when there is no such process.
fn command_line(pid: Pid) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// What `postmaster.pid` says (its format is fixed by `pidfile.h`): line 1 the process, line 7 its shared memory (key and id), line 8 its
/// state.
struct PidFile {
    pid: Pid,
    shared_memory: Option<u64>,
    ready: bool,
}

impl PidFile {
    fn read(folder: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(folder.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let pid = text
            .lines()
            .next()?
            .trim()
            .parse::<i32>()
            .ok()
            .filter(|pid| *pid > 1)?;
        let shared_memory = text
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        let ready = text
            .lines()
            .nth(7)
            .is_some_and(|state| state.trim() == "ready");
        Some(Self {
            pid: Pid::from_raw(pid),
            shared_memory,
            ready,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read() {
        let file = PidFile::parse(
            "4242\n/data/postgres\n1700000000\n5432\n/data/run\n\n  5432001  32768\nready   \n",
        )
        .unwrap();
        assert_eq!(
            (file.pid.as_raw(), file.shared_memory, file.ready),
            (4242, Some(32768), true)
        );
        let file = PidFile::parse(
            "4242\n/data/postgres\n1700000000\n5432\n/data/run\n\n  5432001  32768\nstarting\n",
        )
        .unwrap();
        assert!(!file.ready);
        assert!(PidFile::parse("").is_none());
        assert!(PidFile::parse("1\n").is_none());
    }

    #[test]
    fn a_stranger_with_a_recycled_process_id_is_not_ours() {
        assert!(!serves(nix::unistd::getpid(), Path::new("/data/postgres")));
    }
}
