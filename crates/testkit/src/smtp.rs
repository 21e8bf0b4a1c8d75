//! A real mail server for tests: aiosmtpd, in a Python environment of its own beside the build.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;
use serde_json::{Value, json};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/smtpd.py");
/// How long a letter may take to arrive on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running mail server; ends with the value.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    port: u16,
    lines: Receiver<String>,
}

/// A letter as the server took it.
#[derive(Debug, Deserialize)]
pub struct Delivered {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
    /// The message, with its headers.
    pub content: String,
}

impl MailServer {
    /// A server that takes everything, without TLS.
    pub fn plain() -> Self {
        Self::start(&json!({}))
    }

    /// A server told how to behave; `python/smtpd.py` says what it understands.
    pub fn start(options: &Value) -> Self {
        let mut child = Command::new(python())
            .arg(SCRIPT)
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server to start");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let first = lines
            .recv_timeout(PATIENCE)
            .expect("the mail server to say its port");
        let port = first
            .strip_prefix("port ")
            .and_then(|port| port.parse().ok())
            .expect("a port");
        Self { child, port, lines }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next letter.
    pub fn next(&self) -> Delivered {
        let line = self.lines.recv_timeout(PATIENCE).expect("a letter");
        serde_json::from_str(&line).expect("a letter as JSON")
    }

    /// Whether no letter has arrived that nobody has asked for.
    pub fn is_idle(&self) -> bool {
        self.lines.try_recv().is_err()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python with aiosmtpd; made when this build has none yet.
fn python() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this test");
    // …/target/debug/deps/it-…
    let target = this.ancestors().nth(3).expect("the build's folder");
    let folder = target.join("python");
    let python = folder.join("bin/python");
    let lock = File::create(target.join("python.lock")).expect("a lock beside the build");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, error)| error)
        .expect("the lock");
    let wanted = fs::read_to_string(REQUIREMENTS).expect("the requirements");
    let mark = folder.join("installed.txt");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--require-hashes",
            "-r",
        ])
        .arg(Path::new(REQUIREMENTS)));
    fs::write(mark, wanted).expect("the mark of a finished installation");
    python
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?} failed ({status:?}); install the packages python3 and python3-venv"
    );
}
