//! Why a mapping doesn't fit a file or an object: kept as data, and put into words only where somebody reads it, in their language.

use std::collections::BTreeMap;
use std::fmt;

use fieldstone_ui::locale::Locale;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What the keys of these texts begin with.
const PREFIX: &str = "import-mapping-";

/// A problem of a mapping: which text says it, and what is put into that text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingProblem {
    mapping: String,
    #[serde(default)]
    facts: BTreeMap<String, String>,
}

impl MappingProblem {
    /// The problem whose text is `import-mapping-{name}`.
    pub(super) fn new<const N: usize>(name: &str, facts: [(&str, String); N]) -> Self {
        let facts = facts
            .into_iter()
            .map(|(name, fact)| (name.to_owned(), fact));
        Self {
            mapping: name.to_owned(),
            facts: facts.collect(),
        }
    }

    /// The problem in the reader's words, as the end of a sentence.
    pub fn told(&self, locale: &Locale) -> String {
        let facts: Vec<(&str, String)> = self
            .facts
            .iter()
            .map(|(name, fact)| (name.as_str(), fact.clone()))
            .collect();
        locale.t_with(&format!("{PREFIX}{}", self.mapping), &facts)
    }

    /// As it is kept for whoever reads it later.
    pub(super) fn kept(&self) -> String {
        // Texts always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept, if it is such a problem with a text of today.
    pub(super) fn of_kept(kept: &str) -> Option<Self> {
        let problem: Self = serde_json::from_str(kept).ok()?;
        let english = english();
        english.find(&format!("{PREFIX}{}", problem.mapping))?;
        Some(problem)
    }
}

fn english() -> Locale {
    Locale::new("en", TimeZone::UTC, "EUR")
}

impl std::error::Error for MappingProblem {}

/// In English, as the command line says it.
impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&english()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_problem_is_told_in_the_readers_language() {
        let problem = MappingProblem::new("no-encoding", [("name", "klingon".to_owned())]);
        let kept = MappingProblem::of_kept(&problem.kept()).unwrap();
        assert_eq!(kept, problem);
        assert_eq!(kept.to_string(), "there is no encoding “klingon”");
        let german = Locale::new("de", TimeZone::UTC, "EUR");
        assert_eq!(kept.told(&german), "die Kodierung „klingon“ gibt es nicht");
        assert_eq!(MappingProblem::of_kept("The mapping doesn't fit."), None);
        assert_eq!(
            MappingProblem::of_kept(r#"{"mapping":"of-tomorrow"}"#),
            None
        );
    }

    /// Every problem that the sources name has a text in every language.
    #[test]
    fn every_problem_has_a_text() {
        const SOURCES: [&str; 6] = [
            include_str!("binding.rs"),
            include_str!("mapping.rs"),
            include_str!("postgres.rs"),
            include_str!("run.rs"),
            include_str!("setup.rs"),
            include_str!("source.rs"),
        ];
        let mut named = 0;
        for source in SOURCES {
            let squeezed: String = source.split_whitespace().collect();
            for rest in squeezed.split("MappingProblem::new(\"").skip(1) {
                let name = rest.split('"').next().unwrap();
                for tag in ["en", "de"] {
                    let locale = Locale::new(tag, TimeZone::UTC, "EUR");
                    assert!(
                        locale.find(&format!("{PREFIX}{name}")).is_some(),
                        "{name} in {tag}"
                    );
                }
                named += 1;
            }
        }
        assert!(named > 20, "{named}");
    }
}
