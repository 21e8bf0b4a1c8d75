//! Importing into a workspace of the platform: its store, its custom objects and fields, and the journal in its tables.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use bytes::Bytes;
use fieldstone_model::{Field, FieldError, RecordId};
use fieldstone_store::{Store as _, StoreError};
use tokio_postgres::{Client, Row, types::ToSql};

use super::{
    Batch, Checkpoint, End, ImportError, Journal, MappingProblem, NewObject, Report, Run,
    Workspace, Written,
};
use crate::{
    database::{Actor, pool::Step, signed, statistics},
    schema::{self, SchemaError},
    store::{PgStore, Stores, store_error},
};

use super::going_on::Marks;

const RUN_PREFIX: [u8; 3] = *b"0IM";

const BEGIN: &str = "INSERT INTO app.import_run (tenant_id, id, object, file, by_id, began_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, transaction_timestamp()";
const LINK: &str =
    "UPDATE app.import_upload u SET run_id = $2 WHERE u.id = $1 AND u.claims = $3 RETURNING u.id";
/// Nothing is announced by a server whose claim of the upload has passed to another.
const BATCH: &str = "INSERT INTO app.import_batch (tenant_id, run_id, number, first_row, last_row, created, created_rows, updated, updated_rows, versions) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE $10::text IS NULL OR EXISTS ( \
        SELECT FROM app.import_upload u WHERE u.id = $10 AND u.claims = $11 AND u.state = 'running') RETURNING number";
const END: &str = "UPDATE app.import_run r SET ended_at = transaction_timestamp(), outcome = $2, created = $3, updated = $4, skipped = $5, failed = $6 \
    WHERE r.id = $1 AND ($7::text IS NULL OR EXISTS (SELECT FROM app.import_upload u WHERE u.id = $7 AND u.claims = $8))";

/// A file that was brought in the browser, as one server imports it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfUpload {
    /// The upload.
    pub(crate) id: RecordId,
    /// Under which claim.
    pub(crate) claim: i32,
    /// What there is already: batches, checkpoints, parts of failed rows.
    pub(crate) batches: i32,
    pub(crate) checkpoints: i32,
    pub(crate) failed_parts: usize,
}

impl OfUpload {
    /// One that begins.
    pub(crate) fn new(id: RecordId, claim: i32) -> Self {
        Self {
            id,
            claim,
            batches: 0,
            checkpoints: 0,
            failed_parts: 0,
        }
    }
}

/// A workspace as one person.
pub struct PgWorkspace {
    stores: Stores,
    journal: PgJournal,
}

impl PgWorkspace {
    /// The workspace of `actor`. With the schema owner's connection, tables that grow are analysed on the way.
    pub fn new(stores: Stores, actor: Actor, owner: Option<Client>) -> Self {
        Self {
            journal: PgJournal {
                stores: stores.clone(),
                actor,
                owner,
                upload: None,
                batches: AtomicI32::new(0),
                checkpoints: AtomicI32::new(0),
                failed_parts: AtomicUsize::new(0),
            },
            stores,
        }
    }

    /// The same for a file that was brought in the browser, which is told what came of it.
    #[must_use]
    pub(crate) fn of_upload(mut self, upload: OfUpload) -> Self {
        self.journal.upload = Some(upload);
        self.journal.batches = AtomicI32::new(upload.batches);
        self.journal.checkpoints = AtomicI32::new(upload.checkpoints);
        self.journal.failed_parts = AtomicUsize::new(upload.failed_parts);
        self
    }

    async fn open(&self) -> Result<PgStore, StoreError> {
        self.stores.open(self.journal.actor.clone()).await
    }
}

impl std::fmt::Debug for PgWorkspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgWorkspace")
            .field("actor", &self.journal.actor)
            .finish_non_exhaustive()
    }
}

impl Workspace for PgWorkspace {
    type Store = PgStore;

