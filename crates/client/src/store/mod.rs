//! The `Store` on SQLCipher: one user's records on one device, encrypted, in three layers.
//!
//! Pages read the view. What a user changes is laid over what the platform sent last, and waits in the outbox; `schema` tells how.

mod access;
mod base;
mod cell;
mod conflicts;
mod connection;
mod database;
mod device_store;
mod engine_local;
mod error;
mod history;
mod meta;
mod outbox;
mod read;
mod revise;
mod row;
mod rows;
mod schema;
mod seal;
mod stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrade;
mod write;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use fieldstone_model::{Clock, IdSource, Query, RecordId, Registry, Values};
use fieldstone_protocol::tag::BlindKey;
use fieldstone_store::User;
use jiff::tz::TimeZone;

use crate::{
    engine::local::{LocalAnswer, LocalCall, LocalError, Published, perform},
    journal::{Journal, JournalError},
    keys::LoginKey,
};
pub use base::PlatformRow;
pub use database::Database;
pub use device_store::DeviceStore;
use engine_local::SqlLocal;
pub use error::DatabaseError;
pub use meta::{CustomObject, SchemaDocument};
pub(crate) use outbox::new_uuid;
pub use outbox::{Pending, State, rejection, state_name};
pub use revise::OutboxError;
pub use row::Unknown;
use seal::{Kept, Lost};

/// Where the key of blinded names is in `meta`.
const BLIND_KEY: &str = "blind_key";

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
    kept: Arc<Mutex<Kept>>,
    /// Whether there is no room for anything that is written.
    only_read: AtomicBool,
}

