//! Sets of row numbers, kept as spans: rows that wait come in long runs, or there are few of them.

use std::collections::BTreeMap;

/// Numbers, as spans from a first to a last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(BTreeMap<u64, u64>);

impl Spans {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `number` is among them.
    pub fn contains(&self, number: u64) -> bool {
        self.span_of(number).is_some()
    }

    fn span_of(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.0.range(..=number).next_back()?;
        (number <= *last).then_some((*first, *last))
    }

    /// Adds a number; false when it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let (mut first, mut last) = (number, number);
        let before = self.0.range(..number).next_back().map(|(a, b)| (*a, *b));
        if let Some((start, end)) = before
            && end.checked_add(1) == Some(number)
        {
            first = start;
        }
        if let Some(next) = number.checked_add(1)
            && let Some(end) = self.0.remove(&next)
        {
            last = end;
        }
        self.0.insert(first, last);
        true
    }

    /// Takes a number out; false when it wasn't there.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.span_of(number) else {
            return false;
        };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
        true
    }
}

impl FromIterator<u64> for Spans {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut spans = Self::default();
        for number in numbers {
            spans.insert(number);
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_are_a_set(steps in proptest::collection::vec((any::<bool>(), 0_u64..40), 0..200)) {
            let (mut spans, mut set) = (Spans::default(), BTreeSet::new());
            for (adds, number) in steps {
                if adds {
                    prop_assert_eq!(spans.insert(number), set.insert(number));
                } else {
                    prop_assert_eq!(spans.remove(number), set.remove(&number));
                }
                for at in 0..40 {
                    prop_assert_eq!(spans.contains(at), set.contains(&at));
                }
                prop_assert_eq!(spans.is_empty(), set.is_empty());
                // Neighbours are one span.
                let spans: Vec<_> = spans.0.iter().collect();
                prop_assert!(spans.windows(2).all(|pair| *pair[0].1 + 1 < *pair[1].0));
            }
        }
    }
}
