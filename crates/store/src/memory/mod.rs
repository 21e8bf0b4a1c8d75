//! A `Store` in memory: the simplest thing that keeps the trait's promises. For tests of pages and as the oracle of the others.

mod read;

use std::future::{Ready, ready};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fieldstone_model::{
    Change, Clock, Columns, FieldError, IdSource, Object, Problem, Query, Record, RecordId,
    Registry, Role, SeenBy, Value, Values, query::Path, record::Column,
};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    Action, Aggregate, AggregateRow, Applied, ChangeError, ChangeMark, Changes, Coverage,
    HistoryEntry, Page, Scope, Store, StoreError, User,
    once::{Answer, Once, OnceStore, Outcome, REMEMBERED},
    roll_up,
    write::{self, Stored, Write},
};

/// One tenant's records in memory, shared by the stores of its users.
#[derive(Clone)]
pub struct Workspace {
    state: Arc<Mutex<State>>,
    registry: Registry,
    clock: Arc<dyn Clock>,
    ids: Arc<IdSource>,
    noise: Arc<AtomicU64>,
}

#[derive(Default, Clone)]
struct State {
    rows: BTreeMap<RecordId, Row>,
    history: Vec<(RecordId, HistoryEntry)>,
    sequence: u64,
    /// Requests by user and key, with when they were made.
    once: HashMap<(RecordId, String), (Timestamp, Once)>,
}

#[derive(Clone)]
struct Row {
    id: RecordId,
    values: Values,
    version: i64,
    created: (Timestamp, RecordId),
    updated: (Timestamp, RecordId),
    deleted_at: Option<Timestamp>,
    tokens: Vec<String>,
    changed: u64,
}

/// A workspace's records as one user sees them.
#[derive(Clone)]
pub struct MemoryStore {
    workspace: Workspace,
    registry: Registry,
    user: User,
    scope: Scope,
}

impl Workspace {
    /// An empty workspace with these objects.
    pub fn new(registry: Registry, clock: impl Clock) -> Self {
        /// Workspaces made so far: each starts its ids elsewhere.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let noise = MADE.fetch_add(1, Ordering::Relaxed).wrapping_mul(7_654_321);
        Self {
            state: Arc::default(),
            registry,
            clock: Arc::new(clock),
            ids: Arc::default(),
            noise: Arc::new(AtomicU64::new(noise)),
        }
    }

    /// Makes a user and gives the store as that user sees it.
    pub fn add_user(&self, name: &str, email: &str, role: Role) -> MemoryStore {
        self.adopt_user(self.next_id(*b"005"), name, email, role)
    }

    /// Like [`Workspace::add_user`], under an id that another store gave.
    pub fn adopt_user(&self, id: RecordId, name: &str, email: &str, role: Role) -> MemoryStore {
        let now = self.clock.now();
        let values = Values::new()
            .with("name", Value::Text(name.to_owned()))
            .with("email", Value::Text(email.to_owned()))
            .with("role", Value::Text(role.name().to_owned()))
            .with("active", Value::Bool(true));
        let mut state = self.lock();
        let tokens = self
            .registry
            .object("user")
            .map(|object| write::tokens(object, &values))
            .unwrap_or_default();
        state.sequence += 1;
        let changed = state.sequence;
        state.rows.insert(
            id,
            Row {
                id,
                values,
                version: 1,
                created: (now, id),
                updated: (now, id),
                deleted_at: None,
                tokens,
                changed,
            },
        );
        drop(state);
        self.store_of(User { id, role })
    }

    /// The store as `user` sees it.
    pub fn store_of(&self, user: User) -> MemoryStore {
        MemoryStore {
            workspace: self.clone(),
            registry: self.registry.for_role(user.role),
            user,
            scope: Scope::Everything,
        }
    }

    /// Puts records in as settings that no user made: pipelines and stages whose ids a registry already names.
    pub fn seed(&self, changes: &[Change]) -> Result<(), StoreError> {
        let user = User {
            id: self.next_id(*b"005"),
            role: Role::Owner,
        };
        self.store_of(user).apply_now(changes).map(drop)
    }

