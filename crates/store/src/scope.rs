//! Whose records somebody sees.
//!
//! One condition for everything that reads: an object whose records follow their owner shows those of the owners in scope, one that follows
//! a parent those whose parent is in scope, and one that everybody works with all of them.

use std::sync::Arc;

use fieldstone_model::{Object, Registry, SeenBy};

/// Whose records somebody sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// Everybody's.
    #[default]
    Everything,
    /// Those of these owners, the person among them.
    Owners(Arc<[String]>),
}

/// The condition that a scope puts on an object's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Limit<'a> {
    /// Their owner is one of these.
    Owner(&'a Arc<[String]>),
    /// The record that this relation leads to, of this object, has an owner among these.
    Parent(&'static str, &'a Object, &'a Arc<[String]>),
}

impl Scope {
    /// The records of these owners.
    pub fn of(owners: impl IntoIterator<Item = String>) -> Self {
        let mut owners: Vec<String> = owners.into_iter().collect();
        owners.sort_unstable();
        owners.dedup();
        Self::Owners(owners.into())
    }

    /// Whether nothing is hidden.
    pub fn is_everything(&self) -> bool {
        *self == Self::Everything
    }

    /// Whether records of `owner` are in it.
    pub fn has(&self, owner: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Owners(owners) => owners
                .binary_search_by(|known| known.as_str().cmp(owner))
                .is_ok(),
        }
    }

    pub(crate) fn limit<'a>(
        &'a self,
        registry: &'a Registry,
        object: &Object,
    ) -> Option<Limit<'a>> {
        let Self::Owners(owners) = self else {
            return None;
        };
        match object.seen_by {
            SeenBy::Everybody => None,
            SeenBy::Owner => Some(Limit::Owner(owners)),
            SeenBy::Parent(relation) => {
                // A relation is a fact of the object, whoever may read it.
                let whole = object.field(relation).and_then(|field| field.target());
                let parent = whole.and_then(|target| registry.object(target))?;
                Some(Limit::Parent(relation, parent, owners))
            }
        }
    }
}
