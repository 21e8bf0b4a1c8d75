//! Applies a chunk of rows: all of it at once, and when a row is refused, the rest without it. Nothing is applied twice.

use std::{collections::HashMap, ops::Range};

use fieldstone_model::{Change, Clock, RecordId, Registry};
use fieldstone_store::{Applied, ChangeError, Store as _, StoreError};

use super::{
    RowProblem, Workspace,
    binding::Binding,
    draft::{Content, Entry},
    find::{Answers, Ask, Found},
    handle::Handle,
    journal::{Batch, Journal},
    plan::{Cause, Fate, Known, Plan, Planner},
    resume::{Happened, Resume},
};

/// Fewest rows tried together after refusals.
const PIECE_MIN: usize = 8;

/// How a row ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Skipped,
    Failed(RowProblem),
    Waits(Ask),
}

/// What a chunk came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The outcome of each row; `None` when the database stopped before it.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// What keys lead to because of this chunk.
    pub(super) fresh: Answers,
    /// Related records made.
    pub(super) related: u64,
    /// Why the database stopped.
    pub(super) stopped: Option<StoreError>,
}

/// Rows with what is known about them.
struct Chunk<'a> {
    entries: &'a [Entry],
    answers: &'a Answers,
    before: &'a Answers,
    /// Related records that could not be made, and why.
    refused: HashMap<Ask, RowProblem>,
    last: bool,
}

/// Applies chunks.
pub(super) struct Applier<'a, W: Workspace> {
    pub(super) handle: &'a Handle<'a, W>,
    pub(super) binding: &'a Binding,
    pub(super) registry: &'a Registry,
    pub(super) clock: &'a dyn Clock,
    pub(super) trial: bool,
    pub(super) journal: Option<(&'a dyn Journal, RecordId)>,
    /// What had happened before an interruption.
    pub(super) resume: Option<&'a Resume>,
}

/// Why some rows weren't applied, and nothing has happened.
enum Refused {
    /// A row or a related record is at fault.
    Fault(Cause, RowProblem),
    /// What a row makes was made before an interruption.
    Made(usize),
}

impl<W: Workspace> Applier<'_, W> {
    /// Applies `entries`; `before` is what was made since `answers` were looked up.
    pub(super) async fn apply(
        &self,
        entries: &[Entry],
        answers: &Answers,
        before: &Answers,
        last: bool,
    ) -> Settled {
        let mut settled = Settled {
            outcomes: entries
                .iter()
                .map(|entry| self.happened(entry).or_else(|| known_outcome(entry)))
                .collect(),
            ..Settled::default()
        };
        let mut chunk = Chunk {
            entries,
            answers,
            before,
            refused: HashMap::new(),
            last,
        };
        let mut piece = entries.len().max(1);
        let mut start = 0;
        while start < entries.len() {
            let end = entries.len().min(start + piece);
            match self.piece(&chunk, start..end, &mut settled).await {
                Ok(None) => start = end,
                Ok(Some(Refused::Made(at))) => {
                    set(&mut settled.outcomes, at, Outcome::Created);
                }
                Ok(Some(Refused::Fault(Cause::Row(at), problem))) => {
                    set(&mut settled.outcomes, at, Outcome::Failed(problem));
                    piece = (piece / 2).max(PIECE_MIN);
                }
                Ok(Some(Refused::Fault(Cause::Related(ask), problem))) => {
                    chunk.refused.insert(ask, problem);
                    piece = (piece / 2).max(PIECE_MIN);
                }
                Err(error) => {
                    settled.stopped = Some(error);
                    break;
                }
            }
        }
        settled
    }

    /// What became of a row before an interruption.
    fn happened(&self, entry: &Entry) -> Option<Outcome> {
        let happened = self.resume?.happened.get(&entry.number)?;
        Some(match happened {
            Happened::Created => Outcome::Created,
            Happened::Updated => Outcome::Updated,
            Happened::Nothing => Outcome::Skipped,
        })
    }

    /// Plans and applies some rows; answers who was refused, if somebody was, and then nothing has happened.
    async fn piece(
        &self,
        chunk: &Chunk<'_>,
        range: Range<usize>,
        settled: &mut Settled,
    ) -> Result<Option<Refused>, StoreError> {
        let now = self.clock.now();
        let promised = |at: usize| {
            let entry = chunk.entries.get(at)?;
            self.resume?.promised.get(&entry.number).copied()
        };
        let planner = Planner {
            binding: self.binding,
            registry: self.registry,
            user: self.handle.store().user(),
            now,
            last: chunk.last,
            new_id: &|object| self.handle.new_id(object, now),
            promised: &promised,
        };
        let entries = chunk.entries;
        let rows = entries
            .iter()
            .enumerate()
            .skip(range.start)
            .take(range.len());
        let rows = rows.filter_map(|(at, entry)| match &entry.content {
            Content::Draft(draft) if settled.outcomes.get(at) == Some(&None) => {
                Some((at, draft.as_ref()))
            }
            _ => None,
        });
        let known = Known {
            answers: chunk.answers,
            before: chunk.before,
            fresh: &settled.fresh,
            refused: &chunk.refused,
        };
        let mut plan = planner.plan(rows, &known);
        let applied = match self.commit(entries, &plan).await {
            Ok(applied) => applied,
            // No row after this one would fare better.
            Err(error @ StoreError::Change(_, ChangeError::Full)) => return Err(error),
            Err(StoreError::Change(index, error)) => {
                let cause = plan.causes.get(index).cloned();
                return match cause {
                    Some(Cause::Row(at))
                        if error == ChangeError::IdTaken && promised(at).is_some() =>
                    {
                        Ok(Some(Refused::Made(at)))
                    }
                    Some(cause) => Ok(Some(Refused::Fault(cause, RowProblem::from(&error)))),
                    None => Err(StoreError::Change(index, error)),
                };
            }
            Err(error) => return Err(error),
        };
        settle(&mut plan, &applied, settled);
        Ok(None)
    }

    async fn commit(&self, entries: &[Entry], plan: &Plan) -> Result<Vec<Applied>, StoreError> {
        if plan.changes.is_empty() {
            return Ok(Vec::new());
        }
        if self.trial {
            let applied = |change: &Change| Applied {
                id: change.id(),
                // A trial can't know whether the record would stay the same; this counts it as changed.
                version: -1,
            };
            return Ok(plan.changes.iter().map(applied).collect());
        }
        if let Some((journal, run)) = self.journal {
            journal.batch(run, &batch(entries, plan)).await?;
        }
        self.handle.apply(&plan.changes).await
    }
}

