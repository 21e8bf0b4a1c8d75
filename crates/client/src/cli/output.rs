//! What a command answers: lines for people, or one JSON value for scripts, on standard output; failures on standard error.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::Failure;

pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a person watches: only then is there progress to see.
    pub(super) fn is_watched(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Answers `value` to a script, and otherwise a document as it is.
    pub(super) fn page(&self, value: &Value, document: &str) -> Result<(), Failure> {
        if self.json {
            self.write(&format!("{value}\n"))
        } else {
            self.write(document)
        }
    }

    /// Answers `value` to a script, the lines to a person.
    pub(super) fn say<T: AsRef<str>>(
        &self,
        value: &Value,
        lines: impl IntoIterator<Item = T>,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        if self.json {
            text = value.to_string();
            text.push('\n');
        } else {
            for line in lines {
                text.push_str(&printable(line.as_ref()));
                text.push('\n');
            }
        }
        self.write(&text)
    }

    #[expect(
        clippy::unused_self,
        reason = "everything that is answered goes through here"
    )]
    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever has closed that end (as `head` does) wants no more.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "The answer can't be written: {error}."
            ))),
            _ => Ok(()),
        }
    }

    /// Says why a command failed.
    pub(super) fn failure(&self, text: &str, code: u8) {
        let line = if self.json {
            json!({ "error": { "code": code, "message": text } }).to_string()
        } else {
            printable(text)
        };
        // There is nobody left to tell that this can't be told.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// Text without what a terminal would obey: records come from other people.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

/// Rows under headings, each column as wide as it needs to be.
pub(super) fn table(headings: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let widths: Vec<usize> = (0..headings.len())
        .map(|at| {
            std::iter::once(headings)
                .chain(rows.iter().map(Vec::as_slice))
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count().min(48))
                .max()
                .unwrap_or(0)
        })
        .collect();
    std::iter::once(headings)
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let mut cell: String = cell.chars().take(48).collect();
                let missing = width.saturating_sub(cell.chars().count());
                cell.extend(std::iter::repeat_n(' ', missing));
                cell
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_is_obeyed() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = table(
            &row(["ID", "NAME"]),
            &[row(["1", "Zoë"]), row(["100", "B"])],
        );
        assert_eq!(lines, ["ID   NAME", "1    Zoë", "100  B"]);
        assert_eq!(printable("a\u{1b}[2Jb"), "a [2Jb");
    }
}