    fn next_id(&self, prefix: [u8; 3]) -> RecordId {
        // Ids of tests needn't be unguessable, only different.
        let noise = self.noise.fetch_add(0x9E37_79B9, Ordering::Relaxed);
        self.ids.next(prefix, self.clock.now(), noise)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    /// The same store for somebody who sees no more than `scope`.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The records as they are for this person: those out of sight aren't there.
    fn state(&self) -> State {
        let state = self.workspace.lock();
        let mut seen = state.clone();
        seen.rows.retain(|_, row| self.sees(&state, row));
        seen
    }

    fn sees(&self, state: &State, row: &Row) -> bool {
        let Some(object) = self.workspace.registry.object_of(row.id) else {
            return false;
        };
        let id_in = |row: &Row, field: &str| row.values.get(field).and_then(Value::as_id);
        let owner_in_scope =
            |row: &Row| id_in(row, "owner_id").is_some_and(|id| self.scope.has(id.as_str()));
        match object.seen_by {
            _ if self.scope.is_everything() => true,
            SeenBy::Everybody => true,
            SeenBy::Owner => owner_in_scope(row),
            SeenBy::Parent(relation) => id_in(row, relation)
                .and_then(|parent| state.rows.get(&parent))
                .is_some_and(owner_in_scope),
        }
    }

    fn object(&self, name: &str) -> Result<&Object, StoreError> {
        self.registry
            .object(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| StoreError::UnknownObject(name.to_owned()))
    }

    fn apply_now(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.apply_to(&mut self.workspace.lock(), changes)
    }

    fn apply_to(&self, state: &mut State, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let mut draft = state.clone();
        let applied = changes
            .iter()
            .enumerate()
            .map(|(index, change)| self.apply_one(&mut draft, index, change))
            .collect::<Result<Vec<_>, _>>()?;
        *state = draft;
        Ok(applied)
    }

    fn kept_in(&self, state: &State, key: &str, request: [u8; 32]) -> Option<Outcome> {
        let (at, once) = state.once.get(&(self.user.id, key.to_owned()))?;
        if self.workspace.clock.now().duration_since(*at) > REMEMBERED {
            return None;
        }
        Some(if once.request == request {
            Outcome::Before(once.answer.clone())
        } else {
            Outcome::Different
        })
    }

    fn apply_one(
        &self,
        state: &mut State,
        index: usize,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        let refuse = |error| StoreError::Change(index, error);
        let seen = self.object(change.object())?;
        if !write::may_write(self.user, seen, change) {
            return Err(StoreError::Denied);
        }
        write::check_rights(seen, change).map_err(refuse)?;
        let registry = self.workspace.registry.clone();
        let object = registry
            .object(change.object())
            .ok_or_else(|| StoreError::UnknownObject(change.object().to_owned()))?;
        let is_new = matches!(change, Change::Create { .. });
        if state
            .rows
            .get(&change.id())
            .is_some_and(|row| !is_new && !self.sees(state, row))
        {
            return Err(refuse(ChangeError::NotFound));
        }
        let now = self.workspace.clock.now();
        let stored = state.rows.get(&change.id()).map(|row| Stored {
            version: row.version,
            deleted: row.deleted_at.is_some(),
            values: row.values.clone(),
        });
        let lives = |id: RecordId| {
            let row = state.rows.get(&id);
            row.is_some_and(|row| row.deleted_at.is_none() && self.sees(state, row))
        };
        let kept = write::without_gone_defaults(object, change, lives);
        let change = kept.as_ref().unwrap_or(change);
        let prepared = write::prepare(&registry, object, self.user, now, change, stored.as_ref())
            .map_err(|error| refuse(write::without_hidden(seen, error)))?;
        let Some(write) = prepared else {
            return Ok(Applied {
                id: change.id(),
                version: stored.map_or(0, |stored| stored.version),
            });
        };
        let mut errors: Vec<FieldError> = write
            .references
            .iter()
            .filter(|(_, id)| {
                state
                    .rows
                    .get(id)
                    .is_none_or(|row| row.deleted_at.is_some() || !self.sees(state, row))
            })
            .map(|(field, _)| FieldError::new(field.clone(), Problem::MissingReference))
            .collect();
        errors.extend(write::check_owner(object, &self.scope, &write));
        errors.extend(duplicates(state, object, &write));
        if !errors.is_empty() {
            return Err(StoreError::invalid(index, errors));
        }
        let successor = write::successor(&registry, object, now, stored.as_ref(), &write, || {
            self.new_id(&object.name)
        });
        let applied = self.write(state, now, write);
        if let Some(successor) = successor {
            self.write(state, now, successor);
        }
        Ok(applied)
    }

    fn write(&self, state: &mut State, now: Timestamp, write: Write) -> Applied {
        state.sequence += 1;
        let changed = state.sequence;
        let by = (now, self.user.id);
        let row = state.rows.entry(write.id).or_insert_with(|| Row {
            id: write.id,
            values: Values::new(),
            version: 0,
            created: by,
            updated: by,
            deleted_at: None,
            tokens: Vec::new(),
            changed,
        });
        for (name, value) in write.values.iter() {
            row.values.set(name, value.clone());
        }
        row.version = write.version;
        row.updated = by;
        row.changed = changed;
        if let Some(tokens) = write.tokens {
            row.tokens = tokens;
        }
        match write.action {
            Action::Deleted => row.deleted_at = Some(now),
            Action::Restored => row.deleted_at = None,
            Action::Created | Action::Updated => {}
        }
        let entry = HistoryEntry {
            sequence: changed,
            at: now,
            by: self.user.id,
            action: write.action,
            fields: write.changes,
        };
        state.history.push((write.id, entry));
        Applied {
            id: write.id,
            version: write.version,
        }
    }
}

/// Unique fields whose new value a living record of the same object has already.
fn duplicates(state: &State, object: &Object, write: &Write) -> Vec<FieldError> {
    let restored = state
        .rows
        .get(&write.id)
        .filter(|_| write.action == Action::Restored)
        .map(|row| &row.values);
    let values = restored.unwrap_or(&write.values);
    object
        .fields
        .iter()
        .filter(|field| field.unique)
        .filter(|field| {
            let Some(key) = values
                .get(&field.name)
                .and_then(|value| value.key(&field.kind))
            else {
                return false;
            };
            state.rows.iter().any(|(id, row)| {
                *id != write.id
                    && id.prefix() == object.prefix_str()
                    && row.deleted_at.is_none()
                    && row
                        .values
                        .get(&field.name)
                        .and_then(|value| value.key(&field.kind))
                        .as_ref()
                        == Some(&key)
            })
        })
        .map(|field| FieldError::new(field.name.clone(), Problem::Duplicate))
        .collect()
}

impl MemoryStore {
    /// Nobody here has a time zone.
    fn today(&self) -> Ready<Result<Date, StoreError>> {
        ready(Ok(self
            .workspace
            .clock
            .now()
            .to_zoned(TimeZone::UTC)
            .date()))
    }
}

/// Memory has no devices, and so nothing that met another change.
impl crate::conflict::ConflictStore for MemoryStore {}

impl Store for MemoryStore {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn user(&self) -> User {
        self.user
    }

