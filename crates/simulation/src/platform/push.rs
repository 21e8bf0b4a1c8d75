//! Push: every mutation in a transaction of its own, judged by the merge that is shipped, its result kept beside what it did.

use fieldstone_client::engine::Failure;
use fieldstone_model::{
    Object, RecordId, Value, Values,
    merge::{Conflict, Deleted, Intent, Verdict, judge},
};
use fieldstone_protocol::{
    Columns, conflict,
    push::{Edit, Kind, Mutation, MutationResult, Outcome, PushAnswer, PushRequest, Rejection},
};
use serde_json::{Value as Json, json};

use super::{Effect, OBJECTS, Platform, Stored};

impl Platform {
    pub(crate) fn push(&mut self, request: &PushRequest) -> Result<PushAnswer, Failure> {
        let person = self.admit(request.device).ok_or(Failure::SignedOut)?;
        let mut results = Vec::new();
        for mutation in &request.mutations {
            let known = self.data.results.get(&mutation.uuid).cloned();
            let duplicate = known.is_some();
            let outcome = match known {
                Some(outcome) => outcome,
                // Somebody else is writing this row. The shipped platform waits; the device sends the rest again.
                None if self.is_locked(mutation.record) => break,
                None => {
                    let outcome = self.apply(person, mutation);
                    self.data
                        .results
                        .insert(mutation.uuid.clone(), outcome.clone());
                    let effect = Effect {
                        mutation: mutation.clone(),
                        outcome: outcome.clone(),
                    };
                    self.data
                        .effects
                        .entry((request.device, mutation.sequence))
                        .or_default()
                        .push(effect);
                    outcome
                }
            };
            let stop = outcome == Outcome::IdTaken;
            results.push(MutationResult {
                uuid: mutation.uuid.clone(),
                duplicate,
                outcome,
            });
            if stop {
                // What follows may name the record by the id that it is about to lose.
                break;
            }
        }
        Ok(PushAnswer { results })
    }

    fn apply(&mut self, person: usize, mutation: &Mutation) -> Outcome {
        if self
            .people
            .get(person)
            .is_none_or(|person| !person.may_write)
        {
            return rejected("forbidden");
        }
        if mutation.object == conflict::OBJECT {
            return self.settle_from_device(person, mutation);
        }
        let Some(name) = OBJECTS.into_iter().find(|name| *name == mutation.object) else {
            return rejected("unknown_object");
        };
        let Some(object) = self.registry.object(name).cloned() else {
            return rejected("unknown_object");
        };
        let current = self.data.rows.get(&mutation.record).cloned();
        if current.as_ref().is_some_and(|row| row.object != name) {
            return rejected("not_found");
        }
        let (Some(mut seen), Some(wanted)) = (
            side(&object, mutation, |edit| &edit.base),
            side(&object, mutation, |edit| &edit.wanted),
        ) else {
            return rejected("invalid");
        };
        if mutation.kind == Kind::Delete {
            // Whoever may not see a field hasn't seen it empty either.
            let visible = |(field, _): &(&str, &Value)| self.may_write_field(person, name, field);
            seen = seen
                .iter()
                .filter(visible)
                .fold(Values::new(), |seen, (field, value)| {
                    seen.with(field, value.clone())
                });
        } else {
            if mutation
                .fields
                .keys()
                .any(|field| !self.may_write_field(person, name, field))
            {
                return rejected("forbidden");
            }
            let leads_nowhere = |value: &Value| {
                value.as_id().is_some_and(|id| {
                    id.prefix() != "005" && self.data.rows.get(&id).is_none_or(|row| row.deleted)
                })
            };
            if wanted.iter().any(|(_, value)| leads_nowhere(value)) {
                return rejected("invalid");
            }
        }
        let intent = match mutation.kind {
            Kind::Create => Intent::Create,
            Kind::Update => Intent::Update {
                seen: &seen,
                wanted: &wanted,
            },
            Kind::Delete => Intent::Delete { seen: &seen },
        };
        let values = current.as_ref().map(|row| {
            let deleted = if row.deleted {
                Deleted::Yes
            } else {
                Deleted::No
            };
            (values(&object, &row.columns), deleted)
        });
        let verdict = judge(
            &object,
            intent,
            values.as_ref().map(|(values, deleted)| (values, *deleted)),
        );
        self.carry_out(person, mutation, name, current.as_ref(), verdict)
    }

