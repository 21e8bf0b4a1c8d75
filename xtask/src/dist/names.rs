//! The names that our sources give to things, to see how many of them can be read in a program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What stands before a name where it is given.
const BEFORE: [&str; 8] = [
    "fn", "struct", "enum", "trait", "mod", "type", "const", "static",
];

/// Names of functions, types, modules, constants, fields and variants of the crates that are in the program, which are ours alone: long, and
/// of several words.
pub(super) fn of_sources(root: &Path, files: &[String]) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in files {
        let in_program = ["client", "guard", "protocol", "store", "model"]
            .iter()
            .any(|package| file.starts_with(&format!("crates/{package}/src/")));
        if in_program {
            let text = fs::read_to_string(root.join(file))?;
            // Tests aren't in the program.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            names.extend(given(text).filter(|name| is_telling(name)));
        }
    }
    Ok(names)
}

/// The names that a text of Rust gives.
fn given(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            let words: Vec<&str> = line
                .split(|character: char| {
                    !character.is_alphanumeric() && character != '_' && character != ':'
                })
                .filter(|word| !word.is_empty())
                .collect();
            let after_keyword = words.windows(2).filter_map(|pair| match pair {
                [before, name] if BEFORE.contains(before) => {
                    Some((*name).trim_matches(':').to_owned())
                }
                _ => None,
            });
            let after_keyword: Vec<String> = after_keyword.collect();
            // A field, or a variant on a line of its own.
            let first = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ");
            let name: String = first
                .chars()
                .take_while(|character| character.is_alphanumeric() || *character == '_')
                .collect();
            let rest = first.get(name.len()..).unwrap_or_default();
            let is_field =
                rest.starts_with(": ") || rest == "," || rest.starts_with('(') || rest == " {";
            after_keyword
                .into_iter()
                .chain((is_field && !name.is_empty()).then_some(name))
        })
}

/// Whether a name says something by itself: of several words, so that it isn't a word of the language or of somebody else.
fn is_telling(name: &str) -> bool {
    let humps = name
        .chars()
        .skip(1)
        .filter(|character| character.is_uppercase())
        .count();
    let words = name.trim_matches('_').contains('_');
    name.len() >= 8 && (words || (humps > 0 && name.chars().any(char::is_lowercase)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_are_given() {
        let text = "pub struct LoginKey(u8);\n    fn keep_journal(&self) {}\n    pub session_token: u8,\n    // fn not_this_one\n    TooLongOffline,\nlet x = 1;";
        let names: Vec<String> = given(text).filter(|name| is_telling(name)).collect();
        assert_eq!(
            names,
            [
                "LoginKey",
                "keep_journal",
                "session_token",
                "TooLongOffline"
            ]
        );
    }
}
