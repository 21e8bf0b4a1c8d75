//! Builds the plain release and the one that is shipped. What others wrote is compiled once for both.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::{PACKAGE, PROGRAM};

/// What was built.
pub(super) struct Built {
    /// The plain release.
    pub(super) plain: PathBuf,
    /// The one that is shipped, not sealed yet.
    pub(super) dist: PathBuf,
    /// The key that its hidden text was encrypted with.
    pub(super) key: [u8; 32],
    /// Folders of the machine that built it, the longest first.
    pub(super) folders: Vec<String>,
}

/// What the linking of the shipped release is told besides: all code of all crates is optimised together, a panic ends the program, and no
/// symbols stay.
const SHIPPED: [&str; 10] = [
    "-C",
    "lto=fat",
    "-C",
    "codegen-units=1",
    "-C",
    "panic=abort",
    "-C",
    "debuginfo=0",
    "-C",
    "strip=symbols",
];

pub(super) fn build(root: &Path, keep: bool) -> anyhow::Result<Built> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let release = target.join("release");
    let built = Built {
        plain: release.join(format!("{PROGRAM}-plain")),
        dist: release.join(format!("{PROGRAM}-dist")),
        key: key(root)?,
        folders: folders(root, &target)?,
    };
    if keep {
        return Ok(built);
    }
    let what = [
        "--locked",
        "--release",
        "--package",
        PACKAGE,
        "--bin",
        PROGRAM,
    ];
    run(cargo(root).arg("build").args(what))?;
    fs::copy(release.join(PROGRAM), &built.plain).context("keeping the plain release")?;
    let mut command = cargo(root);
    command.arg("rustc").args(what).arg("--").args(SHIPPED);
    command.env("FIELDSTONE_BUILD_KEY", hex(&built.key));
    // Our own crates are compiled anew, with numbers in place of the names of their files.
    command.env(
        "RUSTC_WORKSPACE_WRAPPER",
        env::current_exe().context("the path of this program")?,
    );
    command.env(REMAPS, remaps(root)?.join("\x1f"));
    run(&mut command)?;
    fs::copy(release.join(PROGRAM), &built.dist).context("keeping the release")?;
    // Whoever looks for the plain one where cargo puts it finds it.
    fs::copy(&built.plain, release.join(PROGRAM)).context("putting the plain release back")?;
    Ok(built)
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "the build failed");
    Ok(())
}

/// The same for the same sources, so that whoever builds them gets the same program.
fn key(root: &Path) -> anyhow::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    for file in sources(root)? {
        digest.update(file.as_bytes());
        digest.update(fs::read(root.join(&file))?);
    }
    Ok(digest.finalize().into())
}

/// The source files of the crates that are in the program, as rustc names them.
pub(super) fn sources(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let crates = [
        "client", "guard", "protocol", "store", "model", "ui", "vault",
    ];
    let mut folders: Vec<PathBuf> = crates
        .iter()
        .map(|name| root.join("crates").join(name).join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path
                    .strip_prefix(root)?
                    .to_str()
                    .context("a name that is not UTF-8")?;
                found.push(file.to_owned());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What rustc writes in place of the paths of our files: a number for each.
fn remaps(root: &Path) -> anyhow::Result<Vec<String>> {
    let files = sources(root)?;
    let numbered = files.iter().enumerate();
    Ok(numbered
        .map(|(number, file)| format!("--remap-path-prefix={file}={number}"))
        .collect())
}

/// Where the wrapper below finds what it adds.
const REMAPS: &str = "FIELDSTONE_DIST_REMAPS";

/// Stands in for rustc, as cargo asks for with the path of rustc first, and adds what paths of ours are to become. `None` when this program
/// wasn't called for that.
pub(crate) fn wrap() -> Option<anyhow::Result<ExitCode>> {
    let remaps = env::var(REMAPS).ok()?;
    let mut arguments = env::args_os().skip(1);
    let rustc = arguments.next()?;
    let status = Command::new(rustc)
        .args(arguments)
        .args(remaps.split('\x1f').filter(|remap| !remap.is_empty()))
        .status()
        .context("starting rustc");
    Some(status.map(|status| {
        if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }))
}

/// Folders of this machine, whose names are nobody's business.
fn folders(root: &Path, target: &Path) -> anyhow::Result<Vec<String>> {
    let home = env::var("HOME").unwrap_or_default();
    let cargo_home = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let cargo_home = cargo_home.trim_end_matches('/');
    let mut folders = vec![
        format!("{}/", root.display()),
        format!("{}/", target.display()),
        format!("{cargo_home}/"),
    ];
    if let Ok(entries) = fs::read_dir(Path::new(cargo_home).join("registry/src")) {
        for entry in entries.flatten() {
            folders.push(format!("{}/", entry.path().display()));
        }
    }
    ensure!(
        folders.iter().all(|folder| folder.len() > 5),
        "the build's folders have names too short to be told from other text"
    );
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
    Ok(folders)
}

/// Writes dots over `texts` wherever they stand in a program. Answers how often.
pub(super) fn scrub(program: &mut [u8], texts: &[String]) -> usize {
    let mut count = 0;
    for text in texts {
        let found: Vec<usize> = memchr::memmem::find_iter(program, text.as_bytes()).collect();
        for at in &found {
            if let Some(place) = program.get_mut(*at..at + text.len()) {
                place.fill(b'.');
            }
        }
        count += found.len();
    }
    count
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_written_over_and_nothing_else() {
        let mut program = b"x/home/me/.cargo/a.rs/home/me/.cargo/registry/b.rs/home/you".to_vec();
        let folders = [
            "/home/me/.cargo/registry/".to_owned(),
            "/home/me/.cargo/".to_owned(),
        ];
        assert_eq!(scrub(&mut program, &folders), 2);
        let expected = "x................a.rs.........................b.rs/home/you";
        assert_eq!(String::from_utf8(program).unwrap(), expected);
    }
}
