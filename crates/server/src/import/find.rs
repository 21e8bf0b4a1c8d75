//! Look-ups of a chunk of rows: existing records by their keys, a hundred keys a query, several queries at once.

use std::{collections::HashMap, sync::Arc};

use fieldstone_model::{Filter, Query, RecordId, Value, query::Path, value::Key};
use fieldstone_store::{Store, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Workspace,
    binding::Finder,
    draft::{Draft, Sought},
    handle::Handle,
};

/// Most keys of one query; a filter has at most a hundred comparisons.
const KEYS: usize = 100;
/// Pages read before keys are asked for one by one, since a few of them must have very many records.
const PAGES: usize = 5;
/// Queries under way at once.
const PARALLEL: usize = 4;
/// Related records remembered between chunks.
const REMEMBERED: usize = 100_000;

/// What a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No record.
    None,
    /// One record at this version.
    One(RecordId, i64),
    /// Several records.
    Many,
}

impl Found {
    /// With one more record.
    pub(super) fn and(self, id: RecordId, version: i64) -> Self {
        match self {
            Self::None => Self::One(id, version),
            Self::One(known, _) if known == id => Self::One(id, version),
            _ => Self::Many,
        }
    }
}

impl Found {
    /// Both together: an older and a newer answer about the same key.
    pub(super) fn join(newer: Self, older: Self) -> Self {
        match (newer, older) {
            (Self::None, other) | (other, Self::None) => other,
            (Self::One(id, version), Self::One(other, _)) if id == other => Self::One(id, version),
            _ => Self::Many,
        }
    }
}

/// A look-up's place in the binding and the key.
pub(super) type Ask = (usize, Key);

/// What keys lead to, as one chunk sees it.
pub(super) type Answers = HashMap<Ask, Found>;

/// Finds records by keys, and remembers related ones.
pub(super) struct Searcher<'a, W: Workspace> {
    handle: &'a Handle<'a, W>,
    finders: &'a [Finder],
    remembered: Answers,
    /// What a trial run would have made, which the database doesn't know.
    imagined: Option<Answers>,
}

impl<'a, W: Workspace> Searcher<'a, W> {
    pub(super) fn new(handle: &'a Handle<'a, W>, finders: &'a [Finder], trial: bool) -> Self {
        Self {
            handle,
            finders,
            remembered: HashMap::new(),
            imagined: trial.then(Answers::new),
        }
    }

    /// Remembers records that only a trial run knows of.
    pub(super) fn imagine(&mut self, object: &str, field: &str, records: &[(String, RecordId)]) {
        let finder = self
            .finders
            .iter()
            .position(|finder| finder.object.name == object && finder.field.name == field);
        for (name, id) in records {
            let key = Value::Text(name.clone());
            let ask = finder.and_then(|at| Some((at, self.finders.get(at)?.key(&key)?)));
            if let Some(ask) = ask {
                self.remember(ask, Found::One(*id, 1));
            }
        }
    }

    /// Notes what the last chunk made.
    pub(super) fn made(&mut self, fresh: &Answers) {
        for (ask, found) in fresh {
            if let Some(imagined) = &mut self.imagined {
                let older = imagined.get(ask).copied().unwrap_or(Found::None);
                imagined.insert(ask.clone(), Found::join(*found, older));
            }
            self.remember(ask.clone(), *found);
        }
    }

    fn remember(&mut self, ask: Ask, found: Found) {
        let own = self.finders.get(ask.0).is_some_and(|finder| finder.own);
        if !own {
            self.remembered.insert(ask, found);
        }
    }

    /// What every key of `drafts` leads to.
    pub(super) async fn answers<'d>(
        &mut self,
        drafts: impl Iterator<Item = &'d Draft>,
    ) -> Result<Answers, StoreError> {
        let mut answers = Answers::new();
        let mut asked: HashMap<usize, Vec<Value>> = HashMap::new();
        for draft in drafts {
            let guards = draft.guards.iter().map(|(_, at, sought)| (at, sought));
            for (at, Sought { key, value }) in draft
                .sought()
                .map(|(at, sought)| (at, sought))
                .chain(guards)
            {
                let ask = (*at, key.clone());
                if answers.contains_key(&ask) {
                    continue;
                }
                let known = self.remembered.get(&ask).copied();
                if known.is_none() {
                    asked.entry(*at).or_default().push(value.clone());
                }
                answers.insert(ask, known.unwrap_or(Found::None));
            }
        }
        let groups = asked.into_iter().flat_map(|(at, values)| {
            let groups: Vec<_> = values
                .chunks(KEYS)
                .map(|group| (at, group.to_vec()))
                .collect();
            groups
        });
        let handle = self.handle;
        let finders = self.finders;
        let found: Vec<Answers> = stream::iter(groups)
            .map(|(at, values)| async move {
                match finders.get(at) {
                    Some(finder) => {
                        handle
                            .read(|store| group(store, at, finder, values.clone()))
                            .await
                    }
                    None => Ok(Answers::new()),
                }
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        if self.remembered.len() > REMEMBERED {
            self.remembered.clear();
        }
        for (ask, found) in found.into_iter().flatten() {
            self.remember(ask.clone(), found);
            answers.insert(ask, found);
        }
        if let Some(imagined) = &self.imagined {
            for (ask, found) in &mut answers {
                let made = imagined.get(ask).copied().unwrap_or(Found::None);
                *found = Found::join(made, *found);
            }
        }
        Ok(answers)
    }
}

/// The records that have one of `values`.
async fn group<S: Store>(
    store: Arc<S>,
    at: usize,
    finder: &Finder,
    values: Vec<Value>,
) -> Result<Answers, StoreError> {
    let mut answers = Answers::new();
    if store.registry().object(&finder.object.name).is_none() {
        // An object that a trial run only imagines has no records.
        return Ok(answers);
    }
    if !page_through(&*store, at, finder, values.clone(), PAGES, &mut answers).await? {
        answers.clear();
        for value in values {
            page_through(&*store, at, finder, vec![value], 1, &mut answers).await?;
        }
    }
    Ok(answers)
}

/// Whether `pages` pages were enough.
async fn page_through<S: Store>(
    store: &S,
    at: usize,
    finder: &Finder,
    values: Vec<Value>,
    pages: usize,
    answers: &mut Answers,
) -> Result<bool, StoreError> {
    let field = finder.field.name.as_ref();
    let mut query = Query::new(finder.object.name.as_ref())
        .column(field)
        .filter(Filter::In {
            path: Path::from_text(field),
            values,
        })
        .limit(fieldstone_model::query::LIMIT_MAX);
    for _ in 0..pages {
        let page = store.list(&query).await?;
        for record in &page.records {
            if let Some(key) = finder.key(record.get(field)) {
                let found = answers.entry((at, key)).or_insert(Found::None);
                *found = found.and(record.id, record.version);
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}
