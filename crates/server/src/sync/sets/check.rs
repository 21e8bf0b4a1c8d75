//! What a record set may look like.

use fieldstone_model::{
    Object, RecordId, Registry,
    query::{Environment, parse_filter},
};
use fieldstone_store::StoreError;

use super::NewSet;
use crate::sync::{
    DeviceRules,
    scope::{Branch, step},
};

/// Most record sets of a workspace.
pub(crate) const SETS_MAX: usize = 100;
/// Most characters of a name.
pub(crate) const NAME_MAX: usize = 120;
/// Most characters of a filter.
const FILTER_MAX: usize = 2_000;
/// Most steps away from the root.
pub(crate) const DEPTH_MAX: usize = 5;
/// Most places in one tree.
pub(crate) const PLACES_MAX: usize = 40;

/// Why a record set can't be published.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Something in it.
    #[error("{0}")]
    Invalid(SetProblem),
    /// Somebody else has published it meanwhile.
    #[error("Somebody else has published this record set meanwhile.")]
    Stale,
    /// There is none with this id.
    #[error("There is no such record set.")]
    Missing,
    /// The store couldn't do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a record set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetProblem {
    /// Its name is missing or too long.
    #[error("Give it a name of at most {max} characters.", max = NAME_MAX)]
    Name,
    /// There is no such object.
    #[error("Choose what it begins with.")]
    Root,
    /// The filter can't be read.
    #[error("The filter can't be read: {0}")]
    Filter(String),
    /// A step of the tree leads nowhere.
    #[error("“{0}” leads to nothing from there.")]
    Branch(String),
    /// The tree is too large.
    #[error("Follow at most {steps} steps, and {relations} relations in all.", steps = DEPTH_MAX, relations = PLACES_MAX)]
    TooLarge,
    /// The interval is out of bounds.
    #[error("Choose between 30 seconds and a day.")]
    Interval,
    /// The person isn't there.
    #[error("Choose somebody of this workspace.")]
    Person,
    /// There are too many.
    #[error("A workspace has at most {max} record sets. Remove one first.", max = SETS_MAX)]
    TooMany,
}

impl SetProblem {
    /// The member that it is about.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Name | Self::TooMany => "name",
            Self::Root => "root",
            Self::Filter(_) => "filter",
            Self::Branch(_) | Self::TooLarge => "tree",
            Self::Interval => "interval_s",
            Self::Person => "person",
        }
    }
}

/// Finds what is wrong with a record set, as whoever has this registry may see it.
pub(crate) fn check(registry: &Registry, new: &NewSet, me: RecordId) -> Result<(), SetProblem> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(SetProblem::Name);
    }
    if new
        .interval_s
        .is_some_and(|it| !DeviceRules::INTERVAL.contains(&it))
    {
        return Err(SetProblem::Interval);
    }
    let root = registry.object(&new.set.root).ok_or(SetProblem::Root)?;
    if new.set.filter.chars().count() > FILTER_MAX {
        return Err(SetProblem::Filter("it is too long.".to_owned()));
    }
    // Any day will do to see whether it can be read.
    let environment = Environment {
        me,
        today: jiff::civil::date(2026, 1, 1),
    };
    let bad = |error: &dyn std::fmt::Display| SetProblem::Filter(error.to_string());
    let filter =
        parse_filter(registry, root, environment, &new.set.filter).map_err(|error| bad(&error))?;
    filter.check(registry, root).map_err(|error| bad(&error))?;
    let mut places = 0;
    check_tree(registry, root, &new.set.tree, 1, &mut places)
}

fn check_tree(
    registry: &Registry,
    at: &Object,
    tree: &[Branch],
    depth: usize,
    places: &mut usize,
) -> Result<(), SetProblem> {
    for branch in tree {
        *places += 1;
        if depth > DEPTH_MAX || *places > PLACES_MAX {
            return Err(SetProblem::TooLarge);
        }
        let (object, _, _) = step(registry, at, &branch.via)
            .ok_or_else(|| SetProblem::Branch(branch.via.clone()))?;
        check_tree(registry, object, &branch.tree, depth + 1, places)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scope::{RecordSet, default_sets};
    use crate::sync::sets::Audience;

    fn set(root: &str, filter: &str, tree: Vec<Branch>) -> NewSet {
        NewSet {
            name: "Mine".to_owned(),
            audience: Audience::Everybody,
            interval_s: None,
            set: RecordSet {
                root: root.to_owned(),
                filter: filter.to_owned(),
                tree,
            },
        }
    }

    fn branch(via: &str, tree: Vec<Branch>) -> Branch {
        Branch {
            via: via.to_owned(),
            tree,
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let registry = Registry::standard();
        let me = "0051kQh2S0a8Xbd".parse().unwrap();
        let problem = |new: &NewSet| check(&registry, new, me).err().map(|it| it.field());
        let good = set(
            "account",
            "owner_id = :me",
            vec![branch(
                "contact.account_id",
                vec![branch("task.about_id", Vec::new())],
            )],
        );
        assert_eq!(problem(&good), None);
        assert_eq!(
            problem(&NewSet {
                name: " ".to_owned(),
                ..good.clone()
            }),
            Some("name")
        );
        assert_eq!(
            problem(&NewSet {
                interval_s: Some(1),
                ..good.clone()
            }),
            Some("interval_s")
        );
        assert_eq!(problem(&set("moon", "", Vec::new())), Some("root"));
        assert_eq!(
            problem(&set("account", "owner_id =", Vec::new())),
            Some("filter")
        );
        assert_eq!(
            problem(&set("account", "colour = 1", Vec::new())),
            Some("filter")
        );
        assert_eq!(
            problem(&set("account", "", vec![branch("stage_id", Vec::new())])),
            Some("tree")
        );
        let chain = (0..=DEPTH_MAX).fold(Vec::new(), |tree, _| vec![branch("parent_id", tree)]);
        assert_eq!(problem(&set("account", "", chain)), Some("tree"));
    }

    #[test]
    fn the_standard_sets_can_be_published() {
        let registry = Registry::standard();
        let me = "0051kQh2S0a8Xbd".parse().unwrap();
        for standard in default_sets() {
            let new = NewSet {
                set: standard,
                ..set("", "", Vec::new())
            };
            assert_eq!(check(&registry, &new, me), Ok(()), "{}", new.set.root);
        }
    }
}
