//! The real device: `fieldstone-device` as a process for each command, on a folder of its own.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Server, beside};

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// What it answered on standard output: JSON.
    pub value: Value,
    /// What it said on standard error.
    pub said: String,
}

impl Answer {
    /// What a process came to.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            value: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What was answered; panics unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.said);
        self.value
    }

    /// What a failed command says to people; panics unless it left with this status.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{} {}", self.value, self.said);
        let told: Value = serde_json::from_str(self.said.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("an error in JSON: {}", self.said));
        let error = told.get("error").expect("an error");
        assert_eq!(error.get("code"), Some(&Value::from(code)));
        let message = error.get("message").and_then(Value::as_str);
        message.unwrap_or_default().to_owned()
    }
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Their workspace.
    pub workspace: String,
}

impl Person {
    /// The demo user with this role in the first workspace of the demo data.
    pub fn of_demo(server: &Server, role: &str) -> Self {
        Self::of_workspace(server, 0, role)
    }

    /// The demo user with this role in one of the demo workspaces.
    pub fn of_workspace(server: &Server, workspace: usize, role: &str) -> Self {
        let demo = server.demo();
        let users = demo.get("users").and_then(Value::as_array).expect("users");
        let user = users
            .iter()
            .filter(|user| user.get("role").is_some_and(|found| found == role))
            .nth(workspace)
            .expect("such a user");
        let text = |name: &str| {
            user.get(name)
                .and_then(Value::as_str)
                .expect("a text")
                .to_owned()
        };
        Self {
            email: text("email"),
            password: text("password"),
            workspace: text("workspace"),
        }
    }
}

/// A device's folder and how its commands are run. Logged out, and so its key forgotten, when the value goes.
#[derive(Debug)]
pub struct DeviceProcess {
    home: PathBuf,
    /// Whether its key is in the kernel's memory.
    ephemeral: bool,
    /// What else its processes find in their environment.
    environment: Vec<(String, String)>,
    _folder: Option<TempDir>,
}

impl DeviceProcess {
    /// A device in a new folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-device-")
            .tempdir_in("/tmp")
            .expect("a folder for a device");
        Self {
            home: folder.path().join("home"),
            ephemeral: true,
            environment: Vec::new(),
            _folder: Some(folder),
        }
    }

    /// A device in this folder.
    pub fn at(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            ephemeral: true,
            environment: Vec::new(),
            _folder: None,
        }
    }

    /// The same with its key in the system's keystore.
    #[must_use]
    pub fn with_system_keystore(mut self) -> Self {
        self.ephemeral = false;
        self
    }

    /// The same with a variable in the environment of its processes.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(device_binary());
        command.arg("--home").arg(&self.home).arg("--json");
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .envs(self.environment.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().expect("the device to run");
        Answer::of(&output)
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the device to run")
    }

    /// Logs somebody in.
    pub fn log_in(&self, url: &str, ca: &Path, person: &Person, more: &[&str]) -> Answer {
        Answer::of(
            &self
                .start_log_in(url, ca, person, more)
                .wait_with_output()
                .expect("the device's end"),
        )
    }

    /// Begins to log somebody in.
    pub fn start_log_in(&self, url: &str, ca: &Path, person: &Person, more: &[&str]) -> Child {
        let ca = ca.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["--ca", ca];
        if self.ephemeral {
            arguments.push("--ephemeral");
        }
        let workspace = ["--workspace", &person.workspace];
        arguments.extend(["login", url, "--email", &person.email, "--password-stdin"]);
        if !person.workspace.is_empty() {
            arguments.extend(workspace);
        }
        arguments.extend(more);
        let mut command = self.command(&arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the device to run");
        let mut stdin = child.stdin.take().expect("its input");
        // A process that has refused already doesn't read it.
        let _ = writeln!(stdin, "{}", person.password);
        child
    }

    /// All files in the folder, with their bytes, but what the guard notes of the machine.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.home.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if !path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("sightings"))
                    && let Ok(bytes) = std::fs::read(&path)
                {
                    found.push((path, bytes));
                }
            }
        }
        found
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        if self.home.join("login.json").exists() {
            // A test may have left anything; what matters is that the keystore doesn't fill up.
            let _ = self.command(&["logout", "--discard"]).output();
        }
    }
}

/// Ends a process at once, as a crash does.
pub fn kill_at_once(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Names the device's binary, when it isn't the one that was built with the tests.
const DEVICE_VARIABLE: &str = "FIELDSTONE_TEST_DEVICE";

/// Whether the device is tested as it is shipped: then it doesn't begin under a tracer.
pub fn is_shipped() -> bool {
    env::var_os(DEVICE_VARIABLE).is_some()
}

/// The binary `fieldstone-device`.
fn device_binary() -> PathBuf {
    if let Some(path) = env::var_os(DEVICE_VARIABLE) {
        return path.into();
    }
    beside("fieldstone-device").expect(
        "the binary fieldstone-device beside the tests (cargo build -p fieldstone-client --bin fieldstone-device)",
    )
}
