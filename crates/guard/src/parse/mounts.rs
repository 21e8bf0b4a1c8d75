//! `/proc/self/mountinfo`: which file system is mounted where, and whether it can be written to.

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The part of the file system that is mounted.
    pub root: String,
    /// Where.
    pub point: String,
    /// Whether it can be written to, by its own options.
    pub writable: bool,
    /// The kind of file system.
    pub kind: String,
    /// The device or name behind it.
    pub source: String,
}

/// All mounts. What can't be read is left out: a mount is a sign of a rooted device, and others remain.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(mount)
        .collect()
}

fn mount(line: &str) -> Option<Mount> {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let mut right = right.split(' ');
    Some(Mount {
        root: unescaped(left.next()?),
        point: unescaped(left.next()?),
        writable: left.next()?.split(',').any(|option| option == "rw"),
        kind: right.next()?.to_owned(),
        source: unescaped(right.next().unwrap_or_default()),
    })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            .filter(u8::is_ascii);
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_a_kernel_are_read() {
        let text = b"36 35 98:0 / /system rw,noatime shared:1 - ext4 /dev/block/dm-0 rw\n\
            40 36 0:33 /x /sys\\040tem/bin ro - tmpfs magisk ro\nrubbish\n";
        let all = parse(text);
        assert_eq!(all.len(), 2);
        assert!(all[0].writable && all[0].kind == "ext4");
        assert_eq!(all[1].point, "/sys tem/bin");
        assert!(!all[1].writable && all[1].source == "magisk");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in ".{0,40} - .{0,20}\\\\.{0,5}") {
            let _ = parse(&bytes);
            let _ = parse(text.as_bytes());
            let _ = unescaped(&text);
        }
    }
}
