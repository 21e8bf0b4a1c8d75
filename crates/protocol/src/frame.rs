//! JSON lines, compressed: written at once, read line by line within limits.
//!
//! A reader never holds more than one line beyond what it keeps, and never unpacks more than its limit, whatever the bytes claim.

use std::io::{BufRead as _, BufReader, Read, Take};

use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of one line.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// The window of the compression, as a power of two: what a reader sets aside at most.
const WINDOW_LOG_MAX: u32 = 23;
/// Fast, and close to the best for rows that resemble each other.
const LEVEL: i32 = 3;

/// What a reader accepts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most lines.
    pub lines: usize,
    /// Most bytes, unpacked.
    pub bytes: u64,
}

/// Why bytes can't be read, or lines not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the last line.
    #[error("the message ends too early")]
    Truncated,
    /// More lines or bytes than are accepted.
    #[error("the message is larger than is accepted")]
    TooLarge,
    /// Not what is said at this place.
    #[error("the message does not say what belongs at this place")]
    Unexpected,
    /// Not compressed JSON lines.
    #[error("the message can't be unpacked")]
    Compression(#[source] std::io::Error),
    /// A line that is no JSON of the right shape.
    #[error("line {line} can't be read")]
    Line {
        /// Counts from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// The bytes of `lines`.
pub fn encode<T: Serialize>(lines: impl IntoIterator<Item = T>) -> Result<Vec<u8>, FrameError> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(FrameError::Compression)?;
    let mut text = Vec::new();
    for (at, line) in lines.into_iter().enumerate() {
        text.clear();
        serde_json::to_writer(&mut text, &line).map_err(|source| FrameError::Line {
            line: at + 1,
            source,
        })?;
        text.push(b'\n');
        std::io::Write::write_all(&mut encoder, &text).map_err(FrameError::Compression)?;
    }
    encoder.finish().map_err(FrameError::Compression)
}

/// Reads lines one after the other.
pub struct Lines<'a> {
    reader: BufReader<Take<zstd::Decoder<'static, BufReader<&'a [u8]>>>>,
    limits: Limits,
    read: usize,
    text: Vec<u8>,
}

/// A line of a list that ends with its length.
pub(crate) enum Counted<T> {
    /// One of the list.
    Item(T),
    /// The end, and how many there were.
    End(usize),
}

impl<'a> Lines<'a> {
    /// Starts to read `bytes`.
    pub fn new(bytes: &'a [u8], limits: Limits) -> Result<Self, FrameError> {
        let mut decoder = zstd::Decoder::new(bytes).map_err(FrameError::Compression)?;
        decoder
            .window_log_max(WINDOW_LOG_MAX)
            .map_err(FrameError::Compression)?;
        // One byte more than is accepted tells what is too large from what just fits.
        let reader = BufReader::new(decoder.take(limits.bytes + 1));
        Ok(Self {
            reader,
            limits,
            read: 0,
            text: Vec::new(),
        })
    }

    /// The lines up to the one that says how many there were. `sort` says what a line is; `None` is one that doesn't belong here.
    pub(crate) fn counted<L: DeserializeOwned, T>(
        &mut self,
        sort: impl Fn(L) -> Option<Counted<T>>,
    ) -> Result<Vec<T>, FrameError> {
        let mut items = Vec::new();
        while let Some(line) = self.next_line()? {
            match sort(line) {
                Some(Counted::Item(item)) => items.push(item),
                Some(Counted::End(count)) if count == items.len() => return Ok(items),
                _ => return Err(FrameError::Unexpected),
            }
        }
        Err(FrameError::Truncated)
    }

    /// The next line; none at the end.
    pub fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        self.text.clear();
        let mut line = self.reader.by_ref().take(LINE_BYTES_MAX);
        line.read_until(b'\n', &mut self.text).map_err(unpacking)?;
        if self.reader.get_ref().limit() == 0 {
            return Err(FrameError::TooLarge);
        }
        if self.text.is_empty() {
            return Ok(None);
        }
        if self.text.last() != Some(&b'\n') {
            let too_long =
                u64::try_from(self.text.len()).is_ok_and(|length| length >= LINE_BYTES_MAX);
            return Err(if too_long {
                FrameError::TooLarge
            } else {
                FrameError::Truncated
            });
        }
        self.read += 1;
        if self.read > self.limits.lines {
            return Err(FrameError::TooLarge);
        }
        serde_json::from_slice(&self.text)
            .map(Some)
            .map_err(|source| FrameError::Line {
                line: self.read,
                source,
            })
    }
}

fn unpacking(error: std::io::Error) -> FrameError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Compression(error),
    }
}

/// Reads a body that is one line.
pub fn one_line<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, FrameError> {
    Lines::new(bytes, limits)?
        .next_line()?
        .ok_or(FrameError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        lines: 3,
        bytes: 1000,
    };

    #[test]
    fn small_bytes_that_unpack_to_many_are_refused() {
        let bomb = zstd::encode_all(&vec![b' '; 100_000_000][..], 19).unwrap();
        assert!(bomb.len() < 20_000);
        let mut lines = Lines::new(&bomb, LIMITS).unwrap();
        assert!(matches!(lines.next_line::<u8>(), Err(FrameError::TooLarge)));
    }

    #[test]
    fn too_many_lines_are_refused() {
        let bytes = encode(0..4).unwrap();
        let mut lines = Lines::new(&bytes, LIMITS).unwrap();
        for number in 0..3 {
            assert_eq!(lines.next_line().unwrap(), Some(number));
        }
        assert!(matches!(lines.next_line::<u8>(), Err(FrameError::TooLarge)));
    }

    #[test]
    fn half_a_line_is_no_line() {
        let bytes = zstd::encode_all(&b"1\n2"[..], 1).unwrap();
        let mut lines = Lines::new(&bytes, LIMITS).unwrap();
        assert_eq!(lines.next_line().unwrap(), Some(1));
        assert!(matches!(
            lines.next_line::<u8>(),
            Err(FrameError::Truncated)
        ));
    }

    #[test]
    fn a_web_page_is_not_a_message() {
        let mut lines = Lines::new(b"<!doctype html><title>502</title>", LIMITS).unwrap();
        assert!(matches!(
            lines.next_line::<u8>(),
            Err(FrameError::Compression(_))
        ));
    }
}
