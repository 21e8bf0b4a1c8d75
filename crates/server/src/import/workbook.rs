//! Spreadsheets (XLSX) as delimited text: the first sheet that has rows, with dates as ISO 8601 and numbers as they were typed.
//!
//! A workbook is a ZIP archive from somewhere: it is measured before anything of it is kept, and its cells are read one after the other,
//! so that neither a compressed bomb nor a cell in the last corner of the sheet takes the memory. Only the texts that cells share are held.

use std::io::{self, BufReader, Read, Seek, Write};

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use zip::ZipArchive;

use super::rows::COLUMNS_MAX;

/// Files that a workbook may consist of.
const PARTS_MAX: usize = 5_000;
/// What is held as a whole wherever in the archive it lies: the texts that cells share, names, formats.
const HELD: [&str; 3] = ["sharedstrings.xml", "workbook.xml", "styles.xml"];

/// What a workbook may come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that it may have unpacked.
    pub(crate) unpacked: u64,
    /// Bytes of anything in it that isn't a sheet, such as the texts that cells share.
    pub(crate) shared: u64,
    /// Bytes that the text made of it may have.
    pub(crate) text: u64,
}

impl Limits {
    /// Where the text is held until all of it is there.
    pub(crate) fn small() -> Self {
        Self {
            text: 64 * 1024 * 1024,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 512 * 1024 * 1024,
            shared: 64 * 1024 * 1024,
            text: 256 * 1024 * 1024,
        }
    }
}

/// Why a workbook can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkbookError {
    /// It is none, or broken.
    #[error("This is no workbook that can be read. Save it as .xlsx or .csv and try again.")]
    Broken,
    /// It is much larger than it looks.
    #[error("This workbook is too large. Split it, or save the sheet as .csv.")]
    TooLarge,
    /// It has no rows.
    #[error("No sheet of this workbook has any rows.")]
    Empty,
    /// Its text can't be written.
    #[error("What the workbook holds can't be kept: {0}.")]
    Unwritten(#[source] io::Error),
}

/// The first sheet with rows as comma-separated text.
pub(crate) fn convert<R: Read + Seek, W: Write>(
    mut source: R,
    limits: Limits,
    out: &mut W,
) -> Result<(), WorkbookError> {
    measure(&mut source, limits)?;
    source.rewind().map_err(|_| WorkbookError::Broken)?;
    let mut book = Xlsx::new(BufReader::new(source)).map_err(|_| WorkbookError::Broken)?;
    for sheet in book.sheet_names() {
        if sheet_to_csv(&mut book, &sheet, limits, out)? {
            return Ok(());
        }
    }
    Err(WorkbookError::Empty)
}

/// The same of bytes at hand.
#[cfg(test)]
pub(crate) fn to_csv(bytes: &[u8]) -> Result<Vec<u8>, WorkbookError> {
    let limits = Limits::small();
    let mut text = Vec::new();
    convert(io::Cursor::new(bytes), limits, &mut text)?;
    Ok(text)
}

/// Unpacks everything into nothing and counts: what the archive says about its sizes may be a lie.
fn measure(source: impl Read + Seek, limits: Limits) -> Result<(), WorkbookError> {
    let mut archive = ZipArchive::new(BufReader::new(source)).map_err(|_| WorkbookError::Broken)?;
    if archive.len() > PARTS_MAX {
        return Err(WorkbookError::TooLarge);
    }
    let mut left = limits.unpacked;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_| WorkbookError::Broken)?;
        let is_sheet = part.name().is_ok_and(|name| {
            let name = name.to_lowercase();
            name.contains("worksheets/") && !HELD.iter().any(|held| name.ends_with(held))
        });
        let size = io::copy(&mut part.take(left + 1), &mut io::sink())
            .map_err(|_| WorkbookError::Broken)?;
        left = left.checked_sub(size).ok_or(WorkbookError::TooLarge)?;
        if !is_sheet && size > limits.shared {
            return Err(WorkbookError::TooLarge);
        }
    }
    Ok(())
}

