//! Text encodings of imported files: guessing one, and turning any of them into UTF-8 while reading.
//!
//! UTF-8 passes through untouched, so that a row with broken bytes can be set aside alone.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes read at a time.
const BLOCK: usize = 64 * 1024;

/// Guesses the encoding from all of the text: a byte order mark decides, then valid UTF-8, then Windows-1252.
///
/// A text with broken places among more good multi-byte characters stays UTF-8, so that only its broken rows fail.
pub(super) fn guess(mut source: impl Read) -> io::Result<&'static Encoding> {
    let mut block = vec![0; BLOCK];
    let mut kept = 0;
    let (mut good, mut broken) = (0_u64, 0_u64);
    let mut first = true;
    loop {
        let read = read_full(&mut source, block.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + read;
        let text = block.get(..filled).unwrap_or_default();
        if std::mem::take(&mut first)
            && let Some((encoding, _)) = Encoding::for_bom(text)
        {
            return Ok(encoding);
        }
        let rest = count_multibyte(text, read == 0, &mut good, &mut broken);
        if read == 0 {
            break;
        }
        kept = filled - rest;
        block.copy_within(rest..filled, 0);
    }
    Ok(if broken == 0 || good > broken {
        UTF_8
    } else {
        WINDOWS_1252
    })
}

/// Counts whole and broken multi-byte characters; answers where an unfinished one at the end begins.
fn count_multibyte(text: &[u8], last: bool, good: &mut u64, broken: &mut u64) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                *good += multibyte(valid);
                return text.len();
            }
            Err(error) => {
                let valid = rest
                    .get(..error.valid_up_to())
                    .and_then(|bytes| std::str::from_utf8(bytes).ok())
                    .unwrap_or_default();
                *good += multibyte(valid);
                match error.error_len() {
                    Some(length) => {
                        *broken += 1;
                        at += error.valid_up_to() + length;
                    }
                    None if last => {
                        *broken += 1;
                        return text.len();
                    }
                    None => return at + error.valid_up_to(),
                }
            }
        }
    }
    text.len()
}

fn multibyte(text: &str) -> u64 {
    if text.is_ascii() {
        return 0;
    }
    let characters = text.chars().filter(|c| !c.is_ascii()).count();
    u64::try_from(characters).unwrap_or(u64::MAX)
}

fn read_full(source: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Gives the UTF-8 form of a source, without its byte order mark, and counts the source's bytes.
pub(super) struct Utf8Reader<R> {
    source: BufReader<R>,
    /// `None` passes bytes through.
    decoder: Option<Decoder>,
    out: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
    started: bool,
    ended: bool,
}

impl<R: Read> Utf8Reader<R> {
    pub(super) fn new(source: R, encoding: &'static Encoding) -> Self {
        Self {
            source: BufReader::with_capacity(BLOCK, source),
            decoder: (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling()),
            // Any encoding's 64 KiB become at most three times as many bytes of UTF-8.
            out: vec![0; BLOCK * 3 + 16],
            start: 0,
            end: 0,
            consumed: 0,
            started: false,
            ended: false,
        }
    }

    /// Bytes of the source read so far, decoded or not.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The next bytes of UTF-8 text; empty at the end.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        while self.start == self.end && !self.ended {
            self.refill()?;
        }
        Ok(self.out.get(self.start..self.end).unwrap_or_default())
    }

    /// Marks bytes of the last [`fill`](Self::fill) as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    fn refill(&mut self) -> io::Result<()> {
        if !self.started {
            self.started = true;
            self.skip_mark()?;
        }
        let input = loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let last = input.is_empty();
        let (used, written) = match &mut self.decoder {
            None => {
                if let Some(out) = self.out.get_mut(..input.len()) {
                    out.copy_from_slice(input);
                }
                (input.len(), input.len())
            }
            Some(decoder) => {
                let (result, used, written, _) = decoder.decode_to_utf8(input, &mut self.out, last);
                debug_assert_eq!(result, CoderResult::InputEmpty, "the buffer holds a block");
                (used, written)
            }
        };
        self.source.consume(used);
        self.consumed += u64::try_from(used).unwrap_or(0);
        (self.start, self.end) = (0, written);
        self.ended = last && written == 0;
        Ok(())
    }

    fn skip_mark(&mut self) -> io::Result<()> {
        let input = self.source.fill_buf()?;
        let own = match &self.decoder {
            None => UTF_8,
            Some(decoder) => decoder.encoding(),
        };
        let mark = Encoding::for_bom(input)
            .filter(|(encoding, _)| *encoding == own)
            .map_or(0, |(_, length)| length);
        self.source.consume(mark);
        self.consumed += u64::try_from(mark).unwrap_or(0);
        Ok(())
    }
}

/// The encoding of a name such as `utf-8`, `utf-16` or `windows-1252`, by the labels of the WHATWG Encoding Standard.
pub(super) fn named(name: &str) -> Option<&'static Encoding> {
    let name = name.trim();
    [
        ("utf-16", UTF_16LE),
        ("utf-16le", UTF_16LE),
        ("utf-16be", UTF_16BE),
    ]
    .into_iter()
    .find(|(known, _)| name.eq_ignore_ascii_case(known))
    .map(|(_, encoding)| encoding)
    .or_else(|| Encoding::for_label_no_replacement(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let encoding = guess(bytes).unwrap();
        let mut reader = Utf8Reader::new(bytes, encoding);
        let mut out = Vec::new();
        loop {
            let part = reader.fill().unwrap().to_vec();
            if part.is_empty() {
                break;
            }
            out.extend_from_slice(&part);
            reader.consume(part.len());
        }
        assert_eq!(reader.consumed(), bytes.len() as u64);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn guesses_marks_utf8_and_windows() {
        assert_eq!(text("name\nCafé".as_bytes()), "name\nCafé");
        assert_eq!(text(b"\xEF\xBB\xBFname\nCaf\xC3\xA9"), "name\nCafé");
        assert_eq!(text(b"name\nCaf\xE9 \x80"), "name\nCafé €");
        assert_eq!(text(b"\xFF\xFEn\0\xE9\0"), "né");
        assert_eq!(text(b"\xFE\xFF\0n\0\xE9"), "né");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn a_single_broken_place_does_not_make_utf8_something_else() {
        let mixed = b"\xC3\xA9\xC3\xA4 and \xFF";
        assert_eq!(guess(&mixed[..]).unwrap(), UTF_8);
    }

    #[test]
    fn characters_across_blocks_are_whole() {
        for shift in 0..4 {
            let long = "a".repeat(BLOCK - shift) + &"é€".repeat(BLOCK);
            assert_eq!(guess(long.as_bytes()).unwrap(), UTF_8, "{shift}");
            assert_eq!(text(long.as_bytes()), long);
            let utf16: Vec<u8> = [0xFF, 0xFE]
                .into_iter()
                .chain(long.encode_utf16().flat_map(u16::to_le_bytes))
                .collect();
            assert_eq!(text(&utf16), long);
        }
    }
}
