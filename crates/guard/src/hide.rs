//! Text that doesn't stand in the binary as it is written here: encrypted by the compiler, decrypted where it is first used.
//!
//! It keeps text from who looks a binary through, and no more: the key is in the binary as well, mixed with what the code's own bytes come
//! to, so that nothing can be read once a byte of code was changed.

use std::sync::OnceLock;

use crate::seal::Seal;

/// The key that text was encrypted with when this was compiled: `FIELDSTONE_BUILD_KEY` in hexadecimal digits, or a fixed one.
pub(crate) const BUILD_KEY: [u8; 32] = build_key(option_env!("FIELDSTONE_BUILD_KEY"));

const fn build_key(text: Option<&str>) -> [u8; 32] {
    let mut key = *b"no build of ours to be published";
    if let Some(text) = text {
        let digits = text.as_bytes();
        assert!(
            digits.len() == 64,
            "FIELDSTONE_BUILD_KEY has 64 hexadecimal digits"
        );
        let mut at = 0;
        while at < 32 {
            #[expect(
                clippy::indexing_slicing,
                reason = "runs in the compiler, which refuses a place outside"
            )]
            {
                key[at] = digit(digits[at * 2]) << 4 | digit(digits[at * 2 + 1]);
            }
            at += 1;
        }
    }
    key
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'f' => character - b'a' + 10,
        _ => panic_in_compiler(),
    }
}

#[expect(clippy::panic, reason = "runs in the compiler alone")]
const fn panic_in_compiler() -> u8 {
    panic!("FIELDSTONE_BUILD_KEY has hexadecimal digits only")
}

/// One block of the `ChaCha8` stream.
#[expect(
    clippy::indexing_slicing,
    reason = "constant places in arrays of constant size; iterators don't run in the compiler"
)]
const fn block(key: &[u8; 32], site: u64, counter: u32) -> [u8; 64] {
    let mut state = [0_u32; 16];
    state[0] = 0x6170_7865;
    state[1] = 0x3320_646e;
    state[2] = 0x7962_2d32;
    state[3] = 0x6b20_6574;
    let mut at = 0;
    while at < 8 {
        state[4 + at] = u32::from_le_bytes([
            key[at * 4],
            key[at * 4 + 1],
            key[at * 4 + 2],
            key[at * 4 + 3],
        ]);
        at += 1;
    }
    state[12] = counter;
    let site = site.to_le_bytes();
    state[14] = u32::from_le_bytes([site[0], site[1], site[2], site[3]]);
    state[15] = u32::from_le_bytes([site[4], site[5], site[6], site[7]]);
    let start = state;
    let mut round = 0;
    while round < 4 {
        state = quarter(state, 0, 4, 8, 12);
        state = quarter(state, 1, 5, 9, 13);
        state = quarter(state, 2, 6, 10, 14);
        state = quarter(state, 3, 7, 11, 15);
        state = quarter(state, 0, 5, 10, 15);
        state = quarter(state, 1, 6, 11, 12);
        state = quarter(state, 2, 7, 8, 13);
        state = quarter(state, 3, 4, 9, 14);
        round += 1;
    }
    let mut bytes = [0; 64];
    let mut at = 0;
    while at < 16 {
        let word = state[at].wrapping_add(start[at]).to_le_bytes();
        bytes[at * 4] = word[0];
        bytes[at * 4 + 1] = word[1];
        bytes[at * 4 + 2] = word[2];
        bytes[at * 4 + 3] = word[3];
        at += 1;
    }
    bytes
}

#[expect(
    clippy::indexing_slicing,
    clippy::many_single_char_names,
    reason = "the quarter round as RFC 8439 writes it"
)]
const fn quarter(mut s: [u32; 16], a: usize, b: usize, c: usize, d: usize) -> [u32; 16] {
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(12);
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(7);
    s
}

