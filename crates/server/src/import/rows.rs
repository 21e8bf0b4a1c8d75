//! Rows of a delimited file: quotes, any line ending, ragged rows; with limits, so that one missing quote can't eat the memory.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::decode::Utf8Reader;

/// Most columns of a file.
pub(super) const COLUMNS_MAX: usize = 1_000;
/// Longest cell in bytes of UTF-8.
pub(super) const CELL_MAX: usize = 1024 * 1024;
/// Longest row in bytes of UTF-8; the rest of a longer one is not kept.
const ROW_MAX: usize = 16 * 1024 * 1024;
/// Delimiters that are guessed among, likeliest first.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// Bytes of text that a guess looks at.
const SAMPLE: usize = 64 * 1024;

/// The cells of one row as they stand in the file, unquoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cells {
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all cells.
    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The cells as bytes; they may be invalid UTF-8.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.data.get(start..*end).unwrap_or_default())
    }

    /// Whether all cells are empty.
    pub(super) fn is_blank(&self) -> bool {
        self.data.iter().all(u8::is_ascii_whitespace)
    }

    /// All cells as text, or `None` when a byte of them isn't UTF-8.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        // Checked a cell at a time: a cut between two cells must not join broken halves.
        self.iter()
            .map(|cell| std::str::from_utf8(cell).ok())
            .collect()
    }
}

/// One row of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Its cells.
    pub(super) cells: Cells,
    /// More bytes or cells than are kept.
    pub(super) overlong: bool,
}

/// Reads rows.
pub(super) struct Rows<R> {
    source: Utf8Reader<R>,
    reader: Reader,
    data: Vec<u8>,
    ends: Vec<usize>,
    /// Line feeds passed over that the reader hasn't seen.
    unseen_lines: u64,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(source: Utf8Reader<R>, delimiter: u8) -> Self {
        Self {
            source,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            data: vec![0; 4096],
            ends: vec![0; COLUMNS_MAX + 1],
            unseen_lines: 0,
        }
    }

    /// Bytes of the file read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.source.consumed()
    }

    /// The next row; `None` at the end. Lines without any text are passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        let (mut filled, mut cells) = (0, 0);
        let mut overlong = false;
        // Empty lines, and what is left of the last row's end: the reader would take them for a part of this row.
        while let Some(end @ (b'\n' | b'\r')) = self.source.fill()?.first().copied() {
            self.source.consume(1);
            self.unseen_lines += u64::from(end == b'\n');
        }
        let line = self.reader.line() + self.unseen_lines;
        loop {
            let input = self.source.fill()?;
            let out = self.data.get_mut(filled..).unwrap_or_default();
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, read, wrote, ended) = self.reader.read_record(input, out, ends);
            self.source.consume(read);
            filled += wrote;
            cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.data.len() < ROW_MAX => {
                    self.data.resize((self.data.len() * 2).min(ROW_MAX), 0);
                }
                ReadRecordResult::OutputFull => {
                    overlong = true;
                    // The last byte's place is reused: what doesn't fit is read and dropped.
                    filled = filled.min(self.data.len()).saturating_sub(1024);
                }
                ReadRecordResult::OutputEndsFull => {
                    overlong = true;
                    cells = COLUMNS_MAX;
                }
                ReadRecordResult::Record => {
                    let row = Row {
                        line,
                        cells: self.cells(filled, cells),
                        overlong: overlong || cells > COLUMNS_MAX,
                    };
                    return Ok(Some(row));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn cells(&self, filled: usize, cells: usize) -> Cells {
        let mut ends = self.ends.get(..cells).unwrap_or_default().to_vec();
        let mut last = 0;
        for end in &mut ends {
            // Ends of an overlong row may lie beyond, or before, what is kept.
            *end = (*end).clamp(last, filled.max(last));
            last = *end;
        }
        Cells {
            data: self.data.get(..last).unwrap_or_default().to_vec(),
            ends,
        }
    }
}

