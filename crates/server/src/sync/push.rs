//! Push: every mutation with its result beside what it did, in one transaction. Those that have nothing to do with one another share one;
//! as soon as one of them can't be written as it was planned, each has its own.
//!
//! Rights and rules are checked as for any other change. A record that moves on between looking and writing is looked at again.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
};

use fieldstone_model::{Change, RecordId, Registry};
use fieldstone_protocol::{
    conflict,
    push::{Mutation, MutationResult, Outcome, PushAnswer, PushRequest},
};
use fieldstone_store::{ChangeError, Store as _, StoreError};
use tokio_postgres::types::ToSql;

use super::{
    SyncError,
    plan::{Plan, WORKSPACE_FULL, rejected, rejected_change},
    reading::column,
    sealed::Taken,
};
use crate::store::PgStore;
use crate::telemetry;

/// How often a mutation is tried while others write the same record.
const TRIES: u32 = 5;
/// Most mutations taken in by one transaction.
const TOGETHER: usize = 100;

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
    pub(super) fn device(&self) -> String {
        match self {
            Self::Device(device) | Self::Released { device, .. } => device.to_string(),
            Self::Sealed(taken) => taken.device().to_owned(),
        }
    }
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
        let mut together = self
            .take_in_together(request.device, &request.mutations, &known)
            .await?;
        // Records that there was no room for, with why: what follows for them waits with them, and isn't kept either.
        let mut without_room = HashMap::new();
        for mutation in &request.mutations {
            if let Some(outcome) = together.remove(&mutation.uuid) {
                results.push(MutationResult {
                    uuid: mutation.uuid.clone(),
                    duplicate: false,
                    outcome,
                });
                continue;
            }
            let before = known.remove(&mutation.uuid);
            let duplicate = before.is_some();
            let waits = || without_room.get(&mutation.record).cloned();
            let outcome = match before.or_else(waits) {
                Some(outcome) => outcome,
                None => match self.take_in(&source, mutation).await {
                    Ok(outcome) => outcome,
                    // What was answered so far is done; the device sends the rest again.
                    Err(SyncError::Store(StoreError::Busy | StoreError::NoRoom))
                        if !results.is_empty() =>
                    {
                        break;
                    }
                    Err(error) => return Err(error),
                },
            };
            if is_without_room(&outcome) {
                without_room.insert(mutation.record, outcome.clone());
            }
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

    /// Takes in the first of the mutations, as many as have nothing to do with one another, in one transaction; answers what became of
    /// them. None of them when one of them has to be looked at by itself: then nothing was written, and each is taken in alone.
    async fn take_in_together(
        &self,
        device: RecordId,
        mutations: &[Mutation],
        known: &HashMap<String, Outcome>,
    ) -> Result<HashMap<String, Outcome>, SyncError> {
        let mut taken = HashMap::new();
        for chunk in mutations.chunks(TOGETHER) {
            let mut records = HashSet::new();
            let is_plain = |mutation: &Mutation| {
                is_named(mutation)
                    && mutation.object != conflict::OBJECT
                    && !known.contains_key(&mutation.uuid)
            };
            let apart = chunk.len() < 2
                || !chunk
                    .iter()
                    .all(|mutation| is_plain(mutation) && records.insert(mutation.record));
            if apart {
                break;
            }
            match self.take_in_chunk(device, chunk).await? {
                Some(outcomes) => taken.extend(outcomes),
                None => break,
            }
        }
        Ok(taken)
    }

    async fn take_in_chunk(
        &self,
        device: RecordId,
        chunk: &[Mutation],
    ) -> Result<Option<HashMap<String, Outcome>>, SyncError> {
        let source = Source::Device(device);
        let registry = self.registry().clone();
        let mut ids: HashMap<&str, Vec<RecordId>> = HashMap::new();
        for mutation in chunk {
            ids.entry(&mutation.object)
                .or_default()
                .push(mutation.record);
        }
        let mut records = HashMap::new();
        for (name, ids) in ids {
            let Some(object) = registry.object(name) else {
                return Ok(None);
            };
            match self.read_many(&registry, object, &ids).await {
                Ok(found) => records.extend(found.into_iter().map(|record| (record.id, record))),
                // Whoever takes them in one by one looks at the schema anew.
                Err(StoreError::SchemaChanged) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let (mut changes, mut extras) = (Vec::new(), Vec::new());
        let mut results = Vec::with_capacity(chunk.len());
        for mutation in chunk {
            let record = records.get(&mutation.record);
            let plan = self.plan_change(&registry, &source, mutation, record);
            let outcome = with_version(plan.outcome, &plan.changes);
            // What takes an id that is taken ends the request.
            if outcome == Outcome::IdTaken {
                return Ok(None);
            }
            changes.extend(plan.changes);
            extras.extend(plan.extras);
            results.push((mutation, outcome));
        }
        extras.push(self.result_rows(device.to_string(), &results)?);
        let outcomes = results
            .into_iter()
            .map(|(mutation, outcome)| (mutation.uuid.clone(), outcome))
            .collect();
        match self.write_with(&registry, &changes, extras).await {
            Ok(Some(_)) => Ok(Some(outcomes)),
            Ok(None)
            | Err(
                StoreError::Change(..)
                | StoreError::Denied
                | StoreError::SchemaChanged
                | StoreError::UnknownObject(_)
                | StoreError::Busy,
            ) => Ok(None),
            Err(error) => Err(error.into()),
        }
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
        telemetry::pushed(changes.unsigned_abs(), conflicts.unsigned_abs());
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
        if !is_named(mutation) {
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
                // Not kept: there may be room when the device tries it again. What was sealed waits for a person.
                Err(StoreError::Change(_, error @ ChangeError::Full))
                    if matches!(source, Source::Device(_)) =>
                {
                    return Ok(rejected_change(&error));
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
        let result = self.result_rows(source.device(), &[(mutation, outcome)])?;
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

    /// Keeps what became of mutations, all in one statement.
    fn result_rows<O: Borrow<Outcome>>(
        &self,
        device: String,
        results: &[(&Mutation, O)],
    ) -> Result<Extra, SyncError> {
        let mut outcomes = Vec::with_capacity(results.len());
        for (_, outcome) in results {
            let text = serde_json::to_string(outcome.borrow()).map_err(StoreError::internal)?;
            outcomes.push(text);
        }
        let mutations = || results.iter().map(|(mutation, _)| mutation);
        let uuids: Vec<String> = mutations().map(|it| it.uuid.clone()).collect();
        let sequences: Vec<i64> = mutations()
            .map(|it| i64::try_from(it.sequence).unwrap_or(i64::MAX))
            .collect();
        Ok(Extra {
            sql: "INSERT INTO app.sync_result (tenant_id, user_id, uuid, device_id, sequence, outcome, created_at) \
                  SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), r.uuid, $2, r.sequence, r.outcome::jsonb, $5 \
                  FROM unnest($1::text[], $3::bigint[], $4::text[]) AS r (uuid, sequence, outcome)",
            params: vec![
                Box::new(uuids),
                Box::new(device),
                Box::new(sequences),
                Box::new(outcomes),
                Box::new(self.now()),
            ],
        })
    }
}

/// Whether there was no room for what a mutation wanted to make.
fn is_without_room(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected { rejection } if rejection.code == WORKSPACE_FULL)
}

/// Whether a mutation's name and number can be kept.
fn is_named(mutation: &Mutation) -> bool {
    (32..=36).contains(&mutation.uuid.len()) && i64::try_from(mutation.sequence).is_ok()
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
