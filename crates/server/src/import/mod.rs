//! Import of delimited files: the engine behind the command line and the pages. `docs/import.md` explains it to people.
//!
//! Every row is created, updated, skipped or failed, and each failed one stands in the file of failed rows; nothing is half applied.
//! The engine knows `Store` alone: no HTTP, no SQL, no terminal; only `postgres.rs` knows the platform.

mod apply;
mod binding;
mod choices;
mod convert;
mod decode;
mod draft;
mod failures;
mod find;
mod going_on;
mod guess;
mod handle;
mod input;
pub(crate) mod job;
mod journal;
mod mapping;
mod mapping_problem;
mod number;
pub(crate) mod parts;
mod passes;
mod peek;
mod plan;
mod postgres;
mod progress;
mod propose;
mod resume;
mod row_problem;
mod rows;
mod run;
mod setup;
pub(crate) mod sniff;
mod source;
mod spans;
#[cfg(test)]
mod tests;
mod undo;
pub(crate) mod uploads;
mod workbook;

use std::{io, path::PathBuf};

use fieldstone_store::StoreError;
use fieldstone_ui::locale::Locale;

pub(crate) use choices::object_name;
pub use choices::{Choices, Dates, Existing, Missing};
pub use input::{Input, Sink};
pub use job::Imports;
pub use journal::{Batch, Checkpoint, Journal, Run, Written};
pub use mapping::{Column, Dedupe, DedupeRule, Mapping, NewField, NewObject, NewStage, Rule};
pub use mapping_problem::MappingProblem;
pub use number::NumberFormat;
pub use parts::KeptFile;
pub use peek::{Peek, look, peek};
pub use postgres::PgWorkspace;
pub use progress::{End, Fate, Progress, Report, Told};
pub use propose::{places, propose};
pub use resume::{Happened, Resume};
pub use row_problem::RowProblem;
pub(crate) use row_problem::reworded;
pub use run::{Request, run};
pub use setup::Workspace;
pub(crate) use source::encoding_of;
pub use spans::Spans;
pub use undo::{Kept, Listener, Reason, Undoing, Undone, undo};
pub use workbook::WorkbookError;
#[cfg(test)]
pub(crate) use workbook::to_csv;
pub(crate) use workbook::{Limits, convert};

/// Rows applied together unless a request says otherwise.
pub const CHUNK: usize = 1_000;
/// The column that a file of failed rows has besides the file's own.
pub(crate) const ERROR_COLUMN: &str = "error";

/// Why an import can't begin, or can't go on reading.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The mapping, or how it fits the file and the object.
    #[error("The mapping doesn't fit: {0}.")]
    Mapping(#[from] MappingProblem),
    /// The file can't be opened or read.
    #[error("“{file}” can't be read: {1}.", file = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file has no header.
    #[error("The file is empty. Its first line must name the columns.")]
    Empty,
    /// Reading went wrong, or writing the file of failed rows.
    #[error("The file can't be read further, or its failed rows can't be written: {0}.")]
    Io(#[from] io::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// In the reader's words, as far as it is about the file and its mapping.
    pub(crate) fn told(&self, locale: &Locale) -> String {
        match self {
            Self::Mapping(problem) => locale.t1("import-mapping", "why", problem.told(locale)),
            Self::Empty => locale.t("import-file-empty").into_owned(),
            other => other.to_string(),
        }
    }

    /// As it is kept for whoever reads it later.
    fn kept(&self) -> String {
        match self {
            Self::Mapping(problem) => problem.kept(),
            other => other.to_string(),
        }
    }
}
