//! Cells for spreadsheets that read CSV: none of them is taken for a formula (OWASP: CSV injection).

use std::borrow::Cow;

/// A cell that no spreadsheet runs. A cell may end earlier than the file says: where lists are separated by semicolons, a program splits a
/// comma-separated file at those. What could be a formula there gets an apostrophe in front. A number stays a number.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let mut safe = String::new();
    let mut copied = 0;
    for start in starts(text) {
        let rest = text.get(start..).unwrap_or_default();
        if is_risky(rest) {
            safe.push_str(text.get(copied..start).unwrap_or_default());
            safe.push('\'');
            copied = start;
        }
    }
    if safe.is_empty() {
        return Cow::Borrowed(text);
    }
    safe.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(safe)
}

/// Takes back what [`harmless`] did.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut copied = 0;
    for start in starts(text) {
        let rest = text.get(start..).unwrap_or_default();
        if rest.starts_with('\'') && is_risky(rest) {
            plain.push_str(text.get(copied..start).unwrap_or_default());
            copied = start + 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    plain.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(plain)
}

/// Where a cell may begin: at the beginning, and after what may separate cells.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    let after = text.match_indices([';', '\t']).map(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        at + 1 + (rest.len() - rest.trim_start_matches(' ').len())
    });
    std::iter::once(0).chain(after)
}

/// Whether a cell that begins with this would be a formula, now or once an apostrophe before it is taken away.
fn is_risky(rest: &str) -> bool {
    let bare = rest.trim_start_matches('\'');
    let cell = bare.split([';', '\t']).next().unwrap_or_default();
    let is_number = bare.len() == rest.len()
        && cell.strip_prefix('-').is_some_and(|digits| {
            !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        });
    bare.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-x", "'-x"),
            ("@x", "'@x"),
            ("\rx", "'\rx"),
            ("\nx", "'\nx"),
            ("-", "'-"),
            ("'=1", "''=1"),
            ("x;=1+1", "x;'=1+1"),
            ("x; =1+1;@y", "x; '=1+1;'@y"),
            ("a\t-b", "a\t'-b"),
            ("-12.50", "-12.50"),
            ("a; -5; b", "a; -5; b"),
            ("plain - text; and more", "plain - text; and more"),
            ("'quoted'", "'quoted'"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected, "{text:?}");
            assert_eq!(unescape(&harmless(text)), text, "{text:?}");
        }
    }
}
