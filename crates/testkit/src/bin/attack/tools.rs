//! The attacks. Each tool also comes under another name, so that no defence can rest on one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};

use crate::report::Outcome;
use crate::target::{Site, Watch};

/// An attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Site) -> anyhow::Result<Outcome>,
}

/// All of them.
pub(crate) const ALL: &[Attack] = &[
    Attack {
        name: "gdb attaches",
        run: |site| {
            attach(
                site,
                &["gdb", "-batch", "-ex", "info registers", "-p"],
                None,
            )
        },
    },
    Attack {
        name: "gdb attaches, renamed",
        run: |site| {
            attach(
                site,
                &["gdb", "-batch", "-ex", "info registers", "-p"],
                Some("libgtk-3.so.0"),
            )
        },
    },
    Attack {
        name: "gdb dumps memory",
        run: dump,
    },
    Attack {
        name: "gdb injects a library by dlopen",
        run: inject,
    },
    Attack {
        name: "strace attaches",
        run: |site| attach(site, &["strace", "-f", "-o", "/dev/null", "-p"], None),
    },
    Attack {
        name: "strace attaches, renamed",
        run: |site| {
            attach(
                site,
                &["strace", "-f", "-o", "/dev/null", "-p"],
                Some("systemd"),
            )
        },
    },
    Attack {
        name: "a ptrace of one's own",
        run: own_tracer,
    },
    Attack {
        name: "Frida attaches",
        run: |site| frida_attaches(site, "frida_attack.py"),
    },
    Attack {
        name: "Frida attaches, renamed",
        run: |site| frida_attaches(site, "backup.py"),
    },
    Attack {
        name: "Frida spawns",
        run: frida_spawns,
    },
    Attack {
        name: "LD_PRELOAD",
        run: |site| preload(site, "LD_PRELOAD", "hook.so"),
    },
    Attack {
        name: "LD_PRELOAD, renamed",
        run: |site| preload(site, "LD_PRELOAD", "libc.so.6"),
    },
    Attack {
        name: "LD_AUDIT",
        run: |site| preload(site, "LD_AUDIT", "libgcc_s.so.1"),
    },
    Attack {
        name: "started under gdb",
        run: |site| {
            start_under(
                site,
                &[
                    "gdb",
                    "-batch",
                    "-return-child-result",
                    "-ex",
                    "run",
                    "--args",
                ],
            )
        },
    },
    Attack {
        name: "started under strace",
        run: start_under_strace,
    },
    Attack {
        name: "code changed in memory, program",
        run: |site| patch(site, "fieldstone-device", false),
    },
    Attack {
        name: "code changed in memory, supervisor",
        run: |site| patch(site, "fieldstone-device", true),
    },
    Attack {
        name: "code changed in memory, C library",
        run: |site| patch(site, "libc.so", false),
    },
    Attack {
        name: "one byte of the file's code changed",
        run: changed_byte,
    },
    Attack {
        name: "crashed for a core file",
        run: core,
    },
];

/// A number below `most`, for what nobody has to guess.
fn random(most: u64) -> u64 {
    let mut bytes = [0; 8];
    let read = fs::File::open("/dev/urandom").and_then(|file| file.read_exact_at(&mut bytes, 0));
    let number = if read.is_ok() {
        u64::from_ne_bytes(bytes)
    } else {
        SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |elapsed| u64::from(elapsed.subsec_nanos()))
    };
    number % most.max(1)
}

/// The app, at a random moment of its work.
fn at_some_moment(site: &Site) -> anyhow::Result<Watch> {
    let watch = site.watch()?;
    thread::sleep(Duration::from_millis(random(1500)));
    Ok(watch)
}

/// Half of the time the one process, half of the time the other.
fn victim(watch: &Watch) -> u32 {
    if random(2) == 0 {
        watch.worker()
    } else {
        watch.supervisor()
    }
}

/// Judges what became of the app after an attack that began at `since`. `turned_away` says whether the tool failed.
fn judge(watch: &mut Watch, since: Instant, turned_away: bool) -> anyhow::Result<Outcome> {
    if turned_away {
        // Time enough for it to look again, and to find nothing to end for.
        let refused = Instant::now();
        while refused.elapsed() < Duration::from_secs(1) && watch.is_running()? {
            thread::sleep(Duration::from_millis(5));
        }
        return Ok(if watch.is_running()? {
            Outcome::TurnedAway
        } else {
            match watch.end(since)? {
                Some((status, after)) if status.code() == Some(70) => Outcome::Ended(after),
                Some((status, _)) => {
                    Outcome::Failed(format!("turned away, and ended with {status}"))
                }
                None => Outcome::Failed("turned away, and half of it is gone".to_owned()),
            }
        });
    }
    Ok(match watch.end(since)? {
        Some((status, after)) if status.code() == Some(70) => Outcome::Ended(after),
        Some((status, _)) => Outcome::Failed(format!("ended with {status}")),
        None => Outcome::Failed("it goes on under attack".to_owned()),
    })
}

