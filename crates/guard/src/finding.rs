//! What was found, with its evidence in words.

use std::fmt;

/// The four kinds of surroundings that the app doesn't trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The device is rooted or jailbroken: what separates one app from another no longer does.
    Root,
    /// The app runs in an emulator or a virtual machine.
    Emulator,
    /// A debugger is attached, or was when the app started.
    Debugger,
    /// Something was put into the app, or its code was changed.
    Tools,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Root, Self::Emulator, Self::Debugger, Self::Tools];

    /// One word, for logs and for the platform.
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Emulator => "emulator",
            Self::Debugger => "debugger",
            Self::Tools => "tools",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Finding {
    /// Its family.
    pub family: Family,
    /// The check that saw it: a short name that stays the same between versions.
    pub check: &'static str,
    /// What was seen, in words. At most [`EVIDENCE_MAX`] bytes, printable.
    pub evidence: String,
}

/// Longest evidence in bytes: it may hold names that an attacker chose.
pub const EVIDENCE_MAX: usize = 300;

impl Finding {
    /// A finding. What an attacker could have written into the evidence is made harmless.
    pub fn new(family: Family, check: &'static str, evidence: &str) -> Self {
        let mut clean = String::new();
        for character in evidence.chars() {
            if clean.len() + character.len_utf8() > EVIDENCE_MAX {
                break;
            }
            clean.push(if character.is_control() {
                '?'
            } else {
                character
            });
        }
        Self {
            family,
            check,
            evidence: clean,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.family, self.check, self.evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_printable_and_short() {
        let finding = Finding::new(
            Family::Tools,
            "mapping",
            &format!("a\nb{}", "ü".repeat(500)),
        );
        assert!(finding.evidence.starts_with("a?bü"));
        assert!(finding.evidence.len() <= EVIDENCE_MAX);
    }
}