#[expect(
    clippy::indexing_slicing,
    reason = "below the lengths of both; iterators don't run in the compiler"
)]
const fn mix<const N: usize>(mut bytes: [u8; N], key: &[u8; 32], site: u64) -> [u8; N] {
    let mut at = 0;
    let mut counter = 0;
    while at < N {
        let stream = block(key, site, counter);
        let mut within = 0;
        while within < 64 && at < N {
            bytes[at] ^= stream[within];
            at += 1;
            within += 1;
        }
        counter += 1;
    }
    bytes
}

/// A number for a place in the sources, so that no two texts meet the same stream (FNV-1a).
#[expect(
    clippy::indexing_slicing,
    reason = "below its length; iterators don't run in the compiler"
)]
#[doc(hidden)]
pub const fn site(file: &str, line: u32, column: u32) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let bytes = file.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash = (hash ^ line as u64).wrapping_mul(0x0100_0000_01b3);
    (hash ^ column as u64).wrapping_mul(0x0100_0000_01b3)
}

/// A hidden text. Made by [`hidden!`](crate::hidden).
#[doc(hidden)]
#[derive(Debug)]
pub struct Hidden<const N: usize> {
    bytes: [u8; N],
    site: u64,
    shown: OnceLock<String>,
}

impl<const N: usize> Hidden<N> {
    /// Encrypts a text. Meant for the compiler.
    #[expect(
        clippy::indexing_slicing,
        reason = "N is the text's length; iterators don't run in the compiler"
    )]
    pub const fn new(text: &str, site: u64) -> Self {
        let mut bytes = [0; N];
        let mut at = 0;
        while at < N {
            bytes[at] = text.as_bytes()[at];
            at += 1;
        }
        Self {
            bytes: mix(bytes, &BUILD_KEY, site),
            site,
            shown: OnceLock::new(),
        }
    }

    /// The text; nothing when the program's code is not what was built.
    pub fn text(&self) -> &str {
        self.shown.get_or_init(|| {
            let bytes = mix(self.bytes, key(), self.site);
            String::from_utf8(bytes.to_vec()).unwrap_or_default()
        })
    }
}

static KEY: OnceLock<[u8; 32]> = OnceLock::new();

fn key() -> &'static [u8; 32] {
    KEY.get_or_init(|| Seal::of_this_program().key(None))
}

/// Tells what the code's bytes come to. Before that, a sealed program reads no hidden text.
pub(crate) fn open(code: [u8; 32]) {
    let seal = Seal::of_this_program();
    let _ = KEY.set(seal.key(seal.is_sealed().then_some(code)));
}

/// A text that doesn't stand in the binary: `hidden!("SELECT …")` is a `&'static str`.
#[macro_export]
macro_rules! hidden {
    ($text:expr) => {{
        const TEXT: &str = $text;
        static HIDDEN: $crate::hide::Hidden<{ TEXT.len() }> =
            $crate::hide::Hidden::new(TEXT, $crate::hide::site(file!(), line!(), column!()));
        HIDDEN.text()
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = concat!(
        "0123456789012345678901234567890123456789012345678901234567890123",
        "and a second block"
    );

    #[test]
    fn hidden_text_comes_back() {
        assert_eq!(
            hidden!("SELECT secret FROM place"),
            "SELECT secret FROM place"
        );
        assert_eq!(hidden!(LONG), LONG);
        assert_eq!(hidden!(""), "");
    }

    #[test]
    fn another_key_reads_nothing() {
        let hidden: Hidden<22> = Hidden::new("twenty-two bytes, as is", 1);
        let other = mix(hidden.bytes, &[7; 32], 1);
        assert_ne!(&other, b"twenty-two bytes, as i");
        assert_eq!(&mix(hidden.bytes, &BUILD_KEY, 1), b"twenty-two bytes, as i");
    }

    #[test]
    fn the_stream_is_chachas() {
        // The first block of ChaCha8 for a key and nonce of zeros (draft-strombergson-chacha-test-vectors, TC1).
        let stream = block(&[0; 32], 0, 0);
        assert_eq!(
            stream[..8],
            [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]
        );
    }
}
