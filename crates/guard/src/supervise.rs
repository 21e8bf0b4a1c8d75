//! A small process that watches the one that works, and is watched by it. A debugger stops every thread of a process: somebody else has
//! to end it then.
//!
//! Where the system allows it the two trace each other. A process has one tracer, so that nobody else can attach to either, not even root;
//! and what ends one ends the other. Where it doesn't, as in containers that filter `ptrace`, each looks who traces the other.
//!
//! ```text
//!  supervisor ──traces every thread──▶ worker          it answers for the worker's status to whoever started it
//!      ▲                                 │
//!      └──────traces, from a thread──────┘              the worker's thread that looks around
//! ```
//!
//! A process that is traced stops for each of its signals, so both keep their looks short and their signals few.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use libc::pid_t;
use rustix::event::{PollFd, PollFlags, poll};

use crate::{
    finding::{Family, Finding},
    guard::{EXIT_STATUS, Probes, Sighting, pause},
    harden::harden,
    parse::status,
    policy::Policy,
    sys::{self, Change, Fork},
};

/// How often the one looks whether the other is traced by somebody else, and serves it.
pub(crate) const BEAT: Duration = Duration::from_millis(100);
/// How long the two wait for each other at the start.
const PATIENCE: Duration = Duration::from_secs(30);

const TRACING: u8 = b'T';
const LOOKING: u8 = b'L';

/// What the supervisor does before it ends because of a threat.
pub(crate) type Last<'a> = dyn FnMut(&Sighting) + 'a;

/// The worker's side.
#[derive(Debug)]
pub(crate) struct Supervised {
    supervisor: pid_t,
    /// Whether this process is traced by its supervisor.
    pub(crate) traced: bool,
    /// Whether this process traces its supervisor.
    tracing: bool,
    up: File,
    down: File,
}

/// Makes two processes of this one and returns in the worker. The supervisor never returns.
///
/// `None` when that can't be done; then the process watches itself alone.
pub(crate) fn split(
    policy: Policy,
    probes: &mut Probes,
    last: &mut Last<'_>,
) -> Option<Supervised> {
    let threads = probes.world.threads().map_or(0, |threads| threads.len());
    let (up_read, up_write) = pipe().ok()?;
    let (down_read, down_write) = pipe().ok()?;
    let supervisor = pid_t::try_from(std::process::id()).ok()?;
    match sys::fork(threads).ok()? {
        Fork::Parent(worker) => {
            drop((up_write, down_read));
            let supervisor = Supervisor {
                worker,
                tracing: false,
                policy,
                up: up_read,
                down: down_write,
            };
            supervisor.run(probes, last)
        }
        Fork::Child => {
            drop((up_read, down_write));
            // For the case that nobody traces this process; a supervisor that is gone already sends nothing.
            let _ = rustix::process::set_parent_process_death_signal(Some(
                rustix::process::Signal::KILL,
            ));
            let mut supervised = Supervised {
                supervisor,
                traced: false,
                tracing: false,
                up: up_write,
                down: down_read,
            };
            // What the kernel shows of a process is opened anew: the former files show the supervisor.
            if supervised.hear().is_none() || probes.reopen().is_err() {
                sys::end(EXIT_STATUS);
            }
            Some(supervised)
        }
    }
}

fn pipe() -> io::Result<(File, File)> {
    let (read, write): (OwnedFd, OwnedFd) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read.into(), write.into()))
}

impl Supervised {
    /// The first word from the supervisor.
    fn hear(&mut self) -> Option<u8> {
        let mut word = [0];
        self.down.read_exact(&mut word).ok()?;
        let [word] = word;
        self.traced = word == TRACING;
        Some(word)
    }

    /// Begins to trace the supervisor, and tells it so. For the thread that looks around, which alone can go on from here.
    pub(crate) fn begin(&mut self) {
        self.tracing = self.traced && sys::seize(self.supervisor, 0).is_ok();
        let thread = if self.tracing {
            rustix::thread::gettid().as_raw_nonzero().get()
        } else {
            0
        };
        let _ = self.up.write_all(&thread.to_ne_bytes());
        // The supervisor has closed itself to others by then; without it this process is ended anyhow.
        let _ = self.hear();
    }

