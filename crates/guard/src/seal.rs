//! The seal: digests of the program's own code, written into a finished binary. `cargo xtask dist` does that, and knows this layout.
//!
//! Everything here is in the open file. Whoever changes the code and knows how can seal it anew: the seal finds what was changed by
//! somebody who doesn't, or in memory.

use sha2::{Digest as _, Sha256};

/// Code is digested in pieces of this many bytes, so that one look can take one.
pub(crate) const PIECE: usize = 256 << 10;
/// The most pieces there is room for.
pub(crate) const PIECES_MAX: usize = 512;
/// Bytes of a piece's digest that are kept.
pub(crate) const DIGEST: usize = 16;

/// What finds the seal in a file.
const MAGIC: [u8; 16] = *b"\x93Seal\x1a\x00\xf7of\xc3code\x04";
/// The seal was made.
const SEALED: u64 = 0x5ea1_ed00_c0de_0001;

/// The seal as it lies in the binary. Numbers are little-endian, as on every system that this is built for.
#[repr(C)]
#[derive(Clone, Copy)]
struct Layout {
    magic: [u8; 16],
    state: u64,
    /// Where in the file the code begins, and how long it is.
    offset: u64,
    length: u64,
    /// The digest of the rest of the file, with the seal's own bytes left out.
    rest: [u8; 32],
    /// The key of hidden text, mixed with what comes of the code once it is sealed.
    mask: [u8; 32],
    /// Where in the file this begins.
    place: u64,
    pieces: [[u8; DIGEST]; PIECES_MAX],
}

#[used]
#[expect(
    unsafe_code,
    reason = "a section of its own, so that a finished file can be found to have exactly one"
)]
#[cfg_attr(
    any(target_os = "macos", target_os = "ios"),
    unsafe(link_section = "__DATA,__seal")
)]
#[cfg_attr(
    not(any(target_os = "macos", target_os = "ios")),
    unsafe(link_section = ".fsseal")
)]
static SEAL: Layout = Layout {
    magic: MAGIC,
    state: 0,
    offset: 0,
    length: 0,
    rest: [0; 32],
    mask: crate::hide::BUILD_KEY,
    place: 0,
    pieces: [[0; DIGEST]; PIECES_MAX],
};

/// The seal of this program.
#[derive(Clone)]
pub struct Seal(Box<Layout>);

impl Seal {
    /// Reads it as it is in memory.
    pub fn of_this_program() -> Self {
        #[expect(
            unsafe_code,
            reason = "the static is initialised and never written by the program; read as volatile because the finished file holds other \
                      bytes than the compiler put there"
        )]
        // SAFETY: the reference is to a static of this very type.
        let layout = unsafe { std::ptr::read_volatile(&raw const SEAL) };
        Self(Box::new(layout))
    }

    /// Whether the binary was sealed.
    pub fn is_sealed(&self) -> bool {
        self.0.state == SEALED
    }

    /// Where in the file the code begins.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// How many bytes of code there are.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// How many pieces the code has.
    pub fn pieces(&self) -> usize {
        usize::try_from(self.0.length.div_ceil(PIECE as u64))
            .map_or(PIECES_MAX, |count| count.min(PIECES_MAX))
    }

    /// The bytes of code of a piece, by their place in the file.
    pub fn piece_range(&self, piece: usize) -> Option<(u64, usize)> {
        let start = u64::try_from(piece.checked_mul(PIECE)?).ok()?;
        let left = self.0.length.checked_sub(start)?;
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        Some((self.0.offset.checked_add(start)?, length))
    }

    /// Whether this is the digest that the bytes of a piece had when it was sealed.
    pub(crate) fn is_piece(&self, piece: usize, digest: &[u8; 32]) -> bool {
        let known = self.0.pieces.get(piece);
        known.is_some_and(|known| digest.starts_with(known))
    }

    /// The key of hidden text, given what the code's bytes come to. Wrong when the code isn't what was sealed.
    pub(crate) fn key(&self, code: Option<[u8; 32]>) -> [u8; 32] {
        let mut key = self.0.mask;
        if let Some(code) = code {
            for (byte, of_code) in key.iter_mut().zip(code) {
                *byte ^= of_code;
            }
        }
        key
    }

    /// Whether the rest of the file, read piece by piece, is what was sealed. `None` when it can't be read.
    pub fn is_rest(&self, read: impl Fn(u64, &mut [u8]) -> Option<usize>) -> Option<bool> {
        let mut digest = Sha256::new();
        let mut buffer = vec![0; PIECE];
        let mut offset = 0_u64;
        let code = self.0.offset..self.0.offset.saturating_add(self.0.length);
        let own = self.0.place..self.0.place.saturating_add(size_of::<Layout>() as u64);
        loop {
            // Code has digests of its own.
            if code.contains(&offset) {
                offset = code.end;
            }
            if own.contains(&offset) {
                offset = own.end;
                continue;
            }
            let until = [code.start, own.start]
                .into_iter()
                .filter(|start| *start > offset)
                .min()
                .unwrap_or(u64::MAX);
            let most = usize::try_from(until - offset).map_or(PIECE, |most| most.min(PIECE));
            let count = read(offset, buffer.get_mut(..most)?)?;
            if count == 0 {
                break;
            }
            digest.update(buffer.get(..count)?);
            offset = offset.checked_add(u64::try_from(count).ok()?)?;
        }
        Some(digest.finalize().as_slice() == self.0.rest)
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal")
            .field("sealed", &self.is_sealed())
            .finish_non_exhaustive()
    }
}

/// What the bytes of code come to: one digest over those of the pieces.
#[derive(Debug, Default)]
pub(crate) struct Sum(Sha256);

impl Sum {
    /// Adds a piece, and answers what `judge` says of its digest.
    pub(crate) fn add(&mut self, piece: &[u8], judge: impl FnOnce(&[u8; 32]) -> bool) -> bool {
        let digest = Sha256::digest(piece).into();
        self.0.update(digest);
        judge(&digest)
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_nobody_sealed_says_so() {
        let seal = Seal::of_this_program();
        assert!(!seal.is_sealed());
        assert_eq!(seal.pieces(), 0);
        assert_eq!(seal.key(None), crate::hide::BUILD_KEY);
    }

    #[test]
    fn the_rest_leaves_code_and_seal_out() {
        let mut seal = Seal::of_this_program();
        let size = size_of::<Layout>();
        let mut file: Vec<u8> = (0..=255).cycle().take(size + 5000).collect();
        seal.0.place = 100;
        seal.0.offset = u64::try_from(size).unwrap() + 1000;
        seal.0.length = 700;
        let mut rest = file[..100].to_vec();
        rest.extend(&file[100 + size..size + 1000]);
        rest.extend(&file[size + 1700..]);
        seal.0.rest = Sha256::digest(&rest).into();
        let check = |file: &[u8]| {
            seal.is_rest(|offset, into| {
                let start = usize::try_from(offset).ok()?.min(file.len());
                let count = into.len().min(file.len() - start);
                into[..count].copy_from_slice(&file[start..start + count]);
                Some(count)
            })
        };
        assert_eq!(check(&file), Some(true));
        file[size + 1200] ^= 1;
        file[150] ^= 1;
        assert_eq!(check(&file), Some(true));
        for at in [5, size + 500, size + 4999] {
            file[at] ^= 1;
            assert_eq!(check(&file), Some(false), "{at}");
            file[at] ^= 1;
        }
    }
}
