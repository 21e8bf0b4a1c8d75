//! The `Store` of one user: what pages and commands read and change records through.

use std::{
    collections::HashMap,
    future::{Ready, ready},
};

use aws_lc_rs::rand;
use fieldstone_model::{Change, Query, Record, RecordId, Registry, query::Path};
use fieldstone_store::{
    Aggregate, AggregateRow, Applied, ChangeMark, Changes, Coverage, HistoryEntry, Page, Store,
    StoreError, User, roll_up,
};
use jiff::{civil::Date, tz::TimeZone};

use super::{Local, history, read, write};

/// The records of one login as its user reads and changes them.
#[derive(Clone)]
pub struct DeviceStore {
    pub(super) local: Local,
    pub(super) registry: Registry,
    pub(super) user: User,
    pub(super) zone: TimeZone,
}

impl DeviceStore {
    /// The same for a user in this time zone: roll-ups may ask which day it is.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    fn today(&self) -> Ready<Result<Date, StoreError>> {
        let now = self.local.shared.clock.now();
        ready(Ok(now.to_zoned(self.zone.clone()).date()))
    }

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
        let (name, columns) = (object.to_owned(), columns.to_vec());
        let read = self
            .local
            .read(move |connection, registry| read::one(connection, registry, &name, id, &columns));
        let mut record = read.await?;
        let one = std::slice::from_mut(&mut record);
        roll_up::fill(self, &self.registry, object, self.today(), one).await?;
        Ok(record)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let wanted = query.clone();
        let read = self
            .local
            .read(move |connection, registry| read::page(connection, registry, &wanted));
        let mut page = read.await?;
        let records = &mut page.records;
        roll_up::fill(self, &self.registry, &query.object, self.today(), records).await?;
        Ok(page)
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