/// Where a tool is, or a copy of it under another name.
fn tool(site: &Site, name: &str, other: Option<&str>) -> anyhow::Result<PathBuf> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .output()?;
    let found = PathBuf::from(String::from_utf8(found.stdout)?.trim());
    ensure!(found.is_file(), "{name} is missing; ./x attack installs it");
    let Some(other) = other else {
        return Ok(found);
    };
    let copy = site.folder.path().join(other);
    if !copy.exists() {
        fs::copy(&found, &copy)?;
    }
    Ok(copy)
}

/// Runs a tool for two seconds at most.
fn briefly(command: &mut Command) -> anyhow::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > Duration::from_secs(2) {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(child.wait_with_output()?)
}

fn was_refused(output: &Output) -> bool {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ["not permitted", "ptrace", "refused", "Cannot attach"]
        .iter()
        .any(|word| said.contains(word))
}

fn attach(site: &Site, arguments: &[&str], other: Option<&str>) -> anyhow::Result<Outcome> {
    let (name, arguments) = arguments.split_first().context("a tool")?;
    let program = tool(site, name, other)?;
    let mut watch = at_some_moment(site)?;
    let since = Instant::now();
    let output = briefly(
        Command::new(program)
            .args(arguments)
            .arg(victim(&watch).to_string()),
    )?;
    judge(&mut watch, since, was_refused(&output))
}

fn dump(site: &Site) -> anyhow::Result<Outcome> {
    let core = site.folder.path().join("dump");
    let command = format!("generate-core-file {}", core.display());
    let outcome = attach(site, &["gdb", "-batch", "-ex", &command, "-p"], None)?;
    ensure!(!core.exists(), "its memory was dumped");
    Ok(outcome)
}

/// A library that writes a file when it is loaded.
fn library(site: &Site, name: &str) -> anyhow::Result<PathBuf> {
    let folder = site.folder.path().join("lib");
    fs::create_dir_all(&folder)?;
    let (source, library) = (folder.join("hook.c"), folder.join(name));
    if !library.exists() {
        let mark = site.folder.path().join("loaded");
        let text = format!(
            "#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void loaded(void) {{ close(open(\"{}\", O_CREAT | O_WRONLY, 0600)); }}\n\
             int connect(int a, const void *b, unsigned c) {{ return -1; }}\nunsigned la_version(unsigned v) {{ return v; }}\n",
            mark.display()
        );
        fs::write(&source, text)?;
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .status()?;
        ensure!(built.success(), "the library can't be built");
    }
    Ok(library)
}

fn inject(site: &Site) -> anyhow::Result<Outcome> {
    let library = library(site, "plugin.so")?;
    let mark = site.folder.path().join("loaded");
    let _ = fs::remove_file(&mark);
    let call = format!("call (void *) dlopen(\"{}\", 2)", library.display());
    let outcome = attach(site, &["gdb", "-batch", "-ex", &call, "-p"], None)?;
    ensure!(
        outcome != Outcome::TurnedAway || !mark.exists(),
        "the library was loaded"
    );
    Ok(outcome)
}

