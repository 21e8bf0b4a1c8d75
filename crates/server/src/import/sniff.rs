//! What a file is, by how it begins: whatever it is called.

/// Bytes that are looked at.
const LOOKED_AT: usize = 64 * 1024;

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// Text, perhaps with delimiters.
    Text,
    /// A workbook of today (a ZIP archive).
    Workbook,
    /// A workbook as they were written until 2007.
    OldWorkbook,
    /// Something without rows: a picture, a document, a packed file.
    Other,
}

/// Looks at the beginning of a file.
pub(crate) fn sniff(head: &[u8]) -> Looks {
    const OTHERS: [&[u8]; 4] = [b"%PDF", b"\x1f\x8b", b"{\\rtf", b"PK\x05\x06"];
    let head = head.get(..LOOKED_AT).unwrap_or(head);
    if head.starts_with(b"PK\x03\x04") {
        return Looks::Workbook;
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Looks::OldWorkbook;
    }
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let is_binary = !has_mark && head.contains(&0);
    if is_binary || OTHERS.iter().any(|other| head.starts_with(other)) {
        return Looks::Other;
    }
    Looks::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_what_they_hold() {
        for (head, looks) in [
            (&b"name;city\nA;B\n"[..], Looks::Text),
            (b"\xef\xbb\xbfname", Looks::Text),
            (b"\xff\xfen\0a\0", Looks::Text),
            (b"", Looks::Text),
            (b"PK\x03\x04\x14\0", Looks::Workbook),
            (b"PK\x05\x06\0\0", Looks::Other),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", Looks::OldWorkbook),
            (b"%PDF-1.7\n", Looks::Other),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Looks::Other),
            (b"\x1f\x8b\x08", Looks::Other),
            (b"n\0a\0m\0e\0", Looks::Other),
        ] {
            assert_eq!(sniff(head), looks, "{head:?}");
        }
    }
}
