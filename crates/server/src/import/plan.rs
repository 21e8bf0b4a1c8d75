//! Plans: the changes that a chunk of rows asks for, given what was found. Pure, so that a chunk can be planned again without a bad row.

use std::collections::{HashMap, HashSet};

use fieldstone_model::{Change, Problem, RecordId, Registry, Value, Values, objects, validate};
use fieldstone_store::{ChangeError, User, write};
use jiff::Timestamp;

use super::{
    DedupeRule, RowProblem,
    binding::Binding,
    draft::{Draft, Wanted},
    find::{Answers, Ask, Found},
    row_problem::Why,
};

/// What planning needs besides the rows.
pub(super) struct Planner<'a> {
    pub(super) binding: &'a Binding,
    pub(super) registry: &'a Registry,
    pub(super) user: User,
    pub(super) now: Timestamp,
    /// Whether no further rows can bring the records that these rows refer to.
    pub(super) last: bool,
    /// Makes ids.
    pub(super) new_id: &'a (dyn Fn(&fieldstone_model::Object) -> RecordId + Sync),
    /// The id that a row, by its place in the chunk, was to get before an interruption: whoever still tries to make it can't any more.
    pub(super) promised: &'a (dyn Fn(usize) -> Option<RecordId> + Sync),
}

/// What is known about keys: the chunk's look-ups, with what was made since on top.
pub(super) struct Known<'a> {
    pub(super) answers: &'a Answers,
    /// What the chunk before made while this one was looked up.
    pub(super) before: &'a Answers,
    /// What earlier rows of this chunk made.
    pub(super) fresh: &'a Answers,
    /// Related records that could not be made, and why.
    pub(super) refused: &'a HashMap<Ask, RowProblem>,
}

/// Who asked for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// A row, by its place in the chunk.
    Row(usize),
    /// Rows that refer to a record that isn't there.
    Related(Ask),
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// A record is made.
    Create,
    /// A record at this version is changed.
    Update(i64),
    /// Its record is there and stays as it is.
    Skip,
    /// It can't be stored.
    Fail(RowProblem),
    /// It waits for another row to be made first.
    Wait(Ask),
}

/// Changes with their causes, and the fate of each row.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) causes: Vec<Cause>,
    pub(super) fates: Vec<(usize, Fate)>,
    /// What keys lead to once the changes are applied.
    pub(super) local: Answers,
}

