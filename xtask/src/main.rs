//! Chores of this repository: `cargo xtask tidy`, `cargo xtask seal-migrations`, `cargo xtask dist`.

mod dist;
mod tidy;

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

/// Chores of this repository
#[derive(Debug, Parser)]
#[command(name = "xtask")]
enum Chore {
    /// Check the rules of the house that a compiler can't
    Tidy,
    /// Write down the checksums of new migrations, which from then on never change
    SealMigrations,
    /// Build the field app as it is shipped: sealed, listed, and compared with a plain release
    Dist(dist::Wish),
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(status) = dist::wrap() {
        return status;
    }
    let root = root()?;
    let mut stdout = io::stdout().lock();
    match Chore::parse() {
        Chore::Tidy => {
            let findings = tidy::run(&root)?;
            for finding in &findings {
                writeln!(stdout, "{finding}")?;
            }
            if !findings.is_empty() {
                writeln!(stdout, "{} to tidy up", findings.len())?;
                return Ok(ExitCode::FAILURE);
            }
        }
        Chore::SealMigrations => {
            for name in tidy::migrations::seal(&root)? {
                writeln!(stdout, "sealed {name}")?;
            }
        }
        Chore::Dist(wish) => {
            if !dist::run(&root, &wish)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The repository's root: the folder above this package.
fn root() -> anyhow::Result<PathBuf> {
    let package =
        env::var_os("CARGO_MANIFEST_DIR").context("run this through cargo: cargo xtask")?;
    let root = Path::new(&package)
        .parent()
        .context("the package has no parent folder")?;
    Ok(root.to_owned())
}
