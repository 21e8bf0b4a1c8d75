//! Where this machine keeps PostgreSQL's programs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;

/// The oldest PostgreSQL that the schema works on: `ON DELETE SET NULL (column)` and `security_invoker` came with it.
const OLDEST: u32 = 15;

/// The folder of one PostgreSQL installation's programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds the programs for a new cluster (the newest installed) or for one that exists (its own major version).
    pub(super) fn find(wanted: Option<u32>) -> Result<Self, ClusterError> {
        let usual = ["/usr/lib/postgresql", "/usr"].map(Path::new);
        let mut installed = usual
            .iter()
            .flat_map(|parent| installations(parent))
            .collect::<Vec<_>>();
        let suits = |major: &u32| wanted.map_or(*major >= OLDEST, |wanted| *major == wanted);
        if !installed.iter().any(|(major, _)| suits(major)) {
            installed.extend(from_pg_config());
        }
        installed.retain(|(major, _)| suits(major));
        match (
            installed.into_iter().max_by_key(|(major, _)| *major),
            wanted,
        ) {
            (Some((_, folder)), _) => Ok(Self { folder }),
            (None, Some(wanted)) => Err(ClusterError::VersionNotInstalled(wanted)),
            (None, None) => Err(ClusterError::NotInstalled),
        }
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Debian's `/usr/lib/postgresql/15/bin` and Red Hat's `/usr/pgsql-15/bin`.
fn installations(parent: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            let major = name.strip_prefix("pgsql-").unwrap_or(name).parse().ok()?;
            let folder = entry.path().join("bin");
            complete(&folder).then_some((major, folder))
        })
        .collect()
}

/// Whatever installation comes first in the search path.
fn from_pg_config() -> Option<(u32, PathBuf)> {
    let ask = |flag: &str| {
        let answer = Command::new("pg_config")
            .arg(flag)
            .output()
            .ok()
            .filter(|answer| answer.status.success())?;
        String::from_utf8(answer.stdout).ok()
    };
    let folder = PathBuf::from(ask("--bindir")?.trim());
    let version = ask("--version")?;
    complete(&folder).then_some((major(&version)?, folder))
}

/// Some packages bring the client programs alone.
fn complete(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .map(OsStr::new)
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// The major version in what `--version` prints: `PostgreSQL 15.18 (Debian 15.18-0+deb12u1)` is 15.
fn major(version: &str) -> Option<u32> {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number
        .split(|digit: char| !digit.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("PostgreSQL 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("PostgreSQL 18beta1"), Some(18));
        assert_eq!(major("nonsense"), None);
    }

    #[test]
    fn an_installation_needs_the_server_programs() {
        let parent = tempfile::tempdir().unwrap();
        for (name, programs) in [
            ("15", &["initdb", "postgres"][..]),
            ("16", &["psql"]),
            ("pgsql-17", &["initdb", "postgres"]),
        ] {
            let bin = parent.path().join(name).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        }
        let mut found = installations(parent.path())
            .into_iter()
            .map(|(major, _)| major)
            .collect::<Vec<_>>();
        found.sort_unstable();
        assert_eq!(found, [15, 17]);
    }

    #[test]
    fn a_version_that_is_not_there_is_named() {
        let message = Binaries::find(Some(9)).unwrap_err().to_string();
        assert!(message.contains("PostgreSQL 9"), "{message}");
    }
}
