//! The guard of this process: what the app declares about itself, and what is noted when something is found.
//!
//! Nothing outside the binary makes it look away: no argument, variable or file is asked. What it has seen is noted in the device's folder, in
//! the clear (the database isn't open then), and told to the platform at the next sync.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use fieldstone_guard::{Action, Allowances, Family, Guard, Libraries, Policy, Tracer, protect};
use fieldstone_model::{Clock as _, SystemClock};
use fieldstone_protocol::{
    guard::{DevicePolicy, Reaction, SignedPolicy},
    sighting::{SIGHTINGS_MAX, Sighting},
};

use crate::{home, transport::Transport};

/// What was seen and not told yet: a line of JSON each.
const SEEN: &str = "sightings";
/// What was told, so that a virtual machine isn't news at every start.
const TOLD: &str = "sightings-told";
/// Largest of these files. Whoever can make findings could fill a disk with them.
const FILE_MAX: u64 = 64 << 10;
/// The most threads that the app ever has: its own, those of the database, of the runtime and of the keyring's bus.
const THREADS_MAX: usize = 20;
/// How many threads the runtime may start for what blocks.
pub const BLOCKING_THREADS: usize = 6;

/// The libraries that the program is linked with, those that the C library loads to look names up, and what those need.
const LIBRARIES: &[&str] = &[
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
    "ld-linux-x86-64.so",
    "ld-linux-aarch64.so",
    "libcrypto.so",
    "libssl.so",
    "legacy.so",
    "fips.so",
    "libz.so",
    "libzstd.so",
    "libresolv.so",
    "libnss_files.so",
    "libnss_dns.so",
    "libnss_compat.so",
    "libnss_myhostname.so",
    "libnss_mymachines.so",
    "libnss_resolve.so",
    "libnss_systemd.so",
    "libnss_mdns.so",
    "libnss_mdns4.so",
    "libnss_mdns_minimal.so",
    "libnss_mdns4_minimal.so",
    "libnss_sss.so",
    "libnss_ldap.so",
    "libnss_winbind.so",
    "libnss_wins.so",
    "libnss_libvirt.so",
    "libnss_libvirt_guest.so",
    "libnss_extrausers.so",
    "libcap.so",
    "libnsl.so",
    "libtirpc.so",
];

static GUARD: OnceLock<Guard> = OnceLock::new();

/// Guards this process. First in `main`: a threat ends it before this returns, and before any key is touched.
pub fn stand(home: &Path) {
    let folder = home.to_owned();
    let allowances = Allowances {
        libraries: Libraries::Listed(LIBRARIES),
        jit: None,
        folders: Vec::new(),
        threads_max: THREADS_MAX,
        tracer: Tracer::default(),
    };
    let guard = protect(
        Policy::of_this_build(),
        &allowances,
        Box::new(move |sighting| note(&folder, sighting)),
    );
    let _ = GUARD.set(guard);
}

/// Does what the workspace asks for, where that is stricter.
pub fn tighten(policy: &DevicePolicy) {
    let Some(guard) = GUARD.get() else {
        return;
    };
    for (family, reaction) in wishes(policy) {
        guard.tighten(family, reaction);
    }
}

fn wishes(policy: &DevicePolicy) -> impl Iterator<Item = (Family, Action)> {
    let wishes = [
        (Family::Root, policy.root),
        (Family::Emulator, policy.machine),
        (Family::Debugger, policy.debugger),
        (Family::Tools, policy.tools),
    ];
    wishes.into_iter().filter_map(|(family, reaction)| {
        let action = match reaction? {
            Reaction::Report => Action::Report,
            Reaction::Erase => Action::Erase,
            // What isn't known is never taken for less.
            Reaction::ShutDown | Reaction::Other => Action::ShutDown,
        };
        Some((family, action))
    })
}

/// Notes what was seen. Nothing that fails here keeps the process from ending.
fn note(home: &Path, sighting: &fieldstone_guard::Sighting) {
    let ended = sighting.action > Action::Report;
    if cfg!(debug_assertions) {
        warn(sighting);
    }
    if sighting.action == Action::Erase {
        let _ = home::mark_for_erasure(home);
    }
    let told = told(home);
    let at = SystemClock.now();
    let seen = sighting.findings.iter().map(|finding| Sighting {
        at,
        family: finding.family.word().to_owned(),
        check: finding.check.to_owned(),
        evidence: finding.evidence.clone(),
        ended,
    });
    let known: BTreeSet<String> = waiting(home).iter().map(name).chain(told).collect();
    let new: Vec<Sighting> = seen
        .filter(|sighting| ended || !known.contains(&name(sighting)))
        .collect();
    // A folder that nobody has logged in to has nobody to tell.
    let _ = append(&home.join(SEEN), &new);
}

/// Says what a release would have done.
fn warn(sighting: &fieldstone_guard::Sighting) {
    let release = Policy::release(fieldstone_guard::Device::Desktop);
    for finding in &sighting.findings {
        if release.action(finding.family) > Action::Report {
            let _ = writeln!(
                io::stderr().lock(),
                "WARNING: this is a debug build, which goes on. A release would end here: {finding}"
            );
        }
    }
}

