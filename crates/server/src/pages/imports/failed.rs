//! The failed rows of an import: the first of them on its page, all of them as a file; why each failed is said in the reader's language.

use std::{borrow::Cow, io, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use fieldstone_model::{Object, RecordId};
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use http::{HeaderValue, header};
use tokio::sync::mpsc;

use super::{Inside, own};
use crate::{
    import::{
        ERROR_COLUMN, Input, KeptFile, Mapping, look, parts::Kind, reworded, uploads::Upload,
    },
    pages::path_id::PathId,
    spreadsheet::harmless,
    store::PgStore,
};

/// Failed rows shown.
const SHOWN: usize = 20;
/// Bytes that are sent together.
const PIECE: usize = 64 * 1024;
/// Pieces made ahead of the one that is sent.
const AHEAD: usize = 2;

/// Who reads, and about records of which object.
struct Reader {
    locale: Locale,
    store: PgStore,
    object: Option<Arc<Object>>,
}

impl Reader {
    fn of(inside: &Inside, upload: &Upload) -> Self {
        Self {
            locale: inside.viewer.locale.clone(),
            object: inside.registry().object(&upload.object).cloned(),
            store: inside.store.clone(),
        }
    }

    fn words(&self, kept: &str) -> Option<String> {
        reworded(
            kept,
            &self.locale,
            self.store.registry(),
            self.object.as_deref(),
        )
    }
}

/// The first failed rows, why each failed before its cells, if they are the caller's to see.
pub(super) async fn first(
    inside: &Inside,
    upload: Option<&Upload>,
) -> Result<(Option<RecordId>, Vec<String>, Vec<Vec<String>>), PageError> {
    let nothing = (None, Vec::new(), Vec::new());
    let Some(upload) = upload else {
        return Ok(nothing);
    };
    if !inside.store.has_failed_rows(upload.id).await? {
        return Ok(nothing);
    }
    let kept = inside
        .store
        .kept_file(upload.id, Kind::Failed, &upload.file);
    let input = Input::Kept(kept.await?);
    // A delimiter of its own: otherwise one might be guessed from what stands in the rows.
    let mapping = Mapping {
        delimiter: Some(",".to_owned()),
        encoding: Some("utf-8".to_owned()),
        ..Mapping::default()
    };
    let Ok(mut peeked) = look(&input, &mapping, SHOWN).await else {
        return Ok(nothing);
    };
    let reader = Reader::of(inside, upload);
    let width = peeked.header.len();
    for row in &mut peeked.rows {
        if row.len() > width {
            let why = row.remove(width);
            row.insert(0, reader.words(&why).unwrap_or(why));
        }
    }
    Ok((Some(upload.id), peeked.header, peeked.rows))
}

/// `GET /imports/{id}/failed`: the file of failed rows.
pub(crate) async fn failed_rows(inside: Inside, PathId(id): PathId) -> PageResult {
    let upload = own(&inside, id).await?;
    let kept = inside
        .store
        .kept_file(id, Kind::Failed, &upload.file)
        .await?;
    if kept.size() == 0 {
        return Err(PageError::NotFound);
    }
    // An answer begins once its first part is at hand, so that an object store that is out of reach is told of and not cut off.
    kept.head().await?;
    let stem = upload
        .file
        .rsplit_once('.')
        .map_or(upload.file.as_str(), |(stem, _)| stem);
    let name: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let body = worded(kept, Reader::of(&inside, &upload));
    Ok(download(body, &format!("{name}.errors.csv")))
}

/// The file as it is kept, each problem in the reader's words: made piece by piece while it is sent.
fn worded(kept: KeptFile, reader: Reader) -> Body {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces {
            buffer: Vec::with_capacity(PIECE),
            sender,
        };
        // A reader who went away needs no error, and one who didn't must not take half a file for the whole one.
        if let Err(error) = write_worded(kept.reader(), &mut pieces, |kept| reader.words(kept)) {
            tracing::debug!(%error, "failed rows could not be sent to their end");
            let _ = pieces.sender.blocking_send(Err(error));
        }
    });
    Body::from_stream(futures_util::stream::poll_fn(move |cx| {
        receiver.poll_recv(cx)
    }))
}

/// Copies a file of failed rows with the problem of each put into words.
fn write_worded(
    from: impl io::Read,
    into: impl io::Write,
    words: impl Fn(&str) -> Option<String>,
) -> io::Result<()> {
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(from);
    let mut out = csv::WriterBuilder::new().flexible(true).from_writer(into);
    let mut row = csv::ByteRecord::new();
    let mut problem_at = None;
    while rows.read_byte_record(&mut row)? {
        let at = *problem_at.get_or_insert_with(|| {
            let last = row.len().saturating_sub(1);
            (row.get(last) == Some(ERROR_COLUMN.as_bytes())).then_some(last)
        });
        let kept = at.and_then(|at| std::str::from_utf8(row.get(at)?).ok());
        let told = kept.map(|kept| words(kept).map_or(Cow::Borrowed(kept), Cow::Owned));
        // It repeats what stands in the row, and that may be a formula.
        let told = told.as_deref().map(harmless);
        let cells = row.iter().enumerate();
        out.write_record(cells.map(|(place, cell)| match &told {
            Some(told) if Some(place) == at => told.as_bytes(),
            _ => cell,
        }))?;
    }
    out.flush()
}

/// Takes what is written and hands it on in pieces. Waits for each: never on a thread that runs tasks.
struct Pieces {
    buffer: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let sent = self.sender.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn download(body: Body, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition.unwrap_or(HeaderValue::from_static("attachment")),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(text: &str) -> String {
        let mut out = Vec::new();
        let words = |kept: &str| kept.strip_prefix("kept:").map(str::to_uppercase);
        write_worded(text.as_bytes(), &mut out, words).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_column_of_problems_is_put_into_words() {
        assert_eq!(
            copied("name,error\nkept:a,kept:b\n\"x, y\",Line 3: as it was\nz,kept:c,too many\n"),
            "name,error\nkept:a,B\n\"x, y\",Line 3: as it was\nz,C,too many\n"
        );
    }

    #[test]
    fn a_problem_that_repeats_a_formula_is_none() {
        let kept = "name,error\nx,Line 2: name “a;=1+1”: Shorten this.\n";
        assert!(copied(kept).contains("“a;'=1+1”"), "{}", copied(kept));
    }

    #[test]
    fn a_file_without_that_column_stays_as_it_is() {
        let text = "name,amount\nkept:a,kept:b\n";
        assert_eq!(copied(text), text);
    }
}
