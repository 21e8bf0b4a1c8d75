//! The full-text index of SQLite: how tokens are written into it and looked for, so that it finds exactly what beginnings of tokens find.
//!
//! SQLite's FTS5 holds one document for each record: its tokens, each with the object's prefix before it, so that one index serves all
//! objects. Its `ascii` tokenizer leaves everything alone that isn't ASCII; all ASCII punctuation is declared to be part of tokens.

use fieldstone_model::Object;

use super::{Param, Sql};
use crate::write::search_words;

/// The table's name; its row ids are the `rid` of the records.
pub const TABLE: &str = "search";

/// The statement that makes the index under a name.
///
/// Of texts, nothing but which record has which token is kept, not even where.
pub fn create_table(name: &str) -> String {
    let punctuation: String = (33_u8..127)
        .filter(u8::is_ascii_punctuation)
        .map(char::from)
        .collect();
    // A text inside a text inside SQL: quotes double at each level.
    let characters = punctuation.replace('\'', "''").replace('"', "\"\"");
    format!(
        "CREATE VIRTUAL TABLE \"{name}\" USING fts5(token, content='', contentless_delete=1, detail=none, \
         tokenize=\"ascii tokenchars '{characters}'\")"
    )
}

/// The document of a record with these tokens.
pub fn document(object: &Object, tokens: &[String]) -> String {
    let mut document = String::with_capacity(tokens.iter().map(|token| token.len() + 4).sum());
    for token in tokens {
        if !document.is_empty() {
            document.push(' ');
        }
        push_token(&mut document, object, token);
    }
    document
}

/// The expression that finds the records of `object` with a token that begins with `word`.
pub fn expression(object: &Object, word: &str) -> String {
    let mut token = String::with_capacity(word.len() + 4);
    push_token(&mut token, object, word);
    format!("\"{}\" *", token.replace('"', "\"\""))
}

/// For each word of a search: how many records have it, counted up to `most`.
pub fn bounded_counts(object: &Object, search: &str, most: u32) -> Vec<Sql> {
    let count = |word: &String| Sql {
        text: format!(
            "SELECT count(*) FROM (SELECT 1 FROM \"{TABLE}\" WHERE \"{TABLE}\" MATCH ?1 LIMIT {most}) c"
        ),
        params: vec![Param::Text(expression(object, word))],
    };
    search_words(search).iter().map(count).collect()
}

/// A space inside a token (some addresses decompose to one) becomes a character that folded text never has.
fn push_token(out: &mut String, object: &Object, token: &str) {
    // Prefixes of objects differ by case, which the tokenizer would fold away: each byte is written as its number.
    for byte in object.prefix {
        out.push(char::from(b'a' + (byte >> 4)));
        out.push(char::from(b'a' + (byte & 15)));
    }
    out.extend(token.chars().map(|c| if c == ' ' { '\u{A0}' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::Registry;

    #[test]
    fn tokens_carry_their_object_and_hold_together() {
        let registry = Registry::standard();
        let lead = registry.object("lead").unwrap();
        let tokens = ["a \"b\"".to_owned(), "acme".to_owned()];
        assert_eq!(document(lead, &tokens), "dadafba\u{A0}\"b\" dadafbacme");
        assert_eq!(expression(lead, "a\"b"), "\"dadafba\"\"b\" *");
    }
}
