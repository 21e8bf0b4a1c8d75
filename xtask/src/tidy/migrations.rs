//! A migration never changes once it has landed: databases that have run it would differ from those that run it tomorrow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::Finding;

/// Where migrations lie.
const FOLDER: &str = "crates/server/migrations";

/// The checksums, in the form that `sha256sum --check` reads.
const SEALS: &str = "SHA256SUMS";

/// Compares the migrations with their seals.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let (migrations, seals) = (migrations(root)?, seals(root)?);
    let mut findings = Vec::new();
    let place = |name: &str| format!("{FOLDER}/{name}");
    for (name, sum) in &migrations {
        match seals.get(name) {
            Some(seal) if seal == sum => {}
            Some(_) => findings.push(Finding::new(
                &place(name),
                "was changed after it landed; write a new migration instead",
            )),
            None => findings.push(Finding::new(
                &place(name),
                "is not sealed; run `cargo xtask seal-migrations` when it is done",
            )),
        }
    }
    for name in seals.keys().filter(|name| !migrations.contains_key(*name)) {
        findings.push(Finding::new(&place(name), "was removed after it landed"));
    }
    Ok(findings)
}

/// Seals the migrations that have no seal yet, and answers their names. What is sealed stays as it is.
pub(crate) fn seal(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut seals = seals(root)?;
    let mut sealed = Vec::new();
    for (name, sum) in migrations(root)? {
        if !seals.contains_key(&name) {
            seals.insert(name.clone(), sum);
            sealed.push(name);
        }
    }
    let text = seals.iter().fold(String::new(), |text, (name, sum)| {
        format!("{text}{sum}  {name}\n")
    });
    fs::write(seal_file(root), text).context("writing the seals")?;
    Ok(sealed)
}

/// The migrations and their checksums.
fn migrations(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut migrations = BTreeMap::new();
    for entry in fs::read_dir(root.join(FOLDER)).with_context(|| format!("reading {FOLDER}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .context("a name that is not UTF-8")?;
            let sum = Sha256::digest(fs::read(&path)?);
            migrations.insert(
                name.to_owned(),
                sum.iter()
                    .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
            );
        }
    }
    Ok(migrations)
}

/// The checksums written down; none when there is no file yet.
fn seals(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let file = seal_file(root);
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(file)?;
    let entry = |line: &str| {
        line.split_once("  ")
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
    };
    text.lines()
        .map(|line| entry(line).with_context(|| format!("{SEALS} has a line that is none: {line}")))
        .collect()
}

fn seal_file(root: &Path) -> PathBuf {
    root.join(FOLDER).join(SEALS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_migration_never_changes() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("V001__first.sql"), "SELECT 1;").unwrap();
        let texts = || {
            check(root.path())
                .unwrap()
                .into_iter()
                .map(|finding| finding.text)
                .collect::<Vec<_>>()
        };
        assert!(texts()[0].contains("not sealed"));
        assert_eq!(seal(root.path()).unwrap(), ["V001__first.sql"]);
        assert!(texts().is_empty());

        fs::write(folder.join("V001__first.sql"), "SELECT 2;").unwrap();
        assert!(texts()[0].contains("was changed"));
        assert!(
            seal(root.path()).unwrap().is_empty(),
            "sealing again does not cover it up"
        );
        assert!(texts()[0].contains("was changed"));

        fs::remove_file(folder.join("V001__first.sql")).unwrap();
        assert!(texts()[0].contains("was removed"));
    }
}
