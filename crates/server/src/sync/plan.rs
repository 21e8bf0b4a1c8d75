//! What a mutation comes to for a record as it is: changes, a conflict to keep, and what is answered. Nothing is written here.
//!
//! What the person saw decides what may be written ([`judge`]).

use fieldstone_model::{
    Change, Object, Record, RecordId, Registry, Value, Values,
    merge::{Conflict, Deleted, Intent, Verdict, judge},
};
use fieldstone_protocol::{
    conflict,
    push::{Edit, FieldRejection, Kind, Mutation, Outcome, Rejection},
};
use fieldstone_store::{ChangeError, Store as _, StoreError};
use serde_json::{Value as Json, json};

use super::{
    SyncError,
    push::{Extra, Source},
    rows::to_json,
};
use crate::store::PgStore;

/// The code of a rejection for want of room. It isn't kept: there may be room when the device tries again.
pub(super) const WORKSPACE_FULL: &str = "workspace_full";

/// What a mutation comes to: changes, a conflict to keep, and what is answered. The version is the one before the changes.
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) extras: Vec<Extra>,
    pub(super) outcome: Outcome,
}

impl PgStore {
    pub(super) async fn plan_mutation(
        &self,
        registry: &Registry,
        source: &Source<'_>,
        mutation: &Mutation,
    ) -> Result<Plan, SyncError> {
        let done = |outcome| Plan {
            changes: Vec::new(),
            extras: Vec::new(),
            outcome,
        };
        if mutation.object == conflict::OBJECT {
            return Ok(match self.settling(mutation).await? {
                Ok((changes, extra)) => Plan {
                    changes,
                    extras: vec![extra],
                    outcome: Outcome::Applied { version: 2 },
                },
                Err(outcome) => done(outcome),
            });
        }
        let record = match self.get(&mutation.object, mutation.record, &[]).await {
            Ok(record) => Some(record),
            Err(StoreError::NotFound(_) | StoreError::UnknownObject(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(self.plan_change(registry, source, mutation, record.as_ref()))
    }

    /// What a mutation comes to for a record as it is.
    pub(super) fn plan_change(
        &self,
        registry: &Registry,
        source: &Source<'_>,
        mutation: &Mutation,
        record: Option<&Record>,
    ) -> Plan {
        let done = |outcome| Plan {
            changes: Vec::new(),
            extras: Vec::new(),
            outcome,
        };
        let Some(object) = registry.object(&mutation.object).cloned() else {
            return done(rejected(
                "unknown_object",
                "The workspace has no such kind of record any more.",
            ));
        };
        let (seen, wanted) = match (
            side(&object, mutation, |edit| &edit.base),
            side(&object, mutation, |edit| &edit.wanted),
        ) {
            (Ok(seen), Ok(wanted)) => (seen, wanted),
            (_, Err(field)) | (Err(field), _) => return done(field),
        };
        let intent = match mutation.kind {
            Kind::Create => Intent::Create,
            Kind::Update => Intent::Update {
                seen: &seen,
                wanted: &wanted,
            },
            Kind::Delete => Intent::Delete { seen: &seen },
        };
        let current = record.map(|record| {
            (
                values(record),
                if record.deleted {
                    Deleted::Yes
                } else {
                    Deleted::No
                },
            )
        });
        let verdict = judge(
            &object,
            intent,
            current.as_ref().map(|(values, deleted)| (values, *deleted)),
        );
        self.carry_out(&object, (source, mutation), wanted, record, verdict)
    }

    fn carry_out(
        &self,
        object: &Object,
        (source, mutation): (&Source<'_>, &Mutation),
        wanted: Values,
        record: Option<&Record>,
        verdict: Verdict,
    ) -> Plan {
        let (name, id) = (object.name.to_string(), mutation.record);
        let version = record.map_or(0, |record| record.version);
        let expected = Some(version);
        let plan = |changes, outcome| Plan {
            changes,
            extras: Vec::new(),
            outcome,
        };
        let waits = |changes, kind, conflicts: &[Conflict], fields: Vec<String>| {
            let (conflict, extra) = self.conflict_row(object, (source, mutation), kind, conflicts);
            let outcome = Outcome::Conflict {
                version,
                conflict,
                fields,
            };
            Plan {
                changes,
                extras: vec![extra],
                outcome,
            }
        };
        match verdict {
            Verdict::Create => plan(
                vec![Change::Create {
                    object: name,
                    id,
                    values: wanted,
                }],
                Outcome::Applied { version },
            ),
            Verdict::IdTaken => plan(Vec::new(), Outcome::IdTaken),
            Verdict::NotFound => plan(
                Vec::new(),
                rejected(
                    "not_found",
                    "This record doesn't exist any more, or you can't see it.",
                ),
            ),
            Verdict::Write(merged) => {
                let fields: Vec<String> = merged
                    .conflicts
                    .iter()
                    .map(|conflict| conflict.field.clone())
                    .collect();
                let changes = if merged.apply.is_empty() {
                    Vec::new()
                } else {
                    vec![Change::Update {
                        object: name,
                        id,
                        expected,
                        values: merged.apply,
                    }]
                };
                if fields.is_empty() {
                    plan(changes, Outcome::Applied { version })
                } else {
                    waits(changes, conflict::Kind::Edit, &merged.conflicts, fields)
                }
            }
            Verdict::Delete => plan(
                vec![Change::Delete {
                    object: name,
                    id,
                    expected,
                }],
                Outcome::Applied { version },
            ),
            Verdict::AlreadyDeleted => plan(Vec::new(), Outcome::Applied { version }),
            Verdict::EditOfDeleted(conflicts) => waits(
                Vec::new(),
                conflict::Kind::EditOfDeleted,
                &conflicts,
                Vec::new(),
            ),
            Verdict::DeleteOfEdited(conflicts) => waits(
                Vec::new(),
                conflict::Kind::DeleteOfEdited,
                &conflicts,
                Vec::new(),
            ),
        }
    }

    fn conflict_row(
        &self,
        object: &Object,
        (source, mutation): (&Source<'_>, &Mutation),
        kind: conflict::Kind,
        conflicts: &[Conflict],
    ) -> (RecordId, Extra) {
        let id = self.fresh_id(conflict::PREFIX);
        let field = |conflict: &Conflict| {
            let scale = object
                .field(&conflict.field)
                .and_then(|field| field.kind.scale());
            let plain = |value: &Value| to_json(value, scale);
            json!({
                "field": conflict.field,
                "seen": plain(&conflict.seen),
                "current": plain(&conflict.current),
                "wanted": plain(&conflict.wanted),
            })
        };
        let fields: Vec<Json> = conflicts.iter().map(field).collect();
        let kind = match kind {
            conflict::Kind::Edit => "edit",
            conflict::Kind::EditOfDeleted => "edit_of_deleted",
            conflict::Kind::DeleteOfEdited => "delete_of_edited",
        };
        let extra = Extra {
            sql: "INSERT INTO app.sync_conflict (tenant_id, user_id, id, object, record_id, kind, fields, created_at, device_id) \
                  SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, $5::text::jsonb, $6, $7",
            params: vec![
                Box::new(id.to_string()),
                Box::new(object.name.to_string()),
                Box::new(mutation.record.to_string()),
                Box::new(kind.to_owned()),
                Box::new(Json::Array(fields).to_string()),
                Box::new(self.now()),
                Box::new(source.device()),
            ],
        };
        (id, extra)
    }
}

fn values(record: &Record) -> Values {
    record
        .iter()
        .map(|(column, value)| (column.name.clone(), value.clone()))
        .collect()
}

/// One side of a mutation's fields, or why there is none. What was seen of a record that is to be deleted may name fields that are no more.
fn side(object: &Object, mutation: &Mutation, side: fn(&Edit) -> &Json) -> Result<Values, Outcome> {
    let mut values = Values::new();
    for (name, edit) in &mutation.fields {
        let Some(field) = object
            .field(name)
            .filter(|field| field.is_writable() || mutation.kind == Kind::Delete)
        else {
            if mutation.kind == Kind::Delete {
                continue;
            }
            return Err(rejected_field(
                name,
                "unknown_field",
                "This field was removed, or can't be changed. Leave it out, or take the change back.",
            ));
        };
        if mutation.kind == Kind::Delete && !field.is_writable() {
            continue;
        }
        match Value::from_json(field, side(edit)) {
            Ok(value) => values.set(name.clone(), value),
            Err(problem) => return Err(rejected_field(name, problem.code(), &problem.to_string())),
        }
    }
    Ok(values)
}

pub(super) fn rejected(code: &str, message: &str) -> Outcome {
    let rejection = Rejection {
        code: code.to_owned(),
        message: message.to_owned(),
        fields: Vec::new(),
    };
    Outcome::Rejected { rejection }
}

pub(super) fn rejected_field(field: &str, code: &str, message: &str) -> Outcome {
    let of_field = FieldRejection {
        field: field.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let rejection = Rejection {
        code: "invalid".to_owned(),
        message: message.to_owned(),
        fields: vec![of_field],
    };
    Outcome::Rejected { rejection }
}

pub(super) fn rejected_change(error: &ChangeError) -> Outcome {
    let ChangeError::Invalid(errors) = error else {
        let code = match error {
            ChangeError::NotFound => "not_found",
            ChangeError::Deleted => "deleted",
            ChangeError::WrongObject => "wrong_object",
            ChangeError::ReadOnlyObject => "read_only",
            ChangeError::Full => WORKSPACE_FULL,
            _ => "refused",
        };
        return rejected(code, &error.to_string());
    };
    let fields = errors.iter().map(|error| FieldRejection {
        field: error.field.clone(),
        code: error.problem.code().to_owned(),
        message: error.problem.to_string(),
    });
    let rejection = Rejection {
        code: "invalid".to_owned(),
        message: error.to_string(),
        fields: fields.collect(),
    };
    Outcome::Rejected { rejection }
}