/// What tells one sighting from another but its time.
fn name(sighting: &Sighting) -> String {
    format!(
        "{} {} {}",
        sighting.family, sighting.check, sighting.evidence
    )
}

fn append(file: &Path, new: &[Sighting]) -> io::Result<()> {
    if new.is_empty() || fs::metadata(file).is_ok_and(|found| found.len() > FILE_MAX) {
        return Ok(());
    }
    let mut text = String::new();
    for sighting in new {
        text.push_str(&serde_json::to_string(sighting)?);
        text.push('\n');
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What was seen and not told, the newest when there is too much. Lines that are none are left out: anybody may have written them.
pub fn waiting(home: &Path) -> Vec<Sighting> {
    let text = read(&home.join(SEEN));
    let mut seen: Vec<Sighting> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    seen.drain(..seen.len().saturating_sub(SIGHTINGS_MAX));
    seen
}

/// Takes what the workspace offers in place of what it has said before: only what is signed, and never an older document. Then does it.
pub fn adopt(
    kept: &mut Option<SignedPolicy>,
    offered: Option<SignedPolicy>,
    transport: &Transport,
) {
    let version = |signed: &Option<SignedPolicy>| Some(transport.policy(signed.as_ref()?)?.version);
    if version(&offered) > version(kept) {
        *kept = offered;
    }
    if let Some(policy) = kept.as_ref().and_then(|signed| transport.policy(signed)) {
        tighten(&policy);
    }
}

/// Notes that all of this was told.
pub fn told_all(home: &Path, seen: &[Sighting]) -> io::Result<()> {
    let mut names = told(home);
    names.extend(seen.iter().filter(|seen| !seen.ended).map(name));
    let lines: String = names
        .into_iter()
        .take(200)
        .fold(String::new(), |text, name| text + &name + "\n");
    fs::write(home.join(TOLD), lines)?;
    // Something may have been seen since.
    let rest: Vec<Sighting> = waiting(home)
        .into_iter()
        .filter(|new| !seen.contains(new))
        .collect();
    fs::remove_file(home.join(SEEN))?;
    append(&home.join(SEEN), &rest)
}

fn told(home: &Path) -> BTreeSet<String> {
    read(&home.join(TOLD)).lines().map(str::to_owned).collect()
}

fn read(file: &PathBuf) -> String {
    let small = fs::metadata(file).is_ok_and(|found| found.len() <= 2 * FILE_MAX);
    if small {
        fs::read_to_string(file).unwrap_or_default()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use fieldstone_guard::Finding;

    use super::*;

    fn sighting(action: Action, evidence: &str) -> fieldstone_guard::Sighting {
        fieldstone_guard::Sighting {
            findings: vec![Finding::new(Family::Emulator, "firmware", evidence)],
            action,
        }
    }

    #[test]
    fn what_was_seen_is_told_once() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for _ in 0..3 {
            note(home, &sighting(Action::Report, "QEMU"));
        }
        note(home, &sighting(Action::ShutDown, "QEMU"));
        let seen = waiting(home);
        assert_eq!(seen.len(), 2);
        assert!(!seen[0].ended && seen[1].ended);
        told_all(home, &seen).unwrap();
        note(home, &sighting(Action::Report, "QEMU"));
        assert!(waiting(home).is_empty());
        note(home, &sighting(Action::Report, "VMware"));
        assert_eq!(waiting(home).len(), 1);
        fs::write(home.join(SEEN), "rubbish\n{\"at\":1}\n\u{0}").unwrap();
        assert!(waiting(home).is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        note(&home, &sighting(Action::Erase, "QEMU"));
        assert!(!home.exists());
    }

    #[test]
    fn the_notes_do_not_fill_a_disk() {
        let home = tempfile::tempdir().unwrap();
        for turn in 0..400 {
            let evidence = format!("{turn} {}", "x".repeat(280));
            note(home.path(), &sighting(Action::ShutDown, &evidence));
        }
        assert!(fs::metadata(home.path().join(SEEN)).unwrap().len() < FILE_MAX + 1000);
        assert!(waiting(home.path()).len() <= SIGHTINGS_MAX);
    }

    #[test]
    fn a_word_of_a_newer_platform_ends_the_app() {
        let policy = DevicePolicy {
            version: 1,
            workspace: "00D1kQh2S0a8Xbd".parse().unwrap(),
            issued_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            debugger: Some(Reaction::Erase),
            tools: None,
            machine: Some(Reaction::Other),
            root: Some(Reaction::Report),
        };
        let wishes: Vec<_> = wishes(&policy).collect();
        assert_eq!(
            wishes,
            [
                (Family::Root, Action::Report),
                (Family::Emulator, Action::ShutDown),
                (Family::Debugger, Action::Erase)
            ]
        );
    }
}
