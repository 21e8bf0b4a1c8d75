//! Walks: the whole scope in the order of ids, listed once when a walk begins and gone through page by page.
//!
//! A page reads the records of its part of the list as they are by then. What came into scope or left it meanwhile has changed since the
//! walk began, or something that it hangs on has: the last page brings it, or the first difference after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fieldstone_model::{RecordId, id::ID_LEN};
use fieldstone_protocol::{
    conflict,
    pull::{Inventory, Row},
    tag::Tag,
};
use fieldstone_store::{StoreError, compile::Param};

use super::{
    SyncError,
    names::WalkName,
    pull::{Onward, Outcome},
    reading::{Ids, Kept, Reading, Statement, column, id_of},
    recall::{Recall, WalkKey},
    rows::each,
};

/// Records of the list gone through for one page.
const WALKED: usize = 2_000;

/// What a walk goes through.
pub(super) struct List {
    walk: WalkName,
    pub(super) ids: Arc<[RecordId]>,
}

/// Where a page of a walk ends.
struct Part<'l> {
    ids: &'l [RecordId],
    /// None at the end of everything.
    reached: Option<RecordId>,
}

impl Reading<'_> {
    /// Everything in scope in the order of ids, for a walk that goes on from `first` or begins now. A list that had to be made again has a
    /// name of its own.
    pub(super) async fn list(
        &mut self,
        recall: &Recall,
        first: Option<&Kept>,
    ) -> Result<List, SyncError> {
        if let Some(walk) = first.and_then(|first| WalkName::of(&first.id))
            && let Some(ids) = recall.list(&self.walk_key(&walk))
        {
            return Ok(List { walk, ids });
        }
        let mut statements = Vec::new();
        for name in self.object_names() {
            if let Some((scope, params)) = self.in_scope(&name)? {
                // One value for each object: a row for each id would take ten times the memory.
                let text = format!("SELECT string_agg(s.id, '') FROM ({scope}) s");
                statements.push(Statement { text, params });
            }
        }
        let results = self.run(&statements).await?;
        let mut ids = Vec::new();
        for row in results.iter().flatten() {
            let joined: Option<&str> = column(row, 0)?;
            for id in joined.unwrap_or_default().as_bytes().chunks(ID_LEN) {
                let id = std::str::from_utf8(id).map_err(StoreError::internal)?;
                ids.push(id.parse::<RecordId>().map_err(StoreError::internal)?);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let (walk, ids) = (WalkName::new()?, ids.into());
        recall.keep_list(self.walk_key(&walk), &ids);
        Ok(List { walk, ids })
    }

    fn walk_key(&self, walk: &WalkName) -> WalkKey {
        WalkKey {
            tenant: self.tenant,
            user: self.user,
            epoch: self.epoch.clone(),
            walk: walk.clone(),
        }
    }

    fn began(&self, first: Option<&Kept>) -> String {
        first.map_or_else(|| self.snapshot.clone(), |first| first.snapshot.clone())
    }

    /// How many records of each object a list has.
    pub(super) fn counts(&self, list: &[RecordId]) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for part in list.chunk_by(|one, next| one.prefix() == next.prefix()) {
            if let Some(name) = part.first().and_then(|id| self.object_name(*id)) {
                *counts.entry(name).or_default() += part.len() as u64;
            }
        }
        counts
    }

    pub(super) async fn walk(
        &mut self,
        inventory: &Inventory,
        list: &List,
        first: Option<&Kept>,
    ) -> Result<Outcome, SyncError> {
        let part = part_of(&list.ids, inventory.after, inventory.until);
        let (rows, left) = if inventory.entries.is_empty() {
            let listed = self.by_object(part.ids);
            (self.rows(&listed).await?, Vec::new())
        } else {
            self.compare(inventory, &part).await?
        };
        let Some(reached) = part.reached else {
            return self.end_of_walk(first, rows, left).await;
        };
        Ok(Outcome {
            rows,
            gone: left.into_iter().map(|id| self.blind.blind(id)).collect(),
            next: Onward::Further {
                began: self.began(first),
                walk: list.walk.clone(),
                reached,
            },
        })
    }

    /// What the device lacks of a part, or has in another version, and what it has that isn't there.
    async fn compare(
        &mut self,
        inventory: &Inventory,
        part: &Part<'_>,
    ) -> Result<(Vec<Row>, Vec<RecordId>), SyncError> {
        let has: BTreeMap<RecordId, Tag> = inventory.entries.iter().copied().collect();
        let mut wanted = Ids::new();
        let mut inside = BTreeSet::new();
        let listed = self.by_object(part.ids);
        for (name, id, tag) in self.tags(&listed).await? {
            inside.insert(id);
            if has.get(&id) != Some(&tag) {
                wanted.entry(name).or_default().insert(id);
            }
        }
        let is_answered = |id: &RecordId| part.reached.is_none_or(|reached| *id <= reached);
        let left = has
            .keys()
            .filter(|id| is_answered(id) && !inside.contains(id))
            .copied()
            .collect();
        Ok((self.rows(&wanted).await?, left))
    }

    /// The last page, with what changed since the first.
    async fn end_of_walk(
        &mut self,
        first: Option<&Kept>,
        rows: Vec<Row>,
        left: Vec<RecordId>,
    ) -> Result<Outcome, SyncError> {
        let mut outcome = match first {
            Some(first) if first.snapshot != self.snapshot => {
                self.last(first, Vec::new(), left).await?
            }
            _ => {
                let next = Onward::Done {
                    snapshot: self.snapshot.clone(),
                    proven: true,
                };
                self.sort_out(Vec::new(), left, next).await?
            }
        };
        let known: BTreeSet<RecordId> = outcome.rows.iter().map(|row| row.id).collect();
        let gone: BTreeSet<_> = outcome.gone.iter().copied().collect();
        let is_new =
            |row: &Row| !known.contains(&row.id) && !gone.contains(&self.blind.blind(row.id));
        outcome.rows.extend(rows.into_iter().filter(is_new));
        Ok(outcome)
    }

    fn by_object(&self, ids: &[RecordId]) -> Ids {
        let mut found = Ids::new();
        for part in ids.chunk_by(|one, next| one.prefix() == next.prefix()) {
            if let Some(name) = part.first().and_then(|id| self.object_name(*id)) {
                found.entry(name).or_default().extend(part);
            }
        }
        found
    }

    /// The tags of those that are living records.
    async fn tags(&mut self, ids: &Ids) -> Result<Vec<(String, RecordId, Tag)>, SyncError> {
        let (mut names, mut statements) = (Vec::new(), Vec::new());
        for (name, ids) in ids {
            let text = if name == conflict::OBJECT {
                "SELECT t.id, t.row_tag, t.object FROM app.sync_conflict t WHERE t.deleted_at IS NULL AND t.id = ANY ($1)".to_owned()
            } else if let Some(object) = self.registry.object(name) {
                let from = each(object, "r.id = u.key AND r.deleted_at IS NULL");
                format!("SELECT t.id, t.row_tag FROM {from}")
            } else {
                continue;
            };
            let ids = Param::Texts(ids.iter().map(ToString::to_string).collect());
            statements.push(Statement {
                text,
                params: vec![ids],
            });
            names.push(name);
        }
        let results = self.run(&statements).await?;
        let mut found = Vec::new();
        for (name, rows) in names.into_iter().zip(&results) {
            for row in rows {
                // Of a conflict, what is kept from the reader depends on the record.
                let withheld = match row.len() {
                    2 => self.withheld(name),
                    _ => self.withheld(column(row, 2)?),
                };
                found.push((
                    name.clone(),
                    id_of(row)?,
                    Tag::new(column(row, 1)?, withheld),
                ));
            }
        }
        Ok(found)
    }
}

