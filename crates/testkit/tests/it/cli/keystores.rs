//! Where the key is while somebody is logged in: a real Secret Service on a bus of its own, the kernel, or nowhere.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fieldstone_testkit::DeviceProcess;
use tempfile::TempDir;

use super::Platform;

/// How long a keyring may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A bus that starts nothing by itself: what isn't there isn't there.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*" eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

/// A session bus with a GNOME Keyring on it.
struct Session {
    bus: Child,
    keyring: Option<Child>,
    address: String,
    folder: TempDir,
}

impl Session {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        fs::write(&config, BUS).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .args(["--nofork", "--print-address", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon runs; install the package dbus-daemon");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            bus,
            keyring: None,
            address: address.trim().to_owned(),
            folder,
        }
    }

    /// Starts the keyring, unlocked by this password; waits until it answers on the bus.
    fn start_keyring(&mut self, password: Option<&str>) {
        let mut command = Command::new("gnome-keyring-daemon");
        if password.is_some() {
            command.arg("--unlock");
        }
        let mut keyring = command
            .args(["--foreground", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("XDG_DATA_HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("DISPLAY")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gnome-keyring-daemon runs; install the package gnome-keyring");
        let mut stdin = keyring.stdin.take().unwrap();
        stdin
            .write_all(password.unwrap_or_default().as_bytes())
            .unwrap();
        drop(stdin);
        self.keyring = Some(keyring);
        // With a password: until the keyring that it opens is open.
        let question: &[&str] = if password.is_some() {
            &[
                "--dest=org.freedesktop.secrets",
                "/org/freedesktop/secrets/collection/login",
                "org.freedesktop.DBus.Properties.Get",
                "string:org.freedesktop.Secret.Collection",
                "string:Locked",
            ]
        } else {
            &[
                "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.secrets",
            ]
        };
        // It is there, or with a password not locked.
        let wanted = format!("boolean {}", password.is_none());
        let begun = Instant::now();
        while !self.ask(question).contains(&wanted) {
            assert!(begun.elapsed() < PATIENCE, "the keyring doesn't answer");
        }
    }

    fn stop_keyring(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            keyring.kill().unwrap();
            keyring.wait().unwrap();
        }
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new("dbus-send")
            .args(["--session", "--print-reply"])
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .output()
            .expect("dbus-send runs; install the package dbus-bin");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How many keys of devices the keyring has.
    fn keys(&self) -> usize {
        let found = self.ask(&[
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.SearchItems",
            "dict:string:string:service,Fieldstone device",
        ]);
        found.matches("object path").count()
    }

    fn device(&self) -> DeviceProcess {
        DeviceProcess::new()
            .with_system_keystore()
            .with_variable("DBUS_SESSION_BUS_ADDRESS", &self.address)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop_keyring();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

#[test]
fn where_the_key_is() {
    let platform = Platform::start();
    the_secret_service_has_the_key_for_as_long_as_somebody_is_logged_in(&platform);
    without_a_keystore_nothing_is_sent_and_the_way_out_is_named(&platform);
    the_kernel_has_another_key_for_each_login(&platform);
}

fn the_secret_service_has_the_key_for_as_long_as_somebody_is_logged_in(platform: &Platform) {
    let mut session = Session::start();
    session.start_keyring(Some("login password"));
    let device = session.device();
    let person = platform.person("member");
    assert_eq!(session.keys(), 0);
    platform.log_in(&device, &person).ok();
    assert_eq!(session.keys(), 1);
    assert_eq!(device.run(&["status"]).ok()["ephemeral"], false);
    // The computer restarts: the key lies in the keyring, and the keyring is locked.
    session.stop_keyring();
    let told = device.run(&["list", "accounts"]).failed(3);
    assert!(told.contains("keyring"), "{told}");
    session.start_keyring(None);
    let told = device.run(&["list", "accounts"]).failed(3);
    assert!(told.contains("Nothing was deleted"), "{told}");
    session.stop_keyring();
    session.start_keyring(Some("login password"));
    device.run(&["list", "accounts"]).ok();
    device.run(&["logout"]).ok();
    assert_eq!(session.keys(), 0);
}

fn without_a_keystore_nothing_is_sent_and_the_way_out_is_named(platform: &Platform) {
    let nowhere = Path::new("/nonexistent/bus");
    let device = DeviceProcess::new().with_system_keystore().with_variable(
        "DBUS_SESSION_BUS_ADDRESS",
        &format!("unix:path={}", nowhere.display()),
    );
    let told = platform
        .log_in(&device, &platform.person("member"))
        .failed(1);
    assert!(told.contains("--ephemeral"), "{told}");
    assert!(!device.home().join("login.json").exists());
    // A keyring that nobody has ever unlocked.
    let mut session = Session::start();
    session.start_keyring(None);
    let device = session.device();
    let told = platform
        .log_in(&device, &platform.person("member"))
        .failed(1);
    assert!(told.contains("--ephemeral"), "{told}");
}

fn the_kernel_has_another_key_for_each_login(platform: &Platform) {
    let device = DeviceProcess::new();
    let person = platform.person("member");
    let keys = || {
        let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
        let installation = fs::read_to_string(device.home().join("installation")).unwrap();
        let ours = keys
            .lines()
            .filter(|line| line.contains(installation.trim()) && !line.contains(" expd "));
        ours.map(str::to_owned).collect::<Vec<_>>()
    };
    platform.log_in(&device, &person).ok();
    let first = keys();
    device.run(&["logout"]).ok();
    let between = keys();
    platform.log_in(&device, &person).ok();
    let second = keys();
    assert_eq!(
        (first.len(), between.len(), second.len()),
        (1, 0, 1),
        "{first:?} {between:?} {second:?}"
    );
    assert_ne!(first, second);
}
