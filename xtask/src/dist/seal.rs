//! Seals a finished binary: writes digests of its code into it, and mixes the key of hidden text with them. `crates/guard/src/seal.rs` has the
//! other side of this layout, and reads it when the program starts.

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::elf;

const MAGIC: [u8; 16] = *b"\x93Seal\x1a\x00\xf7of\xc3code\x04";
const SEALED: u64 = 0x5ea1_ed00_c0de_0001;
const PIECE: usize = 256 << 10;
const PIECES_MAX: usize = 512;
const DIGEST: usize = 16;

/// Where things are in the seal.
const STATE: usize = 16;
const OFFSET: usize = 24;
const LENGTH: usize = 32;
const REST: usize = 40;
const MASK: usize = 72;
const PLACE: usize = 104;
const PIECES: usize = 112;
const SIZE: usize = PIECES + PIECES_MAX * DIGEST;

/// What was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Bytes of code.
    pub(super) code: u64,
    /// Pieces that they are digested in.
    pub(super) pieces: usize,
}

/// Seals a program whose hidden text was encrypted with `key`.
pub(super) fn seal(file: &mut [u8], key: &[u8; 32]) -> anyhow::Result<Sealed> {
    let places: Vec<usize> = file
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MAGIC)
        .map(|(at, _)| at)
        .collect();
    let &[place] = places.as_slice() else {
        anyhow::bail!(
            "the program has {} seals where there should be one",
            places.len()
        );
    };
    ensure!(file.len() >= place + SIZE, "the seal is cut off");
    ensure!(
        get(file, place + MASK, 32)? == key,
        "the program was built with another key"
    );
    ensure!(
        get(file, place + STATE, 8)? == [0; 8],
        "the program is sealed already"
    );
    let code = elf::code(file)?;
    let (start, length) = (usize::try_from(code.offset)?, usize::try_from(code.size)?);
    let bytes = get(file, start, length)?;
    let digests: Vec<[u8; 32]> = bytes
        .chunks(PIECE)
        .map(|piece| Sha256::digest(piece).into())
        .collect();
    ensure!(
        digests.len() <= PIECES_MAX,
        "there is more code than the seal has room for"
    );
    let mut sum = Sha256::new();
    for digest in &digests {
        sum.update(digest);
    }
    let mask: Vec<u8> = key
        .iter()
        .zip(sum.finalize())
        .map(|(key, of_code)| key ^ of_code)
        .collect();
    put(file, place + STATE, &SEALED.to_le_bytes())?;
    put(file, place + OFFSET, &code.offset.to_le_bytes())?;
    put(file, place + LENGTH, &code.size.to_le_bytes())?;
    put(file, place + MASK, &mask)?;
    put(file, place + PLACE, &u64::try_from(place)?.to_le_bytes())?;
    for (index, digest) in digests.iter().enumerate() {
        let kept = digest.get(..DIGEST).context("a digest of 32 bytes")?;
        put(file, place + PIECES + index * DIGEST, kept)?;
    }
    // Everything that is neither code nor the seal.
    let mut rest = Sha256::new();
    let mut gaps = [(start, start + length), (place, place + SIZE)];
    gaps.sort_unstable();
    let mut from = 0;
    for (begin, end) in gaps {
        rest.update(file.get(from..begin).context("code and seal overlap")?);
        from = end;
    }
    rest.update(file.get(from..).unwrap_or_default());
    put(file, place + REST, &rest.finalize())?;
    Ok(Sealed {
        code: code.size,
        pieces: digests.len(),
    })
}

fn get(file: &[u8], at: usize, length: usize) -> anyhow::Result<&[u8]> {
    file.get(at..at + length).context("the file ends too early")
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) -> anyhow::Result<()> {
    file.get_mut(at..at + bytes.len())
        .context("the file ends too early")?
        .copy_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_seal_is_refused() {
        let mut file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        // This test knows the mark, and so does its program.
        for at in 0..file.len() - MAGIC.len() {
            if file[at..at + MAGIC.len()] == MAGIC {
                file[at] ^= 1;
            }
        }
        let error = seal(&mut file, &[7; 32]).unwrap_err();
        assert!(error.to_string().contains("0 seals"), "{error}");
    }

    #[test]
    fn a_seal_is_made_once_and_with_the_right_key() {
        // A small program: header, one part of code, and a seal behind it.
        let mut file = vec![0; 4096 + 5000];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&1_u16.to_le_bytes());
        file[64..68].copy_from_slice(&1_u32.to_le_bytes());
        file[68..72].copy_from_slice(&5_u32.to_le_bytes());
        file[72..80].copy_from_slice(&4096_u64.to_le_bytes());
        file[96..104].copy_from_slice(&5000_u64.to_le_bytes());
        let place = file.len();
        file.extend(MAGIC);
        file.extend([0; SIZE - 16]);
        file[place + MASK..place + PLACE].copy_from_slice(&[7; 32]);
        assert!(seal(&mut file.clone(), &[8; 32]).is_err());
        let sealed = seal(&mut file, &[7; 32]).unwrap();
        assert_eq!(
            sealed,
            Sealed {
                code: 5000,
                pieces: 1
            }
        );
        assert_ne!(file[place + MASK..place + PLACE], [7; 32]);
        assert_eq!(
            file[place + PIECES..place + PIECES + DIGEST],
            Sha256::digest(&file[4096..9096])[..DIGEST]
        );
        assert!(seal(&mut file, &[7; 32]).is_err());
    }
}