/// The part of a list behind `after`, up to `until`, and no longer than a page.
fn part_of(list: &[RecordId], after: Option<RecordId>, until: Option<RecordId>) -> Part<'_> {
    let from = after.map_or(0, |after| list.partition_point(|id| *id <= after));
    let to = until.map_or(list.len(), |until| list.partition_point(|id| *id <= until));
    let ids = list.get(from..to).unwrap_or_default();
    match ids.get(..WALKED) {
        Some(page) if page.len() < ids.len() => Part {
            ids: page,
            reached: page.last().copied(),
        },
        _ => Part {
            ids,
            reached: until,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> RecordId {
        format!("0030000000{number:05}").parse().unwrap()
    }

    #[test]
    fn a_list_is_gone_through_once_and_whole() {
        let list: Vec<RecordId> = (0..WALKED * 2 + 7).map(id).collect();
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let part = part_of(&list, after, None);
            seen.extend_from_slice(part.ids);
            after = part.reached;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, list);
    }

    #[test]
    fn a_part_ends_where_it_was_asked_to() {
        let list: Vec<RecordId> = (0..100).map(id).collect();
        let part = part_of(&list, Some(id(10)), Some(id(20)));
        assert_eq!(part.ids, &list[11..=20]);
        assert_eq!(part.reached, Some(id(20)));
        let beyond = part_of(&list, Some(id(20)), Some(id(10)));
        assert!(beyond.ids.is_empty());
        let end = part_of(&list, Some(id(98)), None);
        assert_eq!((end.ids, end.reached), (&list[99..], None));
    }
}
