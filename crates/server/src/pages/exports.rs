//! `POST /exports/{objects}`: everything a list finds, as a file. For those who manage people, with a fresh proof, and noted in the audit log.
//!
//! No cell is a formula for a spreadsheet. A CSV file is read and sent in pieces, each in a transaction of its own, so that whoever loses
//! access meanwhile gets no more.

use axum::{
    body::Body,
    extract::RawPathParams,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use fieldstone_model::{FieldType, query::Cursor};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::{Listed, PageError, PageResult, listed};
use futures_util::{Stream, stream};
use http::{HeaderValue, header};
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde_json::json;

use super::{
    inside::Inside,
    settings::{Fields, Submitted},
};
use crate::{identity::audit::Action, spreadsheet::harmless, store::PgStore};

/// Rows of a workbook, which is made in memory.
const WORKBOOK_MAX: usize = 100_000;
/// And most bytes of text in it.
const WORKBOOK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sends the file.
pub(crate) async fn submit(
    inside: Inside,
    parameters: RawPathParams,
    submitted: Submitted,
) -> PageResult {
    let fields = Fields::read(submitted)?;
    let plural = parameters
        .iter()
        .next()
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default();
    let listed = listed(&inside, &plural, fields.get("query")).ok_or(PageError::NotFound)?;
    let format = match fields.get("format") {
        "csv" => "csv",
        "xlsx" => "xlsx",
        _ => return Err(PageError::Invalid),
    };
    // Noted before anything leaves.
    let columns: Vec<&str> = listed
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let detail = json!({ "format": format, "query": fields.get("query"), "columns": columns, "name": listed.object.plural });
    inside
        .store
        .run_audited(&[], Action::RecordsExport, &listed.object.name, &detail)
        .await?;
    let (name, day) = (listed.object.plural.to_string(), inside.viewer.today());
    let store = inside.store.clone();
    Ok(if format == "csv" {
        file(
            Body::from_stream(pieces(store, listed)),
            "text/csv; charset=utf-8",
            &format!("{name}-{day}.csv"),
        )
    } else {
        let bytes = workbook(&store, &listed).await?;
        let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        file(Body::from(bytes), kind, &format!("{name}-{day}.xlsx"))
    })
}

fn file(body: Body, kind: &'static str, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Names of objects are small letters, digits and underscores.
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// The next rows, and where to go on.
async fn page(
    store: &PgStore,
    listed: &Listed,
    cursor: Option<Cursor>,
) -> Result<(Vec<Vec<String>>, Option<Cursor>), StoreError> {
    let mut query = listed.query.clone();
    query.cursor = cursor;
    let found = store.list(&query).await?;
    Ok((listed.rows(store, &found.records).await?, found.next))
}

fn pieces(store: PgStore, listed: Listed) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(Some((store, listed, None, true)), |state| async move {
        let Some((store, listed, cursor, is_first)) = state else {
            return Ok(None);
        };
        let (rows, next) = page(&store, &listed, cursor).await?;
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        if is_first {
            let names = listed
                .columns
                .iter()
                .map(|(_, label)| harmless(label).into_owned());
            writer.write_record(names).map_err(StoreError::internal)?;
        }
        for row in &rows {
            writer
                .write_record(row.iter().map(|cell| harmless(cell).into_owned()))
                .map_err(StoreError::internal)?;
        }
        let text = writer
            .into_inner()
            .map_err(|_| StoreError::internal("an export could not be written"))?;
        Ok(Some((
            Bytes::from(text),
            next.map(|next| (store, listed, Some(next), false)),
        )))
    })
}

async fn workbook(store: &PgStore, listed: &Listed) -> Result<Vec<u8>, PageError> {
    let (mut all, mut cursor) = (Vec::new(), None);
    let mut bytes = 0;
    loop {
        let (rows, next) = page(store, listed, cursor).await?;
        bytes += rows.iter().flatten().map(String::len).sum::<usize>();
        all.extend(rows);
        if all.len() > WORKBOOK_MAX || bytes > WORKBOOK_BYTES_MAX {
            return Err(PageError::TooLarge);
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let head: Vec<(String, bool)> = listed
        .columns
        .iter()
        .map(|(name, label)| {
            let kind = listed.object.field(name).map(|field| &field.kind);
            (
                label.clone(),
                kind.is_some_and(|kind| {
                    kind.scale().is_some() && !matches!(kind, FieldType::Percent)
                }),
            )
        })
        .collect();
    tokio::task::spawn_blocking(move || sheet(&head, &all))
        .await
        .map_err(|_| PageError::Failed)?
        .map_err(|error| {
            tracing::error!(%error, "a workbook could not be made");
            PageError::Failed
        })
}

/// Cells are texts or numbers, never formulas.
fn sheet(head: &[(String, bool)], rows: &[Vec<String>]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let bold = Format::new().set_bold();
    for (column, (label, _)) in (0_u16..).zip(head) {
        sheet.write_string_with_format(0, column, label, &bold)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for ((column, (_, is_number)), cell) in (0_u16..).zip(head).zip(row) {
            match cell.parse::<f64>() {
                Ok(number) if *is_number => sheet.write_number(line, column, number)?,
                _ if cell.is_empty() => continue,
                _ => sheet.write_string(
                    line,
                    column,
                    cell.chars().take(32_767).collect::<String>(),
                )?,
            };
        }
    }
    book.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workbook_holds_what_was_listed() {
        let head = [("Name".to_owned(), false), ("Amount".to_owned(), true)];
        let rows = [
            vec!["=cmd()".to_owned(), "12.5".to_owned()],
            vec!["Möbel".to_owned(), String::new()],
        ];
        let bytes = sheet(&head, &rows).unwrap();
        let text = String::from_utf8(crate::import::to_csv(&bytes).unwrap()).unwrap();
        assert_eq!(text, "Name,Amount\n=cmd(),12.5\nMöbel,\n");
    }
}