/// Answers whether the sheet has any rows.
fn sheet_to_csv<R: Read + Seek, W: Write>(
    book: &mut Xlsx<R>,
    sheet: &str,
    limits: Limits,
    out: &mut W,
) -> Result<bool, WorkbookError> {
    let broken = |_| WorkbookError::Broken;
    // A sheet that holds a chart has no cells.
    let Ok(mut cells) = book.worksheet_cells_reader(sheet) else {
        return Ok(false);
    };
    let mut rows = Rows {
        writer: csv::WriterBuilder::new().flexible(true).from_writer(out),
        width: 0,
        left: limits.text,
    };
    let mut row: Vec<String> = Vec::new();
    let mut at = None;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (line, column) = cell.get_position();
        if at != Some(line) {
            rows.write(std::mem::take(&mut row))?;
            at = Some(line);
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column > COLUMNS_MAX {
            return Err(WorkbookError::TooLarge);
        }
        let text = text(cell.get_value());
        rows.count(text.len())?;
        if !text.is_empty() {
            if row.len() <= column {
                row.resize(column + 1, String::new());
            }
            if let Some(slot) = row.get_mut(column) {
                *slot = text;
            }
        }
    }
    rows.write(row)?;
    rows.writer.flush().map_err(WorkbookError::Unwritten)?;
    Ok(rows.width > 0)
}

/// Rows on their way out.
struct Rows<W: Write> {
    writer: csv::Writer<W>,
    width: usize,
    /// Few bytes of a workbook may stand for very many: a text that a million cells share, cells far to the right.
    left: u64,
}

impl<W: Write> Rows<W> {
    fn count(&mut self, bytes: usize) -> Result<(), WorkbookError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(WorkbookError::TooLarge)?;
        Ok(())
    }

    /// Writes a row that has anything; the first one is the header, and says how wide the others are at least.
    fn write(&mut self, mut row: Vec<String>) -> Result<(), WorkbookError> {
        if row.is_empty() {
            return Ok(());
        }
        if self.width == 0 {
            self.width = row.len();
        }
        if row.len() < self.width {
            row.resize(self.width, String::new());
        }
        self.count(row.len())?;
        let written = self.writer.write_record(&row);
        written.map_err(|error| WorkbookError::Unwritten(error.into()))
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => plain(*number),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(yes) => yes.to_string(),
        DataRef::DateTime(moment) => moment_text(moment),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// A number with the 15 digits that spreadsheets show, so that 0.1 + 0.2 is 0.3.
fn plain(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{rounded}")
}

fn moment_text(moment: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let has_time = (hour, minute, second) != (0, 0, 0);
    if moment.is_duration() || moment.as_f64() < 1.0 {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else if has_time {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

    use super::*;

    fn book(fill: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
        let mut book = Workbook::new();
        book.add_worksheet();
        fill(book.add_worksheet());
        book.save_to_buffer().unwrap()
    }

    #[test]
    fn cells_become_the_text_that_people_see() {
        let bytes = book(|sheet| {
            let date = Format::new().set_num_format("dd.mm.yyyy");
            for (column, name) in (0_u16..).zip(["name", "amount", "on", "note"]) {
                sheet.write(0, column, name).unwrap();
            }
            sheet.write(1, 0, "Möbel, \"Holz\"").unwrap();
            sheet.write(1, 1, 0.1 + 0.2).unwrap();
            let day = ExcelDateTime::from_ymd(2026, 3, 1).unwrap();
            sheet.write_with_format(1, 2, &day, &date).unwrap();
            sheet.write(3, 0, "after an empty row").unwrap();
            sheet.write(3, 1, 1234).unwrap();
        });
        assert_eq!(
            super::super::sniff::sniff(&bytes),
            super::super::sniff::Looks::Workbook
        );
        assert_eq!(
            String::from_utf8(to_csv(&bytes).unwrap()).unwrap(),
            "name,amount,on,note\n\"Möbel, \"\"Holz\"\"\",0.3,2026-03-01,\nafter an empty row,1234,,\n"
        );
    }

    #[test]
    fn few_bytes_that_stand_for_very_many_are_refused() {
        let wide = book(|sheet| {
            for column in 0..1_000 {
                sheet.write(0, column, "x").unwrap();
            }
            for line in 1..80_000 {
                sheet.write(line, 0, 1).unwrap();
            }
        });
        assert!(wide.len() < 2_000_000);
        assert!(matches!(to_csv(&wide), Err(WorkbookError::TooLarge)));
        let text = "x".repeat(30_000);
        let shared = book(|sheet| {
            for line in 0..3_000 {
                sheet.write(line, 0, text.as_str()).unwrap();
            }
        });
        assert!(shared.len() < 2_000_000);
        assert!(matches!(to_csv(&shared), Err(WorkbookError::TooLarge)));
    }

    #[test]
    fn what_is_no_workbook_or_too_wide_is_refused() {
        assert!(matches!(
            to_csv(b"PK\x03\x04nonsense"),
            Err(WorkbookError::Broken)
        ));
        assert!(matches!(to_csv(&book(|_| {})), Err(WorkbookError::Empty)));
        let far = book(|sheet| {
            sheet.write(0, 16_000, "x").unwrap();
        });
        assert!(matches!(to_csv(&far), Err(WorkbookError::TooLarge)));
    }
}
