//! The file of failed rows: their own columns and one more that says why. It can be corrected and imported again.
//!
//! A file on disk says why in words; what is kept for pages says it as data, since only a page knows its reader's language.

use std::{
    borrow::Cow,
    io::{self, Write},
    path::Path,
};

use super::{
    ERROR_COLUMN, RowProblem, draft::Entry, input::Output, row_problem::sentence, rows::Cells,
};
use crate::spreadsheet::{harmless, unescape};

/// Writes failed rows; the file is made with the first of them.
pub(super) struct Failures {
    output: Output,
    header: Vec<String>,
    /// Whether the rows' own last column is an earlier run's error.
    repeated: bool,
    /// Whether cells were escaped already.
    writer: Option<csv::Writer<Box<dyn Write + Send>>>,
    count: u64,
    /// Whether the file has its header, from before an interruption.
    begun: bool,
}

impl Failures {
    /// A file that has `before` rows already.
    pub(super) fn new(output: Output, header: Vec<String>, repeated: bool, before: u64) -> Self {
        Self {
            output,
            header,
            repeated,
            writer: None,
            count: before,
            begun: before > 0,
        }
    }

    /// How many rows were written.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The file on disk, if any row failed.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.output {
            Output::File(path) => self.writer.as_ref().map(|_| path.as_path()),
            Output::Memory(_) => None,
        }
    }

    /// Writes one row and why it failed.
    pub(super) fn write(&mut self, entry: &Entry, problem: &RowProblem) -> io::Result<()> {
        let why = match &self.output {
            Output::File(_) => harmless(&sentence(entry.line, problem)).into_owned(),
            Output::Memory(_) => problem.kept(entry.line),
        };
        let record = self.record(&entry.cells, &why);
        if self.writer.is_none() {
            self.writer = Some(self.begin()?);
        }
        if let Some(writer) = &mut self.writer {
            writer.write_record(&record).map_err(io::Error::from)?;
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), csv::Writer::flush)
    }

    fn begin(&self) -> io::Result<csv::Writer<Box<dyn Write + Send>>> {
        let mut writer = csv::WriterBuilder::new()
            .flexible(true)
            .from_writer(self.output.create()?);
        if self.begun {
            return Ok(writer);
        }
        let names = self.header.iter().map(String::as_str);
        let names = names.map(harmless).map(Cow::into_owned);
        writer.write_record(names.chain([ERROR_COLUMN.to_owned()]))?;
        Ok(writer)
    }

    /// The row's cells, filled up to the header's width, the problem, then any cells too many.
    fn record(&self, cells: &Cells, problem: &str) -> Vec<String> {
        let width = self.header.len();
        let mut texts: Vec<String> = cells
            .iter()
            .map(|cell| {
                let text = String::from_utf8_lossy(cell);
                // A file of failed rows has its formulas escaped already.
                let plain = if self.repeated {
                    unescape(&text)
                } else {
                    Cow::Borrowed(&*text)
                };
                harmless(&plain).into_owned()
            })
            .collect();
        if texts.len() < width {
            texts.resize(width, String::new());
        }
        if self.repeated && texts.len() == width + 1 {
            texts.pop();
        }
        texts.insert(width, problem.to_owned());
        texts
    }
}
