//! The file while it is read: opened with everything found out about it, and cut into chunks of checked rows.

use std::io::{self, Read};

use fieldstone_store::StoreError;
use tokio::sync::mpsc;

use super::{
    ImportError, Mapping, MappingProblem,
    binding::{Binding, file_header},
    decode::{self, Utf8Reader},
    draft::Entry,
    input::Input,
    rows::{self, COLUMNS_MAX, Rows},
    spans::Spans,
};

/// Bytes of rows applied together at most.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// The encoding of a file, guessed from all of it. Waits: never on a thread that runs tasks.
pub(crate) fn encoding_of(input: &Input) -> Result<&'static str, ImportError> {
    let unreadable = |error: io::Error| ImportError::Unreadable(input.path().to_owned(), error);
    let source = input.open().map_err(unreadable)?;
    Ok(decode::guess(source).map_err(unreadable)?.name())
}

/// A file whose encoding, delimiter and header are known.
pub(super) struct Opened {
    pub(super) rows: Rows<Box<dyn Read + Send>>,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Whether it is a file of failed rows.
    pub(super) escaped: bool,
    /// Its size.
    pub(super) bytes: u64,
}

impl Opened {
    /// Opens the file on a thread that may wait.
    pub(super) async fn beside(input: &Input, mapping: &Mapping) -> Result<Self, ImportError> {
        let (input, mapping) = (input.clone(), mapping.clone());
        let opened = tokio::task::spawn_blocking(move || Self::open(&input, &mapping)).await;
        opened.map_err(StoreError::internal)?
    }

    /// Opens the file and finds out what its mapping doesn't say.
    pub(super) fn open(input: &Input, mapping: &Mapping) -> Result<Self, ImportError> {
        let unreadable = |error: io::Error| ImportError::Unreadable(input.path().to_owned(), error);
        let open = || input.open().map_err(unreadable);
        let bytes = input.bytes().map_err(unreadable)?;
        let encoding = match &mapping.encoding {
            Some(name) => decode::named(name)
                .ok_or_else(|| MappingProblem::new("no-encoding", [("name", name.clone())]))?,
            None => decode::guess(open()?).map_err(unreadable)?,
        };
        let delimiter = match mapping.delimiter.as_deref() {
            Some("tab" | "\\t") => b'\t',
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() => *byte,
                _ => {
                    let text = ("text", text.to_owned());
                    return Err(MappingProblem::new("no-delimiter", [text]).into());
                }
            },
            None => rows::guess_delimiter(&mut Utf8Reader::new(open()?, encoding))
                .map_err(unreadable)?,
        };
        let mut rows = Rows::new(Utf8Reader::new(open()?, encoding), delimiter);
        let first = rows.next().map_err(unreadable)?.ok_or(ImportError::Empty)?;
        if first.overlong {
            let most = ("most", COLUMNS_MAX.to_string());
            return Err(MappingProblem::new("too-many-columns", [most]).into());
        }
        let cells = first
            .cells
            .texts()
            .ok_or_else(|| MappingProblem::new("header-not-utf8", []))?;
        let (header, escaped) = file_header(&cells);
        Ok(Self {
            rows,
            header,
            escaped,
            bytes,
        })
    }
}

/// Rows with how far the file is read after them.
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    pub(super) bytes: u64,
}

/// Which rows of a file are taken.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// All after this one.
    pub(super) after: u64,
    /// And these.
    pub(super) among: Spans,
}

impl Wanted {
    fn takes(&self, number: u64) -> bool {
        number > self.after || self.among.contains(number)
    }
}

/// A chunk, or why there are no more.
pub(super) type Sent = Result<Chunk, io::Error>;

/// Reads what is wanted of the file into chunks until its end, or until nobody takes them.
pub(super) fn read(
    mut opened: Opened,
    binding: &Binding,
    wanted: &Wanted,
    (size, most): (usize, u64),
    sender: &mpsc::Sender<Sent>,
) {
    let mut number = 0;
    loop {
        let mut entries = Vec::with_capacity(size);
        let mut weight = 0;
        while entries.len() < size && weight < CHUNK_BYTES && number < most {
            match opened.rows.next() {
                Ok(Some(row)) => {
                    number += 1;
                    if !wanted.takes(number) {
                        continue;
                    }
                    weight += row.cells.iter().map(<[u8]>::len).sum::<usize>();
                    entries.push(binding.read(number, row));
                }
                Ok(None) => break,
                Err(error) => {
                    // A reader that has gone away needs no error.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
        let bytes = opened.rows.bytes();
        if entries.is_empty() || sender.blocking_send(Ok(Chunk { entries, bytes })).is_err() {
            return;
        }
    }
}
