//! Real processes, attacked with real tools: gdb, strace, a library put in by the linker, code changed in memory, signals.
//!
//! Whoever attacks here is root. Either the tool is turned away and the process goes on, or the process is gone within a second with 70.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fieldstone-guarded");

struct Guarded {
    supervisor: Child,
    worker: u32,
    secret: u64,
    _stdin: ChildStdin,
}

impl Guarded {
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the guarded process");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words.first(),
            Some(&"ready"),
            "{:?}",
            child.wait_with_output()
        );
        Self {
            worker: words[1].parse().unwrap(),
            secret: u64::from_str_radix(words[2], 16).unwrap(),
            _stdin: child.stdin.take().expect("its input"),
            supervisor: child,
        }
    }

    fn plain() -> Self {
        Self::start(Path::new(PROGRAM), &[])
    }

    fn is_running(&mut self) -> bool {
        self.supervisor.try_wait().unwrap().is_none()
            && Path::new(&format!("/proc/{}", self.worker)).exists()
    }

    /// Waits for the end; fails when it takes longer than a second.
    fn gone(mut self, since: Instant) -> (ExitStatus, String) {
        loop {
            if self.supervisor.try_wait().unwrap().is_some() {
                let took = since.elapsed();
                // On a machine with much else to do.
                assert!(took < Duration::from_secs(3), "{took:?}");
                let worker = self.worker;
                let status = self.supervisor.wait().unwrap();
                let mut said = String::new();
                self.supervisor
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut said)
                    .unwrap();
                // Its files are closed a moment before it is gone.
                while is_alive(worker) {
                    assert!(
                        since.elapsed() < Duration::from_secs(3),
                        "the worker is still there"
                    );
                    std::thread::yield_now();
                }
                return (status, said);
            }
            assert!(since.elapsed() < Duration::from_secs(10), "it goes on");
            std::thread::yield_now();
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn tracer(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"))
        .unwrap();
    line.trim().parse().unwrap()
}

/// Runs a tool, which has to be there.
fn run(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .unwrap_or_else(|error| panic!("{name} is missing ({error}); ./x test installs it"))
}

/// A tool or library under a name that says nothing.
fn renamed(folder: &Path, file: &str) -> PathBuf {
    let to = folder.join("libsystemd-shared.so.6");
    let found = run(Command::new("sh").args(["-c", &format!("command -v {file}")]));
    fs::copy(String::from_utf8(found.stdout).unwrap().trim(), &to).unwrap();
    to
}

#[test]
fn the_two_trace_each_other() {
    let guarded = Guarded::plain();
    let supervisor = guarded.supervisor.id();
    assert_eq!(tracer(guarded.worker), supervisor);
    let thread = tracer(supervisor);
    assert!(Path::new(&format!("/proc/{}/task/{thread}", guarded.worker)).exists());
    for thread in fs::read_dir(format!("/proc/{}/task", guarded.worker)).unwrap() {
        let thread = thread
            .unwrap()
            .file_name()
            .to_string_lossy()
            .parse()
            .unwrap();
        assert_eq!(tracer(thread), supervisor);
    }
}

#[test]
fn gdb_and_strace_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut guarded = Guarded::plain();
    let (worker, supervisor) = (
        guarded.worker.to_string(),
        guarded.supervisor.id().to_string(),
    );
    for process in [&worker, &supervisor] {
        let gdb = run(Command::new("gdb").args(["-p", process, "-batch", "-ex", "info registers"]));
        let said = String::from_utf8_lossy(&gdb.stderr);
        assert!(said.contains("ptrace"), "{said}");
        for program in [PathBuf::from("strace"), renamed(folder.path(), "strace")] {
            let strace = run(Command::new(program).args(["-f", "-p", process]));
            assert!(!strace.status.success());
        }
    }
    // It has looked since.
    std::thread::sleep(Duration::from_secs(1));
    assert!(guarded.is_running());
    assert_eq!(tracer(guarded.worker), guarded.supervisor.id());
}

#[test]
fn alone_it_ends_when_a_debugger_lets_it_go_on() {
    let guarded = Guarded::start(Path::new(PROGRAM), &["--alone"]);
    let process = guarded.worker.to_string();
    let strace = Command::new("strace")
        .args(["-f", "-p", &process])
        .stderr(Stdio::null())
        .spawn();
    let mut strace = strace.expect("strace; ./x test installs it");
    let (status, said) = guarded.gone(Instant::now());
    strace.wait().unwrap();
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(said.contains("is traced by process"), "{said}");
}

#[test]
fn started_under_a_tool_it_ends_before_it_begins() {
    for tool in [
        ["strace", "-f", "-o", "/dev/null"].as_slice(),
        &[
            "gdb",
            "-batch",
            "-return-child-result",
            "-ex",
            "run",
            "--args",
        ],
    ] {
        let output = run(Command::new(tool[0])
            .args(&tool[1..])
            .arg(PROGRAM)
            .stdin(Stdio::null()));
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(70), "{tool:?}: {said}");
        assert!(!said.contains("ready"), "{tool:?}: {said}");
    }
}

#[test]
fn a_library_that_was_put_in_is_found_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("hook.c");
    fs::write(
        &source,
        "int open(const char *path, int flags, ...) { return -1; }\n",
    )
    .unwrap();
    for name in ["hook.so", "libc.so.6", "libm.so.6"] {
        let library = folder.path().join(name);
        let built = run(Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source));
        assert!(built.status.success());
        for variable in ["LD_PRELOAD", "LD_AUDIT"] {
            let output = Command::new(PROGRAM)
                .env(variable, &library)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(70), "{variable}={name}: {said}");
            assert!(output.stdout.is_empty());
            assert!(said.contains("preload"), "{said}");
        }
    }
}

