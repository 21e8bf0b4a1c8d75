//! Versions as entity tags (RFC 9110, 8.8.3 and 13.1).

use http::HeaderValue;

/// What a caller says about the version it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// `*`: whatever is there.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

/// The entity tag of a version.
pub(super) fn of(version: i64) -> HeaderValue {
    // Digits and quotation marks are always a header's value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

impl Condition {
    /// Reads `If-Match` (strong: a weak tag never matches) or `If-None-Match` (weak tags match too).
    ///
    /// A tag that none of our versions can have matches nothing, so it stands as a version that doesn't exist.
    pub(super) fn read(header: Option<&str>, weak_matches: bool) -> Self {
        let Some(header) = header.map(str::trim) else {
            return Self::None;
        };
        if header == "*" {
            return Self::Any;
        }
        let version = |tag: &str| -> Option<i64> {
            let tag = tag.trim();
            let strong = match tag.strip_prefix("W/") {
                Some(weak) if weak_matches => weak,
                Some(_) => return None,
                None => tag,
            };
            strong.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
        };
        Self::OneOf(header.split(',').filter_map(version).collect())
    }

    /// Whether `version` is among those named.
    pub(super) fn names(&self, version: i64) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_the_standard_says() {
        let strong = |text| Condition::read(Some(text), false);
        assert_eq!(Condition::read(None, false), Condition::None);
        assert_eq!(strong(" * "), Condition::Any);
        assert_eq!(strong("\"3\""), Condition::OneOf(vec![3]));
        assert_eq!(strong("\"3\", \"4\""), Condition::OneOf(vec![3, 4]));
        assert_eq!(strong("W/\"3\""), Condition::OneOf(vec![]));
        assert_eq!(strong("3"), Condition::OneOf(vec![]));
        assert_eq!(strong("\"x\""), Condition::OneOf(vec![]));
        assert!(Condition::read(Some("W/\"3\""), true).names(3));
        assert!(!Condition::None.names(1));
    }
}
