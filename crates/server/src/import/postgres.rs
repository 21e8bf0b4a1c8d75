//! Importing into a workspace of the platform: its store, its custom objects and fields, and the journal in its tables.

use std::sync::atomic::{AtomicI32, Ordering};

use fieldstone_model::{Field, FieldError, RecordId};
use fieldstone_store::{Store as _, StoreError};
use tokio_postgres::{Client, types::ToSql};

use super::{Batch, End, ImportError, Journal, NewObject, Report, Run, Workspace, Written};
use crate::{
    database::{Actor, pool::Step, statistics},
    schema::{self, SchemaError},
    store::{PgStore, Stores, store_error},
};

const RUN_PREFIX: [u8; 3] = *b"0IM";

const BEGIN: &str = "INSERT INTO app.import_run (tenant_id, id, object, file, by_id, began_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, transaction_timestamp()";
const LINK: &str = "UPDATE app.import_upload u SET run_id = $2 WHERE u.id = $1";
const BATCH: &str = "INSERT INTO app.import_batch (tenant_id, run_id, number, first_row, last_row, created, updated, versions) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5, $6, $7";
const END: &str = "UPDATE app.import_run SET ended_at = transaction_timestamp(), outcome = $2, created = $3, updated = $4, skipped = $5, failed = $6 WHERE id = $1";

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
            },
            stores,
        }
    }

    /// The same for a file that was brought in the browser, which is told what came of it.
    #[must_use]
    pub(crate) fn of_upload(mut self, id: RecordId) -> Self {
        self.journal.upload = Some(id);
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
    ImportError::Mapping(format!("{name} can't be made ({text})"))
}

/// The journal in the workspace's tables.
struct PgJournal {
    stores: Stores,
    actor: Actor,
    owner: Option<Client>,
    upload: Option<RecordId>,
    batches: AtomicI32,
}

impl PgJournal {
    async fn write(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let steps = [Step { sql, params }];
        let flight = self.stores.pool().flight(&self.actor, None, &steps).await;
        flight.map(drop).map_err(store_error)
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
            self.write(BEGIN, &[&id.as_str(), &run.object, &file, &by.as_str()])
                .await?;
            if let Some(upload) = self.upload {
                self.write(LINK, &[&upload.as_str(), &id.as_str()]).await?;
            }
            Ok(id)
        })
    }

    fn batch<'a>(&'a self, run: RecordId, batch: &'a Batch) -> Written<'a, ()> {
        Box::pin(async move {
            let number = self.batches.fetch_add(1, Ordering::Relaxed);
            self.keep_plans_good(batch).await;
            let (first, last) = (row(batch.rows.0), row(batch.rows.1));
            let created: Vec<&str> = batch.created.iter().map(RecordId::as_str).collect();
            let updated: Vec<&str> = batch.updated.iter().map(|(id, _)| id.as_str()).collect();
            let versions: Vec<i64> = batch.updated.iter().map(|(_, version)| *version).collect();
            let run = run.as_str();
            self.write(
                BATCH,
                &[&run, &number, &first, &last, &created, &updated, &versions],
            )
            .await
        })
    }

    fn end<'a>(&'a self, run: RecordId, report: &'a Report) -> Written<'a, ()> {
        Box::pin(async move {
            let outcome = match report.end {
                End::Complete => "complete",
                End::Cancelled => "cancelled",
                End::Stopped(_) => "stopped",
            };
            let progress = &report.progress;
            let [created, updated, skipped, failed] = [
                progress.created,
                progress.updated,
                progress.skipped,
                progress.failed,
            ]
            .map(row);
            let run = run.as_str();
            self.write(
                END,
                &[&run, &outcome, &created, &updated, &skipped, &failed],
            )
            .await
        })
    }
}

fn row(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