    async fn store(&self) -> Result<PgStore, StoreError> {
        // What another process has changed since is read before the store is opened with it.
        self.open().await?.fresh_registry().await?;
        Ok(self.open().await?.quietly())
    }

    async fn create_object(&self, name: &str, object: &NewObject) -> Result<(), ImportError> {
        let new = schema::NewObject {
            name: name.to_owned(),
            plural: object.plural.clone().unwrap_or_else(|| format!("{name}s")),
            label: object.label.clone(),
            plural_label: object.plural_label.clone(),
        };
        let made = schema::create_object(&self.open().await?, &new).await;
        made.map(drop).map_err(|error| refused(name, &error))
    }

    async fn create_field(&self, object: &str, field: &Field) -> Result<(), ImportError> {
        let new = schema::NewField {
            name: field.name.to_string(),
            kind: field.kind.clone(),
            label: field
                .label
                .clone()
                .unwrap_or_else(|| field.name.to_string()),
            help: None,
            required: field.required,
            unique: field.unique,
            indexed: field.indexed,
            searchable: field.searchable,
            default: None,
            roll_up: None,
        };
        let made = schema::create_field(&self.open().await?, object, &new).await;
        made.map(drop).map_err(|error| refused(&field.name, &error))
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(&self.journal)
    }
}

