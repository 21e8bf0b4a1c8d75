//! ELF files of 64 bits, little-endian: which bytes are loaded where, and where functions begin. Read in parts, since libraries are large.

/// Reads bytes of the file at an offset; `false` when it doesn't have them.
pub type Read<'a> = dyn Fn(u64, &mut [u8]) -> bool + 'a;

/// Largest table that is read.
const TABLE_MAX: u64 = 8 << 20;
/// `PT_LOAD`
const LOAD: u32 = 1;
/// `SHT_DYNSYM`
const DYNAMIC_SYMBOLS: u32 = 11;
/// `STT_FUNC`; indirect functions (`STT_GNU_IFUNC`) have no one place.
const FUNCTION: u8 = 2;

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where in the file.
    pub offset: u64,
    /// Where in memory, before the file is moved to where there is room.
    pub address: u64,
    /// How many bytes of the file.
    pub size: u64,
    /// Whether it is executed.
    pub execute: bool,
}

/// A function that others can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where in memory, before the file is moved.
    pub address: u64,
    /// Where in the file.
    pub offset: u64,
}

/// The parts of the file that are loaded. `None` when it is no such file.
pub fn segments(read: &Read<'_>) -> Option<Vec<Segment>> {
    let header = header(read)?;
    let table = table(
        read,
        header.programs,
        header.program_size,
        header.program_count,
    )?;
    let entries = table.chunks_exact(usize::from(header.program_size));
    let found = entries.filter_map(|entry| {
        (word(entry, 0)? == LOAD).then_some(())?;
        Some(Segment {
            offset: long(entry, 8)?,
            address: long(entry, 16)?,
            size: long(entry, 32)?,
            execute: word(entry, 4)? & 1 != 0,
        })
    });
    Some(found.collect())
}

/// Where the functions named `wanted` begin, those that there are.
pub fn functions(read: &Read<'_>, wanted: &[&str]) -> Option<Vec<Function>> {
    let segments = segments(read)?;
    let header = header(read)?;
    let table_bytes = table(
        read,
        header.sections,
        header.section_size,
        header.section_count,
    )?;
    let sections: Vec<&[u8]> = table_bytes
        .chunks_exact(usize::from(header.section_size))
        .collect();
    let symbols = sections
        .iter()
        .find(|section| word(section, 4) == Some(DYNAMIC_SYMBOLS))?;
    let names = sections.get(usize::try_from(word(symbols, 40)?).ok()?)?;
    let names = part(read, long(names, 24)?, long(names, 32)?)?;
    let symbols = part(read, long(symbols, 24)?, long(symbols, 32)?)?;
    let found = symbols.chunks_exact(24).filter_map(|symbol| {
        let kind = symbol.get(4)? & 15;
        let address = long(symbol, 8)?;
        (kind == FUNCTION && address != 0).then_some(())?;
        let name = names.get(usize::try_from(word(symbol, 0)?).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        let name = wanted.iter().find(|wanted| wanted.as_bytes() == name)?;
        let segment = segments.iter().find(|segment| {
            segment.execute
                && address >= segment.address
                && address - segment.address < segment.size
        })?;
        Some(Function {
            name: (*name).to_owned(),
            address,
            offset: segment.offset.checked_add(address - segment.address)?,
        })
    });
    Some(found.collect())
}

struct Header {
    programs: u64,
    program_size: u16,
    program_count: u16,
    sections: u64,
    section_size: u16,
    section_count: u16,
}

fn header(read: &Read<'_>) -> Option<Header> {
    let mut bytes = [0; 64];
    read(0, &mut bytes).then_some(())?;
    // 64 bits, little-endian.
    bytes.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let header = Header {
        programs: long(&bytes, 32)?,
        sections: long(&bytes, 40)?,
        program_size: half(&bytes, 54)?,
        program_count: half(&bytes, 56)?,
        section_size: half(&bytes, 58)?,
        section_count: half(&bytes, 60)?,
    };
    // What every file of this kind has; a zero here would divide nothing into pieces.
    (header.program_size >= 56 && header.section_size >= 64).then_some(header)
}

fn table(read: &Read<'_>, offset: u64, size: u16, count: u16) -> Option<Vec<u8>> {
    part(read, offset, u64::from(size) * u64::from(count))
}

fn part(read: &Read<'_>, offset: u64, size: u64) -> Option<Vec<u8>> {
    (size <= TABLE_MAX).then_some(())?;
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    read(offset, &mut bytes).then_some(bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> impl Fn(u64, &mut [u8]) -> bool + '_ {
        |offset, into| {
            let Some(start) = usize::try_from(offset).ok() else {
                return false;
            };
            let found = start
                .checked_add(into.len())
                .and_then(|end| bytes.get(start..end));
            found.is_some_and(|found| {
                into.copy_from_slice(found);
                true
            })
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn functions_of_the_c_library_are_found() {
        let maps = std::fs::read("/proc/self/maps").unwrap();
        let maps = crate::parse::maps::parse(&maps).unwrap();
        let library = maps
            .iter()
            .find(|map| map.name.contains("/libc.so"))
            .unwrap();
        let bytes = std::fs::read(&library.name).unwrap();
        let found = functions(&of(&bytes), &["open", "connect", "no such function"]).unwrap();
        assert!(found.iter().any(|function| function.name == "open"));
        assert!(found.iter().any(|function| function.name == "connect"));
        assert!(
            found
                .iter()
                .all(|function| function.name != "no such function")
        );
        assert!(
            segments(&of(&bytes))
                .unwrap()
                .iter()
                .any(|segment| segment.execute)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.extend(&bytes);
            let _ = functions(&of(&file), &["open"]);
            let _ = functions(&of(&bytes), &["open"]);
        }

        #[test]
        fn tables_that_point_anywhere_are_taken(fields in prop::collection::vec(any::<u64>(), 8), small in prop::collection::vec(0_u64..512, 40)) {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.extend([0; 26]);
            file.extend(small[0].to_le_bytes());
            file.extend(small[1].to_le_bytes());
            file.extend([0; 6]);
            for count in [56_u16, 4, 64, 4, 0] {
                file.extend(count.to_le_bytes());
            }
            for field in small.iter().chain(&fields) {
                file.extend(field.to_le_bytes());
            }
            let _ = functions(&of(&file), &["open"]);
        }
    }
}
