//! What can still be read in a release, beside the plain one: counted, with the method said, and the limits.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::elf;
use super::seal::Sealed;

/// Where the sensitive literals are named, each with its reason.
const SENSITIVE: &str = "xtask/sensitive.toml";
/// The shortest run of printable bytes that counts as text, as `strings` has it.
const SHORTEST: usize = 5;
/// How often each program is started to see how long that takes.
const STARTS: u32 = 20;
/// The share of readable names that has to be gone.
const FEWER: f64 = 0.9;

/// How often something was written over.
#[derive(Clone, Copy)]
pub(super) struct Scrubbed {
    /// Names of folders.
    pub(super) folders: usize,
    /// Names that only messages for programmers have.
    pub(super) names: usize,
}

/// The two programs that are compared.
pub(super) struct Builds<'a> {
    pub(super) root: &'a Path,
    /// Our source files.
    pub(super) files: &'a [String],
    /// The names that are ours alone.
    pub(super) names: &'a BTreeSet<String>,
    pub(super) plain: &'a [u8],
    pub(super) plain_path: &'a Path,
    pub(super) dist: &'a [u8],
    pub(super) dist_path: &'a Path,
    pub(super) sealed: Sealed,
    pub(super) scrubbed: Scrubbed,
    pub(super) parts: usize,
}

/// The report, and whether the release is as it should be.
pub(super) struct Report {
    pub(super) text: String,
    pub(super) is_good: bool,
}

#[derive(Deserialize)]
struct Sensitive {
    literal: Vec<Literal>,
}

#[derive(Deserialize)]
struct Literal {
    text: String,
    reason: String,
}

/// What was counted in one program.
struct Count {
    bytes: usize,
    symbols: u64,
    imported: u64,
    build_paths: Vec<String>,
    own_files: Vec<String>,
    std_paths: usize,
    literals: Vec<String>,
    names: BTreeSet<String>,
    texts: usize,
    start: Duration,
}

pub(super) fn compare(builds: &Builds<'_>) -> anyhow::Result<Report> {
    let sensitive = sensitive(builds.root, builds.files)?;
    let count = |program: &[u8], path: &Path| {
        count(
            builds.root,
            program,
            path,
            (builds.files, builds.names),
            &sensitive,
        )
    };
    let plain = count(builds.plain, builds.plain_path)?;
    let dist = count(builds.dist, builds.dist_path)?;
    let fewer = share_gone(plain.names.len(), dist.names.len());
    let mut faults = Vec::new();
    let mut must = |good: bool, what: &str| {
        if !good {
            faults.push(what.to_owned());
        }
    };
    must(dist.symbols == 0, "there are symbols left");
    must(
        dist.build_paths.is_empty(),
        "there are paths of the machine that built it",
    );
    must(dist.own_files.is_empty(), "there are names of our files");
    must(dist.literals.is_empty(), "there are sensitive literals");
    must(fewer >= FEWER, "too many of our names can be read");
    // Checks that couldn't fail: the plain release has to have what the other doesn't.
    must(
        plain.symbols > 0 && !plain.build_paths.is_empty() && !plain.own_files.is_empty(),
        "the plain release shows nothing either",
    );
    let text = text(builds, &plain, &dist, fewer, &sensitive, &faults)?;
    Ok(Report {
        text,
        is_good: faults.is_empty(),
    })
}

/// The literals, all of which have to be in the sources: otherwise one that is spelled differently would be found nowhere.
fn sensitive(root: &Path, files: &[String]) -> anyhow::Result<Vec<Literal>> {
    let list: Sensitive = toml::from_str(&fs::read_to_string(root.join(SENSITIVE))?)
        .context("reading the sensitive literals")?;
    let mut sources = String::new();
    for file in files
        .iter()
        .filter(|file| file.starts_with("crates/client/"))
    {
        sources.push_str(&fs::read_to_string(root.join(file))?);
    }
    for literal in &list.literal {
        ensure!(
            !literal.reason.is_empty(),
            "{:?} has no reason",
            literal.text
        );
        let source = literal.text.replace('"', "\\\"");
        ensure!(
            sources.contains(&source),
            "{:?} is in {SENSITIVE} and not in the sources any more",
            literal.text
        );
    }
    Ok(list.literal)
}

fn count(
    root: &Path,
    program: &[u8],
    path: &Path,
    (files, names): (&[String], &BTreeSet<String>),
    sensitive: &[Literal],
) -> anyhow::Result<Count> {
    let texts = texts(program);
    let (symbols, imported) = elf::symbols(program)?;
    let home = env::var("HOME").unwrap_or_default();
    let mut folders = vec![
        root.display().to_string(),
        "/home/".to_owned(),
        "/root/".to_owned(),
        "/.cargo/".to_owned(),
    ];
    if home.len() > 3 {
        folders.push(home);
    }
    let find = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        texts
            .iter()
            .filter(|text| wanted(text))
            .map(|text| text.chars().take(160).collect())
            .collect()
    };
    let own: Vec<&str> = files
        .iter()
        .filter_map(|file| file.strip_prefix("crates/"))
        .collect();
    let joined = texts.join("\n");
    Ok(Count {
        bytes: program.len(),
        symbols,
        imported,
        build_paths: find(&|text| folders.iter().any(|folder| text.contains(folder.as_str()))),
        own_files: own
            .iter()
            .filter(|file| joined.contains(**file))
            .map(|file| (*file).to_owned())
            .collect(),
        std_paths: find(&|text| {
            text.contains("/rustc/")
                || text.contains("library/std/src")
                || text.contains("library/core/src")
        })
        .len(),
        literals: sensitive
            .iter()
            .filter(|literal| contains(program, literal.text.as_bytes()))
            .map(|literal| literal.text.clone())
            .collect(),
        names: names
            .iter()
            .filter(|name| joined.contains(name.as_str()))
            .cloned()
            .collect(),
        texts: texts.len(),
        start: start_time(path)?,
    })
}