impl Local {
    /// Opens the database at `path` under `key`, making it if it isn't there.
    ///
    /// With `check`, every page is verified first: after a process that didn't end by itself.
    pub async fn open(
        path: &Path,
        key: &LoginKey,
        clock: Arc<dyn Clock>,
        check: bool,
    ) -> Result<Self, DatabaseError> {
        let (path, key) = (path.to_owned(), key.clone());
        let database = tokio::task::spawn_blocking(move || Database::open(&path, &key, check))
            .await
            .map_err(|_| DatabaseError::Closed)??;
        let registry = database.read(meta::registry).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                database,
                registry: RwLock::new(registry),
                ids: IdSource::default(),
                clock,
                kept: Arc::default(),
                only_read: AtomicBool::new(false),
            }),
        })
    }

    /// Keeps the outbox sealed in a journal from now on, or not any more. `open` is given the last number that the database knows of.
    pub async fn keep_sealed(
        &self,
        open: impl FnOnce(u64) -> Result<Option<Journal>, JournalError>,
    ) -> Result<(), DatabaseError> {
        let sequence = self
            .read(|connection, _| seal::sequence(connection))
            .await?;
        let journal = match open(sequence)? {
            Some(journal) if self.is_only_read() => self.complete(journal).await?,
            Some(journal) => Some(self.set_lost_apart(journal).await?),
            None => None,
        };
        let kept = Kept::new(journal);
        *self
            .shared
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = kept;
        if self.is_only_read() {
            return Ok(());
        }
        self.write(|_, _| Ok(())).await
    }

    /// The journal, if it holds whatever waits.
    async fn complete(&self, journal: Journal) -> Result<Option<Journal>, DatabaseError> {
        let database = &self.shared.database;
        let check = move |connection: &mut rusqlite::Connection| {
            let is_complete = seal::everything(connection, &journal)?.is_empty();
            Ok(is_complete.then_some(journal))
        };
        database.maintain(check).await
    }

    /// From now on everything that would be written is refused for want of room.
    pub fn only_read(&self) {
        self.shared.only_read.store(true, Ordering::Relaxed);
    }

    /// Whether there is no room for anything that is written.
    pub fn is_only_read(&self) -> bool {
        self.shared.only_read.load(Ordering::Relaxed)
    }

    /// Sets apart what is in the journal and the database has lost. Killed after any step, the next start does it again.
    async fn set_lost_apart(&self, journal: Journal) -> Result<Journal, DatabaseError> {
        let find = move |connection: &rusqlite::Connection, _: &Registry| {
            let lost = seal::lost(connection, &journal)?;
            Ok((journal, lost))
        };
        let (
            mut journal,
            Lost {
                mutations,
                outdated,
            },
        ) = self.read(find).await?;
        journal.set_apart(&mutations)?;
        if !outdated.is_empty() {
            self.write(move |transaction, registry| seal::forget(transaction, registry, &outdated))
                .await?;
        }
        journal.write(&[], &mutations)?;
        Ok(journal)
    }

    /// Whether the outbox is kept sealed.
    pub fn is_kept_sealed(&self) -> bool {
        let kept = self.shared.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner).is_kept()
    }

    /// Stops keeping the outbox sealed, and removes the journal.
    pub fn give_up_sealed(&self) -> Result<(), DatabaseError> {
        let journal = {
            let kept = self.shared.kept.lock();
            kept.unwrap_or_else(PoisonError::into_inner).take()
        };
        if let Some(journal) = journal {
            journal.give_up()?;
        }
        Ok(())
    }

    /// The store as `user` sees it.
    pub fn store(&self, user: User) -> DeviceStore {
        DeviceStore {
            registry: self.registry(),
            local: self.clone(),
            user,
            zone: TimeZone::UTC,
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
        if self.is_only_read() {
            return Err(DatabaseError::DiskFull);
        }
        let registry = self.registry();
        let (answer, fresh) = self
            .shared
            .database
            .write(self.shared.kept.clone(), move |transaction| {
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
            self.set_registry(fresh);
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

    /// Takes in records as the platform has them now, outside a pull: what was asked for one by one.
    pub async fn adopt(&self, rows: Vec<PlatformRow>) -> Result<(), DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            for row in rows {
                let object = registry
                    .object_of(row.id)
                    .ok_or(DatabaseError::Content("a record of an unknown kind"))?;
                base::adopt(transaction, registry, &mut numbers, object, row)?;
            }
            numbers.finish(transaction)
        })
        .await
    }

    /// Carries out a call of the engine. The calls of one engine must wait for each other.
    pub async fn perform(&self, call: LocalCall) -> Result<LocalAnswer, LocalError> {
        if self.is_only_read() {
            return Err(LocalError::Full);
        }
        let registry = self.registry();
        let local = self.clone();
        let answer = self
            .shared
            .database
            .maintain(move |connection| {
                let blind: Option<String> = meta::get(connection, BLIND_KEY)?;
                let blind = blind
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or(BlindKey([0; 16]));
                let mut storage = SqlLocal {
                    connection,
                    registry,
                    blind,
                    ids: &local.shared.ids,
                    now: local.shared.clock.now(),
                    kept: &local.shared.kept,
                };
                let answer = perform(&mut storage, &call);
                if matches!(call, LocalCall::Publish(_)) {
                    let fresh = meta::registry(connection)?;
                    local.set_registry(fresh);
                }
                Ok(answer)
            })
            .await;
        answer?
    }

    /// Keeps the key of blinded names that the platform gave this device.
    pub async fn set_blind_key(&self, key: BlindKey) -> Result<(), DatabaseError> {
        self.write(move |transaction, _| {
            let text = serde_json::to_string(&key).map_err(|_| DatabaseError::Content("a key"))?;
            meta::set(transaction, BLIND_KEY, text)
        })
        .await
    }

    /// Keeps a document of the app's own, encrypted like everything else.
    pub async fn keep<T: serde::Serialize>(
        &self,
        name: &'static str,
        document: &T,
    ) -> Result<(), DatabaseError> {
        let text = serde_json::to_string(document)
            .map_err(|_| DatabaseError::Content("a document of the app"))?;
        self.write(move |transaction, _| meta::set(transaction, name, text))
            .await
    }

    /// The document that was kept under this name.
    pub async fn kept<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, DatabaseError> {
        let text: Option<String> = self
            .read(move |connection, _| meta::get(connection, name))
            .await?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| DatabaseError::Content("a document of the app"))
    }

    /// Rows of an object that this version has no table for, such as conflicts: id and columns.
    pub async fn other_rows(
        &self,
        object: &'static str,
    ) -> Result<Vec<(RecordId, fieldstone_protocol::Columns)>, DatabaseError> {
        self.read(move |connection, _| {
            let sql = "SELECT id, document FROM other_row WHERE object = ?1 ORDER BY id";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([object], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            let broken = || DatabaseError::Content("a row of another kind");
            rows.map(|row| {
                let (id, document) = row?;
                let columns = serde_json::from_str(&document).map_err(|_| broken())?;
                Ok((id.parse().map_err(|_| broken())?, columns))
            })
            .collect()
        })
        .await
    }

    /// Puts a change of a row of such an object into the outbox: field and value wanted.
    pub async fn change_other(
        &self,
        object: &'static str,
        record: RecordId,
        user: RecordId,
        field: &'static str,
        wanted: &'static str,
    ) -> Result<(), DatabaseError> {
        let wanted = vec![(field.to_owned(), wanted.into())];
        self.change_other_fields(object, record, user, wanted).await
    }

    /// The same with several fields.
    pub async fn change_other_fields(
        &self,
        object: &'static str,
        record: RecordId,
        user: RecordId,
        wanted: Vec<(String, serde_json::Value)>,
    ) -> Result<(), DatabaseError> {
        use fieldstone_protocol::push::{Edit, Kind};
        let now = self.shared.clock.now();
        let edit = |wanted| Edit {
            base: serde_json::Value::Null,
            wanted,
        };
        let fields: std::collections::BTreeMap<String, Edit> = wanted
            .into_iter()
            .map(|(field, wanted)| (field, edit(wanted)))
            .collect();
        self.write(move |transaction, _| {
            outbox::insert(
                transaction,
                object,
                record,
                Kind::Update,
                &fields,
                user,
                now,
            )
        })
        .await
        .map(drop)
    }

    /// How many living records there are, by object.
    pub async fn counts(&self) -> Result<std::collections::BTreeMap<String, u64>, DatabaseError> {
        self.read(|connection, registry| {
            registry
                .objects()
                .map(|object| {
                    let query = Query::new(object.name.clone());
                    let count = read::count(connection, registry, &query)?;
                    Ok((object.name.to_string(), count))
                })
                .filter(|counted| !matches!(counted, Ok((_, 0))))
                .collect()
        })
        .await
    }

    /// What the rows are a copy of; none before the first load is complete.
    pub async fn published(&self) -> Result<Option<Published>, DatabaseError> {
        self.read(|connection, _| engine_local::published(connection))
            .await
    }

    /// What the user changed and the platform hasn't accepted, oldest first.
    pub async fn pending(&self) -> Result<Vec<Pending>, DatabaseError> {
        self.read(|connection, _| outbox::waiting(connection)).await
    }

    /// How many changes wait or were set aside.
    pub async fn pending_count(&self) -> Result<u64, DatabaseError> {
        self.read(|connection, _| outbox::count(connection)).await
    }

    /// Takes back a change that waits or was set aside.
    pub async fn undo(&self, uuid: String) -> Result<Result<Pending, OutboxError>, DatabaseError> {
        self.change_outbox(move |transaction, registry, numbers| {
            revise::undo(transaction, registry, numbers, &uuid)
        })
        .await
    }

    /// Sets what a change that waits or was set aside wants, leaves fields out of it, and puts it back into the queue.
    pub async fn edit_pending(
        &self,
        uuid: String,
        wanted: Values,
        without: Vec<String>,
    ) -> Result<Result<Pending, OutboxError>, DatabaseError> {
        self.change_outbox(move |transaction, registry, numbers| {
            revise::edit(transaction, registry, numbers, &uuid, &wanted, &without)
        })
        .await
    }

    /// Tries a refused change again as it is.
    pub async fn retry(&self, uuid: String) -> Result<Result<Pending, OutboxError>, DatabaseError> {
        self.change_outbox(move |transaction, registry, numbers| {
            revise::retry(transaction, registry, numbers, &uuid)
        })
        .await
    }

    async fn change_outbox<T: Send + 'static>(
        &self,
        job: impl FnOnce(
            &rusqlite::Transaction<'_>,
            &Registry,
            &mut meta::Numbers,
        ) -> Result<T, DatabaseError>
        + Send
        + 'static,
    ) -> Result<T, DatabaseError> {
        self.write(move |transaction, registry| {
            let mut numbers = meta::Numbers::begin(transaction)?;
            let answer = job(transaction, registry, &mut numbers)?;
            numbers.finish(transaction)?;
            Ok(answer)
        })
        .await
    }

    fn set_registry(&self, fresh: Registry) {
        let current = self.shared.registry.write();
        *current.unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}
