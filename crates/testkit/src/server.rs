//! The real server process, on a data folder and a port of its own.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a first start may take on a busy machine before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(2);

/// How to start a server.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// An existing data folder; by default a new one, removed afterwards.
    pub data: Option<PathBuf>,
    /// With the demo workspaces.
    pub demo: bool,
    /// The port; by default a free one.
    pub port: Option<u16>,
    /// Further arguments. Without `--storage-encryption` among them nothing is encrypted, and without `--backups` none are made: what a test
    /// is about should not wait for it.
    pub arguments: Vec<String>,
    /// Variables of its environment, besides this process's own.
    pub environment: Vec<(String, String)>,
}

impl ServerOptions {
    /// A server without data.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A server with the demo workspaces.
    pub fn demo() -> Self {
        Self {
            demo: true,
            ..Self::default()
        }
    }

    /// The same on this data folder.
    #[must_use]
    pub fn on(mut self, data: &Path) -> Self {
        self.data = Some(data.to_owned());
        self
    }

    /// The same on this port.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same with further arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The same with this variable in its environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command that starts it.
    pub fn command(&self, data: &Path, port: u16) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("up")
            .arg("--data")
            .arg(data)
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"));
        if self.demo {
            command.arg("--demo");
        }
        if !self
            .arguments
            .iter()
            .any(|argument| argument == "--storage-encryption")
        {
            command.args(["--storage-encryption", "none"]);
        }
        if !self
            .arguments
            .iter()
            .any(|argument| argument == "--backups")
        {
            command.args(["--backups", "none"]);
        }
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }
}

/// A running `fieldstone up`; stopped with the value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: PathBuf,
    port: u16,
    url: String,
    /// Everything the process said on standard error so far is in this file.
    log: PathBuf,
    _scratch: TempDir,
}

impl Server {
    /// Starts the server and returns once it says that it serves. Panics with its log when it doesn't.
    pub fn start(options: &ServerOptions) -> Self {
        let scratch = tempfile::Builder::new()
            .prefix("fieldstone-server-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        // The database's account has to pass through.
        fs::set_permissions(
            scratch.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o711),
        )
        .expect("an open folder");
        let data = options
            .data
            .clone()
            .unwrap_or_else(|| scratch.path().join("data"));
        let port = options.port.unwrap_or_else(free_port);
        let log = scratch.path().join("log");
        let stderr = fs::File::create(&log).expect("a file for the server's log");
        let mut child = options
            .command(&data, port)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the server to start");
        let url = wait_for_ready(&mut child, &log);
        Self {
            child,
            data,
            port,
            url,
            log,
            _scratch: scratch,
        }
    }

    /// Its address: `https://127.0.0.1:…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The certificate authority that clients trust.
    pub fn ca(&self) -> PathBuf {
        self.data.join("tls/ca.pem")
    }

    /// The users of the demo workspaces, as `demo.json` has them.
    pub fn demo(&self) -> serde_json::Value {
        let text = fs::read(self.data.join("demo.json")).expect("a demo.json");
        serde_json::from_slice(&text).expect("JSON in demo.json")
    }

    /// A client that trusts the server's authority and nothing else, keeps cookies and follows no redirect.
    pub fn client(&self) -> reqwest::Client {
        self.client_that_keeps_cookies(true)
    }

    /// The same without cookies of its own, to pass on what others send.
    pub fn gateway(&self) -> reqwest::Client {
        self.client_that_keeps_cookies(false)
    }

    fn client_that_keeps_cookies(&self, cookies: bool) -> reqwest::Client {
        let ca = fs::read(self.ca()).expect("a ca.pem");
        let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate in ca.pem");
        reqwest::Client::builder()
            .tls_certs_only([ca])
            .cookie_store(cookies)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
    }

    /// Everything it has said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it hasn't ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal and waits for the end.
    pub fn end(mut self, signal: Signal) -> ExitStatus {
        self.signal_and_wait(signal)
    }

    /// Waits for it to end by itself, and answers with everything it said.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("the server's end");
        (status, self.log())
    }

    fn signal_and_wait(&mut self, signal: Signal) -> ExitStatus {
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("the signal to arrive");
        self.child.wait().expect("the server's end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal_and_wait(Signal::SIGTERM);
        if thread::panicking() {
            eprintln!("— the server's log —\n{}", self.log());
        }
    }
}

/// The binary `fieldstone` that was built with the tests.
pub fn binary() -> PathBuf {
    for variable in ["NEXTEST_BIN_EXE_fieldstone", "CARGO_BIN_EXE_fieldstone"] {
        if let Some(path) = env::var_os(variable) {
            return path.into();
        }
    }
    beside("fieldstone").expect("the binary fieldstone beside the tests (cargo build -p fieldstone-server --bin fieldstone)")
}

/// A binary of this name beside this program, or one folder above.
pub(crate) fn beside(name: &str) -> Option<PathBuf> {
    let this = env::current_exe().expect("the path of this test");
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The arguments of the command that makes a workspace; it prints the link for its owner.
pub fn workspace_create<'a>(
    slug: &'a str,
    name: &'a str,
    (owner, email): (&'a str, &'a str),
) -> [&'a str; 9] {
    [
        "workspace",
        "create",
        slug,
        "--name",
        name,
        "--owner-email",
        email,
        "--owner-name",
        owner,
    ]
}

/// A port on 127.0.0.1 that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// Reads standard output until the line `ready URL`, and goes on reading so that the server never blocks on it.
fn wait_for_ready(child: &mut Child, log: &Path) -> String {
    let stdout = child.stdout.take().expect("the server's output");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some(url) = line.trim().strip_prefix("ready ") {
                let _ = sender.send(url.to_owned());
                break;
            }
            line.clear();
        }
        drop(sender);
        let _ = reader.read_to_end(&mut Vec::new());
    });
    let started = Instant::now();
    match receiver.recv_timeout(PATIENCE) {
        Ok(url) => url,
        Err(error) => {
            let _ = child.kill();
            let status = child.wait();
            let said = fs::read_to_string(log).unwrap_or_default();
            panic!(
                "the server did not get ready within {:?} ({error}; {status:?}):\n{said}",
                started.elapsed()
            );
        }
    }
}