/// A program of ten lines that attaches, since a tool's own name and ways prove nothing.
fn own_tracer(site: &Site) -> anyhow::Result<Outcome> {
    let (source, program) = (
        site.folder.path().join("own.c"),
        site.folder.path().join("own"),
    );
    if !program.exists() {
        let text = "#include <stdio.h>\n#include <stdlib.h>\n#include <sys/ptrace.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
            int main(int n, char **a) {\n  int p = atoi(a[1]);\n  long how = atoi(a[2]) ? PTRACE_SEIZE : PTRACE_ATTACH;\n\
            if (ptrace(how, p, 0, 0)) { perror(\"ptrace\"); return 1; }\n  waitpid(p, 0, __WALL);\n  sleep(2);\n  return 0;\n}\n";
        fs::write(&source, text)?;
        ensure!(
            Command::new("cc")
                .arg("-o")
                .arg(&program)
                .arg(&source)
                .status()?
                .success(),
            "the program can't be built"
        );
    }
    let mut watch = at_some_moment(site)?;
    let threads: Vec<String> = fs::read_dir(format!("/proc/{}/task", watch.worker()))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let at = usize::try_from(random(u64::try_from(threads.len())?))?;
    let since = Instant::now();
    let output = briefly(
        Command::new(program)
            .arg(threads.get(at).context("a thread")?)
            .arg(random(2).to_string()),
    )?;
    judge(&mut watch, since, was_refused(&output))
}

fn frida(site: &Site, script: &str) -> anyhow::Result<Command> {
    let python = site
        .python
        .as_ref()
        .context("there is no Python with Frida (--python)")?;
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/frida_attack.py");
    let copy = site.folder.path().join(script);
    fs::copy(original, &copy)?;
    let mut command = Command::new(python);
    command.arg(copy);
    Ok(command)
}

fn frida_attaches(site: &Site, script: &str) -> anyhow::Result<Outcome> {
    let mut command = frida(site, script)?;
    let mut watch = at_some_moment(site)?;
    let mut child = command
        .arg("attach")
        .arg(victim(&watch).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Python takes its time to start; the attack begins when Frida is ready. When Frida says what came of it, the app may have ended long ago.
    let mut answers = BufReader::new(child.stdout.take().context("its output")?);
    let mut said = String::new();
    answers.read_line(&mut said)?;
    let since = Instant::now();
    let mut ended = None;
    while child.try_wait()?.is_none() {
        if ended.is_none() && !watch.is_running()? {
            ended = watch.end(since)?;
        }
        thread::sleep(Duration::from_millis(5));
    }
    if let Some((status, after)) = ended {
        return Ok(match status.code() {
            Some(70) => Outcome::Ended(after),
            _ => Outcome::Failed(format!("ended with {status}")),
        });
    }
    answers.read_to_string(&mut said)?;
    let mut output = child.wait_with_output()?;
    output.stdout = said.into_bytes();
    judge(&mut watch, since, was_refused(&output))
}

fn frida_spawns(site: &Site) -> anyhow::Result<Outcome> {
    // The guard notes so much and no more.
    let _ = fs::remove_file(site.home().join("sightings"));
    let before = notes(site);
    let output = frida(site, "frida_attack.py")?
        .arg("spawn")
        .arg(&site.device)
        .arg("--home")
        .arg(site.home())
        .args(["watch"])
        .output()?;
    // Who spawned it holds its status. What it has noted says why it ended.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = said
        .lines()
        .find_map(|line| line.strip_prefix("hooked "))
        .and_then(|pid| pid.trim().parse::<u32>().ok());
    let lives = pid.is_some_and(|pid| {
        Path::new(&format!("/proc/{pid}/maps")).exists()
            && fs::read(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.is_empty())
    });
    Ok(if lives {
        Outcome::Failed(format!("it works for Frida: {said}"))
    } else if notes(site) > before {
        Outcome::NotServed
    } else {
        Outcome::Failed(format!("it ended without noting why: {said}"))
    })
}

/// How much the guard has noted so far.
fn notes(site: &Site) -> u64 {
    fs::metadata(site.home().join("sightings")).map_or(0, |found| found.len())
}

fn preload(site: &Site, variable: &str, name: &str) -> anyhow::Result<Outcome> {
    let library = library(site, name)?;
    let since = Instant::now();
    let output = site
        .command(&site.device)
        .args(["list", "accounts"])
        .env(variable, library)
        .stdin(Stdio::null())
        .output()?;
    Ok(refused_service(&output, since))
}

/// Judges an app that was started for an attacker: it must end with 70 and answer nothing.
fn refused_service(output: &Output, since: Instant) -> Outcome {
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(70) if !said.contains("\"records\"") && !said.contains("\"001") => {
            Outcome::Ended(since.elapsed())
        }
        _ => Outcome::Failed(format!("{}: {said}", output.status)),
    }
}

fn start_under(site: &Site, arguments: &[&str]) -> anyhow::Result<Outcome> {
    let (name, arguments) = arguments.split_first().context("a tool")?;
    let output = Command::new(tool(site, name, None)?)
        .args(arguments)
        .arg(&site.device)
        .arg("--home")
        .arg(site.home())
        .args(["--json", "list", "accounts"])
        .stdin(Stdio::null())
        .output()?;
    // How long gdb takes to read a program isn't the app's time.
    Ok(refused_service(&output, Instant::now()))
}

/// Under strace its calls can be read: none of them touches a key or the database.
fn start_under_strace(site: &Site) -> anyhow::Result<Outcome> {
    let log = site.folder.path().join("calls");
    let outcome = start_under(
        site,
        &["strace", "-f", "-o", log.to_str().context("a path")?],
    )?;
    let calls = fs::read_to_string(&log)?;
    ensure!(calls.contains("execve"), "strace saw nothing");
    for touch in ["keyctl", "request_key", "data-", "login.json", "/bus\""] {
        ensure!(
            !calls.contains(touch),
            "it touched {touch} before it looked around"
        );
    }
    Ok(outcome)
}

/// Where code is, in memory.
fn code_of(process: u32, name: &str) -> anyhow::Result<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let line = maps
        .lines()
        .find(|line| line.contains(" r-xp ") && line.contains(name))
        .context("code")?;
    let (start, end) = line
        .split(' ')
        .next()
        .and_then(|range| range.split_once('-'))
        .context("a range")?;
    Ok((
        u64::from_str_radix(start, 16)?,
        u64::from_str_radix(end, 16)?,
    ))
}

fn patch(site: &Site, name: &str, supervisor: bool) -> anyhow::Result<Outcome> {
    let mut watch = at_some_moment(site)?;
    let process = if supervisor {
        watch.supervisor()
    } else {
        watch.worker()
    };
    let (start, end) = code_of(process, name)?;
    let address = start + random(end - start);
    let memory = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{process}/mem"))?;
    let mut byte = [0];
    memory.read_exact_at(&mut byte, address)?;
    let [old] = byte;
    // A breakpoint, as a debugger sets it; where there is one, something else.
    let new = if old == 0xcc { 0x90 } else { 0xcc };
    let since = Instant::now();
    memory.write_all_at(&[new], address)?;
    match watch.end(since)? {
        Some((status, after)) if status.code() == Some(70) => Ok(Outcome::Ended(after)),
        // It ran into the breakpoint before it looked.
        Some((status, _)) if status.signal().is_some() => Ok(Outcome::NotServed),
        Some((status, _)) => Ok(Outcome::Failed(format!("ended with {status}"))),
        None => Ok(Outcome::Failed("it goes on with changed code".to_owned())),
    }
}

fn changed_byte(site: &Site) -> anyhow::Result<Outcome> {
    let mut program = fs::read(&site.device)?;
    let maps = code_in_file(&program)?;
    let at = usize::try_from(maps.0 + random(maps.1))?;
    let byte = program.get_mut(at).context("a byte of code")?;
    *byte ^= 1 << random(8);
    let copy = site.folder.path().join("changed");
    let _ = fs::remove_file(&copy);
    fs::write(&copy, &program)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    let since = Instant::now();
    let output = briefly(site.command(&copy).args(["--json", "list", "accounts"]))?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(match output.status.code() {
        _ if said.contains("records") => {
            Outcome::Failed(format!("a command was served with byte {at} changed"))
        }
        Some(70) => Outcome::Ended(since.elapsed().min(Duration::from_secs(1))),
        _ => Outcome::NotServed,
    })
}

/// Where the code is in an ELF file, and how long it is.
fn code_in_file(file: &[u8]) -> anyhow::Result<(u64, u64)> {
    let number = |at: usize, length: usize| -> anyhow::Result<u64> {
        let bytes = file
            .get(at..at + length)
            .context("the file ends too early")?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let at = usize::try_from(start + index * size)?;
        if number(at, 4)? == 1 && number(at + 4, 4)? & 1 == 1 {
            return Ok((number(at + 8, 8)?, number(at + 32, 8)?));
        }
    }
    anyhow::bail!("there is no code")
}

fn core(site: &Site) -> anyhow::Result<Outcome> {
    let mut watch = at_some_moment(site)?;
    let process = victim(&watch);
    let since = Instant::now();
    let killed = Command::new("kill")
        .args(["-ABRT", &process.to_string()])
        .status()?;
    ensure!(killed.success(), "no signal was sent");
    let ended = watch.end(since)?;
    Ok(match ended {
        Some((status, _)) if status.core_dumped() => {
            Outcome::Failed("there is a core file".to_owned())
        }
        Some(_) => Outcome::NotServed,
        None => Outcome::Failed("it goes on".to_owned()),
    })
}
