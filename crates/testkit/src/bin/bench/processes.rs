//! What the three parties cost: processor time and memory, as the kernel counts them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{self, Child};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

/// Clock ticks per second of `/proc/*/stat`: fixed by Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The server and the database it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processes {
    server: u32,
    postmaster: u32,
}

/// Processor seconds used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// By the load generator, and by whatever it runs in its own process.
    pub(crate) generator: f64,
    /// By the server.
    pub(crate) server: f64,
    /// By all processes of the database.
    pub(crate) database: f64,
}

impl Used {
    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            generator: self.generator - earlier.generator,
            server: self.server - earlier.server,
            database: self.database - earlier.database,
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            generator: self.generator + other.generator,
            server: self.server + other.server,
            database: self.database + other.database,
        }
    }
}

impl Processes {
    /// The server with this process id, and the database in its data folder.
    pub(crate) fn of(server: u32, data: &Path) -> anyhow::Result<Self> {
        let path = data.join("postgres/postmaster.pid");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let postmaster = text
            .lines()
            .next()
            .context("an empty postmaster.pid")?
            .trim()
            .parse()?;
        Ok(Self { server, postmaster })
    }

    /// Processor time up to now.
    pub(crate) fn used(self) -> anyhow::Result<Used> {
        let mut database = 0.0;
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            // A process may end between the listing and the look.
            let Some(stat) = Stat::of(pid) else { continue };
            if pid == self.postmaster {
                database += stat.own + stat.ended_children;
            } else if stat.parent == self.postmaster {
                database += stat.own;
            }
        }
        let own = |pid| {
            Stat::of(pid)
                .map(|stat| stat.own)
                .context("a process has ended")
        };
        Ok(Used {
            generator: own(process::id())?,
            server: own(self.server)?,
            database,
        })
    }

    /// Memory that the server holds, in KiB.
    pub(crate) fn server_memory_kib(self) -> anyhow::Result<u64> {
        status_kib(self.server, "VmRSS:").context("no VmRSS")
    }
}

/// A process and its children, watched to their end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Family {
    /// Whether it ended well.
    pub(crate) succeeded: bool,
    /// Processor seconds of all of them.
    pub(crate) seconds: f64,
    /// The most memory that the largest of them had, in KiB.
    pub(crate) largest_kib: u64,
    /// The most memory that all of them had, each at its worst moment and what they share counted in each, in KiB.
    pub(crate) memory_kib: u64,
}

impl Family {
    /// Watches until the process has ended.
    pub(crate) fn watch(process: &mut Child) -> anyhow::Result<Self> {
        let mut members: BTreeMap<u32, (f64, u64)> = BTreeMap::new();
        loop {
            let found = fs::read_dir("/proc")?
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
            for pid in found {
                let Some(stat) = Stat::of(pid) else { continue };
                if pid != process.id() && stat.parent != process.id() {
                    continue;
                }
                let member = members.entry(pid).or_default();
                member.0 = stat.own;
                member.1 = member.1.max(status_kib(pid, "VmHWM:").unwrap_or_default());
            }
            if let Some(status) = process.try_wait()? {
                return Ok(Self {
                    succeeded: status.success(),
                    seconds: members.values().map(|(seconds, _)| seconds).sum(),
                    largest_kib: members
                        .values()
                        .map(|(_, kib)| *kib)
                        .max()
                        .unwrap_or_default(),
                    memory_kib: members.values().map(|(_, kib)| kib).sum(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A line of what the kernel says about a process's memory.
fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold spaces; what follows it doesn't.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
            ended_children: (ticks(13)? + ticks(14)?) / TICKS_PER_SECOND,
        })
    }
}
