//! The `Store` on PostgreSQL: one tenant, one user, every method one transaction under the signed context.
//!
//! No statement here names a tenant: the policies do, by the context that each flight enters. What a person sees of the tenant is decided
//! here, once for all that reads: fields by the registry of their role, records by their scope.

mod error;
mod gather;
mod members;
mod once;
mod page;
mod person;
mod read;
mod registry;
mod shelf;
mod sight;
mod telling;
mod token;
mod wire;
mod write;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::rand;
use fieldstone_model::{
    Change, Clock, IdSource, Object, Query, Record, RecordId, Registry, query::Path,
};
use fieldstone_store::{
    Aggregate, AggregateRow, Applied, ChangeMark, Changes, Coverage, HistoryEntry, Page, Scope,
    Store, StoreError, User, roll_up,
};

use fieldstone_vault::Vault;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio_postgres::{Row, types::FromSql};

use crate::attachments::ObjectStorage;
use crate::database::{Actor, pool::Pool};
use crate::room::Room;
use crate::sync::Recall;
pub(crate) use error::store_error;
use gather::Gathering;
pub use members::{Invitation, InvitationState, Member, OwnEmail, PendingEmail};
pub(crate) use person::{NewProfile, OwnSession, SignInPolicy};
pub use registry::Registries;
use sight::Sights;
pub(crate) use telling::{NotificationKind, NotificationSetting, Told};
pub(crate) use wire::{Cell, Sent};

/// Makes stores: what they all share.
#[derive(Clone)]
pub struct Stores {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    registries: Registries,
    sights: Sights,
    recall: Recall,
    ids: IdSource,
    clock: Arc<dyn Clock>,
    /// Seals what the database keeps of secrets; none where nothing does.
    vault: OnceLock<Vault>,
    objects: Option<ObjectStorage>,
    /// Whether anything new can be taken; it always can where nobody looks.
    room: OnceLock<Room>,
}

impl Shared {
    fn new_id(&self, prefix: [u8; 3]) -> RecordId {
        let mut random = [0; 8];
        // Without randomness ids stay ordered and different; an id is never a secret.
        let _ = rand::fill(&mut random);
        self.ids
            .next(prefix, self.clock.now(), u64::from_le_bytes(random))
    }
}

impl Stores {
    /// Stores over this pool of the serving role, and over an object store for the content of files if there is one.
    pub fn new(pool: Pool, clock: Arc<dyn Clock>, objects: Option<ObjectStorage>) -> Self {
        Self {
            shared: Arc::new(Shared {
                pool,
                registries: Registries::default(),
                sights: Sights::default(),
                recall: Recall::default(),
                ids: IdSource::default(),
                clock,
                vault: OnceLock::new(),
                objects,
                room: OnceLock::new(),
            }),
        }
    }

    /// The same, with a vault that seals secrets: without one, devices are given no keys. The first one stays.
    #[must_use]
    pub fn sealing(self, vault: Vault) -> Self {
        let _ = self.shared.vault.set(vault);
        self
    }

    /// The same, taking nothing new without room for it. The first one stays.
    #[must_use]
    pub(crate) fn with_room(self, room: Room) -> Self {
        let _ = self.shared.room.set(room);
        self
    }

    /// Whether there is room for anything new.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.room.get().is_none_or(Room::is_left)
    }

    /// The store of `actor`.
    pub async fn open(&self, actor: Actor) -> Result<PgStore, StoreError> {
        let registry = self
            .shared
            .registries
            .get(&self.shared.pool, &actor)
            .await?;
        let scope = self.shared.sights.of(&self.shared.pool, &actor).await?;
        Ok(PgStore {
            shared: self.shared.clone(),
            actor: Arc::new(actor),
            trace: Arc::default(),
            reads: Arc::default(),
            registry,
            scope,
            quiet: false,
            zone: Arc::default(),
        })
    }

    /// What `store` was opened from.
    pub(crate) fn of(store: &PgStore) -> Self {
        Self {
            shared: Arc::clone(&store.shared),
        }
    }

    /// A fresh id with this prefix.
    pub(crate) fn new_id(&self, prefix: [u8; 3]) -> RecordId {
        self.shared.new_id(prefix)
    }

    /// The pool beneath.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }
}

/// Records of one tenant as one user may see and change them.
#[derive(Clone)]
pub struct PgStore {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
    /// As the person's role sees it.
    registry: Registry,
    /// Whose records the person sees.
    scope: Scope,
    trace: Arc<Trace>,
    reads: Arc<Gathering>,
    /// Whether nobody is told what is written through it.
    quiet: bool,
    /// The person's time zone, once somebody has asked for it.
    zone: Arc<OnceLock<TimeZone>>,
}

/// What has come of a store's flights, as whoever serves the request needs to know it.
#[derive(Debug, Default)]
struct Trace {
    access_checked: AtomicBool,
    access_changed: AtomicBool,
    written: AtomicBool,
}

