//! The project speaks of itself alone: no reminders, no references to how it came about.

use super::{Finding, Source};

/// Reminders belong into a tracker. (Written in two halves, so that this file passes its own rule.)
const REMINDERS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("W", "IP"),
];

/// Words about how the project is made, which mean nothing to who reads it later; each is followed by a number.
const NUMBERED: [&str; 4] = ["issue", "ticket", "milestone", "sprint"];

/// Files that others wrote.
const FOREIGN: [&str; 3] = ["LICENSE", "Cargo.lock", "package-lock.json"];

/// Checks the words of one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    if FOREIGN
        .iter()
        .any(|name| source.path.rsplit('/').next() == Some(name))
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let words = line
            .split(|char: char| !char.is_alphanumeric() && char != '_')
            .filter(|word| !word.is_empty());
        let mut previous = "";
        for word in words {
            let numbered = word.chars().all(|char| char.is_ascii_digit())
                && NUMBERED.contains(&previous.to_lowercase().as_str());
            if REMINDERS.contains(&word) || numbered {
                let text = format!(
                    "'{}' is about how it is made, not about what it is",
                    if numbered { previous } else { word }
                );
                findings.push(Finding::at(&source.path, number + 1, text));
            }
            previous = word;
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Source {
            path: "crates/model/src/deal.rs".to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn reminders_and_references_are_found() {
        for reminder in REMINDERS {
            assert_eq!(found(&format!("// {reminder}: later")), 1, "{reminder}");
        }
        for word in NUMBERED {
            assert_eq!(found(&format!("/// See {word} #12.")), 1, "{word}");
            assert_eq!(
                found(&format!("/// See {} 12.", word.to_uppercase())),
                1,
                "{word}"
            );
        }
    }

    #[test]
    fn plain_words_are_not() {
        assert_eq!(
            found("/// Issues a certificate. The issue is closed. A session has 12 hours."),
            0
        );
    }
}