    fn carry_out(
        &mut self,
        person: usize,
        mutation: &Mutation,
        name: &'static str,
        current: Option<&Stored>,
        verdict: Verdict,
    ) -> Outcome {
        let id = mutation.record;
        let version = current.map_or(0, |row| row.version);
        let wanted = |field: &str| mutation.fields.get(field).map(|edit| edit.wanted.clone());
        match verdict {
            Verdict::IdTaken => Outcome::IdTaken,
            Verdict::NotFound => rejected("not_found"),
            Verdict::Create => {
                let fields: Vec<String> = mutation.fields.keys().cloned().collect();
                self.write_fields(id, name, &fields, wanted);
                Outcome::Applied { version: 1 }
            }
            Verdict::Write(merged) => {
                let fields: Vec<String> = merged
                    .apply
                    .iter()
                    .map(|(field, _)| field.to_owned())
                    .collect();
                let version = version + i64::from(!fields.is_empty());
                if !fields.is_empty() {
                    self.write_fields(id, name, &fields, wanted);
                }
                if merged.conflicts.is_empty() {
                    Outcome::Applied { version }
                } else {
                    let waiting = merged
                        .conflicts
                        .iter()
                        .map(|conflict| conflict.field.clone())
                        .collect();
                    let conflict = self.keep_conflict(
                        person,
                        mutation,
                        conflict::Kind::Edit,
                        &merged.conflicts,
                    );
                    Outcome::Conflict {
                        version,
                        conflict,
                        fields: waiting,
                    }
                }
            }
            Verdict::Delete => {
                let transaction = self.begin();
                self.write(transaction, id, name, true, |_| {});
                self.commit(transaction);
                Outcome::Applied {
                    version: version + 1,
                }
            }
            Verdict::AlreadyDeleted => Outcome::Applied { version },
            Verdict::EditOfDeleted(conflicts) => {
                let conflict =
                    self.keep_conflict(person, mutation, conflict::Kind::EditOfDeleted, &conflicts);
                Outcome::Conflict {
                    version,
                    conflict,
                    fields: Vec::new(),
                }
            }
            Verdict::DeleteOfEdited(conflicts) => {
                let conflict = self.keep_conflict(
                    person,
                    mutation,
                    conflict::Kind::DeleteOfEdited,
                    &conflicts,
                );
                Outcome::Conflict {
                    version,
                    conflict,
                    fields: Vec::new(),
                }
            }
        }
    }

    fn write_fields(
        &mut self,
        id: RecordId,
        name: &'static str,
        fields: &[String],
        wanted: impl Fn(&str) -> Option<Json>,
    ) {
        let transaction = self.begin();
        let mut texts = Vec::new();
        self.write(transaction, id, name, false, |columns| {
            for field in fields {
                let value = wanted(field).unwrap_or_default();
                texts.extend(value.as_str().map(str::to_owned));
                if value.is_null() {
                    columns.remove(field);
                } else {
                    columns.insert(field.clone(), value);
                }
            }
        });
        for text in texts {
            *self.data.written.entry(text).or_default() += 1;
        }
        self.commit(transaction);
    }

    fn keep_conflict(
        &mut self,
        person: usize,
        mutation: &Mutation,
        kind: conflict::Kind,
        conflicts: &[Conflict],
    ) -> RecordId {
        let id = RecordId::compose(
            conflict::PREFIX,
            jiff::Timestamp::UNIX_EPOCH,
            self.random.next(),
        );
        let owner = self
            .people
            .get(person)
            .map_or(Json::Null, |person| json!(person.id));
        let edit = |conflict: &Conflict| {
            let edit = mutation.fields.get(&conflict.field);
            let side = |side: fn(&Edit) -> &Json| edit.map(side).cloned().unwrap_or_default();
            let current = self
                .data
                .rows
                .get(&mutation.record)
                .and_then(|row| row.columns.get(&conflict.field));
            json!({
                "field": conflict.field,
                "seen": side(|edit| &edit.base),
                "current": current.cloned().unwrap_or_default(),
                "wanted": side(|edit| &edit.wanted),
            })
        };
        let fields: Vec<Json> = conflicts.iter().map(edit).collect();
        let columns = json!({"object": mutation.object, "record": mutation.record, "kind": kind, "fields": fields, "owner_id": owner});
        let transaction = self.begin();
        self.write(transaction, id, conflict::OBJECT, false, |kept| {
            *kept = columns.as_object().cloned().unwrap_or_default();
        });
        self.commit(transaction);
        id
    }