/// Where code of the program or of a library begins, and in which file.
fn code_of(process: u32, name: &str) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let line = maps
        .lines()
        .find(|line| line.contains(" r-xp ") && line.contains(name))
        .unwrap();
    u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()
}

#[test]
fn changed_code_is_found() {
    for (name, supervisor_too) in [("fieldstone-guarded", true), ("libc.so", false)] {
        for supervisor in [false, true] {
            if supervisor && !supervisor_too {
                continue;
            }
            let guarded = Guarded::plain();
            let process = if supervisor {
                guarded.supervisor.id()
            } else {
                guarded.worker
            };
            let address = code_of(process, name) + 4096 + 1;
            let memory = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(format!("/proc/{process}/mem"))
                .unwrap();
            let mut byte = [0];
            memory.read_exact_at(&mut byte, address).unwrap();
            let started = Instant::now();
            memory.write_all_at(&[byte[0] ^ 1], address).unwrap();
            drop(memory);
            let (status, said) = guarded.gone(started);
            assert_eq!(status.code(), Some(70), "{name}: {said}");
            assert!(said.contains("code was written to in memory"), "{said}");
        }
    }
}

#[test]
fn what_ends_one_ends_the_other() {
    let guarded = Guarded::plain();
    let (worker, started) = (guarded.worker, Instant::now());
    let kill = |signal: &str, process: u32| {
        assert!(
            run(Command::new("kill").args([signal, &process.to_string()]))
                .status
                .success()
        );
    };
    kill("-KILL", guarded.supervisor.id());
    let (status, _) = guarded.gone(started);
    assert_eq!(status.signal(), Some(9));
    assert!(!is_alive(worker));
    for signal in [("-TERM", 15), ("-INT", 2), ("-HUP", 1)] {
        let guarded = Guarded::plain();
        kill(signal.0, guarded.supervisor.id());
        let (status, _) = guarded.gone(Instant::now());
        assert_eq!(status.signal(), Some(signal.1), "{signal:?}");
    }
    let guarded = Guarded::plain();
    kill("-ABRT", guarded.worker);
    let (status, _) = guarded.gone(Instant::now());
    assert_eq!(status.signal(), Some(6));
    assert!(!status.core_dumped());
}

#[test]
fn it_can_not_be_stopped() {
    let mut guarded = Guarded::plain();
    for process in [guarded.supervisor.id(), guarded.worker] {
        for signal in ["-STOP", "-TSTP"] {
            assert!(
                run(Command::new("kill").args([signal, &process.to_string()]))
                    .status
                    .success()
            );
        }
    }
    // Both look again before it is asked whether they do.
    std::thread::sleep(Duration::from_secs(1));
    assert!(guarded.is_running());
    for process in [guarded.supervisor.id(), guarded.worker] {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let state = status
            .lines()
            .find(|line| line.starts_with("State:"))
            .unwrap();
        assert!(state.contains('S') || state.contains('R'), "{state}");
    }
}

#[test]
fn it_goes_on_while_others_are_debugged() {
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let gdb = Command::new("gdb")
        .args([
            "-p",
            &other.id().to_string(),
            "-batch",
            "-ex",
            "shell sleep 2",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut gdb = gdb.expect("gdb; ./x test installs it");
    let mut guarded = Guarded::plain();
    gdb.wait().unwrap();
    assert!(guarded.is_running());
    let _ = other.kill();
    let _ = other.wait();
}

#[test]
fn in_a_namespace_of_its_own_it_goes_on() {
    let mut child = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
            "--net",
            PROGRAM,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("ready"), "{:?}", child.wait_with_output());
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none());
    child.stdin.take().unwrap().flush().unwrap();
    assert!(child.wait().unwrap().success());
}

/// Root can read what it likes without tracing anybody. The claim is what this test says: another user, or the same one, can't.
#[test]
fn the_same_user_can_not_read_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("guarded");
    fs::copy(PROGRAM, &program).unwrap();
    Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(folder.path())
        .status()
        .unwrap();
    let script = format!(
        r#"exec 3< <(sleep 3); {0} <&3 > out & sleep 1; read -r _ worker secret < out
        if dd if=/proc/$worker/mem bs=1 count=1 skip=$((16#$secret)) of=/dev/null 2>err; then echo read; else cat err; fi
        gdb -p $worker -batch 2>&1 | grep -o 'Operation not permitted' | head -1; wait %1; echo "status $?""#,
        program.display()
    );
    let work = tempfile::tempdir().unwrap();
    Command::new("chmod")
        .arg("777")
        .arg(work.path())
        .status()
        .unwrap();
    let output = run(Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "bash",
            "-c",
            &script,
        ])
        .current_dir(work.path()));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("Permission denied"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("not permitted"), "{said}");
    assert!(said.contains("status 0"), "{said}");
}

#[test]
fn the_secret_is_where_it_says() {
    // The control of the test above: root does read it.
    let guarded = Guarded::plain();
    let memory = fs::File::open(format!("/proc/{}/mem", guarded.worker)).unwrap();
    let mut bytes = [0; 32];
    memory.read_exact_at(&mut bytes, guarded.secret).unwrap();
    assert_eq!(bytes, [0xa5; 32]);
}
