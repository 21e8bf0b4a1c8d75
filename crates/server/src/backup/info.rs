//! What pgBackRest has: its `info` as JSON, read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackupError;

/// How much a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// Everything.
    Full,
    /// What has changed since the last full one.
    Diff,
    /// What has changed since the last of any kind.
    Incr,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Its name in the repository.
    pub label: String,
    /// How much it holds.
    pub kind: BackupKind,
    /// When it began.
    pub began: Timestamp,
    /// When it was complete: from here on can be restored.
    pub ended: Timestamp,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Bytes it takes in the repository.
    pub repository_bytes: u64,
    /// Whether pgBackRest found pages with wrong checksums while reading.
    pub damaged_pages: bool,
}

/// All backups, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The backups.
    pub backups: Vec<Backup>,
}

impl BackupKind {
    /// As pgBackRest calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "diff",
            Self::Incr => "incr",
        }
    }
}

impl Inventory {
    pub(super) fn parse(text: &str) -> Result<Self, BackupError> {
        let unclear = |reason: String| BackupError::Failed { code: 0, reason };
        let stanzas: Vec<Stanza> =
            serde_json::from_str(text).map_err(|error| unclear(error.to_string()))?;
        let mut backups = Vec::new();
        for backup in stanzas.into_iter().flat_map(|stanza| stanza.backup) {
            let at =
                |second| Timestamp::from_second(second).map_err(|error| unclear(error.to_string()));
            backups.push(Backup {
                label: backup.label,
                kind: backup.kind,
                began: at(backup.timestamp.start)?,
                ended: at(backup.timestamp.stop)?,
                database_bytes: backup.info.size,
                repository_bytes: backup.info.repository.delta,
                damaged_pages: backup.error.unwrap_or_default(),
            });
        }
        backups.sort_by_key(|backup| backup.ended);
        Ok(Self { backups })
    }

    /// The last one.
    pub fn latest(&self) -> Option<&Backup> {
        self.backups.last()
    }

    /// From when on can be restored.
    pub fn oldest(&self) -> Option<&Backup> {
        self.backups.first()
    }
}

#[derive(Deserialize)]
struct Stanza {
    backup: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    label: String,
    #[serde(rename = "type")]
    kind: BackupKind,
    timestamp: Span,
    info: Sizes,
    error: Option<bool>,
}

#[derive(Deserialize)]
struct Span {
    start: i64,
    stop: i64,
}

#[derive(Deserialize)]
struct Sizes {
    size: u64,
    repository: RepositorySizes,
}

#[derive(Deserialize)]
struct RepositorySizes {
    delta: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_is_read() {
        let text = r#"[{"archive":[],"backup":[{"archive":{"start":"0","stop":"0"},"error":false,"info":{"delta":9,"repository":{"delta":5,"size":5},"size":10},
            "label":"20260501-120000F","type":"full","timestamp":{"start":1777636800,"stop":1777636803}}],"cipher":"aes-256-cbc","name":"fieldstone"}]"#;
        let inventory = Inventory::parse(text).unwrap();
        let backup = inventory.latest().unwrap();
        assert_eq!(
            (backup.kind, backup.database_bytes, backup.repository_bytes),
            (BackupKind::Full, 10, 5)
        );
        assert_eq!(backup.ended.to_string(), "2026-05-01T12:00:03Z");
        assert!(Inventory::parse("[]").unwrap().latest().is_none());
        assert!(Inventory::parse("no stanza").is_err());
    }
}