    fn settle_from_device(&mut self, person: usize, mutation: &Mutation) -> Outcome {
        let owner = self.people.get(person).map(|person| person.id.to_string());
        let Some(kept) = self.data.rows.get(&mutation.record) else {
            return rejected("not_found");
        };
        if kept.object != conflict::OBJECT
            || kept.columns.get("owner_id").and_then(Json::as_str) != owner.as_deref()
        {
            return rejected("not_found");
        }
        let version = kept.version;
        if kept.deleted {
            return Outcome::Applied { version };
        }
        let mine = mutation
            .fields
            .get(conflict::RESOLUTION)
            .is_some_and(|edit| edit.wanted == conflict::MINE);
        if !self.settle(mutation.record, mine) {
            return rejected("busy");
        }
        Outcome::Applied {
            version: version + 1,
        }
    }

    /// Settles a conflict as a person does; answers whether it could be done.
    pub(crate) fn settle(&mut self, id: RecordId, mine: bool) -> bool {
        let Some(kept) = self
            .data
            .rows
            .get(&id)
            .filter(|kept| kept.object == conflict::OBJECT && !kept.deleted)
        else {
            return false;
        };
        let Ok(found) =
            serde_json::from_value::<conflict::Conflict>(Json::Object(kept.columns.clone()))
        else {
            return false;
        };
        if self.is_locked(found.record) || self.is_locked(id) {
            return false;
        }
        let name = self.data.rows.get(&found.record).map(|row| row.object);
        if let (true, Some(name)) = (mine, name) {
            if found.kind == conflict::Kind::DeleteOfEdited {
                let transaction = self.begin();
                self.write(transaction, found.record, name, true, |_| {});
                self.commit(transaction);
            } else {
                let fields: Vec<String> = found
                    .fields
                    .iter()
                    .map(|field| field.field.clone())
                    .collect();
                let wanted = |name: &str| {
                    found
                        .fields
                        .iter()
                        .find(|field| field.field == name)
                        .map(|field| field.wanted.clone())
                };
                self.write_fields(found.record, name, &fields, wanted);
            }
        }
        let transaction = self.begin();
        self.write(transaction, id, conflict::OBJECT, true, |_| {});
        self.commit(transaction);
        true
    }
}

/// One side of a mutation's fields; none when a value can't be.
fn side(object: &Object, mutation: &Mutation, side: fn(&Edit) -> &Json) -> Option<Values> {
    let value = |(name, edit): (&String, &Edit)| {
        let Some(field) = object.field(name) else {
            // What the registry doesn't know is compared by nobody.
            return (mutation.kind == Kind::Delete).then(|| (name.clone(), Value::Null));
        };
        Some((name.clone(), Value::from_json(field, side(edit)).ok()?))
    };
    let known = |(name, _): &(&String, &Edit)| {
        object.field(name).is_some() || mutation.kind != Kind::Delete
    };
    mutation.fields.iter().filter(known).map(value).collect()
}

fn values(object: &Object, columns: &Columns) -> Values {
    let value = |(name, json): (&String, &Json)| {
        let field = object.field(name)?;
        Some((name.clone(), Value::from_json(field, json).ok()?))
    };
    columns.iter().filter_map(value).collect()
}

fn rejected(code: &str) -> Outcome {
    Outcome::Rejected {
        rejection: Rejection {
            code: code.to_owned(),
            message: String::new(),
            fields: Vec::new(),
        },
    }
}
