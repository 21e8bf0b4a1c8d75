//! The names that our sources give to things, to see how many of them can be read in a program, and to write over those that nothing needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

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

/// Takes away the names that others use as well: their texts stand in the program, too.
pub(super) fn take_away_others(
    names: &mut BTreeSet<String>,
    folders: &[PathBuf],
) -> anyhow::Result<()> {
    let mut folders = folders.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let bytes =
                    fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                let text = String::from_utf8_lossy(&bytes);
                for word in text.split(|it: char| !it.is_alphanumeric() && it != '_') {
                    names.remove(word);
                }
            }
        }
    }
    Ok(())
}

/// Those of the names that only messages for programmers have: names of types and variants that no message between programs carries, and
/// that no text of ours has.
pub(super) fn for_programmers(
    root: &Path,
    files: &[String],
    names: &BTreeSet<String>,
) -> anyhow::Result<Vec<String>> {
    let mut needed = Needed::default();
    for file in files {
        let text = fs::read_to_string(root.join(file))?;
        needed.visit_file(&syn::parse_file(&text).with_context(|| format!("reading {file}"))?);
    }
    let is_type =
        |name: &&String| name.starts_with(char::is_uppercase) && **name != name.to_uppercase();
    let is_needed = |name: &&String| {
        needed.variants.contains(*name) || needed.texts.iter().any(|text| text.contains(*name))
    };
    let mut found: Vec<String> = names
        .iter()
        .filter(is_type)
        .filter(|name| !is_needed(name))
        .cloned()
        .collect();
    // A name within a longer one is written over with it.
    found.sort_by_key(|name| std::cmp::Reverse(name.len()));
    Ok(found)
}

/// Names that a program needs to work.
#[derive(Default)]
struct Needed {
    /// Variants that messages carry by their own name.
    variants: BTreeSet<String>,
    /// Texts of ours.
    texts: Vec<String>,
}

impl<'ast> Visit<'ast> for Needed {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let mut said = BTreeSet::new();
        for attribute in &item.attrs {
            if let Ok(list) = attribute.meta.require_list() {
                take_words(list.tokens.clone(), &mut said);
            }
        }
        let is_message = said.contains("Serialize") || said.contains("Deserialize");
        if is_message && !said.contains("rename_all") {
            let names = item
                .variants
                .iter()
                .map(|variant| variant.ident.to_string());
            self.variants.extend(names);
        }
        syn::visit::visit_item_enum(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // Documentation isn't in the program.
        if !attribute.path().is_ident("doc") {
            syn::visit::visit_attribute(self, attribute);
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.texts.push(text.value());
    }

    fn visit_lit_byte_str(&mut self, text: &'ast syn::LitByteStr) {
        self.texts
            .push(String::from_utf8_lossy(&text.value()).into_owned());
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let mut words = BTreeSet::new();
        take_words(item.tokens.clone(), &mut words);
        // It may make a message of any of them.
        if words.contains("enum") {
            self.variants.extend(words);
        }
        self.take_texts(item.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.take_texts(list.tokens.clone());
    }
}

impl Needed {
    /// The texts among tokens that aren't parsed here.
    fn take_texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => self.texts.push(literal.to_string()),
                TokenTree::Group(group) => self.take_texts(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

/// The words among tokens.
fn take_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                words.insert(word.to_string());
            }
            TokenTree::Group(group) => take_words(group.stream(), words),
            TokenTree::Literal(_) | TokenTree::Punct(_) => {}
        }
    }
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
    fn a_name_that_the_program_needs_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = "#[derive(Serialize)] enum Sent { OnTheWire }\n\
            #[derive(Serialize)] #[serde(rename_all = \"snake_case\")] enum Renamed { NotOnTheWire }\n\
            #[derive(Deserialize)] #[serde(rename_all_fields = \"camelCase\")] enum Kept { FieldsAlone { one: u8 } }\n\
            #[derive(Debug)] enum Told { OnlyForMessages }\n\
            messages! { enum Made { ByAMacro } }\n\
            fn f() { call(\"InAText\"); call(b\"InBytes\"); print!(\"{}\", (\"InAMacro\")); }";
        fs::write(folder.path().join("lib.rs"), text).unwrap();
        let needed = [
            "OnTheWire",
            "FieldsAlone",
            "ByAMacro",
            "InAText",
            "InBytes",
            "InAMacro",
        ];
        let others = ["NotOnTheWire", "OnlyForMessages"];
        let names = needed
            .iter()
            .chain(&others)
            .map(ToString::to_string)
            .collect();
        let found = for_programmers(folder.path(), &["lib.rs".to_owned()], &names).unwrap();
        assert_eq!(found, ["OnlyForMessages", "NotOnTheWire"]);
    }

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