/// Guesses the delimiter: the one that cuts the first rows into the most cells, the same number in most of them.
pub(super) fn guess_delimiter<R: Read>(source: &mut Utf8Reader<R>) -> io::Result<u8> {
    let mut sample = Vec::new();
    while sample.len() < SAMPLE {
        let part = source.fill()?;
        if part.is_empty() {
            break;
        }
        sample.extend_from_slice(part);
        let used = part.len();
        source.consume(used);
    }
    let best = DELIMITERS
        .into_iter()
        .rev()
        .max_by_key(|delimiter| score(&sample, *delimiter));
    Ok(best.unwrap_or(b','))
}

/// Rows of the header's width times the cells won by the delimiter.
fn score(sample: &[u8], delimiter: u8) -> usize {
    let source = Utf8Reader::new(sample, encoding_rs::UTF_8);
    let mut rows = Rows::new(source, delimiter);
    let mut width = 0;
    let mut alike = 0;
    for at in 0..100 {
        let Ok(Some(row)) = rows.next() else { break };
        if at == 0 {
            width = row.cells.len();
        }
        alike += usize::from(row.cells.len() == width);
    }
    alike * width.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::UTF_8;

    fn rows(text: &[u8]) -> Vec<(u64, Vec<String>, bool)> {
        let mut rows = Rows::new(Utf8Reader::new(text, UTF_8), b',');
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cells = row.cells.iter();
            let cells = cells
                .map(|cell| String::from_utf8_lossy(cell).into_owned())
                .collect();
            all.push((row.line, cells, row.overlong));
        }
        all
    }

    #[test]
    fn reads_quotes_line_endings_and_ragged_rows() {
        let text = b"a,b\r\n\r\n\"x, \"\"y\"\"\",\"two\nlines\"\n1\n1,2,3\n";
        let cells = rows(text);
        assert_eq!(cells[0], (1, vec!["a".into(), "b".into()], false));
        assert_eq!(cells[1].1, ["x, \"y\"".to_owned(), "two\nlines".to_owned()]);
        assert_eq!(cells[2].1.len(), 1);
        assert_eq!(cells[3].1.len(), 3);
        assert_eq!(cells.len(), 4);
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        let lines = |text: &[u8]| rows(text).iter().map(|row| row.0).collect::<Vec<_>>();
        assert_eq!(lines(b"a\nb\n\nc\n"), [1, 2, 4]);
        assert_eq!(lines(b"a\r\nb\r\n\r\nc\r\n"), [1, 2, 4]);
        assert_eq!(lines(b"\"a\r\n\"\r\nb\r\n"), [1, 3]);
    }

    #[test]
    fn an_open_quote_costs_one_row_and_bounded_memory() {
        let mut text = b"a,b\n1,\"never closed\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', ROW_MAX + 5_000));
        let all = rows(&text);
        assert_eq!(all.len(), 2);
        assert!(all[1].2);
        assert!(all[1].1.iter().map(String::len).sum::<usize>() <= ROW_MAX);
    }

    #[test]
    fn too_many_columns_are_noticed_and_the_next_row_is_whole() {
        let wide = vec!["v"; COLUMNS_MAX + 500].join(",");
        let exact = vec!["v"; COLUMNS_MAX].join(",");
        let all = rows(format!("{wide}\n{exact}\n1,2\n").as_bytes());
        assert_eq!(all.len(), 3);
        assert!(all[0].2 && !all[1].2 && !all[2].2);
        assert_eq!(all[1].1.len(), COLUMNS_MAX);
        assert_eq!(all[2].1, ["1", "2"]);
    }

    #[test]
    fn guesses_delimiters() {
        for (text, delimiter) in [
            ("a;b;c\n1,5;2;3\n", b';'),
            ("a\tb\n1, 2\t3\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("a,b\n\"1;2;3\",4\n", b','),
            ("single\nvalue\n", b','),
        ] {
            let mut source = Utf8Reader::new(text.as_bytes(), UTF_8);
            assert_eq!(guess_delimiter(&mut source).unwrap(), delimiter, "{text}");
        }
    }
}
