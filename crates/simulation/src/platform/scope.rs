//! What is in a person's scope, by looking at everything; and which rows may be in it because of a changed one.

use std::collections::{BTreeMap, BTreeSet};

use fieldstone_model::RecordId;
use fieldstone_protocol::{
    conflict,
    digest::Digest,
    pull::Row,
    tag::{Blind, Tag, Withheld},
};
use serde_json::Value;

use super::{Person, Platform, Stored};

/// The objects of the simulated workspace, parents first.
pub(crate) const OBJECTS: [&str; 4] = ["account", "contact", "deal", "task"];

/// The field that is kept from some people.
const WITHHELD: (&str, &str) = ("deal", "next_step");

pub(crate) fn prefix(object: &str) -> [u8; 3] {
    match object {
        "contact" => *b"003",
        "deal" => *b"006",
        "task" => *b"00T",
        conflict::OBJECT => conflict::PREFIX,
        _ => *b"001",
    }
}

/// The date of a day of the simulation.
pub(crate) fn date(day: i64) -> String {
    fieldstone_model::value::days_to_date(20_500 + day)
        .map(|date| date.to_string())
        .unwrap_or_default()
}

fn points_to(row: &Stored, field: &str, id: RecordId) -> bool {
    row.columns.get(field).and_then(Value::as_str) == Some(id.as_str())
}

fn target(row: &Stored, field: &str) -> Option<RecordId> {
    row.columns.get(field)?.as_str()?.parse().ok()
}

impl Platform {
    /// A step of a tree: rows that hang on the row `id`. Deals lead to their account, accounts to their contacts, deals and accounts to tasks.
    fn children(&self, id: RecordId, object: &str, with_contacts: bool) -> Vec<RecordId> {
        let rows = self.data.rows.iter().filter(|(_, row)| !row.deleted);
        match object {
            "deal" => {
                let account = self
                    .data
                    .rows
                    .get(&id)
                    .and_then(|row| target(row, "account_id"));
                let tasks =
                    rows.filter(|(_, row)| row.object == "task" && points_to(row, "about_id", id));
                account
                    .into_iter()
                    .chain(tasks.map(|(id, _)| *id))
                    .collect()
            }
            "account" if with_contacts => rows
                .filter(|(_, row)| row.object == "contact" && points_to(row, "account_id", id))
                .map(|(id, _)| *id)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn is_visible(person: &Person, row: &Stored) -> bool {
        !row.deleted && (person.sees_private || row.columns.get("is_private").is_none())
    }

    /// Whether a row is where one of the person's record sets begins.
    fn is_root(&self, person: &Person, row: &Stored) -> bool {
        let mine = points_to(row, "owner_id", person.id);
        match row.object {
            "deal" => {
                let day = row.columns.get("close_date").and_then(Value::as_str);
                person.record_sets != 2
                    && mine
                    && day.is_some_and(|day| *day >= *date(self.today - 1))
            }
            "task" | conflict::OBJECT => mine,
            _ => false,
        }
    }

    /// Everything in scope.
    pub(crate) fn scope(&self, person: usize) -> BTreeSet<RecordId> {
        let Some(person) = self.people.get(person) else {
            return BTreeSet::new();
        };
        let visible = |id: &RecordId| {
            self.data
                .rows
                .get(id)
                .filter(|row| Self::is_visible(person, row))
        };
        let roots = self
            .data
            .rows
            .iter()
            .filter(|(_, row)| Self::is_visible(person, row) && self.is_root(person, row));
        let mut scope = BTreeSet::new();
        let mut next: Vec<RecordId> = roots.map(|(id, _)| *id).collect();
        while let Some(id) = next.pop() {
            let Some(row) = visible(&id) else { continue };
            // A row may be reached as a leaf and as a branch; what hangs on it is the same here either way.
            if scope.insert(id) {
                // A task that is a root by itself leads nowhere; a deal that isn't a root is never reached.
                next.extend(self.children(id, row.object, person.record_sets != 1));
            }
        }
        scope
    }

    /// The changed rows and everything that may be in or out of scope because of them.
    pub(super) fn candidates(
        &self,
        changed: impl IntoIterator<Item = RecordId>,
    ) -> BTreeSet<RecordId> {
        let mut found = BTreeSet::new();
        let mut next: Vec<RecordId> = changed.into_iter().collect();
        while let Some(id) = next.pop() {
            if found.insert(id)
                && let Some(row) = self.data.rows.get(&id)
            {
                next.extend(self.children(id, row.object, true));
            }
        }
        found
    }

    /// Candidates as a page has them: rows in scope, and the names of those that are not.
    pub(super) fn sort_out(
        &self,
        person: usize,
        device: RecordId,
        found: &BTreeSet<RecordId>,
    ) -> (Vec<Row>, Vec<Blind>) {
        let scope = self.scope(person);
        let (within, without): (Vec<RecordId>, Vec<RecordId>) =
            found.iter().partition(|id| scope.contains(id));
        let rows = within
            .into_iter()
            .filter_map(|id| self.render(person, id))
            .collect();
        (rows, self.blinded(device, without))
    }

    /// The names of these for a device that may not learn which they are.
    pub(super) fn blinded(&self, device: RecordId, ids: Vec<RecordId>) -> Vec<Blind> {
        let Some(known) = self.devices.get(&device) else {
            return Vec::new();
        };
        ids.into_iter().map(|id| known.blind.blind(id)).collect()
    }

    fn withheld(&self, person: usize, object: &str) -> Option<&'static str> {
        let withheld = self
            .people
            .get(person)
            .is_some_and(|person| person.withheld);
        (withheld && object == WITHHELD.0).then_some(WITHHELD.1)
    }

    pub(super) fn may_write_field(&self, person: usize, object: &str, field: &str) -> bool {
        self.withheld(person, object) != Some(field)
    }

    pub(super) fn tag(&self, person: usize, row: &Stored) -> Tag {
        Tag::new(
            row.tag,
            Withheld::new(row.object, self.withheld(person, row.object)),
        )
    }

    /// A row as the person may see it.
    pub(crate) fn render(&self, person: usize, id: RecordId) -> Option<Row> {
        let row = self.data.rows.get(&id)?;
        let mut columns = row.columns.clone();
        if let Some(field) = self.withheld(person, row.object) {
            columns.remove(field);
        }
        Some(Row {
            object: row.object.to_owned(),
            id,
            tag: self.tag(person, row),
            version: row.version,
            columns,
        })
    }

    /// Tags of everything in scope.
    pub(super) fn tags(&self, person: usize) -> BTreeMap<RecordId, Tag> {
        let tag = |id: RecordId| Some((id, self.tag(person, self.data.rows.get(&id)?)));
        self.scope(person).into_iter().filter_map(tag).collect()
    }

    pub(super) fn digest(&self, tags: &BTreeMap<RecordId, Tag>) -> Digest {
        let mut digest = Digest::default();
        for (id, tag) in tags {
            if let Some(row) = self.data.rows.get(id) {
                digest.add(row.object, *tag);
            }
        }
        digest
    }

    /// Everything besides the rows that decides what is in scope.
    pub(super) fn epoch(&self, person: usize) -> String {
        let Some(Person {
            sees_private,
            withheld,
            record_sets,
            ..
        }) = self.people.get(person)
        else {
            return String::new();
        };
        format!("{sees_private}/{withheld}/{record_sets}/{}", self.today)
    }
}
