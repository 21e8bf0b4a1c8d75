//! Folding: the one definition of "the same text" for sorting, filtering and searching.
//!
//! Both databases compare only what these functions made, byte by byte, so a device and the platform always agree.

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest folded key kept, in bytes; PostgreSQL refuses index entries of more than about 2,700.
pub const KEY_MAX: usize = 400;

/// Folds text for comparison: compatibility-decomposed, without accents or case, single spaces, at most [`KEY_MAX`] bytes.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return fold_ascii(text);
    }
    let mut key = String::with_capacity(text.len().min(KEY_MAX));
    let mut pending_space = false;
    for c in text
        .nfkd()
        .default_case_fold()
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
    {
        if c.is_whitespace() || c.is_control() {
            pending_space = !key.is_empty();
            continue;
        }
        if key.len() + c.len_utf8() + usize::from(pending_space) > KEY_MAX {
            break;
        }
        if std::mem::take(&mut pending_space) {
            key.push(' ');
        }
        key.push(c);
    }
    key
}

fn fold_ascii(text: &str) -> String {
    let mut key = String::with_capacity(text.len().min(KEY_MAX));
    let mut pending_space = false;
    for byte in text.bytes() {
        if byte.is_ascii_whitespace() || byte.is_ascii_control() {
            pending_space = !key.is_empty();
            continue;
        }
        if key.len() + 1 + usize::from(pending_space) > KEY_MAX {
            break;
        }
        if std::mem::take(&mut pending_space) {
            key.push(' ');
        }
        key.push(char::from(byte.to_ascii_lowercase()));
    }
    key
}

/// The digits of a phone number, so that `+49 (30) 123-45` and `0049 30 12345` are found by `3012345`.
pub fn fold_phone(text: &str) -> String {
    let digits: String = text
        .chars()
        .filter_map(|c| c.to_digit(10))
        .filter_map(|d| char::from_digit(d, 10))
        .take(32)
        .collect();
    digits
        .strip_prefix("00")
        .map_or_else(|| digits.clone(), str::to_owned)
}

/// The words of a text for the search index: folded, at most 40 bytes each, without duplicates, at most `limit`.
pub fn words(text: &str, limit: usize) -> Vec<String> {
    let folded = fold(text);
    let mut words: Vec<String> = Vec::new();
    for word in folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        let end = (0..=word.len().min(40))
            .rev()
            .find(|at| word.is_char_boundary(*at))
            .unwrap_or(0);
        let word = word.get(..end).unwrap_or_default();
        if !words.iter().any(|w| w == word) {
            words.push(word.to_owned());
        }
        if words.len() == limit {
            break;
        }
    }
    words
}

/// The smallest text greater than every text that starts with `prefix`, for a half-open range scan.
///
/// `None` when there is none (an empty prefix).
pub fn prefix_end(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            '\u{10FFFF}' => None,
            c => char::from_u32(u32::from(c) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folds_case_accents_and_spaces() {
        assert_eq!(fold("  Café   MÜLLER\t& Söhne "), "cafe muller & sohne");
        assert_eq!(fold("Straße"), "strasse");
        assert_eq!(fold("ﬁne"), "fine");
    }

    #[test]
    fn phone_numbers_fold_to_digits() {
        assert_eq!(fold_phone("+49 (30) 123-45"), "493012345");
        assert_eq!(fold_phone("0049 30 12345"), "493012345");
    }

    #[test]
    fn splits_words_once() {
        assert_eq!(words("GTX-Plus Basic, gtx", 10), ["gtx", "plus", "basic"]);
    }

    proptest! {
        #[test]
        fn folding_is_idempotent_and_bounded(text in "\\PC{0,300}") {
            let once = fold(&text);
            prop_assert!(once.len() <= KEY_MAX);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn ascii_path_agrees_with_the_general_one(text in "[ -~\\t]{0,60}") {
            let general = fold(&format!("{text}é"));
            let ascii = fold(&format!("{text}e"));
            prop_assert_eq!(general, ascii);
        }

        #[test]
        fn prefix_end_bounds_every_extension(prefix in "\\PC{1,8}", rest in "\\PC{0,8}") {
            let end = prefix_end(&prefix).unwrap();
            let text = format!("{prefix}{rest}");
            prop_assert!(text.as_str() >= prefix.as_str() && text < end);
        }
    }
}
