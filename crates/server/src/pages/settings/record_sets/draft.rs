//! A record set while it is edited: what stands in the form, and what it means.

use fieldstone_model::{Object, Registry};

use super::super::programs::Fields;
use crate::sync::{
    scope::{Branch, RecordSet, steps_from},
    sets::{Audience, NewSet},
};

/// Most boxes shown.
const BOXES_MAX: usize = 400;
/// Steps away from the root that are offered.
const DEPTH_MAX: usize = 5;
/// Between the steps of one path.
const NEXT: char = '/';

/// What stands in the form.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    /// Empty for everybody, `role:…` or `person:…`.
    pub(super) audience: String,
    pub(super) root: String,
    pub(super) filter: String,
    pub(super) interval: String,
    /// The paths that are ticked, e.g. `contact.account_id/task.about_id`.
    pub(super) paths: Vec<String>,
    /// Whom the preview is for.
    pub(super) preview_for: String,
}

/// One box of the tree, with what hangs on it when it is ticked.
pub(super) struct Node {
    pub(super) path: String,
    /// The object it leads to, and by which field of which object.
    pub(super) object: String,
    pub(super) field: (String, String),
    pub(super) down: bool,
    pub(super) ticked: bool,
    pub(super) tree: Vec<Node>,
}

impl Draft {
    /// What was sent.
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            name: fields.get("name").to_owned(),
            audience: fields.get("audience").to_owned(),
            root: fields.get("root").to_owned(),
            filter: fields.get("filter").to_owned(),
            interval: fields.get("interval").to_owned(),
            paths: fields
                .all("via")
                .map(str::to_owned)
                .take(BOXES_MAX)
                .collect(),
            preview_for: fields.get("preview_for").to_owned(),
        }
    }

    /// A published one.
    pub(super) fn of(new: &NewSet) -> Self {
        let mut paths = Vec::new();
        collect(&new.set.tree, "", &mut paths);
        Self {
            name: new.name.clone(),
            audience: match new.audience {
                Audience::Everybody => String::new(),
                Audience::Role(role) => format!("role:{role}"),
                Audience::Person(person) => format!("person:{person}"),
            },
            root: new.set.root.clone(),
            filter: new.set.filter.clone(),
            interval: new.interval_s.map_or_else(String::new, |it| it.to_string()),
            paths,
            preview_for: String::new(),
        }
    }

    /// What it means. What is ticked below something that isn't counts for nothing.
    pub(super) fn new_set(&self) -> Option<NewSet> {
        let audience = match self.audience.split_once(':') {
            None if self.audience.is_empty() => Audience::Everybody,
            Some(("role", role)) => Audience::Role(role.parse().ok()?),
            Some(("person", person)) => Audience::Person(person.parse().ok()?),
            _ => return None,
        };
        let interval_s = match self.interval.as_str() {
            "" => None,
            text => Some(text.parse().ok()?),
        };
        Some(NewSet {
            name: self.name.clone(),
            audience,
            interval_s,
            set: self.set(),
        })
    }

    /// The records it stands for.
    pub(super) fn set(&self) -> RecordSet {
        RecordSet {
            root: self.root.clone(),
            filter: self.filter.clone(),
            tree: self.branches("", 0),
        }
    }

    fn branches(&self, below: &str, depth: usize) -> Vec<Branch> {
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let direct = self.paths.iter().filter_map(|path| {
            let via = path.strip_prefix(below)?;
            (!via.is_empty() && !via.contains(NEXT)).then_some((path, via))
        });
        let branch = |(path, via): (&String, &str)| Branch {
            via: via.to_owned(),
            tree: self.branches(&format!("{path}{NEXT}"), depth + 1),
        };
        direct.map(branch).collect()
    }

    /// The boxes: every step from the root, and from what is ticked.
    pub(super) fn nodes(
        &self,
        registry: &Registry,
        labels: &dyn Fn(&Object, &Object, &fieldstone_model::Field) -> (String, String),
    ) -> Vec<Node> {
        let mut left = BOXES_MAX;
        registry.object(&self.root).map_or_else(Vec::new, |root| {
            self.nodes_from(registry, root, ("", 0), &mut left, labels)
        })
    }

    fn nodes_from(
        &self,
        registry: &Registry,
        at: &Object,
        (below, depth): (&str, usize),
        left: &mut usize,
        labels: &dyn Fn(&Object, &Object, &fieldstone_model::Field) -> (String, String),
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        if depth >= DEPTH_MAX {
            return nodes;
        }
        for (via, object, field, down) in steps_from(registry, at) {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let path = format!("{below}{via}");
            let ticked = self.paths.contains(&path);
            let tree = if ticked {
                let below = format!("{path}{NEXT}");
                self.nodes_from(registry, object, (&below, depth + 1), left, labels)
            } else {
                Vec::new()
            };
            let holder = if down { object } else { at };
            let (label, field_label) = labels(object, holder, field);
            nodes.push(Node {
                object: label,
                field: (via, field_label),
                path,
                down,
                ticked,
                tree,
            });
        }
        nodes
    }
}

fn collect(tree: &[Branch], below: &str, paths: &mut Vec<String>) {
    for branch in tree {
        let path = format!("{below}{}", branch.via);
        paths.push(path.clone());
        collect(&branch.tree, &format!("{path}{NEXT}"), paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scope::default_sets;

    #[test]
    fn a_form_keeps_every_tree() {
        for set in default_sets() {
            let new = NewSet {
                name: "n".to_owned(),
                audience: Audience::Everybody,
                interval_s: Some(60),
                set,
            };
            assert_eq!(Draft::of(&new).new_set(), Some(new));
        }
    }

    #[test]
    fn boxes_open_where_something_is_ticked() {
        let registry = Registry::standard();
        let draft = Draft {
            root: "account".to_owned(),
            paths: vec![
                "contact.account_id".to_owned(),
                "contact.account_id/task.about_id".to_owned(),
                "deal.account_id/task.about_id".to_owned(),
            ],
            ..Draft::default()
        };
        let labels = |object: &Object, _: &Object, field: &fieldstone_model::Field| {
            (object.name.to_string(), field.name.to_string())
        };
        let nodes = draft.nodes(&registry, &labels);
        let find = |nodes: &[Node], path: &str| nodes.iter().position(|node| node.path == path);
        let contact = find(&nodes, "contact.account_id").unwrap();
        assert!(nodes[contact].ticked && nodes[contact].down);
        assert!(find(&nodes[contact].tree, "contact.account_id/task.about_id").is_some());
        let deal = find(&nodes, "deal.account_id").unwrap();
        assert!(!nodes[deal].ticked && nodes[deal].tree.is_empty());
        // Ticked below something that isn't.
        assert_eq!(draft.set().tree.len(), 1);
    }
}
