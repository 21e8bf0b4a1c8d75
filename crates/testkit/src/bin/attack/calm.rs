//! Leaves the field app alone, on a machine where much else goes on, and sees that it goes on as well.
//!
//! One app runs as it is, another in namespaces of its own, as in a container. Beside them, other processes are held by debuggers, processors
//! are kept busy, and a third device of the same person enters records, so that there is something to sync.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::target::{Site, Watch, watch_by};

/// Between two disturbances.
const PAUSE: Duration = Duration::from_secs(20);

/// A process of ours that ends with what it is for.
struct Other(Child);

impl Other {
    fn run(program: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} doesn't start"))?;
        Ok(Self(child))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An app that is left alone.
struct Left {
    name: &'static str,
    watch: Watch,
    /// Processor seconds that it had taken when it was first looked at, and when.
    from: (f64, Instant),
}

impl Left {
    fn new(name: &'static str, watch: Watch) -> anyhow::Result<Self> {
        let from = (seconds(&watch)?, Instant::now());
        Ok(Self { name, watch, from })
    }

    fn line(&self) -> anyhow::Result<String> {
        let share = (seconds(&self.watch)? - self.from.0) / self.from.1.elapsed().as_secs_f64();
        let own = own_kib(self.watch.supervisor())?;
        Ok(format!(
            "| {} | {:.2} | {own} |\n",
            self.name,
            share * 100.0
        ))
    }
}

/// Stays for `time`, and says what the apps have taken meanwhile. An app that ends is an error.
pub(crate) fn leave_alone(site: &Site, time: Duration) -> anyhow::Result<String> {
    let (boxed, third) = (site.another()?, site.another()?);
    let mut by_namespaces = Command::new("unshare");
    by_namespaces
        .args(["--mount", "--uts", "--ipc", "--cgroup", "--"])
        .arg(&boxed.device)
        .arg("--home")
        .arg(boxed.home());
    let mut apps = [
        Left::new("as it is", site.watch()?)?,
        Left::new("in namespaces", watch_by(&mut by_namespaces)?)?,
    ];
    let _busy = (0..4)
        .map(|_| Other::run("nice", &["-n", "5", "sh", "-c", "while :; do :; done"]))
        .collect::<anyhow::Result<Vec<Other>>>()?;
    let (begun, mut turns) = (Instant::now(), 0_u32);
    while begun.elapsed() < time {
        let other = Other::run("sleep", &["600"])?;
        let other_id = other.0.id().to_string();
        let gdb = [
            "-batch",
            "-ex",
            "info threads",
            "-ex",
            "shell sleep 3",
            "-p",
        ];
        let _debugger = Other::run("gdb", &[&gdb[..], &[other_id.as_str()]].concat())?;
        let _tracer = Other::run(
            "strace",
            &["-f", "-o", "/dev/null", "find", "/usr/share/doc"],
        )?;
        turns += 1;
        let name = format!("name=Left alone {turns}");
        for arguments in [
            &["create", "accounts", &name][..],
            &["sync"],
            &["list", "accounts"],
        ] {
            let mut command = third.command(&third.device);
            let status = command.args(arguments).stdout(Stdio::null()).status()?;
            ensure!(
                status.success(),
                "“{}” of another device ended with {status}",
                arguments.join(" ")
            );
        }
        thread::sleep(PAUSE);
        for app in &mut apps {
            ensure!(
                app.watch.is_running()?,
                "the app {} ended after {:?}",
                app.name,
                begun.elapsed()
            );
        }
    }
    let lines = apps
        .iter()
        .map(Left::line)
        .collect::<anyhow::Result<String>>()?;
    Ok(format!(
        "# Left alone for {:.0} minutes\n\nNothing ended: two apps that stay and sync every five seconds, and {} commands of a third.\n\n\
         | app | processor time of all its processes, syncs included (% of one) | memory of the supervisor's own (KiB) |\n|---|---:|---:|\n{lines}",
        begun.elapsed().as_secs_f64() / 60.0,
        turns * 3
    ))
}

/// Processor seconds of both halves.
fn seconds(watch: &Watch) -> anyhow::Result<f64> {
    let mut all = 0.0;
    for process in [watch.supervisor(), watch.worker()] {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // What stands behind the name, which may have anything in it.
        let (_, fields) = text.rsplit_once(')').context("a stat of another form")?;
        for at in [11, 12] {
            let ticks = fields.split_whitespace().nth(at);
            all += ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0) / 100.0;
        }
    }
    Ok(all)
}

/// Memory that a process has to itself. The supervisor does nothing but guard.
fn own_kib(process: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"))
        .context("no private memory")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