/// What is clear before anything is looked up.
fn known_outcome(entry: &Entry) -> Option<Outcome> {
    match &entry.content {
        Content::Blank => Some(Outcome::Skipped),
        Content::Wrong(problem) => Some(Outcome::Failed(problem.clone())),
        Content::Draft(_) => None,
    }
}

fn set(outcomes: &mut [Option<Outcome>], at: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = Some(outcome);
    }
}

/// Writes down what came of a plan that was applied.
fn settle(plan: &mut Plan, applied: &[Applied], settled: &mut Settled) {
    let mut versions: HashMap<RecordId, i64> = HashMap::new();
    let mut changed: HashMap<usize, bool> = HashMap::new();
    for ((change, cause), applied) in plan.changes.iter().zip(&plan.causes).zip(applied) {
        match cause {
            Cause::Related(_) => settled.related += 1,
            Cause::Row(at) => {
                let before = versions.get(&applied.id).copied();
                let same = applied.version > 0
                    && matches!(change, Change::Update { .. })
                    && before.or_else(|| seen(plan, *at)) == Some(applied.version);
                changed.insert(*at, !same);
            }
        }
        versions.insert(applied.id, applied.version);
    }
    for (at, fate) in plan.fates.drain(..) {
        let outcome = match fate {
            Fate::Create => Outcome::Created,
            Fate::Update(_) if changed.get(&at) == Some(&false) => Outcome::Skipped,
            Fate::Update(_) => Outcome::Updated,
            Fate::Skip => Outcome::Skipped,
            Fate::Fail(problem) => Outcome::Failed(problem),
            Fate::Wait(ask) => Outcome::Waits(ask),
        };
        set(&mut settled.outcomes, at, outcome);
    }
    for (ask, found) in plan.local.drain() {
        let found = match found {
            Found::One(id, version) => {
                Found::One(id, versions.get(&id).copied().unwrap_or(version))
            }
            other => other,
        };
        let older = settled.fresh.get(&ask).copied().unwrap_or(Found::None);
        settled.fresh.insert(ask, Found::join(found, older));
    }
}

/// The version at which a row's record was looked up.
fn seen(plan: &Plan, row: usize) -> Option<i64> {
    // Fates are in order of rows.
    let place = plan.fates.binary_search_by_key(&row, |(at, _)| *at).ok()?;
    match plan.fates.get(place) {
        Some((_, Fate::Update(version))) => Some(*version),
        _ => None,
    }
}

fn batch(entries: &[Entry], plan: &Plan) -> Batch {
    let mut batch = Batch::default();
    for (change, cause) in plan.changes.iter().zip(&plan.causes) {
        let row = match cause {
            Cause::Row(at) => entries.get(*at).map(|entry| entry.number),
            Cause::Related(_) => None,
        };
        if let Some(number) = row {
            let (first, last) = batch.rows;
            batch.rows = (
                if first == 0 {
                    number
                } else {
                    first.min(number)
                },
                last.max(number),
            );
        }
        match change {
            Change::Create { id, .. } => {
                batch.created.push(*id);
                batch.created_rows.push(row.unwrap_or(0));
            }
            other => {
                let version = match cause {
                    Cause::Row(at) => seen(plan, *at).unwrap_or(0) + 1,
                    Cause::Related(_) => 0,
                };
                batch.updated.push((other.id(), version));
                batch.updated_rows.push(row.unwrap_or(0));
            }
        }
    }
    batch
}