    /// The supervisor's number, if it traces this process.
    pub(crate) fn tracer(&self) -> u32 {
        if self.traced {
            u32::try_from(self.supervisor).unwrap_or(0)
        } else {
            0
        }
    }

    /// Lets the supervisor go on if it has stopped, and looks whether somebody else traces it.
    pub(crate) fn serve(&self) -> Option<Finding> {
        if self.tracing {
            while let Ok(Some((who, change))) = sys::change(self.supervisor) {
                match change {
                    Change::Signal(signal) => {
                        // What stops it would stop its looks.
                        let passed = if is_stop(signal) { 0 } else { signal };
                        let _ = sys::go_on(who, passed);
                    }
                    Change::Event => {
                        let _ = sys::go_on(who, 0);
                    }
                    Change::Exited(_) | Change::Killed(_) => break,
                }
            }
            return None;
        }
        let path = format!("/proc/{}/status", self.supervisor);
        let text = std::fs::read(path).ok()?;
        let tracer = status::parse(&text)?.tracer;
        (tracer != 0).then(|| {
            Finding::new(
                Family::Debugger,
                "supervisor",
                &format!("the supervisor is traced by process {tracer}"),
            )
        })
    }

    /// Ends a supervisor that somebody else holds.
    pub(crate) fn end_supervisor(&self) {
        if !self.tracing {
            let _ = sys::signal(self.supervisor, libc::SIGKILL);
        }
    }

    /// Lets the supervisor know what the policy has become.
    pub(crate) fn tell_policy(&self, policy: Policy) {
        // Few enough bytes to go through a pipe in one piece.
        let _ = (&self.up).write_all(&policy.to_bytes());
    }
}

fn is_stop(signal: i32) -> bool {
    matches!(signal, libc::SIGSTOP | libc::SIGTSTP)
}

struct Supervisor {
    worker: pid_t,
    tracing: bool,
    policy: Policy,
    up: File,
    down: File,
}

impl Supervisor {
    fn run(mut self, probes: &mut Probes, last: &mut Last<'_>) -> ! {
        let signals = sys::signals();
        self.tracing = sys::seize(
            self.worker,
            libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL,
        )
        .is_ok();
        sys::allow_tracer(self.worker);
        let word = if self.tracing { TRACING } else { LOOKING };
        let _ = self.down.write_all(&[word]);
        let Ok(mut signals) = signals else {
            // Who can't hear of the worker's end can't answer for it.
            let _ = sys::signal(self.worker, libc::SIGKILL);
            sys::end(1);
        };
        let tracer = self.wait_for_tracer(&mut signals);
        probes.tracer().expect(tracer.unwrap_or(0));
        sys::allow_tracer(0);
        harden();
        let _ = self.down.write_all(&[word]);
        let _ = rustix::io::ioctl_fionbio(&self.up, true);
        let mut next = Instant::now() + pause();
        loop {
            let left = next.saturating_duration_since(Instant::now());
            self.wait(&mut signals, left.min(BEAT));
            self.serve();
            self.listen();
            let mut found: Vec<Finding> = self.look_at_worker().into_iter().collect();
            if Instant::now() >= next {
                found.extend(probes.look());
                next = Instant::now() + pause();
            }
            if let Some(sighting) = Sighting::of_threats(self.policy, &found) {
                self.kill(&sighting, last);
            }
        }
    }

    /// Waits for the worker to say which of its threads traces this process.
    fn wait_for_tracer(&mut self, signals: &mut File) -> Option<u32> {
        let started = Instant::now();
        let mut number = [0; 4];
        loop {
            self.wait(signals, Duration::from_millis(5));
            // The worker starts a thread, which stops until it is let go on.
            self.serve();
            let ready = {
                let mut files = [PollFd::new(&self.up, PollFlags::IN)];
                poll(&mut files, Some(&sys::timespec(Duration::ZERO))).is_ok_and(|count| count > 0)
            };
            if ready {
                self.up.read_exact(&mut number).ok()?;
                return u32::try_from(i32::from_ne_bytes(number))
                    .ok()
                    .filter(|number| *number != 0);
            }
            if started.elapsed() > PATIENCE {
                return None;
            }
        }
    }

