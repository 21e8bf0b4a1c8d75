//! Three-way merge, field by field: what was seen, what is there now, what is wanted.

use crate::{Object, Value, Values, field::MergePolicy};

/// The outcome of merging one edit into the current record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// What to write.
    pub apply: Values,
    /// Fields changed on both sides to different values, for a person to settle.
    pub conflicts: Vec<Conflict>,
}

/// One field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// API name of the field.
    pub field: String,
    /// What the editor saw.
    pub seen: Value,
    /// What is there now.
    pub current: Value,
    /// What the editor wants.
    pub wanted: Value,
}

/// Merges `wanted` into `current`, given what the editor had `seen`.
///
/// A field that nobody else touched, or that already has the wanted value, is no conflict. A field absent from `seen` is taken as unseen
/// and untouched. Where both changed it, the field's policy decides.
pub fn merge(object: &Object, seen: &Values, current: &Values, wanted: &Values) -> Merged {
    let mut merged = Merged::default();
    for (name, wanted) in wanted.iter() {
        let now = current.get(name).unwrap_or(&Value::Null);
        let before = seen.get(name).unwrap_or(now);
        let latest_wins = object
            .field(name)
            .is_some_and(|field| field.merge == MergePolicy::Latest);
        if now == wanted {
            continue;
        }
        if now == before || latest_wins {
            merged.apply.set(name, wanted.clone());
        } else if wanted != before {
            merged.conflicts.push(Conflict {
                field: name.to_owned(),
                seen: before.clone(),
                current: now.clone(),
                wanted: wanted.clone(),
            });
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use proptest::prelude::*;

    fn amount(number: Option<i64>) -> Values {
        Values::new().with("amount", number.map_or(Value::Null, Value::Int))
    }

    proptest! {
        /// Nothing is lost: a wanted change is written, already there, or kept as a conflict; and nothing else is touched.
        #[test]
        fn no_edit_is_lost(seen in proptest::option::of(0_i64..4), current in proptest::option::of(0_i64..4), wanted in proptest::option::of(0_i64..4)) {
            let registry = Registry::standard();
            let deal = registry.object("deal").unwrap();
            let merged = merge(deal, &amount(seen), &amount(current), &amount(wanted));
            let written = merged.apply.get("amount").is_some();
            let kept = !merged.conflicts.is_empty();
            prop_assert!(!(written && kept));
            if wanted != seen && wanted != current { prop_assert!(written || kept); }
            if wanted == seen { prop_assert!(!written && !kept || current == seen); }
            if kept { prop_assert!(current != seen); }
        }
    }
}
