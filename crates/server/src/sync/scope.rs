//! Scopes: which records a device gets. Record sets as they are stored, and as places in trees that the store compiles to SQL.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};

use fieldstone_model::{
    Field, FieldType, Filter, Object, Registry,
    query::{Environment, depends_on_date, parse_filter},
};
use fieldstone_store::compile::{Reach, ScopeNode};
use serde::{Deserialize, Serialize};

/// Most places in all trees of one person.
const NODES_MAX: usize = 200;

/// A record set: records of one object, and what hangs on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// API name of the object that it begins with.
    pub root: String,
    /// Which of its records, as a filter text; empty for all.
    #[serde(default)]
    pub filter: String,
    /// What hangs on them.
    #[serde(default)]
    pub tree: Vec<Branch>,
}

/// One step away from a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// `account_id`: what the record's relation leads to. `contact.account_id`: the contacts whose relation leads to the record.
    pub via: String,
    /// What hangs on those.
    #[serde(default)]
    pub tree: Vec<Branch>,
}

/// A place in a tree, by names.
struct Place<'a> {
    object: &'a Object,
    parent: Option<usize>,
    field: Option<&'a Field>,
    down: bool,
    filter: Filter,
}

/// Everything that decides what is in one person's scope, besides the records.
pub(super) struct Scope<'a> {
    places: Vec<Place<'a>>,
    /// Whether some filter depends on the date.
    depends_on_date: bool,
}

/// What a device gets as long as nobody has said otherwise: people and pipelines, and everything that is the person's own work, with the
/// records around it.
pub(crate) fn default_sets() -> Vec<RecordSet> {
    let branch = |via: &str, tree| Branch {
        via: via.to_owned(),
        tree,
    };
    let leaf = |via: &str| branch(via, Vec::new());
    let activities = || {
        [
            "task.about_id",
            "event.about_id",
            "call.about_id",
            "note.about_id",
            "attachment.about_id",
        ]
        .map(leaf)
        .to_vec()
    };
    let set = |root: &str, filter: &str, tree| RecordSet {
        root: root.to_owned(),
        filter: filter.to_owned(),
        tree,
    };
    let account = |of: &str| branch(of, vec![leaf("contact.account_id")]);
    let mut of_deals = activities();
    of_deals.extend([
        account("account_id"),
        leaf("contact_id"),
        branch("deal_line.deal_id", vec![leaf("product_id")]),
    ]);
    let mut of_accounts = activities();
    of_accounts.push(leaf("contact.account_id"));
    let mine = "owner_id = :me";
    vec![
        set("user", "", Vec::new()),
        set("pipeline", "", Vec::new()),
        set("stage", "", Vec::new()),
        set("deal", "owner_id = :me and status = \"open\"", of_deals),
        set("account", mine, of_accounts),
        set("contact", mine, vec![account("account_id")]),
        set("lead", mine, activities()),
        set(
            "case",
            mine,
            vec![account("account_id"), leaf("contact_id")],
        ),
        set("task", "owner_id = :me and status != \"done\"", Vec::new()),
        set("event", mine, Vec::new()),
        set("attachment", mine, Vec::new()),
    ]
}

impl<'a> Scope<'a> {
    /// The scope of these record sets. What names something that doesn't exist (any more) reaches nothing.
    pub(super) fn new(
        registry: &'a Registry,
        sets: &[RecordSet],
        environment: Environment,
    ) -> Self {
        let mut scope = Self {
            places: Vec::new(),
            depends_on_date: sets.iter().any(|set| depends_on_date(&set.filter)),
        };
        for set in sets {
            let Some(object) = registry.object(&set.root) else {
                continue;
            };
            let Ok(filter) = parse_filter(registry, object, environment, &set.filter) else {
                continue;
            };
            if filter.check(registry, object).is_err() {
                continue;
            }
            let root = Place {
                object,
                parent: None,
                field: None,
                down: false,
                filter,
            };
            scope.places.push(root);
            scope.grow(registry, scope.places.len() - 1, &set.tree);
        }
        scope
    }

    fn grow(&mut self, registry: &'a Registry, parent: usize, tree: &[Branch]) {
        for branch in tree {
            let Some(at) = self.places.get(parent).map(|place| place.object) else {
                return;
            };
            let Some((object, field, down)) = step(registry, at, &branch.via) else {
                continue;
            };
            if self.places.len() >= NODES_MAX {
                return;
            }
            self.places.push(Place {
                object,
                parent: Some(parent),
                field: Some(field),
                down,
                filter: Filter::All,
            });
            self.grow(registry, self.places.len() - 1, &branch.tree);
        }
    }

