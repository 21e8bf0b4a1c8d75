//! Spreadsheets (XLSX) as delimited text: the first sheet that has rows, with dates as ISO 8601 and numbers as they were typed.
//!
//! A workbook is a ZIP archive from somewhere: it is measured before anything of it is kept, and its cells are read one after the other,
//! so that neither a compressed bomb nor a cell in the last corner of the sheet takes the memory.

use std::io::{self, Cursor, Read};

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use zip::ZipArchive;

use super::rows::COLUMNS_MAX;

/// Bytes that a workbook may have unpacked.
const UNPACKED_MAX: u64 = 256 * 1024 * 1024;
/// Bytes that the text made of it may have.
const TEXT_MAX: usize = 64 * 1024 * 1024;
/// Files that a workbook may consist of.
const PARTS_MAX: usize = 5_000;

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
}

/// Whether these bytes begin like a workbook.
pub fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The first sheet with rows as comma-separated text.
pub fn to_csv(bytes: &[u8]) -> Result<Vec<u8>, WorkbookError> {
    measure(bytes)?;
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|_| WorkbookError::Broken)?;
    for sheet in book.sheet_names() {
        let text = sheet_to_csv(&mut book, &sheet)?;
        if !text.is_empty() {
            return Ok(text);
        }
    }
    Err(WorkbookError::Empty)
}

/// Unpacks everything into nothing and counts: what the archive says about its sizes may be a lie.
fn measure(bytes: &[u8]) -> Result<(), WorkbookError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| WorkbookError::Broken)?;
    if archive.len() > PARTS_MAX {
        return Err(WorkbookError::TooLarge);
    }
    let mut left = UNPACKED_MAX;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_| WorkbookError::Broken)?;
        let size = io::copy(&mut part.take(left + 1), &mut io::sink())
            .map_err(|_| WorkbookError::Broken)?;
        left = left.checked_sub(size).ok_or(WorkbookError::TooLarge)?;
    }
    Ok(())
}

fn sheet_to_csv(book: &mut Xlsx<Cursor<&[u8]>>, sheet: &str) -> Result<Vec<u8>, WorkbookError> {
    let broken = |_| WorkbookError::Broken;
    // A sheet that holds a chart has no cells.
    let Ok(mut cells) = book.worksheet_cells_reader(sheet) else {
        return Ok(Vec::new());
    };
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    let (mut row, mut width): (Vec<String>, usize) = (Vec::new(), 0);
    // Few bytes of a workbook may stand for very many: a text that a million cells share, cells far to the right.
    let mut left = TEXT_MAX;
    let mut at = None;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (line, column) = cell.get_position();
        if at != Some(line) {
            flush(&mut writer, &mut row, &mut width, &mut left)?;
            at = Some(line);
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column > COLUMNS_MAX {
            return Err(WorkbookError::TooLarge);
        }
        let text = text(cell.get_value());
        left = left
            .checked_sub(text.len())
            .ok_or(WorkbookError::TooLarge)?;
        if !text.is_empty() {
            if row.len() <= column {
                row.resize(column + 1, String::new());
            }
            if let Some(slot) = row.get_mut(column) {
                *slot = text;
            }
        }
    }
    flush(&mut writer, &mut row, &mut width, &mut left)?;
    writer.into_inner().map_err(|_| WorkbookError::Broken)
}

/// Writes a row that has anything; the first one is the header, and says how wide the others are at least.
fn flush(
    writer: &mut csv::Writer<Vec<u8>>,
    row: &mut Vec<String>,
    width: &mut usize,
    left: &mut usize,
) -> Result<(), WorkbookError> {
    let mut row = std::mem::take(row);
    if row.is_empty() {
        return Ok(());
    }
    *width = (*width).max(usize::from(*width == 0) * row.len());
    if row.len() < *width {
        row.resize(*width, String::new());
    }
    *left = left.checked_sub(row.len()).ok_or(WorkbookError::TooLarge)?;
    writer.write_record(&row).map_err(|_| WorkbookError::Broken)
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
        assert!(is_workbook(&bytes));
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