    fn new_id(&self, object: &str) -> Option<RecordId> {
        self.workspace
            .registry
            .object(object)
            .map(|object| self.workspace.next_id(object.prefix))
    }

    async fn get(
        &self,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> Result<Record, StoreError> {
        let object = self.object(object)?;
        let columns = columns_of(&self.registry, object, columns)?;
        let mut record = {
            let state = self.state();
            let row = state
                .rows
                .get(&id)
                .filter(|_| id.prefix() == object.prefix_str())
                .ok_or(StoreError::NotFound(id))?;
            read::record(&state, &self.registry, &columns, id, row)
        };
        let one = std::slice::from_mut(&mut record);
        roll_up::fill(self, &self.registry, &object.name, self.today(), one).await?;
        Ok(record)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let mut page = read::list(&self.state(), &self.registry, query)?;
        let records = &mut page.records;
        roll_up::fill(self, &self.registry, &query.object, self.today(), records).await?;
        Ok(page)
    }

    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        read::count(&self.state(), &self.registry, query)
    }

    async fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<AggregateRow>, StoreError> {
        read::aggregate(&self.state(), &self.registry, aggregate)
    }

    async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.apply_now(changes)
    }

    async fn history(
        &self,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let state = self.state();
        if !state.rows.contains_key(&id) {
            return Ok(Vec::new());
        }
        let object = self.registry.object_of(id).cloned();
        let older = |entry: &HistoryEntry| before.is_none_or(|before| entry.sequence < before);
        let entries = state
            .history
            .iter()
            .rev()
            .filter(|(of, entry)| *of == id && older(entry))
            .map(|(_, entry)| {
                let mut entry = entry.clone();
                entry.fields.retain(|change| {
                    object
                        .as_ref()
                        .is_some_and(|object| object.field(&change.field).is_some())
                });
                entry
            });
        Ok(entries.take(limit as usize).collect())
    }

