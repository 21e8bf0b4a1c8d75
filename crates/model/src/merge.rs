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

/// What somebody who may have been offline for long wants done to a record.
#[derive(Debug, Clone, Copy)]
pub enum Intent<'a> {
    /// Make it.
    Create,
    /// Change some of its fields.
    Update {
        /// What they saw.
        seen: &'a Values,
        /// What they want.
        wanted: &'a Values,
    },
    /// Delete it.
    Delete {
        /// What they saw.
        seen: &'a Values,
    },
}

/// What is to be done about an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Make the record.
    Create,
    /// Another record has the id.
    IdTaken,
    /// There is no such record.
    NotFound,
    /// Write what can be written, and keep what conflicts for a person.
    Write(Merged),
    /// Delete it.
    Delete,
    /// It is deleted already.
    AlreadyDeleted,
    /// They edited what somebody else deleted: keep what they wanted for a person.
    EditOfDeleted(Vec<Conflict>),
    /// They deleted what somebody else edited: leave it, and let a person decide.
    DeleteOfEdited(Vec<Conflict>),
}

/// Decides what a late intent does to the record as it is (`None` when there is none). Nothing is lost without a trace.
pub fn judge(object: &Object, intent: Intent<'_>, current: Option<(&Values, Deleted)>) -> Verdict {
    match (intent, current) {
        (Intent::Create, None) => Verdict::Create,
        (Intent::Create, Some(_)) => Verdict::IdTaken,
        (Intent::Update { .. } | Intent::Delete { .. }, None) => Verdict::NotFound,
        (Intent::Update { seen, wanted }, Some((values, Deleted::No))) => {
            Verdict::Write(merge(object, seen, values, wanted))
        }
        (Intent::Update { seen, wanted }, Some((values, Deleted::Yes))) => {
            let null = Value::Null;
            let of = |values: &Values, name: &str| values.get(name).unwrap_or(&null).clone();
            let lost = wanted
                .iter()
                .filter(|(name, value)| of(values, name) != **value);
            let kept = lost.map(|(name, value)| Conflict {
                field: name.to_owned(),
                seen: of(seen, name),
                current: of(values, name),
                wanted: value.clone(),
            });
            Verdict::EditOfDeleted(kept.collect())
        }
        (Intent::Delete { .. }, Some((_, Deleted::Yes))) => Verdict::AlreadyDeleted,
        (Intent::Delete { seen }, Some((values, Deleted::No))) => {
            let edited = edits_unseen(seen, values);
            if edited.is_empty() {
                Verdict::Delete
            } else {
                Verdict::DeleteOfEdited(edited)
            }
        }
    }
}

/// Whether a record is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is there.
    No,
    /// It can be restored.
    Yes,
}

/// Fields that are not what was seen of them. Nothing is wanted of them.
fn edits_unseen(seen: &Values, current: &Values) -> Vec<Conflict> {
    let unseen = |(name, before): (&str, &Value)| {
        let now = current.get(name).unwrap_or(&Value::Null);
        (now != before).then(|| Conflict {
            field: name.to_owned(),
            seen: before.clone(),
            current: now.clone(),
            wanted: Value::Null,
        })
    };
    seen.iter().filter_map(unseen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use proptest::prelude::*;

    fn amount(number: Option<i64>) -> Values {
        Values::new().with("amount", number.map_or(Value::Null, Value::Int))
    }

    #[test]
    fn edit_against_delete_is_kept_for_a_person_both_ways() {
        let registry = Registry::standard();
        let deal = registry.object("deal").unwrap();
        let (seen, other) = (amount(Some(1)), amount(Some(2)));
        let update = Intent::Update {
            seen: &seen,
            wanted: &other,
        };
        let Verdict::EditOfDeleted(kept) = judge(deal, update, Some((&seen, Deleted::Yes))) else {
            panic!("an edit of a deleted record")
        };
        assert_eq!(kept[0].wanted, Value::Int(2));
        let delete = Intent::Delete { seen: &seen };
        assert_eq!(
            judge(deal, delete, Some((&seen, Deleted::No))),
            Verdict::Delete
        );
        // What was seen empty and has been filled since was edited, too.
        let empty = amount(None);
        let delete_of_empty = Intent::Delete { seen: &empty };
        let filled = judge(deal, delete_of_empty, Some((&seen, Deleted::No)));
        assert!(matches!(filled, Verdict::DeleteOfEdited(_)), "{filled:?}");
        assert_eq!(
            judge(deal, delete, Some((&seen, Deleted::Yes))),
            Verdict::AlreadyDeleted
        );
        assert!(
            matches!(judge(deal, delete, Some((&other, Deleted::No))), Verdict::DeleteOfEdited(kept) if kept.len() == 1)
        );
        assert_eq!(judge(deal, delete, None), Verdict::NotFound);
        assert_eq!(
            judge(deal, Intent::Create, Some((&seen, Deleted::Yes))),
            Verdict::IdTaken
        );
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