/// A refusal of something that the mapping asks for, in words.
fn refused(name: &str, error: &SchemaError) -> ImportError {
    let said = |error: &FieldError| format!("{}: {}", error.field, error.problem);
    let text = match error {
        SchemaError::Invalid(errors) => errors.iter().map(said).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    MappingProblem::new("refused", [("name", name.to_owned()), ("why", text)]).into()
}

/// The journal in the workspace's tables.
struct PgJournal {
    stores: Stores,
    actor: Actor,
    owner: Option<Client>,
    upload: Option<OfUpload>,
    batches: AtomicI32,
    checkpoints: AtomicI32,
    failed_parts: AtomicUsize,
}

impl PgJournal {
    async fn write(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.write_all(&[Step { sql, params }]).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    async fn write_all(&self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, StoreError> {
        let flight = self.stores.pool().flight(&self.actor, None, steps).await;
        flight.map_err(store_error)
    }

    /// The upload and its claim, for statements that ask for them.
    fn claimed(&self) -> (Option<&str>, i32) {
        let upload = self.upload.as_ref();
        (
            upload.map(|upload| upload.id.as_str()),
            upload.map_or(0, |upload| upload.claim),
        )
    }
}

impl PgJournal {
    /// Lets the planner know of what the batches before have added to the tables of this one.
    async fn keep_plans_good(&self, batch: &Batch) {
        let Some(owner) = &self.owner else { return };
        let Ok(store) = self.stores.open(self.actor.clone()).await else {
            return;
        };
        let registry = store.registry();
        let ids = batch
            .created
            .iter()
            .chain(batch.updated.iter().map(|(id, _)| id));
        let mut tables = vec!["field_value", "search_token", "custom_record"];
        for id in ids {
            if let Some(object) = registry.object_of(*id).filter(|object| !object.custom)
                && !tables.contains(&object.name.as_ref())
            {
                tables.push(&object.name);
            }
        }
        if let Err(error) = statistics::refresh(owner, &tables).await {
            tracing::debug!(%error, "tables could not be analysed");
        }
    }
}

impl Journal for PgJournal {
    fn begin<'a>(&'a self, run: &'a Run) -> Written<'a, RecordId> {
        Box::pin(async move {
            let id = self.stores.new_id(RUN_PREFIX);
            let file: String = run.file.chars().take(255).collect();
            let by = self.actor.user;
            let begin: [&(dyn ToSql + Sync); 4] = [&id.as_str(), &run.object, &file, &by.as_str()];
            let (upload, claim) = self.claimed();
            let link: [&(dyn ToSql + Sync); 3] = [&upload, &id.as_str(), &claim];
            let steps = [
                Step {
                    sql: BEGIN,
                    params: &begin,
                },
                Step {
                    sql: LINK,
                    params: &link,
                },
            ];
            // Together: a run that belongs to nobody would never end.
            let steps = steps.get(..if upload.is_some() { 2 } else { 1 });
            self.write_all(steps.unwrap_or_default()).await?;
            Ok(id)
        })
    }

    fn batch<'a>(&'a self, run: RecordId, batch: &'a Batch) -> Written<'a, ()> {
        Box::pin(async move {
            let number = self.batches.fetch_add(1, Ordering::Relaxed);
            self.keep_plans_good(batch).await;
            let (first, last) = (signed(batch.rows.0), signed(batch.rows.1));
            let created: Vec<&str> = batch.created.iter().map(RecordId::as_str).collect();
            let updated: Vec<&str> = batch.updated.iter().map(|(id, _)| id.as_str()).collect();
            let versions: Vec<i64> = batch.updated.iter().map(|(_, version)| *version).collect();
            let rows = |rows: &[u64]| -> Vec<i64> { rows.iter().copied().map(signed).collect() };
            let (created_rows, updated_rows) =
                (rows(&batch.created_rows), rows(&batch.updated_rows));
            let run = run.as_str();
            let (upload, claim) = self.claimed();
            let announced = self
                .write(
                    BATCH,
                    &[
                        &run,
                        &number,
                        &first,
                        &last,
                        &created,
                        &created_rows,
                        &updated,
                        &updated_rows,
                        &versions,
                        &upload,
                        &claim,
                    ],
                )
                .await?;
            if announced.is_empty() {
                // Another server goes on with it.
                return Err(StoreError::Busy);
            }
            Ok(())
        })
    }

    fn checkpoint<'a>(&'a self, checkpoint: &'a Checkpoint, failed: Bytes) -> Written<'a, ()> {
        Box::pin(async move {
            let Some(upload) = &self.upload else {
                return Ok(());
            };
            let store = self.stores.open(self.actor.clone()).await?;
            let marks = Marks {
                number: self.checkpoints.load(Ordering::Relaxed),
                batches: self.batches.load(Ordering::Relaxed),
                failed_parts: self.failed_parts.load(Ordering::Relaxed),
            };
            let parts = store
                .note_checkpoint(upload, marks, checkpoint, failed)
                .await?;
            self.checkpoints.fetch_add(1, Ordering::Relaxed);
            self.failed_parts.store(parts, Ordering::Relaxed);
            Ok(())
        })
    }

    fn failed(&self, failed: Bytes) -> Written<'_, ()> {
        Box::pin(async move {
            let Some(upload) = &self.upload else {
                return Ok(());
            };
            let store = self.stores.open(self.actor.clone()).await?;
            let before = self.failed_parts.load(Ordering::Relaxed);
            let parts = store.note_failed(upload, before, failed).await?;
            self.failed_parts.store(parts, Ordering::Relaxed);
            Ok(())
        })
    }

    fn keeps_checkpoints(&self) -> bool {
        self.upload.is_some()
    }

    fn end<'a>(&'a self, run: RecordId, report: &'a Report) -> Written<'a, ()> {
        Box::pin(async move {
            let outcome = match report.end {
                End::Complete => "complete",
                End::Cancelled => "cancelled",
                End::Stopped(_) | End::Suspended => "stopped",
            };
            let progress = &report.progress;
            let [created, updated, skipped, failed] = [
                progress.created,
                progress.updated,
                progress.skipped,
                progress.failed,
            ]
            .map(signed);
            let run = run.as_str();
            let (upload, claim) = self.claimed();
            self.write(
                END,
                &[
                    &run, &outcome, &created, &updated, &skipped, &failed, &upload, &claim,
                ],
            )
            .await
            .map(drop)
        })
    }
}
