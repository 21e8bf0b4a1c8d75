//! Paths: a field, or a field of a related record (`account.owner.name`).

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A dotted path of at least one name. Whether it leads anywhere is for the registry to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Path {
    segments: Vec<String>,
}

impl Path {
    /// Splits `text` at its dots.
    pub fn from_text(text: &str) -> Self {
        Self {
            segments: text.trim().split('.').map(str::to_owned).collect(),
        }
    }

    /// The names, relations first.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The field's name when no relation is walked through.
    pub fn as_field(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [field] => Some(field),
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("."))
    }
}

impl FromStr for Path {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from_text(text))
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self::from_text(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}
