//! Push: every mutation in a transaction of its own, with its result beside what it did.
//!
//! Rights and rules are checked as for any other change. What the person saw decides what may be written ([`judge`]); a record that moves
//! on between looking and writing is looked at again.

use std::collections::HashMap;

use fieldstone_model::{
    Change, Object, Record, RecordId, Registry, Value, Values,
    merge::{Conflict, Deleted, Intent, Verdict, judge},
};
use fieldstone_protocol::{
    conflict,
    push::{
        Edit, FieldRejection, Kind, Mutation, MutationResult, Outcome, PushAnswer, PushRequest,
        Rejection,
    },
};
use fieldstone_store::{ChangeError, Store as _, StoreError};
use serde_json::{Value as Json, json};
use tokio_postgres::types::ToSql;

use super::{SyncError, reading::column, rows::to_json, sealed::Taken};
use crate::store::PgStore;

/// How often a mutation is tried while others write the same record.
const TRIES: u32 = 5;

/// One statement more in the transaction of a change.
pub(crate) struct Extra {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Box<dyn ToSql + Sync + Send>>,
}

/// Where a mutation comes from.
pub(super) enum Source<'a> {
    /// A device that is there.
    Device(RecordId),
    /// A device that sealed it earlier.
    Sealed(&'a Taken<'a>),
    /// Quarantine, from where whoever manages people releases it.
    Released {
        /// The device that sealed it.
        device: RecordId,
        /// Its number.
        sequence: i64,
    },
}

impl Source<'_> {
    fn device(&self) -> String {
        match self {
            Self::Device(device) | Self::Released { device, .. } => device.to_string(),
            Self::Sealed(taken) => taken.device().to_owned(),
        }
    }
}

/// What a mutation comes to: changes, a conflict to keep, and what is answered. The version is the one before the changes.
struct Plan {
    changes: Vec<Change>,
    extras: Vec<Extra>,
    outcome: Outcome,
}

