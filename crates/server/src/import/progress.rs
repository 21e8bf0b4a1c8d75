//! How far an import is, and how it ended.

use std::path::PathBuf;

use jiff::Timestamp;

use super::RowProblem;

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Rows read from the file.
    pub read: u64,
    /// Rows dealt with, of those read.
    pub settled: u64,
    /// Records made.
    pub created: u64,
    /// Records changed.
    pub updated: u64,
    /// Rows passed over: empty, or their record exists and is left alone or already the same.
    pub skipped: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Related records made on the way.
    pub related: u64,
    /// Bytes of the file read.
    pub bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
    /// Rows dealt with per second since the first one.
    pub rate: f64,
}

impl Progress {
    /// Works out the rate from the time since `began`, when `before` rows were dealt with.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate is shown, not calculated with"
    )]
    pub(super) fn measure(&mut self, before: u64, began: Timestamp, now: Timestamp) {
        let seconds = now.duration_since(began).as_secs_f64();
        self.rate = if seconds > 0.0 {
            self.settled.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        };
    }
}

/// How an import ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The last figures.
    pub progress: Progress,
    /// Why it ended.
    pub end: End,
    /// Up to which row, the header not counted, every row is dealt with.
    pub up_to_row: u64,
    /// The file of failed rows, if there are any.
    pub errors: Option<PathBuf>,
    /// Columns that no field took.
    pub ignored: Vec<String>,
    /// Objects, fields and stages that were made first.
    pub made: Vec<String>,
    /// The first few failures: line and problem.
    pub first_problems: Vec<(u64, RowProblem)>,
    /// What becomes of each row, when only the first rows were asked about.
    pub told: Vec<Told>,
}

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its number, from 1, the header not counted.
    pub row: u64,
    /// The line it begins on.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A record is made.
    Create,
    /// A record is changed.
    Update,
    /// Nothing: it is empty, or its record exists and is left alone.
    Skip,
    /// It can't be imported, and why.
    Fail(RowProblem),
    /// It depends on a row further down.
    Waits,
}

/// Why an import ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The file did.
    Complete,
    /// Somebody cancelled it.
    Cancelled,
    /// The database could not go on; what is applied stays.
    Stopped(String),
    /// It goes on later, from its last checkpoint.
    Suspended,
}

impl Report {
    /// Whether every row of the file arrived.
    pub fn is_clean(&self) -> bool {
        self.end == End::Complete && self.progress.failed == 0
    }
}
