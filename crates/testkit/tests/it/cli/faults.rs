//! What can go wrong around a device: answers that aren't the platform's, certificates, disks. It says what is the matter, leaves with the
//! right status, and loses nothing.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use fieldstone_testkit::{Answer, DeviceProcess, binary, is_shipped};
use serde_json::json;

use super::middle::{Fault, Middle};
use super::people::in_database;
use super::{Platform, THREAT, kills::traced};

/// Records that need several pages.
const MANY: usize = 5_000;

#[test]
fn whatever_is_the_matter_is_told_and_loses_nothing() {
    let platform = Platform::start();
    let middle = Middle::before(&platform);
    what_answers_is_not_the_platform(&platform, &middle);
    a_first_load_is_broken_off_and_goes_on(&platform, &middle);
    a_cursor_that_the_platform_does_not_know(&platform);
    nobody_but_the_platform_is_connected_to(&platform);
    // Last, since the one in the middle doesn't come back from it.
    whoever_is_not_trusted_learns_nothing(&platform, &middle);
}

#[test]
fn a_disk_that_fails_loses_nothing() {
    let platform = Platform::start();
    a_damaged_database_is_told(&platform);
    a_database_that_is_gone_is_told(&platform);
    damaged_files_beside_it_are_read_from_their_copies(&platform);
    a_full_disk_and_one_that_cannot_be_written(&platform);
}

fn through(platform: &Platform, middle: &Middle, device: &DeviceProcess, more: &[&str]) -> Answer {
    device.log_in(&middle.url, &middle.ca, &platform.person("member"), more)
}

/// An account made without the platform; answers its id.
fn make(device: &DeviceProcess, name: &str) -> String {
    let made = device
        .run(&["create", "account", &format!("name={name}")])
        .ok();
    made["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_waiting(device: &DeviceProcess, id: &str) {
    let waiting = device.run(&["pending"]).ok();
    let records: Vec<&str> = waiting["mutations"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["record"].as_str())
        .collect();
    assert_eq!(records, [id]);
    assert_eq!(device.run(&["show", id]).ok()["id"], json!(id));
}

/// It has arrived: a device that has never seen it shows it.
#[track_caller]
fn assert_arrives(platform: &Platform, device: &DeviceProcess, id: &str) {
    assert_eq!(device.run(&["sync"]).ok()["proven"], true);
    assert_eq!(device.run(&["pending"]).ok()["mutations"], json!([]));
    assert_eq!(
        platform.device("member").run(&["show", id]).ok()["id"],
        json!(id)
    );
}

fn what_answers_is_not_the_platform(platform: &Platform, middle: &Middle) {
    let device = DeviceProcess::new();
    through(platform, middle, &device, &[]).ok();
    for (fault, told) in [
        (Fault::Html, "isn't a Fieldstone platform"),
        (Fault::Redirect, "sent this device to another address"),
        (Fault::Broken(0), "busy or has a fault"),
        (Fault::Truncated, "was cut off"),
        (Fault::CutOff, "kept on this device"),
    ] {
        let id = make(&device, &format!("{fault:?}"));
        middle.fail(fault);
        let said = device.run(&["sync"]).failed(1);
        assert!(said.contains(told), "{fault:?}: {said}");
        assert_waiting(&device, &id);
        middle.fail(Fault::None);
        assert_arrives(platform, &device, &id);
    }
    let nobody = middle.elsewhere.accept().map_err(|error| error.kind());
    assert_eq!(
        nobody.err(),
        Some(ErrorKind::WouldBlock),
        "a redirect was followed"
    );
}

fn a_first_load_is_broken_off_and_goes_on(platform: &Platform, middle: &Middle) {
    import(platform);
    let device = DeviceProcess::new();
    through(platform, middle, &device, &["--no-sync"]).ok();
    let id = make(&device, "before the first load");
    middle.pulls();
    // The push and the first page arrive.
    middle.fail(Fault::Broken(2));
    device.run(&["sync"]).failed(1);
    assert!(middle.pulls() >= 2);
    assert_eq!(device.run(&["show", &id]).ok()["id"], json!(id));
    assert_eq!(
        device.run(&["status"]).ok()["ready"],
        json!(false),
        "not before it is whole"
    );
    middle.fail(Fault::None);
    device.run(&["sync"]).ok();
    let (goes_on, whole) = (middle.pulls(), {
        let fresh = DeviceProcess::new();
        through(platform, middle, &fresh, &[]).ok();
        middle.pulls()
    });
    assert!(goes_on <= whole, "{goes_on} of {whole} pages");
    assert_arrives(platform, &device, &id);
}

fn import(platform: &Platform) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.csv");
    let mut rows = "first_name,last_name\n".to_owned();
    for row in 0..MANY {
        writeln!(rows, "Ada,Lovelace {row}").unwrap();
    }
    fs::write(&file, rows).unwrap();
    let person = platform.person("member");
    let mut command = Command::new(binary());
    command
        .arg("import")
        .arg("--data")
        .arg(platform.server.data());
    command
        .args(["--as", &person.email, &person.workspace, "contact"])
        .arg(&file);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn a_cursor_that_the_platform_does_not_know(platform: &Platform) {
    let device = platform.device("member");
    let id = make(&device, "a database that was put back");
    assert!(in_database(platform, "DELETE FROM app.sync_cursor") > 0);
    assert_arrives(platform, &device, &id);
}

/// Every address that a login, a sync and a logout connect or send to.
fn nobody_but_the_platform_is_connected_to(platform: &Platform) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let device = platform.device("member");
    make(&device, "watched");
    let mut addresses = Vec::new();
    for arguments in [
        &["sync"][..],
        &["status"],
        &["list", "accounts"],
        &["logout", "--send"],
    ] {
        let options = [
            "-e",
            "trace=connect,sendto,sendmsg,sendmmsg,bind,listen",
            "-o",
            log.to_str().unwrap(),
        ];
        let answer = traced(&device, &options, arguments).output();
        let answer = Answer::of(&answer.expect("strace runs"));
        if is_shipped() {
            assert_eq!(answer.code, Some(THREAT));
            return;
        }
        answer.ok();
        let calls = fs::read_to_string(&log).unwrap();
        assert!(!calls.contains("listen("), "{calls}");
        addresses.extend(
            calls
                .lines()
                .filter(|line| line.contains("AF_INET"))
                .map(str::to_owned),
        );
    }
    assert!(!addresses.is_empty(), "it has talked to the platform");
    let port = format!(
        "sin_port=htons({}), sin_addr=inet_addr(\"127.0.0.1\")",
        platform.server.port()
    );
    for call in &addresses {
        assert!(call.contains(&port), "{call}");
    }
}

