//! Pull: deltas and walks, page by page, as the protocol has them.

use std::collections::BTreeSet;
use std::rc::Rc;

use fieldstone_client::engine::Failure;
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    pull::{
        Cursor, Epoch, Inventory, Next, Page, PageToken, PullAnswer, PullRequest, Restart, Row,
        Want,
    },
    tag::Blind,
};

use super::{Kept, Platform, Snapshot};

/// Cursors kept for each device: the last one it has said that it has, and those given out since.
const KEPT_MAX: usize = 4;

struct Pull {
    person: usize,
    device: RecordId,
    epoch: String,
    /// The cursor that the device has said that it has.
    presented: Option<String>,
}

impl Platform {
    pub(crate) fn pull(&mut self, request: &PullRequest) -> Result<PullAnswer, Failure> {
        let person = self.admit(request.device).ok_or(Failure::SignedOut)?;
        let pull = Pull {
            person,
            device: request.device,
            epoch: self.epoch(person),
            presented: match &request.want {
                Want::Delta { cursor } => Some(cursor.0.clone()),
                Want::Walk(_) => None,
            },
        };
        let restart = |reason| {
            Ok(PullAnswer::Restart {
                reason,
                epoch: Epoch(pull.epoch.clone()),
            })
        };
        let moved = request
            .epoch
            .as_ref()
            .is_some_and(|epoch| epoch.0 != pull.epoch);
        if moved {
            return restart(Restart::ScopeChanged);
        }
        let first = match &request.page {
            Some(PageToken(token)) => match self.kept(pull.device, token) {
                None => return restart(Restart::UnknownCursor),
                kept => kept,
            },
            None => None,
        };
        let since = match &request.want {
            Want::Delta { cursor } => match self.kept(pull.device, &cursor.0) {
                None => return restart(Restart::UnknownCursor),
                Some(kept) => Some(kept),
            },
            Want::Walk(_) => None,
        };
        for kept in first.iter().chain(&since) {
            if kept.epoch != pull.epoch {
                return restart(Restart::ScopeChanged);
            }
            if self.data.purged >= kept.snapshot.oldest() {
                return restart(Restart::Purged);
            }
        }
        let page = match (&request.want, since, first) {
            (Want::Delta { .. }, Some(since), first) => self.delta(&pull, &since, first.as_ref()),
            (Want::Walk(inventory), _, first) => self.walk(&pull, inventory, first),
            (Want::Delta { .. }, None, _) => return Err(Failure::Refused { status: 400 }),
        };
        Ok(PullAnswer::Page(page))
    }

    fn kept(&self, device: RecordId, id: &str) -> Option<Kept> {
        self.data
            .kept
            .iter()
            .find(|kept| kept.device == device && kept.id == id)
            .cloned()
    }

    /// Keeps the present snapshot. What is answered after this survives a crash.
    fn keep(&mut self, pull: &Pull) -> Kept {
        let snapshot = self.snapshot();
        self.keep_at(pull, snapshot, None)
    }

    /// Keeps how far a pull has got that began at `snapshot`. Each page has a token of its own, so that a database that was put back in between
    /// doesn't know it.
    fn keep_at(&mut self, pull: &Pull, snapshot: Snapshot, position: Option<RecordId>) -> Kept {
        let id = format!("{:016x}", self.random.next());
        let kept = Kept {
            id,
            device: pull.device,
            snapshot,
            epoch: pull.epoch.clone(),
            position,
        };
        self.data.kept.push(kept.clone());
        let old =
            |kept: &&Kept| kept.device == pull.device && Some(&kept.id) != pull.presented.as_ref();
        let own: Vec<String> = self
            .data
            .kept
            .iter()
            .filter(old)
            .map(|kept| kept.id.clone())
            .collect();
        let too_many = own.len().saturating_sub(KEPT_MAX);
        let old: BTreeSet<&String> = own.iter().take(too_many).collect();
        self.data.kept.retain(|kept| !old.contains(&kept.id));
        self.flush();
        kept
    }

    fn changed(&self, since: &Snapshot) -> Vec<RecordId> {
        self.data
            .rows
            .iter()
            .filter(|(_, row)| !since.sees(row))
            .map(|(id, _)| *id)
            .collect()
    }

    /// What rows have led to that don't any more.
    fn unlinked(&self, since: &Snapshot) -> Vec<RecordId> {
        let news = self
            .data
            .unlinked
            .iter()
            .filter(|(transaction, _)| !since.includes(*transaction));
        news.map(|(_, id)| *id).collect()
    }

