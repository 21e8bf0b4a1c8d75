//! Names of cursors, of pages, and of the walks that pages belong to. Nobody can guess them, and none is given out twice.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_store::StoreError;

/// Characters of half a name: eight bytes.
const HALF: usize = 11;

/// Names the list that a walk goes through. It is the first half of the names of its pages, so that whoever names a page names the list that
/// was made before that page was: a database that was put back may know the page of a list, but never one of a list it has lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct WalkName(String);

impl WalkName {
    pub(super) fn new() -> Result<Self, StoreError> {
        half().map(Self)
    }

    /// The walk that a page belongs to.
    pub(super) fn of(page: &str) -> Option<Self> {
        page.get(..HALF).map(|walk| Self(walk.to_owned()))
    }
}

/// A new name of a cursor, or of a page of changes.
pub(super) fn cursor_name() -> Result<String, StoreError> {
    page_name(&WalkName::new()?)
}

/// A new name of a page of this walk.
pub(super) fn page_name(walk: &WalkName) -> Result<String, StoreError> {
    Ok(format!("{}{}", walk.0, half()?))
}

fn half() -> Result<String, StoreError> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| StoreError::internal("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_walk() {
        let walk = WalkName::new().unwrap();
        let (one, other) = (page_name(&walk).unwrap(), page_name(&walk).unwrap());
        assert_ne!(one, other);
        assert_eq!(WalkName::of(&one), Some(walk.clone()));
        assert_eq!(WalkName::of(&other), Some(walk));
        assert_eq!(one.len(), 2 * HALF);
        assert_eq!(WalkName::of("short"), None);
    }
}