fn whoever_is_not_trusted_learns_nothing(platform: &Platform, middle: &Middle) {
    let device = DeviceProcess::new();
    through(platform, middle, &device, &[]).ok();
    let id = make(&device, "for nobody else");
    let untrusted = "can't be trusted";
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        middle.become_another(versions);
        middle.requests();
        let told = device.run(&["sync"]).failed(1);
        assert!(told.contains(untrusted), "{told}");
        assert_waiting(&device, &id);
        let stranger = DeviceProcess::new();
        let told = through(platform, middle, &stranger, &[]).failed(1);
        assert!(told.contains(untrusted), "{told}");
        assert!(!stranger.home().join("login.json").exists());
        assert_eq!(middle.requests(), Vec::<String>::new());
    }
    // Also with the right certificate, TLS 1.2 is too old.
    let old = DeviceProcess::new();
    let told = old
        .log_in(
            &middle.url,
            &middle.another_ca(),
            &platform.person("member"),
            &[],
        )
        .failed(1);
    assert!(told.contains("TLS 1.3"), "{told}");
    assert_eq!(middle.requests(), Vec::<String>::new());
}

fn database(device: &DeviceProcess) -> PathBuf {
    let files = device.files().into_iter().map(|(path, _)| path);
    files
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .expect("a database")
}

fn a_damaged_database_is_told(platform: &Platform) {
    let device = platform.device("member");
    let id = make(&device, "sealed all the same");
    let file = database(&device);
    let mut bytes = fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(4_096).skip(1) {
        bytes[at + 100] ^= 0xFF;
    }
    fs::write(&file, &bytes).unwrap();
    for arguments in [
        &["list", "accounts"][..],
        &["sync"],
        &["create", "account", "name=x"],
        &["status"],
    ] {
        let told = device.run(arguments).failed(1);
        assert!(
            told.contains("damaged") && told.contains("--keep-sealed"),
            "{arguments:?}: {told}"
        );
    }
    assert!(fs::read(&file).unwrap() == bytes, "the file was changed");
    device.run(&["logout", "--keep-sealed"]).ok();
    assert_eq!(
        platform.log_in(&device, &platform.person("member")).ok()["delivered"],
        1
    );
    assert_eq!(
        device.run(&["show", &id]).ok()["name"],
        "sealed all the same"
    );
}

