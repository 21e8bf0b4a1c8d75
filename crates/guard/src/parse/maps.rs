//! `/proc/self/maps`: what is mapped where. A line that can't be read is kept as such: it is never skipped in silence.

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// Whether it can be read.
    pub read: bool,
    /// Whether it can be written.
    pub write: bool,
    /// Whether its bytes can be executed.
    pub execute: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The device that the file is on, as the kernel writes it.
    pub device: String,
    /// The file's number; zero when no file is behind it.
    pub inode: u64,
    /// The path or the kernel's name in brackets; empty for anonymous memory.
    pub name: String,
}

/// The end of the name of a file that is no longer where it was.
const DELETED: &str = " (deleted)";

impl Mapping {
    /// Whether a file is behind it.
    pub fn has_file(&self) -> bool {
        self.inode != 0 && self.name.starts_with('/')
    }

    /// Whether the file behind it is gone, or was never in a folder (`memfd_create`).
    pub fn is_deleted(&self) -> bool {
        self.name.ends_with(DELETED) || self.name.starts_with("/memfd:")
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }
}

/// A line that is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line of the memory map can't be read: {0}")]
pub struct Unreadable(pub String);

/// All mappings. Fails at the first line that is none.
pub fn parse(text: &[u8]) -> Result<Vec<Mapping>, Unreadable> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let line = String::from_utf8_lossy(line);
            mapping(&line).ok_or_else(|| Unreadable(line.chars().take(120).collect()))
        })
        .collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
    let (rights, rest) = rest.split_once(' ')?;
    let &[read, write, execute, _] = rights.as_bytes() else {
        return None;
    };
    let (offset, rest) = rest.split_once(' ')?;
    let (device, rest) = rest.split_once(' ')?;
    // The name is padded with spaces to a column and can itself hold any.
    let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
    (start < end).then_some(())?;
    Some(Mapping {
        start,
        end,
        read: read == b'r',
        write: write == b'w',
        execute: execute == b'x',
        offset: hexadecimal(offset)?,
        device: device.to_owned(),
        inode: inode.parse().ok()?,
        name: unescaped(name.trim_start_matches(' ')),
    })
}

fn hexadecimal(text: &str) -> Option<u64> {
    // `from_str_radix` takes a sign, the kernel writes none.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok())?
}

/// The kernel writes a newline in a name as `\012`.
fn unescaped(name: &str) -> String {
    name.replace("\\012", "\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
55d0a1c00000-55d0a1c2e000 r--p 00000000 fe:01 1312                       /usr/bin/app
55d0a1c2e000-55d0a1f00000 r-xp 0002e000 fe:01 1312                       /usr/bin/app
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
7f1000000000-7f1000001000 r-xp 00000000 00:01 2053                       /memfd:frida-agent-64.so (deleted)
7f2000000000-7f2000001000 r-xp 00000000 fe:01 77                         /tmp/a b\\012c
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn lines_of_a_kernel_are_read() {
        let all = parse(TEXT.as_bytes()).unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!(all[1].offset, 0x2e000);
        assert!(all[1].execute && !all[1].write && all[1].has_file() && !all[1].is_deleted());
        assert_eq!(all[2].name, "");
        assert!(all[3].is_deleted());
        assert_eq!(all[4].name, "/tmp/a b\nc");
        assert!(!all[5].has_file());
        assert_eq!(all[0].size(), 0x2e000);
    }

    #[test]
    fn a_line_that_is_none_is_not_skipped() {
        for line in [
            "x",
            "1-2 r-xp",
            "2-1 r-xp 0 a 0",
            "1-2 r-x 0 a 0",
            "+1-2 r-xp 0 a 0",
            "1-2 r-xp 0 a b",
        ] {
            assert!(
                parse(format!("{TEXT}{line}\n").as_bytes()).is_err(),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn an_executable_mapping_is_seen_whatever_its_name(name in "[^\n\0]{0,80}", start in 0_u64..1 << 47, pages in 1_u64..1000) {
            let end = start + pages * 4096;
            let line = format!("{start:x}-{end:x} r-xp 00000000 00:01 7    {name}\n{TEXT}");
            let all = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(all.len(), 7);
            prop_assert!(all[0].execute && all[0].start == start && all[0].end == end);
        }
    }
}
