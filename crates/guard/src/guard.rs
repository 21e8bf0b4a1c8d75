//! The guard: a first look before anything else is done, then one at least every second for as long as the process lives.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    allow::{Allowances, Tracer},
    finding::{Family, Finding},
    live::Live,
    policy::{Action, Policy},
    probe::{self, Pace, Probe},
    secret,
    world::World,
};

/// The status that a process ends with when a threat was found.
pub const EXIT_STATUS: i32 = 70;
/// The shortest and the longest time between two looks.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(600));
/// How often what hardly changes is looked at.
const SELDOM: Duration = Duration::from_mins(1);
/// How long whoever is told of a threat may take. The secrets are gone by then.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// What was found, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What follows, the strictest of what the policy says for each. After anything but [`Action::Report`] there is a moment, no more.
    pub action: Action,
}

impl Sighting {
    /// What of `found` ends the process; `None` when nothing does.
    pub(crate) fn of_threats(policy: Policy, found: &[Finding]) -> Option<Self> {
        let ends = |finding: &&Finding| policy.action(finding.family) > Action::Report;
        let findings: Vec<Finding> = found.iter().filter(ends).cloned().collect();
        let action = findings
            .iter()
            .map(|finding| policy.action(finding.family))
            .max()?;
        Some(Self { findings, action })
    }
}

/// Who is told. Called from another thread, and, when the process that works had to be ended, from its supervisor.
pub type OnThreat = dyn FnMut(&Sighting) + Send;

/// Probes, and the world that they look at.
pub struct Probes {
    pub(crate) world: Box<dyn World>,
    list: Vec<Box<dyn Probe>>,
    tracer: Tracer,
    seldom: Option<Instant>,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes")
            .field("probes", &self.list.len())
            .finish_non_exhaustive()
    }
}

impl Probes {
    /// All probes for this system.
    pub fn of_this_system(allowances: &Allowances) -> io::Result<Self> {
        Ok(Self::of(Box::new(Live::open()?), allowances))
    }

    /// All probes for a world.
    pub fn of(world: Box<dyn World>, allowances: &Allowances) -> Self {
        Self {
            list: probe::all(world.system(), allowances),
            world,
            tracer: allowances.tracer.clone(),
            seldom: None,
        }
    }