fn a_database_that_is_gone_is_told(platform: &Platform) {
    let device = platform.device("member");
    let id = make(&device, "sealed as well");
    let file = database(&device);
    fs::remove_file(&file).unwrap();
    for arguments in [&["list", "accounts"][..], &["sync"], &["logout"]] {
        let told = device.run(arguments).failed(1);
        assert!(told.contains("--keep-sealed"), "{arguments:?}: {told}");
    }
    device.run(&["logout", "--keep-sealed"]).ok();
    let back = platform.log_in(&device, &platform.person("member")).ok();
    assert_eq!(back["delivered"], 1);
    assert_eq!(device.run(&["show", &id]).ok()["name"], "sealed as well");
    // Nothing is kept of what is given up by name.
    make(&device, "given up");
    fs::write(database(&device), b"").unwrap();
    device.run(&["logout", "--discard"]).ok();
    let back = platform.log_in(&device, &platform.person("member")).ok();
    assert_eq!(back["delivered"], 0);
}

fn damaged_files_beside_it_are_read_from_their_copies(platform: &Platform) {
    let device = platform.device("member");
    let id = make(&device, "beside damaged files");
    for name in ["login.json", "installation"] {
        fs::write(device.home().join(name), b"\0\0\0\0").unwrap();
        assert_waiting(&device, &id);
    }
    assert_arrives(platform, &device, &id);
    device.run(&["logout"]).ok();
    let left = device.files();
    let left: Vec<_> = left
        .iter()
        .filter_map(|(path, _)| path.file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| name.to_string_lossy().starts_with("installation") || *name == "lease"),
        "{left:?}"
    );
}

/// A small file system of its own. Made by root, or in a namespace where this user is.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: &Path, options: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(folder));
        Self {
            folder: folder.to_owned(),
        }
    }

    fn remount(&self, options: &str) {
        run(Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.folder));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("mount runs");
    assert!(
        status.success(),
        "{command:?}: tests of disks mount one, which takes root"
    );
}

fn a_full_disk_and_one_that_cannot_be_written(platform: &Platform) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::mount(&folder.path().join("disk"), "size=8m");
    let device = DeviceProcess::at(&disk.folder.join("home"));
    platform.log_in(&device, &platform.person("member")).ok();
    let id = make(&device, "while there was room");
    let filler = disk.folder.join("filler");
    fill(&filler);
    for arguments in [
        &["create", "account", "name=too much"][..],
        &["edit", &id, "city=Ulm"],
    ] {
        let told = device.run(arguments).failed(1);
        assert!(
            told.contains("no room left") || told.contains("disk is full"),
            "{arguments:?}: {told}"
        );
    }
    // What is here can be read all the same, however often.
    for _ in 0..2 {
        assert_eq!(device.run(&["show", &id]).ok()["id"], json!(id));
        device.run(&["list", "accounts"]).ok();
        fill(&disk.folder.join("more"));
    }
    let told = device.run(&["sync"]).failed(1);
    assert!(
        told.contains("no room left") || told.contains("disk is full"),
        "{told}"
    );
    fs::remove_file(&filler).unwrap();
    fs::remove_file(disk.folder.join("more")).unwrap();
    assert_waiting(&device, &id);

    disk.remount("ro");
    for arguments in [
        &["create", "account", "name=too late"][..],
        &["sync"],
        &["list", "accounts"],
    ] {
        let told = device.run(arguments).failed(1);
        assert!(told.contains("read-only"), "{arguments:?}: {told}");
    }
    disk.remount("rw");
    assert_waiting(&device, &id);
    assert_arrives(platform, &device, &id);
    // Also a full disk can be logged out of, and what waits stays sealed.
    let kept = make(&device, "kept sealed");
    fill(&filler);
    device.run(&["logout"]).failed(1);
    device.run(&["logout", "--keep-sealed"]).ok();
    fs::remove_file(&filler).unwrap();
    let back = platform.log_in(&device, &platform.person("member")).ok();
    assert_eq!(back["delivered"], 1);
    assert_eq!(device.run(&["show", &kept]).ok()["id"], json!(kept));
    device.run(&["logout"]).ok();

    // A first load that finds no room says so, and goes on when there is some.
    fill(&filler);
    let told = platform
        .log_in(&device, &platform.person("member"))
        .failed(1);
    assert!(
        told.contains("no room left") || told.contains("disk is full"),
        "{told}"
    );
    fs::remove_file(&filler).unwrap();
    if platform.log_in(&device, &platform.person("member")).code != Some(0) {
        device.run(&["sync"]).ok();
    }
    assert_eq!(device.run(&["show", &id]).ok()["id"], json!(id));
}

/// Takes all the room that there is.
fn fill(file: &Path) {
    use std::io::Write as _;
    let mut out = fs::File::create(file).unwrap();
    for size in [64 << 10, 4 << 10, 256, 1] {
        while out.write_all(&vec![0; size]).is_ok() {}
    }
}
