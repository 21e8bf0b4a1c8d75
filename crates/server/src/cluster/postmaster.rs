//! The process that is the database: started, watched, stopped, and replaced when an earlier server left one behind.

use std::fs::{self, File, OpenOptions};
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
            let said = fs::read_to_string(&log).unwrap_or_default();
            // After a kill -9 of the whole group the database's workers may outlive it for a moment.
            if !said.contains("pre-existing shared memory block") || Instant::now() > deadline {
                let reason = said.lines().rfind(|line| line.contains("FATAL:"));
                let reason = reason.map_or_else(
                    || status.to_string(),
                    |line| {
                        line.split_once("FATAL:")
                            .map_or(line, |(_, rest)| rest)
                            .trim()
                            .to_owned()
                    },
                );
                return Err(ClusterError::Start {
                    reason,
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

/// Stops a database that an earlier server, killed before it could do so, left running on `folder`.
///
/// The process named by a stale file may be anyone's by now: only one that runs on this very folder is touched. A stale file that
/// names a stranger is removed, since PostgreSQL would take the stranger for itself; one that names nobody is PostgreSQL's to judge.
pub(super) async fn stop_left_over(folder: &Path) -> Result<(), ClusterError> {
    let Some(PidFile { pid, .. }) = PidFile::read(folder) else {
        return Ok(());
    };
    if !serves(pid, folder) {
        let file = folder.join("postmaster.pid");
        let stranger = program(pid).is_some_and(|program| !program.ends_with(b"postgres"));
        return if stranger {
            fs::remove_file(&file).map_err(|source| ClusterError::file(&file, source))
        } else {
            Ok(())
        };
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

/// Whether this process is a PostgreSQL on `folder`. (The command line of one that has ended is empty, even unreaped.)
fn serves(pid: Pid, folder: &Path) -> bool {
    let Some(command_line) = command_line(pid) else {
        return false;
    };
    let mut arguments = command_line.split(|byte| *byte == 0);
    arguments
        .next()
        .is_some_and(|program| program.ends_with(b"/postgres"))
        && arguments.next() == Some(b"-D")
        && arguments.next() == Some(folder.as_os_str().as_encoded_bytes())
}

/// The program that a live process was started as.
fn program(pid: Pid) -> Option<Vec<u8>> {
    command_line(pid)?
        .split(|byte| *byte == 0)
        .next()
        .map(<[u8]>::to_vec)
}

fn command_line(pid: Pid) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline"))
        .ok()
        .filter(|command_line| !command_line.is_empty())
}

/// What `postmaster.pid` says (its format is fixed by `pidfile.h`): line 1 the process, line 8 its state.
struct PidFile {
    pid: Pid,
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
        let ready = text
            .lines()
            .nth(7)
            .is_some_and(|state| state.trim() == "ready");
        Some(Self {
            pid: Pid::from_raw(pid),
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
        assert_eq!((file.pid.as_raw(), file.ready), (4242, true));
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