    /// Looks once. What hardly changes is looked at the first time, and about once a minute.
    pub fn look(&mut self) -> Vec<Finding> {
        let all = self.seldom.is_none_or(|last| last.elapsed() >= SELDOM);
        if all {
            self.seldom = Some(Instant::now());
        }
        let mut found = Vec::new();
        for probe in &mut self.list {
            if all || probe.pace() == Pace::Always {
                probe.look(&*self.world, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Makes the next look one at everything.
    fn look_at_everything(&mut self) {
        self.seldom = None;
    }

    /// Who may trace this process.
    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Opens the world anew, after a fork.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.world = Box::new(Live::open()?);
        Ok(())
    }
}

struct Shared {
    policy: Mutex<Policy>,
    reported: Mutex<BTreeSet<Finding>>,
    /// The policy has changed: the next look is at everything.
    changed: AtomicBool,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    supervised: Mutex<Option<Arc<crate::supervise::Supervised>>>,
}

impl Shared {
    fn policy(&self) -> Policy {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that is guarded. It stays so when this value goes.
#[derive(Clone)]
pub struct Guard {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("policy", &self.shared.policy())
            .finish_non_exhaustive()
    }
}

/// Guards this process: looks, closes it to others, splits it in two where the policy can end it, and goes on looking.
///
/// To be called first in `main`, before any thread is started and any key is touched. Returns in the process that is to do the work; a
/// threat at the first look ends the process with [`EXIT_STATUS`] before this returns.
pub fn protect(policy: Policy, allowances: &Allowances, mut on_threat: Box<OnThreat>) -> Guard {
    let mut probes = match Probes::of_this_system(allowances) {
        Ok(probes) => probes,
        Err(error) => {
            // Who can't look doesn't go on as if there were nothing to see.
            let blind = Finding::new(
                Family::Tools,
                "procfs",
                &format!("the system doesn't show this process: {error}"),
            );
            return Guard::blind(policy, blind, &mut *on_threat);
        }
    };
    first_look(policy, &mut probes, &mut *on_threat);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let mut supervised = None;
        if policy.ends_anything() && cfg!(target_os = "linux") {
            let mut last = |sighting: &Sighting| on_threat(sighting);
            supervised = crate::supervise::split(policy, &mut probes, &mut last);
        }
        Guard::begin(policy, probes, on_threat, supervised)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        crate::harden::harden();
        Guard::begin(policy, probes, on_threat)
    }
}

/// Looks before anything else is done, and ends the process when it sees a threat.
fn first_look(policy: Policy, probes: &mut Probes, on_threat: &mut OnThreat) {
    if let Some(sighting) = Sighting::of_threats(policy, &probes.look()) {
        on_threat(&sighting);
        end();
    }
}

impl Guard {
    /// Guards this process without a supervisor: looks once before it returns, then from a thread of its own.
    pub fn start(policy: Policy, mut probes: Probes, mut on_threat: Box<OnThreat>) -> Self {
        first_look(policy, &mut probes, &mut *on_threat);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Self::begin(policy, probes, on_threat, None);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Self::begin(policy, probes, on_threat)
    }

    fn new(policy: Policy) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy: Mutex::new(policy),
                reported: Mutex::new(BTreeSet::new()),
                changed: AtomicBool::new(false),
                #[cfg(any(target_os = "linux", target_os = "android"))]
                supervised: Mutex::new(None),
            }),
        }
    }

    fn blind(policy: Policy, finding: Finding, on_threat: &mut OnThreat) -> Self {
        let action = policy.action(finding.family);
        on_threat(&Sighting {
            findings: vec![finding],
            action,
        });
        if action > Action::Report {
            end();
        }
        Self::new(policy)
    }

    fn begin(
        policy: Policy,
        probes: Probes,
        on_threat: Box<OnThreat>,
        #[cfg(any(target_os = "linux", target_os = "android"))] mut supervised: Option<
            crate::supervise::Supervised,
        >,
    ) -> Self {
        let guard = Self::new(policy);
        let shared = guard.shared.clone();
        let (ready, started) = mpsc::channel::<()>();
        let work = move || {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            {
                crate::sys::take_no_signals();
                if let Some(supervised) = &mut supervised {
                    supervised.begin();
                    probes.tracer().expect(supervised.tracer());
                }
                if supervised.is_some() || policy.ends_anything() {
                    crate::harden::harden();
                }
                let supervised = supervised.map(Arc::new);
                shared
                    .supervised
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone_from(&supervised);
                Watch {
                    shared,
                    probes,
                    on_threat,
                    ready: Some(ready),
                    supervised,
                }
                .run();
            }
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Watch {
                shared,
                probes,
                on_threat,
                ready: Some(ready),
            }
            .run();
        };
        // A process that can't have a thread can't be watched.
        if thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(work)
            .is_err()
            && policy.ends_anything()
        {
            end();
        }
        // Until after the look that saw this process as it is now; nothing is touched before. The thread never goes, or ends the process.
        let _ = started.recv();
        guard
    }

    /// Does no less than `action` for findings of `family` from now on, as somebody with authority over the device asks. Nothing gets
    /// weaker by it.
    pub fn tighten(&self, family: Family, action: Action) {
        let policy = {
            let mut policy = self
                .shared
                .policy
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *policy = policy.tightened(family, action);
            *policy
        };
        self.shared.changed.store(true, Ordering::SeqCst);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(supervised) = &*self
            .shared
            .supervised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            supervised.tell_policy(policy);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = policy;
    }

    /// The policy as it is now.
    pub fn policy(&self) -> Policy {
        self.shared.policy()
    }

    /// What was found so far without ending the process.
    pub fn reported(&self) -> Vec<Finding> {
        self.shared
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

/// The thread that looks around.
struct Watch {
    shared: Arc<Shared>,
    probes: Probes,
    on_threat: Box<OnThreat>,
    ready: Option<mpsc::Sender<()>>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    supervised: Option<Arc<crate::supervise::Supervised>>,
}

impl Watch {
    fn run(mut self) {
        loop {
            if self.shared.changed.swap(false, Ordering::SeqCst) {
                self.probes.look_at_everything();
            }
            let found = self.probes.look();
            self.judge(found);
            self.ready = None;
            self.wait();
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn wait(&mut self) {
        use crate::supervise::BEAT;
        let until = Instant::now() + pause();
        let Some(supervised) = self.supervised.clone() else {
            thread::sleep(until.saturating_duration_since(Instant::now()));
            return;
        };
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Some(finding) = supervised.serve() {
                self.judge(vec![finding]);
            }
            thread::sleep(left.min(BEAT));
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn wait(&mut self) {
        thread::sleep(pause());
    }

    fn judge(&mut self, found: Vec<Finding>) {
        if let Some(sighting) = Sighting::of_threats(self.shared.policy(), &found) {
            self.end(sighting);
        }
        let mut reported = self
            .shared
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // An attacker can make evidence differ each time.
        let room = 100_usize.saturating_sub(reported.len());
        let new: Vec<Finding> = found
            .into_iter()
            .filter(|finding| !reported.contains(finding))
            .take(room)
            .collect();
        reported.extend(new.iter().cloned());
        drop(reported);
        if !new.is_empty() {
            (self.on_threat)(&Sighting {
                findings: new,
                action: Action::Report,
            });
        }
    }

    /// Wipes the secrets, tells whoever is to be told, and ends the process.
    fn end(&mut self, sighting: Sighting) -> ! {
        secret::wipe_all();
        let mut on_threat = std::mem::replace(&mut self.on_threat, Box::new(|_| {}));
        let (done, wait) = mpsc::channel();
        let told = thread::Builder::new().stack_size(256 << 10).spawn(move || {
            on_threat(&sighting);
            let _ = done.send(());
        });
        if told.is_ok() {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            {
                // The new thread stops until the supervisor lets it go on.
                let until = Instant::now() + LAST_WORDS;
                while wait.try_recv() == Err(mpsc::TryRecvError::Empty) && Instant::now() < until {
                    if let Some(supervised) = &self.supervised {
                        supervised.serve();
                    }
                    thread::sleep(Duration::from_millis(2));
                }
            }
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            let _ = wait.recv_timeout(LAST_WORDS);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(supervised) = &self.supervised
            && supervised.serve().is_some()
        {
            supervised.end_supervisor();
        }
        end()
    }
}

/// How long until the next look: never the same, so that nobody can work between two.
pub(crate) fn pause() -> Duration {
    let (least, most) = BETWEEN;
    let span = most.saturating_sub(least).as_nanos().max(1);
    let extra = u128::from(random()) % span;
    least + Duration::from_nanos(u64::try_from(extra).unwrap_or(0))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(Instant::now())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn end() -> ! {
    crate::sys::end(EXIT_STATUS)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn end() -> ! {
    std::process::exit(EXIT_STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_less_than_a_second_apart_and_never_evenly() {
        let pauses: Vec<Duration> = (0..50).map(|_| pause()).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= BETWEEN.0 && *pause < BETWEEN.1)
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