    /// The places as the store compiles them.
    pub(super) fn nodes(&self) -> Vec<ScopeNode<'_>> {
        let node = |place: &'_ Place<'a>| {
            let reach = match (place.parent, place.field) {
                (Some(parent), Some(field)) if place.down => Reach::Down { parent, field },
                (Some(parent), Some(field)) => Reach::Up { parent, field },
                _ => return None,
            };
            Some(ScopeNode {
                object: place.object,
                reach,
            })
        };
        self.places
            .iter()
            .map(|place| {
                node(place).unwrap_or(ScopeNode {
                    object: place.object,
                    reach: Reach::Root(&place.filter),
                })
            })
            .collect()
    }

    /// The objects in it, in order of the prefix of their ids.
    pub(super) fn objects(&self) -> Vec<&'a Object> {
        let mut seen = BTreeSet::new();
        let mut objects: Vec<&Object> = self
            .places
            .iter()
            .map(|place| place.object)
            .filter(|object| seen.insert(object.name.to_string()))
            .collect();
        objects.sort_by_key(|object| object.prefix);
        objects
    }

    /// The steps of its trees, each once: from which object, by which field of which object, down or up.
    pub(super) fn steps(&self) -> Vec<Step<'a>> {
        let mut seen = BTreeSet::new();
        let step = |place: &Place<'a>| {
            let from = self.places.get(place.parent?)?.object;
            let field = place.field?;
            let key = (
                from.name.to_string(),
                place.object.name.to_string(),
                field.id,
                place.down,
            );
            seen.insert(key).then_some(Step {
                from,
                to: place.object,
                field,
                down: place.down,
            })
        };
        self.places.iter().filter_map(step).collect()
    }

    /// Stands for everything besides the records that decides what is in scope.
    pub(super) fn epoch(
        &self,
        sets: &[(String, i64)],
        role: &str,
        member_version: i64,
        schema: i64,
        environment: Environment,
    ) -> String {
        let mut hash = Context::new(&SHA256);
        hash.update(b"scope 1");
        let mut part = |text: &str| {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        };
        for (id, version) in sets {
            part(id);
            part(&version.to_string());
        }
        part(role);
        part(&member_version.to_string());
        // Record sets name fields, and stages and objects come and go with the schema.
        part(&schema.to_string());
        if self.depends_on_date {
            part(&environment.today.to_string());
        }
        hash.finish()
            .as_ref()
            .iter()
            .take(12)
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

/// Where a step leads from `at`: to which object, by which field of which side, down or up. None when it leads nowhere.
pub(crate) fn step<'a>(
    registry: &'a Registry,
    at: &'a Object,
    via: &str,
) -> Option<(&'a Object, &'a Field, bool)> {
    if let Some((object, field)) = via.split_once('.') {
        let object = registry.object(object)?;
        let field = object.field(field)?;
        leads_to(field, &at.name).then_some((object.as_ref(), field, true))
    } else {
        let field = at.field(via)?;
        let object = registry.object(field.target()?)?;
        Some((object.as_ref(), field, false))
    }
}

/// Every step that leads from `at`, first up, then down.
pub(crate) fn steps_from<'a>(
    registry: &'a Registry,
    at: &'a Object,
) -> Vec<(String, &'a Object, &'a Field, bool)> {
    let up = at.fields.iter().filter_map(|field| {
        let object = registry.object(field.target()?)?;
        // People are in every scope.
        (object.name != "user").then(|| (field.name.to_string(), object.as_ref(), field, false))
    });
    let down = registry.objects().flat_map(|object| {
        let leads = object
            .fields
            .iter()
            .filter(|field| leads_to(field, &at.name));
        leads.map(move |field| {
            (
                format!("{}.{}", object.name, field.name),
                object.as_ref(),
                field,
                true,
            )
        })
    });
    let mut steps: Vec<_> = up.collect();
    if at.name != "user" {
        steps.extend(down);
    }
    steps
}

/// One step of a tree.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) from: &'a Object,
    pub(super) to: &'a Object,
    pub(super) field: &'a Field,
    pub(super) down: bool,
}

fn leads_to(field: &Field, object: &str) -> bool {
    match &field.kind {
        FieldType::Relation { to } => to == object,
        FieldType::AnyRelation { to } => to.iter().any(|to| to == object),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branches(tree: &[Branch]) -> usize {
        tree.iter().map(|branch| 1 + branches(&branch.tree)).sum()
    }

    #[test]
    fn the_default_record_sets_reach_what_they_name() {
        let registry = Registry::standard();
        let environment = Environment {
            me: "0051kQh2S0a8Xbd".parse().unwrap(),
            today: jiff::civil::date(2026, 3, 1),
        };
        let sets = default_sets();
        let places: usize = sets.iter().map(|set| 1 + branches(&set.tree)).sum();
        let scope = Scope::new(&registry, &sets, environment);
        assert_eq!(
            scope.places.len(),
            places,
            "a filter or a branch names nothing"
        );
        assert!(
            scope
                .objects()
                .windows(2)
                .all(|pair| pair[0].prefix < pair[1].prefix)
        );
        for object in ["user", "deal", "account", "contact", "task", "product"] {
            assert!(
                scope.objects().iter().any(|known| known.name == object),
                "{object}"
            );
        }
    }

    #[test]
    fn the_epoch_moves_at_midnight_only_where_a_filter_names_the_date() {
        let registry = Registry::standard();
        let on = |day| Environment {
            me: "0051kQh2S0a8Xbd".parse().unwrap(),
            today: jiff::civil::date(2026, 3, day),
        };
        let epoch = |filter: &str, day, role| {
            let set = RecordSet {
                root: "deal".to_owned(),
                filter: filter.to_owned(),
                tree: Vec::new(),
            };
            Scope::new(&registry, &[set], on(day)).epoch(&[], role, 1, 1, on(day))
        };
        assert_eq!(
            epoch("owner_id = :me", 1, "member"),
            epoch("owner_id = :me", 2, "member")
        );
        assert_ne!(
            epoch("close_date > :today", 1, "member"),
            epoch("close_date > :today", 2, "member")
        );
        assert_ne!(epoch("", 1, "member"), epoch("", 1, "viewer"));
    }
}
