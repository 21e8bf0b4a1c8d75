//! The release that is shipped: built to say little of itself, sealed, listed, and compared with a plain release.

mod build;
mod elf;
mod names;
mod report;
mod sbom;
mod seal;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

pub(crate) use build::wrap;

/// The package and the program that are shipped.
const PACKAGE: &str = "fieldstone-client";
const PROGRAM: &str = "fieldstone-device";

/// What is asked of a release
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// Seal and compare what was built before, instead of building it
    #[arg(long)]
    keep: bool,
    /// The folder that everything is written to
    #[arg(long, default_value = "dist")]
    out: PathBuf,
}

/// Builds the release, writes it with its list of parts and its report, and answers whether it is as it should be.
pub(crate) fn run(root: &Path, wish: &Wish) -> anyhow::Result<bool> {
    let out = root.join(&wish.out);
    fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let built = build::build(root, wish.keep)?;
    let mut program = fs::read(&built.dist).context("reading the release")?;
    let parts = sbom::write(root, &out.join(format!("{PROGRAM}.cdx.json")))?;
    let files = build::sources(root)?;
    let mut names = names::of_sources(root, &files)?;
    names::take_away_others(&mut names, &parts.folders)?;
    let for_programmers = names::for_programmers(root, &files, &names)?;
    let scrubbed = report::Scrubbed {
        folders: build::scrub(&mut program, &built.folders),
        names: build::scrub(&mut program, &for_programmers),
    };
    let sealed = seal::seal(&mut program, &built.key)?;
    let path = out.join(PROGRAM);
    write_program(&path, &program)?;
    let plain = fs::read(&built.plain).context("reading the plain release")?;
    let report = report::compare(&report::Builds {
        root,
        files: &files,
        names: &names,
        plain: &plain,
        plain_path: &built.plain,
        dist: &program,
        dist_path: &path,
        sealed,
        scrubbed,
        parts: parts.count,
    })?;
    fs::write(out.join("report.md"), &report.text)?;
    io::stdout().lock().write_all(report.text.as_bytes())?;
    Ok(report.is_good)
}

fn write_program(path: &Path, program: &[u8]) -> anyhow::Result<()> {
    // A program that runs can't be written to; another can take its place.
    let draft = path.with_extension("new");
    fs::write(&draft, program)?;
    #[cfg(unix)]
    fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::rename(&draft, path).with_context(|| format!("writing {}", path.display()))
}