impl PgStore {
    /// The same store, for work of which nobody is to be told record by record: an import, a demonstration.
    #[must_use]
    pub fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Refuses what needs room where there is none.
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        self.shared.room.get().map_or(Ok(()), Room::check)
    }

    /// Whether the database has said that the person's access isn't what it was when the store was opened.
    pub fn access_changed(&self) -> bool {
        self.trace.access_changed.load(Ordering::Relaxed)
    }

    /// Whether something was written through the store: then its request must not be run again.
    pub fn has_written(&self) -> bool {
        self.trace.written.load(Ordering::Relaxed)
    }

    /// Makes sure that the person's access is what it was when the store was opened, for an answer that nothing was read for.
    ///
    /// Costs nothing when a flight has shown it.
    pub async fn check_access(&self) -> Result<(), StoreError> {
        if self.trace.access_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let checked = self.pool().flight(self.actor(), None, &[]).await;
        match checked.map_err(store_error) {
            Ok(_) => {
                self.note_flight();
                Ok(())
            }
            Err(error) => {
                self.note_refusal(&error);
                Err(error)
            }
        }
    }

    /// Notes that a flight came through: the person's access was checked in it.
    fn note_flight(&self) {
        self.trace.access_checked.store(true, Ordering::Relaxed);
    }

    /// Notes that something was written.
    pub(crate) fn note_written(&self) {
        self.note_flight();
        self.trace.written.store(true, Ordering::Relaxed);
    }

    /// Passes a flight's outcome on and notes what it says of the person's access.
    pub(crate) fn note_outcome<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match outcome {
            Ok(value) => {
                self.note_flight();
                Ok(value)
            }
            Err(error) => {
                self.note_refusal(&error);
                Err(error)
            }
        }
    }

    /// A fresh id with this prefix.
    pub(crate) fn fresh_id(&self, prefix: [u8; 3]) -> RecordId {
        self.shared.new_id(prefix)
    }

    fn note_refusal(&self, error: &StoreError) {
        if matches!(error, StoreError::SessionEnded) {
            self.trace.access_changed.store(true, Ordering::Relaxed);
        }
    }

    /// A fresh id for a team.
    pub(crate) fn new_team_id(&self) -> RecordId {
        self.shared.new_id(crate::teams::TEAM_PREFIX)
    }

    /// The instant.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.shared.clock.now()
    }

    /// Says which time zone the person has, to whom that is known already.
    pub(crate) fn set_zone(&self, zone: &TimeZone) {
        let _ = self.zone.set(zone.clone());
    }

    /// The person's date, as the filters of lists take it.
    async fn today(&self) -> Result<Date, StoreError> {
        let zone = if let Some(zone) = self.zone.get() {
            zone.clone()
        } else {
            // Most have it already, and needn't carry the question along.
            let zone = Box::pin(self.own_profile()).await?.time_zone;
            let zone = TimeZone::get(&zone).unwrap_or(TimeZone::UTC);
            self.set_zone(&zone);
            zone
        };
        Ok(self.now().to_zoned(zone).date())
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    pub(crate) fn recall(&self) -> &Recall {
        &self.shared.recall
    }

    /// What seals secrets, if anything does.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.shared.vault.get()
    }

    /// The store of another person of the workspace, with their own rights. The caller has made sure that this is meant.
    pub(crate) async fn of_person(&self, actor: Actor) -> Result<Self, StoreError> {
        let stores = Stores {
            shared: Arc::clone(&self.shared),
        };
        stores.open(actor).await
    }

    /// Where the content of files lies.
    pub(crate) fn object_storage(&self) -> Option<&ObjectStorage> {
        self.shared.objects.as_ref()
    }

    /// Whose records the person sees. Whatever reads records beside the methods of [`Store`] has to keep to it.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The registry as it is now, after a flight has said that this one is outdated.
    pub async fn fresh_registry(&self) -> Result<Registry, StoreError> {
        self.shared
            .registries
            .reload(self.pool(), &self.actor)
            .await
    }
}

/// Runs an operation with the registry at hand, and once more with a fresh one if the schema has moved on.
macro_rules! with_registry {
    ($store:ident, $registry:ident => $operation:expr) => {{
        let $registry = &$store.registry;
        let outcome = match $operation.await {
            Err(StoreError::SchemaChanged) => match $store.fresh_registry().await {
                Ok(fresh) => {
                    let $registry = &fresh;
                    $operation.await
                }
                Err(error) => Err(error),
            },
            outcome => outcome,
        };
        outcome.inspect_err(|error| $store.note_refusal(error))
    }};
}

/// What stands in a column of an answer of the database.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(StoreError::internal)
}

/// The table with an object's records: its own, or the one of all custom objects.
fn table_of(object: &Object) -> &str {
    if object.custom {
        "custom_record"
    } else {
        &object.name
    }
}

/// The same, as it stands in a statement.
pub(crate) fn sql_table(object: &Object) -> String {
    format!("app.\"{}\"", table_of(object))
}

impl Store for PgStore {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn user(&self) -> User {
        User {
            id: self.actor.user,
            role: self.actor.role,
        }
    }

    fn new_id(&self, object: &str) -> Option<RecordId> {
        let prefix = self.registry.object(object)?.prefix;
        Some(self.shared.new_id(prefix))
    }

    async fn get(
        &self,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> Result<Record, StoreError> {
        with_registry!(self, registry => async {
            let mut record = self.read_one(registry, object, id, columns).await?;
            let one = std::slice::from_mut(&mut record);
            roll_up::fill(self, registry, object, self.today(), one).await?;
            Ok(record)
        })
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        with_registry!(self, registry => async {
            let mut page = self.read_page(registry, query).await?;
            roll_up::fill(self, registry, &query.object, self.today(), &mut page.records).await?;
            Ok(page)
        })
    }

    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        with_registry!(self, registry => self.read_count(registry, query))
    }

    async fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<AggregateRow>, StoreError> {
        with_registry!(self, registry => self.read_aggregate(registry, aggregate))
    }

    async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        with_registry!(self, registry => self.write(registry, changes))
    }

    async fn history(
        &self,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        with_registry!(self, registry => self.read_history(registry, id, before, limit))
    }

    async fn names(&self, ids: &[RecordId]) -> Result<HashMap<RecordId, String>, StoreError> {
        with_registry!(self, registry => self.read_names(registry, ids))
    }

    async fn changes_since(
        &self,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> Result<Changes, StoreError> {
        with_registry!(self, registry => self.read_changes(registry, object, mark))
    }

    fn coverage(&self) -> Coverage {
        Coverage::Whole
    }
}
