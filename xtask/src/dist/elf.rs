//! As much of ELF as a release needs: where its code is, and how many symbols it still has. 64 bits, little-endian.

use anyhow::{Context as _, ensure};

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) execute: bool,
}

/// The parts that are loaded.
pub(super) fn segments(file: &[u8]) -> anyhow::Result<Vec<Segment>> {
    ensure!(
        file.starts_with(b"\x7fELF\x02\x01"),
        "this is no ELF file of 64 bits"
    );
    let (start, size, count) = (
        number(file, 32, 8)?,
        number(file, 54, 2)?,
        number(file, 56, 2)?,
    );
    let mut found = Vec::new();
    for index in 0..count {
        let at = usize::try_from(start + index * size)?;
        // PT_LOAD
        if number(file, at, 4)? == 1 {
            found.push(Segment {
                offset: number(file, at + 8, 8)?,
                size: number(file, at + 32, 8)?,
                execute: number(file, at + 4, 4)? & 1 != 0,
            });
        }
    }
    Ok(found)
}

/// Where the code is. There is one such part in what our linker makes.
pub(super) fn code(file: &[u8]) -> anyhow::Result<Segment> {
    let segments = segments(file)?;
    let mut code = segments.into_iter().filter(|segment| segment.execute);
    let one = code.next().context("the program has no code")?;
    ensure!(
        code.next().is_none(),
        "the program's code is in several parts"
    );
    Ok(one)
}

/// How many symbols there are: of the program's own, and of what it takes from libraries.
pub(super) fn symbols(file: &[u8]) -> anyhow::Result<(u64, u64)> {
    let (start, size, count) = (
        number(file, 40, 8)?,
        number(file, 58, 2)?,
        number(file, 60, 2)?,
    );
    let (mut own, mut imported) = (0, 0);
    for index in 0..count {
        let at = usize::try_from(start + index * size)?;
        let entries = number(file, at + 32, 8)? / 24;
        match number(file, at + 4, 4)? {
            // SHT_SYMTAB and SHT_DYNSYM; their first entry is empty.
            2 => own += entries.saturating_sub(1),
            11 => imported += entries.saturating_sub(1),
            _ => {}
        }
    }
    Ok((own, imported))
}

fn number(file: &[u8], at: usize, length: usize) -> anyhow::Result<u64> {
    let bytes = file
        .get(at..at + length)
        .context("the file ends too early")?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_code_and_symbols() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let code = code(&file).unwrap();
        assert!(code.size > 4096 && code.offset + code.size <= file.len() as u64);
        let (own, imported) = symbols(&file).unwrap();
        assert!(own > imported && imported > 0);
        assert!(segments(b"no program").is_err());
    }
}