impl Planner<'_> {
    /// Plans rows, each given with its place in the chunk.
    pub(super) fn plan<'d>(
        &self,
        rows: impl Iterator<Item = (usize, &'d Draft)>,
        known: &Known<'_>,
    ) -> Plan {
        let mut plan = Plan::default();
        for (at, draft) in rows {
            let mark = (plan.changes.len(), plan.causes.len());
            let fate = match self.row(at, draft, known, &mut plan) {
                Ok(fate) | Err(fate) => fate,
            };
            if matches!(fate, Fate::Fail(_) | Fate::Wait(_)) {
                // Related records that only this row asked for are taken back with it.
                let dropped: HashSet<RecordId> = plan
                    .changes
                    .drain(mark.0..)
                    .map(|change| change.id())
                    .collect();
                plan.causes.truncate(mark.1);
                if !dropped.is_empty() {
                    plan.local.retain(
                        |_, found| !matches!(found, Found::One(id, _) if dropped.contains(id)),
                    );
                }
            }
            plan.fates.push((at, fate));
        }
        plan
    }

    fn row(
        &self,
        at: usize,
        draft: &Draft,
        known: &Known<'_>,
        plan: &mut Plan,
    ) -> Result<Fate, Fate> {
        let existing = self.existing(draft, known, plan)?;
        let rule = self.binding.dedupe.as_ref().map(|dedupe| dedupe.rule);
        if existing.is_some() && rule == Some(DedupeRule::Skip) {
            return Ok(Fate::Skip);
        }
        let mut values = draft.values.clone();
        for wanted in &draft.wanted {
            let value = self.related(wanted, known, plan)?;
            if let Some(bound) = self.binding.fields.get(wanted.field) {
                values.set(bound.field.name.clone(), value);
            }
        }
        for (field, finder, sought) in &draft.guards {
            let own = existing.map(|(id, _)| id);
            match known.look(plan, &(*finder, sought.key.clone())) {
                Found::None => {}
                Found::One(id, _) if own == Some(id) => {}
                _ => {
                    let text = sought.value.as_text().unwrap_or_default();
                    let problem = RowProblem::value(field, &Problem::Duplicate, text);
                    return Err(Fate::Fail(problem));
                }
            }
        }
        values.remove("id");
        match existing {
            Some((id, version)) => self.update(at, id, version, &values, plan),
            None => self.create(at, values, plan),
        }
    }

    /// The record that the row is about, if it is there and a rule asks.
    fn existing(
        &self,
        draft: &Draft,
        known: &Known<'_>,
        plan: &Plan,
    ) -> Result<Option<(RecordId, i64)>, Fate> {
        let Some(dedupe) = self
            .binding
            .dedupe
            .as_ref()
            .filter(|dedupe| dedupe.rule != DedupeRule::Create)
        else {
            return Ok(None);
        };
        let found = draft
            .dedupe
            .as_ref()
            .map_or(Found::None, |(finder, sought)| {
                known.look(plan, &(*finder, sought.key.clone()))
            });
        match found {
            Found::One(id, version) => Ok(Some((id, version))),
            Found::None if self.binding.named_id(draft).is_some() => {
                Err(Fate::Fail(Why::NoSuchId.into()))
            }
            Found::None => Ok(None),
            Found::Many => {
                let name = self
                    .binding
                    .fields
                    .get(dedupe.field)
                    .map_or("", |bound| bound.field.name.as_ref());
                let several = Why::Several {
                    field: name.to_owned(),
                    text: String::new(),
                };
                Err(Fate::Fail(several.into()))
            }
        }
    }

    /// The related record, found or made.
    fn related(&self, wanted: &Wanted, known: &Known<'_>, plan: &mut Plan) -> Result<Value, Fate> {
        let Some((bound, relation)) = self
            .binding
            .fields
            .get(wanted.field)
            .and_then(|bound| Some((bound, bound.relation.as_ref()?)))
        else {
            return Ok(Value::Null);
        };
        let name = &bound.field.name;
        for (finder, sought) in wanted.sought.iter().chain(&wanted.fallback) {
            match known.look(plan, &(*finder, sought.key.clone())) {
                Found::None => {}
                Found::One(id, _) => return Ok(Value::Id(id)),
                Found::Many => {
                    let several = Why::Several {
                        field: name.to_string(),
                        text: wanted.text.clone(),
                    };
                    return Err(Fate::Fail(several.into()));
                }
            }
        }
        if relation.create {
            return self.make_related(wanted, known, plan);
        }
        if relation.optional {
            return Ok(Value::Null);
        }
        let own = wanted.sought.iter().find(|(finder, _)| {
            let finder = self.binding.finders.get(*finder);
            finder.is_some_and(|finder| finder.own)
        });
        match own {
            Some((finder, sought)) if !self.last => Err(Fate::Wait((*finder, sought.key.clone()))),
            _ => Err(Fate::Fail(RowProblem::missing(name, &wanted.text))),
        }
    }

    fn make_related(
        &self,
        wanted: &Wanted,
        known: &Known<'_>,
        plan: &mut Plan,
    ) -> Result<Value, Fate> {
        let missing = || {
            let bound = self.binding.fields.get(wanted.field);
            let name = bound.map_or("", |bound| bound.field.name.as_ref());
            Fate::Fail(RowProblem::missing(name, &wanted.text))
        };
        let (finder, sought) = wanted.sought.first().ok_or_else(missing)?;
        let ask = (*finder, sought.key.clone());
        if let Some(problem) = known.refused.get(&ask) {
            return Err(Fate::Fail(problem.clone()));
        }
        let finder = self.binding.finders.get(*finder).ok_or_else(missing)?;
        let id = (self.new_id)(&finder.object);
        let change = Change::Create {
            object: finder.object.name.to_string(),
            id,
            values: Values::new().with(finder.field.name.clone(), sought.value.clone()),
        };
        let refuse = |error: ChangeError| {
            let related = Why::Related {
                object: finder.object.name.to_string(),
                text: wanted.text.clone(),
                why: RowProblem::from(&error),
            };
            Fate::Fail(related.into())
        };
        write::prepare(
            self.registry,
            &finder.object,
            self.user,
            self.now,
            &change,
            None,
        )
        .map_err(refuse)?;
        plan.changes.push(change);
        plan.causes.push(Cause::Related(ask.clone()));
        plan.local.insert(ask, Found::One(id, 1));
        Ok(Value::Id(id))
    }

    fn create(&self, at: usize, values: Values, plan: &mut Plan) -> Result<Fate, Fate> {
        let object = &self.binding.object;
        let id = (self.promised)(at).unwrap_or_else(|| (self.new_id)(object));
        let change = Change::Create {
            object: object.name.to_string(),
            id,
            values,
        };
        let written = write::prepare(self.registry, object, self.user, self.now, &change, None)
            .map_err(|error| Fate::Fail(RowProblem::from(&error)))?;
        if let Some(written) = written {
            self.remember(id, 1, &written.values, plan);
        }
        plan.changes.push(change);
        plan.causes.push(Cause::Row(at));
        Ok(Fate::Create)
    }

    fn update(
        &self,
        at: usize,
        id: RecordId,
        version: i64,
        values: &Values,
        plan: &mut Plan,
    ) -> Result<Fate, Fate> {
        let clear = self
            .binding
            .dedupe
            .as_ref()
            .is_some_and(|dedupe| dedupe.clear);
        let values: Values = values
            .iter()
            .filter(|(_, value)| clear || !value.is_null())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let errors = validate::check_update(&self.binding.object, &values);
        if !errors.is_empty() {
            return Err(Fate::Fail(RowProblem::from(&ChangeError::Invalid(errors))));
        }
        self.remember(id, version, &values, plan);
        plan.changes.push(Change::Update {
            object: self.binding.object.name.to_string(),
            id,
            expected: None,
            values,
        });
        plan.causes.push(Cause::Row(at));
        Ok(Fate::Update(version))
    }

    /// Notes under which keys later rows find this record.
    fn remember(&self, id: RecordId, version: i64, values: &Values, plan: &mut Plan) {
        for (at, finder) in self
            .binding
            .finders
            .iter()
            .enumerate()
            .filter(|(_, finder)| finder.own)
        {
            let own_id = Value::Id(id);
            let value = if finder.field.name == "id" {
                Some(&own_id)
            } else {
                values.get(&finder.field.name)
            };
            if let Some(key) = value.and_then(|value| finder.key(value)) {
                plan.local
                    .entry((at, key))
                    .and_modify(|found| *found = found.and(id, version))
                    .or_insert(Found::One(id, version));
            }
        }
    }
}

impl Known<'_> {
    /// What a key leads to now: what was made last decides.
    fn look(&self, plan: &Plan, ask: &Ask) -> Found {
        let layers = [&plan.local, self.fresh, self.before, self.answers];
        layers
            .into_iter()
            .filter_map(|layer| layer.get(ask).copied())
            .fold(Found::None, Found::join)
    }
}

/// Whether an object's rules give a required field a value when a file doesn't.
pub(super) fn has_default(
    registry: &Registry,
    object: &str,
    field: &str,
    (now, me): (Timestamp, RecordId),
) -> bool {
    objects::defaults(object, &Values::new(), registry, now, me)
        .get(field)
        .is_some()
}