impl PgStore {
    pub(super) async fn sync_push(&self, request: &PushRequest) -> Result<PushAnswer, SyncError> {
        if request.protocol < fieldstone_protocol::OLDEST
            || request.protocol > fieldstone_protocol::VERSION
        {
            return Err(SyncError::Incompatible);
        }
        let mut known = self.known_results(request).await?;
        let source = Source::Device(request.device);
        let mut results = Vec::with_capacity(request.mutations.len());
        for mutation in &request.mutations {
            let before = known.remove(&mutation.uuid);
            let duplicate = before.is_some();
            let outcome = match before {
                Some(outcome) => outcome,
                None => match self.take_in(&source, mutation).await {
                    Ok(outcome) => outcome,
                    // What was answered so far is done; the device sends the rest again.
                    Err(SyncError::Store(StoreError::Busy)) if !results.is_empty() => break,
                    Err(error) => return Err(error),
                },
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
        self.count_push(request.device, &results).await?;
        Ok(PushAnswer { results })
    }

    /// Counts what came from a device.
    async fn count_push(
        &self,
        device: RecordId,
        results: &[MutationResult],
    ) -> Result<(), SyncError> {
        let count = |of: fn(&MutationResult) -> bool| {
            let count = results.iter().filter(|result| of(result)).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        let changes = count(|result| !result.duplicate);
        let conflicts =
            count(|result| !result.duplicate && matches!(result.outcome, Outcome::Conflict { .. }));
        self.run_step(
            "UPDATE app.sync_device d SET pushes = d.pushes + 1, changes = d.changes + $2, conflicts = d.conflicts + $3, last_seen_at = $4 WHERE d.id = $1",
            &[&device.as_str(), &changes, &conflicts, &self.now()],
        )
        .await?;
        Ok(())
    }

    /// Results of mutations that were here before; and whether the device may push at all.
    async fn known_results(
        &self,
        request: &PushRequest,
    ) -> Result<HashMap<String, Outcome>, SyncError> {
        let uuids: Vec<&str> = request
            .mutations
            .iter()
            .map(|mutation| mutation.uuid.as_str())
            .collect();
        let rows = self
            .run_step(
                "SELECT d.id, r.uuid, r.outcome::text FROM app.sync_device d LEFT JOIN app.sync_result r ON r.user_id = d.user_id AND r.uuid = ANY ($2) \
                 WHERE d.id = $1 AND d.revoked_at IS NULL",
                &[&request.device.as_str(), &uuids],
            )
            .await?;
        if rows.is_empty() {
            return Err(SyncError::UnknownDevice);
        }
        let mut known = HashMap::new();
        for row in &rows {
            if let Some(uuid) = column::<Option<String>>(row, 1)? {
                known.insert(
                    uuid,
                    serde_json::from_str(column(row, 2)?).map_err(StoreError::internal)?,
                );
            }
        }
        Ok(known)
    }

    async fn known_result(&self, uuid: &str) -> Result<Option<Outcome>, SyncError> {
        let rows = self
            .run_step(
                "SELECT r.outcome::text FROM app.sync_result r WHERE r.uuid = $1",
                &[&uuid],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(
            serde_json::from_str(column(row, 0)?).map_err(StoreError::internal)?,
        ))
    }

    pub(super) async fn take_in(
        &self,
        source: &Source<'_>,
        mutation: &Mutation,
    ) -> Result<Outcome, SyncError> {
        if !(32..=36).contains(&mutation.uuid.len()) || i64::try_from(mutation.sequence).is_err() {
            return Err(SyncError::BadRequest("A change has no proper name."));
        }
        let mut registry = self.registry().clone();
        for _ in 0..TRIES {
            let plan = self.plan_mutation(&registry, source, mutation).await?;
            let Plan {
                changes,
                mut extras,
                outcome,
            } = plan;
            // The version is known only once the changes are written; everything else is decided.
            let outcome = with_version(outcome, &changes);
            extras.extend(self.beside(source, mutation, &outcome)?);
            match self.write_with(&registry, &changes, extras).await {
                Ok(Some(_)) => return Ok(outcome),
                // The same mutation, on its way a second time.
                Ok(None) => {
                    if let Some(outcome) = self.known_result(&mutation.uuid).await? {
                        return Ok(outcome);
                    }
                }
                Err(StoreError::SchemaChanged) => registry = self.fresh_registry().await?,
                Err(StoreError::Change(_, ChangeError::Stale { .. })) => {}
                Err(StoreError::Change(_, ChangeError::IdTaken)) => {
                    // Taken by a record that can't be seen, or just now.
                    return self
                        .refuse(source, mutation, &registry, Outcome::IdTaken)
                        .await;
                }
                Err(StoreError::Change(_, error)) => {
                    return self
                        .refuse(source, mutation, &registry, rejected_change(&error))
                        .await;
                }
                Err(StoreError::Denied) => {
                    let outcome = rejected(
                        "forbidden",
                        "Your role doesn't allow this. Ask an administrator of your workspace.",
                    );
                    return self.refuse(source, mutation, &registry, outcome).await;
                }
                Err(StoreError::UnknownObject(_)) => {
                    let outcome = rejected(
                        "unknown_object",
                        "The workspace has no such kind of record any more.",
                    );
                    return self.refuse(source, mutation, &registry, outcome).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Keeps a result that nothing was written for.
    async fn refuse(
        &self,
        source: &Source<'_>,
        mutation: &Mutation,
        registry: &Registry,
        outcome: Outcome,
    ) -> Result<Outcome, SyncError> {
        let extras = self.beside(source, mutation, &outcome)?;
        match self.write_with(registry, &[], extras).await? {
            Some(_) => Ok(outcome),
            None => Ok(self.known_result(&mutation.uuid).await?.unwrap_or(outcome)),
        }
    }

    /// What is kept beside what a mutation does: its result, and that a sealed one was taken.
    fn beside(
        &self,
        source: &Source<'_>,
        mutation: &Mutation,
        outcome: &Outcome,
    ) -> Result<Vec<Extra>, SyncError> {
        let result = self.result_row(source, mutation, outcome)?;
        Ok(match source {
            Source::Device(_) => vec![result],
            Source::Sealed(taken) => vec![result, taken.after(outcome)],
            // What is refused stays where it is, and can be tried again: no result is kept.
            Source::Released { .. }
                if matches!(outcome, Outcome::Rejected { .. } | Outcome::IdTaken) =>
            {
                Vec::new()
            }
            Source::Released { device, sequence } => {
                let settle = Extra {
                    sql: "SELECT app.settle_sealed($1, $2, 'released')",
                    params: vec![Box::new(device.to_string()), Box::new(*sequence)],
                };
                vec![result, settle]
            }
        })
    }

    fn result_row(
        &self,
        source: &Source<'_>,
        mutation: &Mutation,
        outcome: &Outcome,
    ) -> Result<Extra, SyncError> {
        Ok(Extra {
            sql: "INSERT INTO app.sync_result (tenant_id, user_id, uuid, device_id, sequence, outcome, created_at) \
                  SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4::text::jsonb, $5",
            params: vec![
                Box::new(mutation.uuid.clone()),
                Box::new(source.device()),
                Box::new(i64::try_from(mutation.sequence).unwrap_or(i64::MAX)),
                Box::new(serde_json::to_string(outcome).map_err(StoreError::internal)?),
                Box::new(self.now()),
            ],
        })
    }

    async fn plan_mutation(
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
        let Some(object) = registry.object(&mutation.object).cloned() else {
            return Ok(done(rejected(
                "unknown_object",
                "The workspace has no such kind of record any more.",
            )));
        };
        let (seen, wanted) = match (
            side(&object, mutation, |edit| &edit.base),
            side(&object, mutation, |edit| &edit.wanted),
        ) {
            (Ok(seen), Ok(wanted)) => (seen, wanted),
            (_, Err(field)) | (Err(field), _) => return Ok(done(field)),
        };
        let record = match self.get(&object.name, mutation.record, &[]).await {
            Ok(record) => Some(record),
            Err(StoreError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let intent = match mutation.kind {
            Kind::Create => Intent::Create,
            Kind::Update => Intent::Update {
                seen: &seen,
                wanted: &wanted,
            },
            Kind::Delete => Intent::Delete { seen: &seen },
        };
        let current = record.as_ref().map(|record| {
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
        Ok(self.carry_out(
            &object,
            (source, mutation),
            wanted,
            record.as_ref(),
            verdict,
        ))
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

/// The version that the record has once its changes are written: each counts one.
fn with_version(mut outcome: Outcome, changes: &[Change]) -> Outcome {
    let more = i64::try_from(changes.len()).unwrap_or(0);
    match &mut outcome {
        Outcome::Applied { version }
        | Outcome::Merged { version }
        | Outcome::Conflict { version, .. } => *version += more,
        Outcome::Rejected { .. } | Outcome::IdTaken => {}
    }
    outcome
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
                "This field can't be changed. Take the change back.",
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

fn rejected_change(error: &ChangeError) -> Outcome {
    let ChangeError::Invalid(errors) = error else {
        let code = match error {
            ChangeError::NotFound => "not_found",
            ChangeError::Deleted => "deleted",
            ChangeError::WrongObject => "wrong_object",
            ChangeError::ReadOnlyObject => "read_only",
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
