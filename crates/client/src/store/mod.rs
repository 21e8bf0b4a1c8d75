//! The `Store` on SQLCipher: one user's records on one device, encrypted, in three layers.
//!
//! Pages read the view. What a user changes is laid over what the platform sent last, and waits in the outbox; `schema` tells how.

mod access;
mod base;
mod cell;
mod connection;
mod database;
mod error;
mod history;
mod meta;
mod outbox;
mod read;
mod row;
mod rows;
mod schema;
mod write;

use std::{
    collections::HashMap,
    path::Path as FilePath,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::rand;
use fieldstone_model::{
    Change, Clock, IdSource, Query, Record, RecordId, Registry, Values, query::Path,
};
use fieldstone_store::{
    Aggregate, AggregateRow, Applied, ChangeMark, Changes, Coverage, HistoryEntry, Page, Store,
    StoreError, User,
};

use crate::keys::LoginKey;
pub use base::PlatformRow;
pub use database::Database;
pub use error::DatabaseError;
pub use meta::{CustomObject, SchemaDocument};
pub use outbox::{Mutation, MutationState, OutboxError, Verdict};
pub use row::Unknown;

/// Everything of one login that is in the database, shared by all who read and write it.
#[derive(Clone)]
pub struct Local {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    registry: RwLock<Registry>,
    ids: IdSource,
    clock: Arc<dyn Clock>,
}

impl Local {
    /// Opens the database at `path` under `key`, making it if it isn't there.
    ///
    /// With `check`, every page is verified first: after a process that didn't end by itself.
    pub async fn open(
        path: &FilePath,
        key: &LoginKey,
        clock: Arc<dyn Clock>,
        check: bool,
    ) -> Result<Self, DatabaseError> {
        let (path, key) = (path.to_owned(), key.clone());
        let database = tokio::task::spawn_blocking(move || Database::open(&path, &key, check))
            .await
            .map_err(|_| DatabaseError::Closed)??;
        let registry = database.read(|connection| meta::registry(connection)).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                database,
                registry: RwLock::new(registry),
                ids: IdSource::default(),
                clock,
            }),
        })
    }

    /// The store as `user` sees it.
    pub fn store(&self, user: User) -> DeviceStore {
        DeviceStore {
            registry: self.registry(),
            local: self.clone(),
            user,
        }
    }

    /// The objects as the database has them now.
    pub fn registry(&self) -> Registry {
        let registry = self.shared.registry.read();
        registry.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The database beneath.
    pub fn database(&self) -> &Database {
        &self.shared.database
    }

    /// Runs `job` in a write transaction with the registry as it is. Stages that it changes count from then on.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&rusqlite::Transaction<'_>, &Registry) -> Result<T, DatabaseError>
        + Send
        + 'static,
    ) -> Result<T, DatabaseError> {
        let registry = self.registry();
        let (answer, fresh) = self
            .shared
            .database
            .write(move |transaction| {
                let answer = job(transaction, &registry)?;
                let stages = meta::stages(transaction)?;
                let version = meta::schema_version(transaction)?;
                let is_same = stages == registry.stages() && version == registry.version();
                let fresh = if is_same {
                    None
                } else {
                    Some(meta::registry(transaction)?)
                };
                Ok((answer, fresh))
            })
            .await?;
        if let Some(fresh) = fresh {
            let current = self.shared.registry.write();
            *current.unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(answer)
    }

    /// Runs `job` on one moment of the database.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&rusqlite::Connection, &Registry) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let registry = self.registry();
        self.shared
            .database
            .read(move |connection| job(connection, &registry))
            .await
    }

    /// Takes in the tenant's objects and fields.
    pub async fn set_schema(&self, document: SchemaDocument) -> Result<(), DatabaseError> {
        self.write(move |transaction, before| {
            meta::set_schema(transaction, &document)?;
            let registry = meta::registry(transaction)?;
            rows::take_in_schema(transaction, before, &registry)
        })
        .await
    }

    /// Takes in records as the platform has them now.
    pub async fn adopt(&self, rows: Vec<PlatformRow>) -> Result<(), DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            for row in rows {
                base::adopt(transaction, registry, &mut numbers, row)?;
            }
            numbers.finish(transaction)
        })
        .await
    }

    /// Takes out records that left the user's scope.
    pub async fn forget(&self, ids: Vec<RecordId>) -> Result<(), DatabaseError> {
        self.write(move |transaction, registry| {
            ids.into_iter()
                .try_for_each(|id| base::forget(transaction, registry, id))
        })
        .await
    }

    /// What the user changed and the platform hasn't confirmed, oldest first.
    pub async fn pending(&self) -> Result<Vec<Mutation>, DatabaseError> {
        self.read(|connection, registry| outbox::all(connection, registry))
            .await
    }

    /// How many changes wait or were set aside.
    pub async fn pending_count(&self) -> Result<u64, DatabaseError> {
        self.read(|connection, _| outbox::count(connection)).await
    }

    /// The next mutations to send, oldest first; they count as sent from now on.
    pub async fn take_to_send(&self, limit: u32) -> Result<Vec<Mutation>, DatabaseError> {
        self.write(move |transaction, registry| {
            let mutations = outbox::to_send(transaction, registry, limit)?;
            let ids: Vec<String> = mutations.iter().map(|found| found.id.clone()).collect();
            outbox::mark_sent(transaction, &ids)?;
            Ok(mutations)
        })
        .await
    }

    /// Takes in the platform's answer to `version` of a mutation; false when it is of an older version and changes nothing.
    pub async fn settle(
        &self,
        id: String,
        version: i64,
        verdict: Verdict,
    ) -> Result<bool, DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            let settled =
                outbox::settle(transaction, registry, &mut numbers, &id, version, &verdict)?;
            numbers.finish(transaction)?;
            Ok(settled)
        })
        .await
    }

    /// Takes back a change that waits or was set aside.
    pub async fn undo(&self, id: String) -> Result<Result<Mutation, OutboxError>, DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            let undone = outbox::undo(transaction, registry, &mut numbers, &id)?;
            numbers.finish(transaction)?;
            Ok(undone)
        })
        .await
    }

    /// Sets what a change that waits or was set aside wants, and puts it back into the queue.
    pub async fn edit_pending(
        &self,
        id: String,
        wanted: Values,
    ) -> Result<Result<Mutation, OutboxError>, DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            let edited = outbox::edit(transaction, registry, &mut numbers, &id, &wanted)?;
            numbers.finish(transaction)?;
            Ok(edited)
        })
        .await
    }
}