    async fn names(&self, ids: &[RecordId]) -> Result<HashMap<RecordId, String>, StoreError> {
        let state = self.state();
        let name = |id: &RecordId| {
            let object = self.registry.object_of(*id)?;
            let name = state
                .rows
                .get(id)?
                .values
                .get(&object.name_field)?
                .as_text()?
                .to_owned();
            Some((*id, name))
        };
        Ok(ids.iter().filter_map(name).collect())
    }

    async fn changes_since(
        &self,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> Result<Changes, StoreError> {
        let object = self.object(object)?;
        let columns = columns_of(&self.registry, object, &[])?;
        let state = self.state();
        let since = mark.and_then(|mark| mark.0.parse().ok()).unwrap_or(0);
        let changed = state
            .rows
            .iter()
            .filter(|(id, row)| row.changed > since && id.prefix() == object.prefix_str());
        let records = changed
            .map(|(id, row)| read::record(&state, &self.registry, &columns, *id, row))
            .collect();
        Ok(Changes {
            records,
            mark: ChangeMark(state.sequence.to_string()),
        })
    }

    fn coverage(&self) -> Coverage {
        Coverage::Whole
    }
}

impl OnceStore for MemoryStore {
    async fn kept(&self, key: &str, request: [u8; 32]) -> Result<Option<Outcome>, StoreError> {
        Ok(self.kept_in(&self.workspace.lock(), key, request))
    }

    async fn apply_once(&self, once: &Once, changes: &[Change]) -> Result<Outcome, StoreError> {
        let mut state = self.workspace.lock();
        if let Some(outcome) = self.kept_in(&state, &once.key, once.request) {
            return Ok(outcome);
        }
        let applied = self.apply_to(&mut state, changes)?;
        let entry = (self.workspace.clock.now(), once.clone());
        state.once.insert((self.user.id, once.key.clone()), entry);
        Ok(Outcome::Applied(applied))
    }

    async fn keep(&self, key: &str, answer: &Answer) -> Result<(), StoreError> {
        let mut state = self.workspace.lock();
        if let Some((_, once)) = state.once.get_mut(&(self.user.id, key.to_owned())) {
            once.answer = answer.clone();
        }
        Ok(())
    }
}

/// The columns for `paths`, or all fields of `object` when there are none.
pub(crate) fn columns_of(
    registry: &Registry,
    object: &Object,
    paths: &[Path],
) -> Result<Arc<Columns>, StoreError> {
    use fieldstone_model::query::QueryError;
    let all: Vec<Path>;
    let paths = if paths.is_empty() {
        all = object
            .fields
            .iter()
            .map(|field| Path::from_text(&field.name))
            .collect();
        &all
    } else {
        paths
    };
    let column = |path: &Path| {
        let resolved = registry
            .resolve(object, path)
            .ok_or_else(|| QueryError::UnknownField(path.to_string()))?;
        Ok(Column {
            path: path.clone(),
            name: path.to_string(),
            kind: resolved.field.kind.clone(),
        })
    };
    Ok(Arc::new(Columns::new(
        paths
            .iter()
            .map(column)
            .collect::<Result<_, QueryError>>()?,
    )))
}