fn contains(program: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(program, wanted).is_some()
}

/// Runs of printable bytes.
fn texts(program: &[u8]) -> Vec<String> {
    program
        .split(|byte| !(byte.is_ascii_graphic() || *byte == b' '))
        .filter(|run| run.len() >= SHORTEST)
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .collect()
}

/// How long it takes until the program has looked around and found nobody logged in.
fn start_time(path: &Path) -> anyhow::Result<Duration> {
    let home = env::temp_dir().join(format!("fieldstone-dist-{}", std::process::id()));
    let mut all = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let status = Command::new(path)
            .arg("--home")
            .arg(&home)
            .arg("status")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("starting {}", path.display()))?;
        all.push(started.elapsed());
        // Nobody is logged in.
        ensure!(
            status.code() == Some(3),
            "{} answered {status}",
            path.display()
        );
    }
    let _ = fs::remove_dir_all(&home);
    all.sort_unstable();
    all.get(all.len() / 2).copied().context("no start")
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn share_gone(before: usize, after: usize) -> f64 {
    if before == 0 {
        return 0.0;
    }
    1.0 - after as f64 / before as f64
}

fn text(
    builds: &Builds<'_>,
    plain: &Count,
    dist: &Count,
    fewer: f64,
    sensitive: &[Literal],
    faults: &[String],
) -> anyhow::Result<String> {
    let mut text = String::from(
        "# What can be read in the release\n\n| | plain release | this release |\n|---|---:|---:|\n",
    );
    let mut row =
        |what: &str, plain: String, dist: String| writeln!(text, "| {what} | {plain} | {dist} |");
    row("bytes", plain.bytes.to_string(), dist.bytes.to_string())?;
    row(
        "start, median (ms)",
        format!("{:.1}", milliseconds(plain.start)),
        format!("{:.1}", milliseconds(dist.start)),
    )?;
    row(
        "symbols of its own",
        plain.symbols.to_string(),
        dist.symbols.to_string(),
    )?;
    row(
        "symbols taken from libraries",
        plain.imported.to_string(),
        dist.imported.to_string(),
    )?;
    row(
        "paths of the building machine",
        plain.build_paths.len().to_string(),
        dist.build_paths.len().to_string(),
    )?;
    row(
        "names of our source files",
        plain.own_files.len().to_string(),
        dist.own_files.len().to_string(),
    )?;
    row(
        "paths inside Rust's own library",
        plain.std_paths.to_string(),
        dist.std_paths.to_string(),
    )?;
    row(
        "sensitive literals",
        plain.literals.len().to_string(),
        dist.literals.len().to_string(),
    )?;
    row(
        "our names that can be read",
        plain.names.len().to_string(),
        dist.names.len().to_string(),
    )?;
    row(
        "runs of printable text",
        plain.texts.to_string(),
        dist.texts.to_string(),
    )?;
    writeln!(
        text,
        "\n{:.1} % fewer of our names; {} literals are watched ({SENSITIVE}).",
        fewer * 100.0,
        sensitive.len()
    )?;
    writeln!(
        text,
        "Written over: {} names of folders in texts of code that others wrote, and {} names in texts for programmers.",
        builds.scrubbed.folders, builds.scrubbed.names
    )?;
    writeln!(
        text,
        "{} bytes of code are sealed in {} pieces; {} parts are listed in the CycloneDX file.",
        builds.sealed.code, builds.sealed.pieces, builds.parts
    )?;
    text.push_str(
        "\nMethod: a text is a run of at least five printable bytes. A name is what our sources give to a function, type, module, constant, field or \
         variant, of at least eight characters and several words, and that no library in the program uses as well; it counts when it stands anywhere in \
         a text. Paths inside Rust's own library come \
         with the compiler, which has them in what it is delivered with.\n\nLimits: this keeps the release from whoever looks it through. An expert \
         with time reads any program; names that the protocol sends over the wire, and texts for people, stand in it as they are.\n",
    );
    list(
        &mut text,
        "Our names that can still be read",
        dist.names.iter(),
    )?;
    list(&mut text, "Faults", faults.iter())?;
    list(
        &mut text,
        "Paths of the building machine",
        dist.build_paths.iter(),
    )?;
    list(&mut text, "Names of our files", dist.own_files.iter())?;
    list(&mut text, "Sensitive literals", dist.literals.iter())?;
    Ok(text)
}

fn list<'a>(
    text: &mut String,
    title: &str,
    items: impl Iterator<Item = &'a String>,
) -> anyhow::Result<()> {
    let items: Vec<&str> = items.map(String::as_str).collect();
    if !items.is_empty() {
        writeln!(text, "\n## {title}\n")?;
        for item in items {
            writeln!(text, "- `{item}`")?;
        }
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_runs_of_printable_bytes() {
        assert_eq!(
            texts(b"\0abcde\x01abcd\x02a longer one\xff"),
            ["abcde", "a longer one"]
        );
        assert!(share_gone(100, 10) >= FEWER);
        assert!(share_gone(0, 0) < FEWER);
    }

    #[test]
    fn every_sensitive_literal_is_in_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = crate::dist::build::sources(root).unwrap();
        assert!(sensitive(root, &files).unwrap().len() >= 3);
    }
}
