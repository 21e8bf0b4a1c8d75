//! The rules of the house that a compiler can't check. Each rule answers findings; none repairs anything.

mod crates;
pub(crate) mod migrations;
mod secrets;
mod sources;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// One thing to tidy up, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A path from the root, or the name of a crate.
    place: String,
    /// 0 when it is about the whole.
    line: usize,
    text: String,
}

impl Finding {
    fn new(place: &str, text: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            line: 0,
            text: text.into(),
        }
    }

    fn at(place: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            line,
            ..Self::new(place, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.text),
            line => write!(f, "{}:{line}: {}", self.place, self.text),
        }
    }
}

/// A file of the repository.
#[derive(Debug)]
struct Source {
    path: String,
    text: String,
}

/// Applies every rule to the repository at `root`.
pub(crate) fn run(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let sources = sources(root)?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(sources::check(source));
        findings.extend(words::check(source));
        findings.extend(secrets::check(source));
    }
    findings.extend(sources::check_layout(&sources));
    findings.extend(crates::check(root)?);
    findings.extend(migrations::check(root)?);
    findings.sort();
    Ok(findings)
}

/// Every text file that git knows or would add.
fn sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("running git")?;
    ensure!(
        listed.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let mut sources = Vec::new();
    for path in String::from_utf8(listed.stdout)
        .context("a path that is not UTF-8")?
        .split_terminator('\0')
    {
        // Deleted but not yet committed, or not text.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            sources.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    ensure!(
        sources.iter().any(|source| source.path == "Cargo.toml"),
        "{} is not the root of the repository",
        root.display()
    );
    Ok(sources)
}
