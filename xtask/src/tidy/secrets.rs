//! Secrets are never committed: a look at every file for what only a secret looks like.

use super::{Finding, Source};

/// How private keys begin, and the tokens of well-known services. (Written in halves, so that this file passes its own rule.)
const BEGINNINGS: [&str; 8] = [
    concat!("-----BEGIN ", "PRIVATE KEY-----"),
    concat!("-----BEGIN ", "RSA PRIVATE KEY-----"),
    concat!("-----BEGIN ", "EC PRIVATE KEY-----"),
    concat!("-----BEGIN ", "OPENSSH PRIVATE KEY-----"),
    concat!("gh", "p_"),
    concat!("xox", "b-"),
    concat!("sk_", "live_"),
    concat!("hv", "s."),
];

/// Files that others wrote, or that hold test vectors of standards.
const FOREIGN: [&str; 4] = ["Cargo.lock", "package-lock.json", "LICENSE", "secrets.rs"];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    if FOREIGN
        .iter()
        .any(|name| source.path.rsplit('/').next() == Some(name))
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        if let Some(what) = secret(line) {
            findings.push(Finding::at(
                &source.path,
                number + 1,
                format!("looks like {what}; a secret that was committed has to be replaced, not only removed"),
            ));
        }
    }
    findings
}

/// What a line looks like it gives away.
fn secret(line: &str) -> Option<&'static str> {
    let long_word = |beginning: &str| {
        line.match_indices(beginning).any(|(at, _)| {
            let rest = line.get(at + beginning.len()..).unwrap_or_default();
            rest.chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .count()
                >= 16
        })
    };
    for beginning in BEGINNINGS {
        if beginning.starts_with('-') {
            // A key has a second line; a sentence about one goes on.
            if line.trim().trim_matches(['"', '\'']) == beginning {
                return Some("a private key");
            }
        } else if long_word(beginning) {
            return Some("a token");
        }
    }
    is_access_key(line).then_some("a cloud provider's access key")
}

/// `AKIA` and 16 capitals or digits, as a word of its own.
fn is_access_key(line: &str) -> bool {
    let begins = concat!("AK", "IA");
    line.split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|word| {
            word.len() == 20
                && word.starts_with(begins)
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_found() {
        let planted = [
            concat!("-----BEGIN ", "PRIVATE KEY-----").to_owned(),
            format!("token = \"{}{}\"", concat!("gh", "p_"), "a".repeat(36)),
            format!("key: {}{}", concat!("AK", "IA"), "A1B2C3D4E5F6G7H8"),
        ];
        for line in planted {
            let source = Source {
                path: "crates/server/src/config.rs".to_owned(),
                text: format!("fine\n{line}\n"),
            };
            let found = check(&source);
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!(found.first().map(|finding| finding.line), Some(2));
        }
        for line in [
            "it begins with -----BEGIN and goes on",
            "the prefix of a token",
            "AKIA is a prefix",
        ] {
            assert!(secret(line).is_none(), "{line}");
        }
    }
}
