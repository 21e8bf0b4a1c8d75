//! The proof of being up to date: per object, how many rows there are and the exclusive or of their tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tag::Tag;

/// Figures per object in scope. Objects without rows are left out, so that two equal sets have equal digests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(BTreeMap<String, Sum>);

/// The figures of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sum {
    /// How many rows.
    pub count: u64,
    /// The exclusive or of their tags.
    pub tags: Tag,
}

impl Digest {
    /// Counts one row. Each id must be counted once.
    pub fn add(&mut self, object: &str, tag: Tag) {
        self.add_sum(
            object,
            Sum {
                count: 1,
                tags: tag,
            },
        );
    }

    /// Counts many rows of one object.
    pub fn add_sum(&mut self, object: &str, sum: Sum) {
        if sum.count == 0 {
            return;
        }
        if !self.0.contains_key(object) {
            self.0.insert(object.to_owned(), Sum::default());
        }
        if let Some(total) = self.0.get_mut(object) {
            total.count += sum.count;
            total.tags = Tag(total.tags.0 ^ sum.tags.0);
        }
    }

    /// The figures by API name of the object.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Sum)> {
        self.0.iter().map(|(object, sum)| (object.as_str(), *sum))
    }

    /// Objects whose figures differ.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let differs = |object: &&String| self.0.get(*object) != other.0.get(*object);
        let mut objects: Vec<String> = self
            .0
            .keys()
            .chain(other.0.keys())
            .filter(differs)
            .cloned()
            .collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_plays_no_part_and_differences_are_named() {
        let mut here = Digest::default();
        here.add("deal", Tag(1));
        here.add("deal", Tag(2));
        here.add("task", Tag(9));
        let mut there = Digest::default();
        there.add("task", Tag(9));
        there.add("deal", Tag(2));
        assert_eq!(here.differing(&there), ["deal"]);
        there.add("deal", Tag(1));
        assert_eq!(here, there);
        there.add_sum("call", Sum::default());
        assert_eq!(here, there);
    }
}
