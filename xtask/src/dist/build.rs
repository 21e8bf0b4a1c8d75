//! Builds the plain release and the one that is shipped.

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
}

pub(super) fn build(root: &Path, keep: bool) -> anyhow::Result<Built> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = Built {
        plain: target.join("release").join(PROGRAM),
        dist: target.join("dist").join(PROGRAM),
        key: key(root)?,
    };
    if keep {
        return Ok(built);
    }
    run(cargo(root).args([
        "build",
        "--locked",
        "--release",
        "--package",
        PACKAGE,
        "--bin",
        PROGRAM,
    ]))?;
    let mut command = cargo(root);
    command.args([
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        PACKAGE,
        "--bin",
        PROGRAM,
    ]);
    command.env("FIELDSTONE_BUILD_KEY", hex(&built.key));
    let outside: Vec<String> = outside(root, &target)?
        .iter()
        .map(|folder| format!("--remap-path-prefix={folder}="))
        .collect();
    command.env("CARGO_ENCODED_RUSTFLAGS", outside.join("\x1f"));
    // Our own files are named for our own crates alone: a new one doesn't make everything else be compiled again.
    command.env(
        "RUSTC_WORKSPACE_WRAPPER",
        env::current_exe().context("the path of this program")?,
    );
    command.env(REMAPS, own_remaps(root)?.join("\x1f"));
    let of_c = c_remaps(root, &target)?;
    command
        .env("CFLAGS", &of_c)
        .env("CXXFLAGS", &of_c)
        .env("ASMFLAGS", &of_c);
    run(&mut command)?;
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

/// Our source files, as rustc names them.
pub(super) fn sources(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("crates")];
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
fn own_remaps(root: &Path) -> anyhow::Result<Vec<String>> {
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

fn c_remaps(root: &Path, target: &Path) -> anyhow::Result<String> {
    let folders = outside(root, target)?;
    let flags: Vec<String> = folders
        .iter()
        .map(|folder| format!("-ffile-prefix-map={folder}="))
        .collect();
    Ok(flags.join(" "))
}

/// Folders of the machine that builds, whose names are nobody's business. The last that fits counts: the longest comes last.
fn outside(root: &Path, target: &Path) -> anyhow::Result<Vec<String>> {
    let home = env::var("HOME").unwrap_or_default();
    let cargo_home = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let mut folders = Vec::new();
    let registry = Path::new(&cargo_home).join("registry/src");
    if let Ok(entries) = fs::read_dir(&registry) {
        for entry in entries.flatten() {
            folders.push(format!("{}/", entry.path().display()));
        }
    }
    folders.push(format!("{}/", root.display()));
    folders.push(format!("{}/", target.display()));
    folders.push(format!("{}/", cargo_home.trim_end_matches('/')));
    ensure!(
        folders.iter().all(|folder| !folder.contains([' ', '\x1f'])),
        "the build's folders have spaces in their names"
    );
    folders.sort_by_key(String::len);
    Ok(folders)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