    /// Waits for a signal, a word of the worker, or the next beat.
    fn wait(&self, signals: &mut File, most: Duration) {
        {
            let mut files = [PollFd::new(&*signals, PollFlags::IN)];
            let _ = poll(&mut files, Some(&sys::timespec(most)));
        }
        let mut information = [0; sys::SIGNAL_SIZE];
        while signals.read_exact(&mut information).is_ok() {
            // struct signalfd_siginfo: the signal, an error, where it comes from.
            let number = |at: usize| {
                information
                    .get(at..at + 4)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map_or(0, i32::from_ne_bytes)
            };
            let (signal, origin) = (number(0), number(8));
            // What a terminal sends reaches both.
            let of_terminal = origin == libc::SI_KERNEL;
            if signal != libc::SIGCHLD && !is_stop(signal) && !of_terminal {
                let _ = sys::signal(self.worker, signal);
            }
        }
    }

    /// Lets threads of the worker go on, and ends when it has ended.
    fn serve(&self) {
        loop {
            match sys::change(-1) {
                Ok(Some((who, Change::Exited(status)))) if who == self.worker => sys::end(status),
                Ok(Some((who, Change::Killed(signal)))) if who == self.worker => {
                    sys::end_by(signal)
                }
                Ok(Some((_, Change::Exited(_) | Change::Killed(_)))) => {}
                Ok(Some((who, Change::Event))) => {
                    let _ = sys::go_on(who, 0);
                }
                Ok(Some((who, Change::Signal(signal)))) => {
                    let passed = match signal {
                        signal if is_stop(signal) => 0,
                        // It would stop for ever, with nobody to let it go on.
                        libc::SIGTTIN | libc::SIGTTOU => libc::SIGTERM,
                        signal => signal,
                    };
                    let _ = sys::go_on(who, passed);
                }
                Ok(None) => return,
                // The worker is gone, and somebody else has heard how.
                Err(_) => sys::end(1),
            }
        }
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4];
        while self.up.read_exact(&mut bytes).is_ok() {
            self.policy = self.policy.with(Policy::of_bytes(bytes));
        }
    }

    /// Looks whether somebody else traces the worker or one of its threads.
    fn look_at_worker(&self) -> Option<Finding> {
        let say = |evidence: &str| Some(Finding::new(Family::Debugger, "worker", evidence));
        let expected = if self.tracing { std::process::id() } else { 0 };
        let folder = format!("/proc/{}/task", self.worker);
        let threads = std::fs::read_dir(&folder).ok()?;
        for thread in threads.flatten() {
            let name = thread.file_name();
            let Ok(text) = std::fs::read(thread.path().join("status")) else {
                continue;
            };
            match status::parse(&text) {
                Some(status) if status.tracer == expected => {}
                // A thread that is ending is nobody's.
                Some(status) if status.tracer == 0 => {}
                Some(status) => {
                    return say(&format!(
                        "thread {} of the app is traced by process {}",
                        name.to_string_lossy(),
                        status.tracer
                    ));
                }
                None if text.is_empty() => {}
                None => return say("the kernel doesn't say who traces the app"),
            }
        }
        None
    }

    /// Ends the worker and then this process.
    fn kill(&self, sighting: &Sighting, last: &mut Last<'_>) -> ! {
        let _ = sys::signal(self.worker, libc::SIGKILL);
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(500) {
            // Its threads are traced each by itself: it has ended when all of them have been heard.
            match sys::change(-1) {
                Ok(Some((who, Change::Exited(_) | Change::Killed(_)))) if who == self.worker => {
                    break;
                }
                Ok(Some(_)) => {}
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => break,
            }
        }
        last(sighting);
        sys::end(EXIT_STATUS)
    }
}