/// The records of one login as its user reads and changes them.
#[derive(Clone)]
pub struct DeviceStore {
    local: Local,
    registry: Registry,
    user: User,
}

impl DeviceStore {
    /// Everything of this login.
    pub fn local(&self) -> &Local {
        &self.local
    }
}

impl Store for DeviceStore {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn user(&self) -> User {
        self.user
    }

    fn new_id(&self, object: &str) -> Option<RecordId> {
        let prefix = self.registry.object(object)?.prefix;
        let mut random = [0; 8];
        // Without randomness ids stay ordered and different; an id is never a secret.
        let _ = rand::fill(&mut random);
        let shared = &self.local.shared;
        Some(
            shared
                .ids
                .next(prefix, shared.clock.now(), u64::from_le_bytes(random)),
        )
    }

    async fn get(
        &self,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> Result<Record, StoreError> {
        let (object, columns) = (object.to_owned(), columns.to_vec());
        let read = self.local.read(move |connection, registry| {
            read::one(connection, registry, &object, id, &columns)
        });
        Ok(read.await?)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        let read = self
            .local
            .read(move |connection, registry| read::page(connection, registry, &query));
        Ok(read.await?)
    }

    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        let query = query.clone();
        let read = self
            .local
            .read(move |connection, registry| read::count(connection, registry, &query));
        Ok(read.await?)
    }

    async fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<AggregateRow>, StoreError> {
        let aggregate = aggregate.clone();
        let read = self
            .local
            .read(move |connection, registry| read::aggregate(connection, registry, &aggregate));
        Ok(read.await?)
    }

    async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let changes = changes.to_vec();
        let (user, now) = (self.user, self.local.shared.clock.now());
        let written = self.local.write(move |transaction, registry| {
            write::apply(transaction, registry, user, now, &changes)
        });
        Ok(written.await?)
    }

    async fn history(
        &self,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let read = self.local.read(move |connection, registry| {
            history::read(connection, registry, id, before, limit)
        });
        Ok(read.await?)
    }

    async fn names(&self, ids: &[RecordId]) -> Result<HashMap<RecordId, String>, StoreError> {
        let ids = ids.to_vec();
        let read = self
            .local
            .read(move |connection, registry| read::names(connection, registry, &ids));
        Ok(read.await?)
    }

    async fn changes_since(
        &self,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> Result<Changes, StoreError> {
        let (object, mark) = (object.to_owned(), mark.cloned());
        let read = self.local.read(move |connection, registry| {
            read::changes_since(connection, registry, &object, mark.as_ref())
        });
        Ok(read.await?)
    }

    fn coverage(&self) -> Coverage {
        Coverage::Scope
    }
}