    fn delta(&mut self, pull: &Pull, since: &Kept, first: Option<&Kept>) -> Page {
        let changed = self.changed(&since.snapshot);
        let position = first.and_then(|first| first.position);
        let rest: Vec<RecordId> = changed
            .into_iter()
            .filter(|id| position.is_none_or(|at| *id > at))
            .collect();
        if first.is_none() && rest.is_empty() {
            // Nothing new: the cursor stays and nothing is written.
            let key = (pull.epoch.clone(), since.id.clone());
            let known = self.recall.digests.get(&key).cloned();
            let digest = known.unwrap_or_else(|| self.digest(&self.tags(pull.person)));
            self.recall.digests.insert(key, digest.clone());
            let next = Next::Done {
                cursor: Cursor(since.id.clone()),
                digest: Some(digest),
            };
            return page(pull, Vec::new(), Vec::new(), next);
        }
        if rest.len() <= self.page {
            let found = self.candidates(rest.into_iter().chain(self.unlinked(&since.snapshot)));
            return if let Some(first) = first {
                self.finish(pull, first, found, Vec::new(), Vec::new())
            } else {
                let (rows, gone) = self.sort_out(pull.person, pull.device, &found);
                let next = self.done(pull);
                page(pull, rows, gone, next)
            };
        }
        let began = first.map_or_else(|| self.snapshot(), |first| first.snapshot.clone());
        let part: Vec<RecordId> = rest.into_iter().take(self.page).collect();
        let last = part.last().copied();
        let found = self.candidates(part);
        let (rows, gone) = self.sort_out(pull.person, pull.device, &found);
        let next = Next::More {
            page: PageToken(self.keep_at(pull, began, last).id),
            reached: None,
        };
        page(pull, rows, gone, next)
    }

    /// The ids in scope when a walk began; those of now where that has been forgotten.
    fn list(&self, pull: &Pull, first: Option<&Kept>) -> Rc<BTreeSet<RecordId>> {
        let known = first.and_then(|first| self.recall.lists.get(&first.id));
        known.map_or_else(|| Rc::new(self.scope(pull.person)), Rc::clone)
    }

    fn walk(&mut self, pull: &Pull, inventory: &Inventory, first: Option<Kept>) -> Page {
        let list = self.list(pull, first.as_ref());
        let first = first.unwrap_or_else(|| self.keep(pull));
        let is_living = |id: &RecordId| self.data.rows.get(id).is_some_and(|row| !row.deleted);
        let asked = |id: &RecordId| {
            inventory.after.is_none_or(|after| *id > after)
                && inventory.until.is_none_or(|until| *id <= until)
        };
        let within: Vec<RecordId> = list.iter().copied().filter(asked).collect();
        let cut = within
            .get(self.page.wrapping_sub(1))
            .copied()
            .filter(|_| within.len() > self.page);
        let reached = cut.or(inventory.until);
        let answered = |id: &RecordId| reached.is_none_or(|reached| *id <= reached);
        let has = |id: &RecordId| {
            inventory
                .entries
                .iter()
                .find(|(has, _)| has == id)
                .map(|(_, tag)| *tag)
        };
        let rows: Vec<Row> = within
            .iter()
            .filter(|id| answered(id) && is_living(id))
            .filter_map(|id| self.render(pull.person, *id))
            .filter(|row| has(&row.id) != Some(row.tag))
            .collect();
        let left: Vec<RecordId> = inventory
            .entries
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| answered(id) && !(list.contains(id) && is_living(id)))
            .collect();
        match reached {
            Some(_) => {
                let gone = self.blinded(pull.device, left);
                let id = self.keep_at(pull, first.snapshot, reached).id;
                // Under the name of the page that is made now: a database that was put back knows no page of a list that it has lost.
                self.recall.lists.insert(id.clone(), list);
                let next = Next::More {
                    page: PageToken(id),
                    reached,
                };
                page(pull, rows, gone, next)
            }
            None => self.finish(pull, &first, BTreeSet::new(), rows, left),
        }
    }

    /// The last page of several: with what changed since the first, if that fits.
    fn finish(
        &mut self,
        pull: &Pull,
        first: &Kept,
        mut found: BTreeSet<RecordId>,
        mut rows: Vec<Row>,
        mut left: Vec<RecordId>,
    ) -> Page {
        let changed = self.changed(&first.snapshot);
        let fits = changed.len() <= 3 * self.page;
        if fits {
            found
                .extend(self.candidates(changed.into_iter().chain(self.unlinked(&first.snapshot))));
        }
        let (more_rows, more_gone) = self.sort_out(pull.person, pull.device, &found);
        rows.retain(|row| !found.contains(&row.id));
        rows.extend(more_rows);
        // What wasn't there when the walk began may be there by now.
        left.retain(|id| !found.contains(id));
        let mut gone = self.blinded(pull.device, left);
        gone.extend(more_gone);
        let next = if fits {
            self.done(pull)
        } else {
            // A cursor of its own, for the same reason as each page has a token of its own.
            let cursor = self.keep_at(pull, first.snapshot.clone(), None).id;
            Next::Done {
                cursor: Cursor(cursor),
                digest: None,
            }
        };
        page(pull, rows, gone, next)
    }

    /// The end of a pull that was read at this moment.
    fn done(&mut self, pull: &Pull) -> Next {
        let tags = self.tags(pull.person);
        let digest = self.digest(&tags);
        let cursor = self.keep(pull).id;
        self.scopes.insert(Cursor(cursor.clone()), Rc::new(tags));
        let key = (pull.epoch.clone(), cursor.clone());
        self.recall.digests.insert(key, digest.clone());
        Next::Done {
            cursor: Cursor(cursor),
            digest: Some(digest),
        }
    }
}

fn page(pull: &Pull, rows: Vec<Row>, gone: Vec<Blind>, next: Next) -> Page {
    Page {
        epoch: Epoch(pull.epoch.clone()),
        schema: 1,
        totals: None,
        rows,
        gone,
        next,
    }
}
