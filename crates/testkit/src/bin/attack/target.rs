//! What is attacked: a platform with demo data, somebody logged in to it on a device, and the app at work there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use fieldstone_testkit::{Server, ServerOptions};
use tempfile::TempDir;

/// A platform, a device, and a folder for what attackers need.
pub(crate) struct Site {
    pub(crate) device: PathBuf,
    pub(crate) python: Option<PathBuf>,
    pub(crate) folder: TempDir,
    server: Arc<Server>,
}

impl Site {
    pub(crate) fn prepare(device: &Path, python: Option<&Path>) -> anyhow::Result<Self> {
        let server = Arc::new(Server::start(&ServerOptions::demo()));
        Self::at(device, python, server)
    }

    /// Another device of the same person.
    pub(crate) fn another(&self) -> anyhow::Result<Self> {
        Self::at(&self.device, self.python.as_deref(), self.server.clone())
    }

    fn at(device: &Path, python: Option<&Path>, server: Arc<Server>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-attack-")
            .tempdir_in("/tmp")?;
        let site = Self {
            device: device.to_owned(),
            python: python.map(Path::to_owned),
            folder,
            server,
        };
        site.log_in()?;
        Ok(site)
    }

    fn log_in(&self) -> anyhow::Result<()> {
        let demo = self.server.demo();
        let user = demo.pointer("/users/0").context("a user of the demo")?;
        let text = |name: &str| {
            user.get(name)
                .and_then(serde_json::Value::as_str)
                .context("a text of the demo")
        };
        let ca = self.server.ca();
        let mut child = self
            .command(&self.device)
            .arg("--ca")
            .arg(ca)
            .args([
                "--ephemeral",
                "login",
                self.server.url(),
                "--email",
                text("email")?,
                "--workspace",
                text("workspace")?,
                "--password-stdin",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        writeln!(
            child.stdin.take().context("its input")?,
            "{}",
            text("password")?
        )?;
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "nobody could log in: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The folder of the device.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A command of a program on the device's folder.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--home").arg(self.home());
        command
    }

    /// Starts the app, to stay, and waits until it looks around.
    pub(crate) fn watch(&self) -> anyhow::Result<Watch> {
        watch_by(&mut self.command(&self.device))
    }
}

/// Starts the app by a command that leads to it.
pub(crate) fn watch_by(command: &mut Command) -> anyhow::Result<Watch> {
    let child = command
        .args(["watch", "--interval", "5"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut watch = Watch { child, worker: 0 };
    let started = Instant::now();
    while watch.worker == 0 {
        if let Some(status) = watch.child.try_wait()? {
            bail!("the app ended by itself: {status}");
        }
        ensure!(
            started.elapsed() < Duration::from_secs(20),
            "the app doesn't begin"
        );
        let supervisor = watch.child.id();
        if tracer(supervisor) != Some(0) {
            watch.worker = children(supervisor).first().copied().unwrap_or(0);
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(watch)
}

/// The app at work: a supervisor and the process that it watches.
pub(crate) struct Watch {
    child: Child,
    worker: u32,
}

impl Watch {
    pub(crate) fn worker(&self) -> u32 {
        self.worker
    }

    pub(crate) fn supervisor(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none() && is_alive(self.worker))
    }

    /// How it ended, and when, if it does within three seconds.
    pub(crate) fn end(&mut self, since: Instant) -> anyhow::Result<Option<(ExitStatus, Duration)>> {
        loop {
            if let Some(status) = self.child.try_wait()?
                && !is_alive(self.worker)
            {
                return Ok(Some((status, since.elapsed())));
            }
            if since.elapsed() > Duration::from_secs(3) {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who traces a process; none when it is gone.
pub(crate) fn tracer(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"))?
        .trim()
        .parse()
        .ok()
}

fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

fn children(process: u32) -> Vec<u32> {
    let text =
        fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The longest that it takes from the start of the process until both of its halves are taken.
pub(crate) fn window(site: &Site, rounds: u32) -> anyhow::Result<Duration> {
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let started = Instant::now();
        let mut child = site
            .command(&site.device)
            .args(["watch"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        while tracer(child.id()).is_some_and(|tracer| tracer == 0)
            && started.elapsed() < Duration::from_secs(10)
        {
            std::hint::spin_loop();
        }
        longest = longest.max(started.elapsed());
        let _ = child.kill();
        child.wait()?;
    }
    Ok(longest)
}
