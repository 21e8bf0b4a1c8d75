//! A logout that is killed, at every one of its calls to the system that change something: the next start finishes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use fieldstone_testkit::{Answer, DeviceProcess, is_shipped};
use linux_keyutils::{KeyRing, KeyRingIdentifier};

use super::{Platform, THREAT};

const CANARY: &str = "Kanarienvogelhausen";
/// What erasing is made of: files that are made, renamed, emptied and removed, keys that are revoked.
const CALLS: &str = "rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync,keyctl";

/// A command of the device under strace.
pub(crate) fn traced(device: &DeviceProcess, options: &[&str], arguments: &[&str]) -> Command {
    let of_device = device.command(arguments);
    let mut command = Command::new("strace");
    command
        .arg("-f")
        .arg("-qq")
        .args(options)
        .arg(of_device.get_program());
    command.args(of_device.get_args());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn a_logout_that_is_killed_anywhere_is_finished_by_the_next_start() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.jpg");
    fs::write(&photo, CANARY.repeat(1_000)).unwrap();
    let log = folder.path().join("calls");

    // How many there are, in a logout that nobody disturbs.
    let whole = begun(&platform, &photo);
    let login = fs::read_to_string(whole.home().join("login.json")).unwrap();
    let key = name_of_key(&whole, &login);
    let (trace, out) = (format!("trace={CALLS}"), log.to_str().unwrap());
    let counted = traced(&whole, &["-e", &trace, "-o", out], &["logout", "--discard"])
        .output()
        .expect("strace runs");
    if is_shipped() {
        assert_eq!(Answer::of(&counted).code, Some(THREAT));
        return;
    }
    Answer::of(&counted).ok();
    assert_erased(&whole, &key);
    let calls = calls_in(&fs::read_to_string(&log).unwrap());
    assert!(calls.len() > 10, "{calls:?}");

    let (mut before, mut after) = (0, 0);
    for (call, nth) in calls {
        let device = begun(&platform, &photo);
        let login = fs::read_to_string(device.home().join("login.json")).unwrap();
        let key = name_of_key(&device, &login);
        assert!(has_key(&key), "a key that is there");
        let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
        let options = ["-e", &trace, "-e", &inject, "-o", out];
        let killed = traced(&device, &options, &["logout", "--discard"])
            .output()
            .unwrap();
        assert_ne!(killed.status.code(), Some(0), "killed at {call} {nth}");
        assert_unreadable(&device);
        let marked = device.home().join("logout-intent.json").exists()
            || !device.home().join("login.json").exists();
        if marked {
            // Whatever comes next finishes it first.
            after += 1;
            device.run(&["status"]);
            device.run(&["list", "accounts"]).failed(3);
        } else {
            // It hadn't begun: everything is as it was.
            before += 1;
            let listed = device.run(&["list", "accounts", "--limit", "200"]).ok();
            assert!(
                listed.to_string().contains(CANARY),
                "killed at {call} {nth}: {listed}"
            );
            device.run(&["logout", "--discard"]).ok();
        }
        assert_erased(&device, &key);
    }
    assert!(
        before > 0 && after > 5,
        "{before} kills before the mark, {after} after it"
    );
}

/// The calls of a log of strace, each with its number among those of its name on its thread: by that strace finds it again.
fn calls_in(log: &str) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, _)) = rest.trim().split_once('(') else {
            continue;
        };
        if CALLS.split(',').any(|call| call == name) {
            let nth = counts.entry((thread, name)).or_default();
            *nth += 1;
            calls.push((name.to_owned(), *nth));
        }
    }
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// A device with a canary in a record and in a file, neither sent.
fn begun(platform: &Platform, photo: &Path) -> DeviceProcess {
    let device = DeviceProcess::new();
    let person = platform.person("member");
    device
        .log_in(
            platform.server.url(),
            &platform.ca(),
            &person,
            &["--no-sync"],
        )
        .ok();
    let made = device
        .run(&["create", "account", &format!("name={CANARY} GmbH")])
        .ok();
    let id = made["id"].as_str().unwrap();
    device.run(&["attach", id, photo.to_str().unwrap()]).ok();
    device
}

/// The folder is as after any logout, and the key is nowhere.
#[track_caller]
fn assert_erased(device: &DeviceProcess, key: &str) {
    assert_unreadable(device);
    let files = device.files();
    let names = files
        .iter()
        .filter_map(|(path, _)| path.file_name()?.to_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(names, ["installation", "installation.copy", "lease"]);
    assert!(!has_key(key), "the key is still there");
}

#[track_caller]
fn assert_unreadable(device: &DeviceProcess) {
    let canary = CANARY.as_bytes();
    for (path, bytes) in device.files() {
        let found = bytes.windows(canary.len()).any(|part| part == canary);
        assert!(!found, "{} can be read", path.display());
    }
}

/// What the keyring calls a login's key.
fn name_of_key(device: &DeviceProcess, login: &str) -> String {
    let installation = fs::read_to_string(device.home().join("installation")).unwrap();
    let login: serde_json::Value = serde_json::from_str(login).unwrap();
    let part = |name: &str| login[name].as_str().unwrap_or_default().to_owned();
    format!(
        "Fieldstone device: {}/{}/{}",
        installation.trim(),
        part("user"),
        part("id")
    )
}

/// Whether the keyring has a key that can be read.
fn has_key(name: &str) -> bool {
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, true).unwrap();
    let own = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).unwrap();
    own.link_keyring(user).unwrap();
    let mut bytes = [0; 64];
    user.search(name)
        .is_ok_and(|key| key.read(&mut bytes).is_ok())
}
