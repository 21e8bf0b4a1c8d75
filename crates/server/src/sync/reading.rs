//! One page's transaction: the scope as it is now, and the reads that pages are made of.

use std::collections::{BTreeMap, BTreeSet};

use fieldstone_model::{Object, RecordId, Registry, query::Environment};
use fieldstone_protocol::{
    conflict,
    tag::{BlindKey, Withheld},
};
use fieldstone_store::{
    StoreError,
    compile::{Dialect, Param, compile_scope},
};
use tokio_postgres::{
    Row,
    types::{FromSql, ToSql},
};

use super::{
    SyncError,
    scope::{RecordSet, Scope, default_sets},
};
use crate::{
    database::pool::{Step, Transaction},
    store::{PgStore, Sent, sql_table, store_error},
};

/// Most records that may be in or out of scope because of the changes of one page.
pub(super) const CANDIDATES_MAX: usize = 30_000;

/// A cursor, or how far a pull has got.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) snapshot: String,
    pub(super) epoch: String,
    pub(super) position: Option<RecordId>,
    /// Whether deleted records were purged that it hasn't seen.
    pub(super) purged: bool,
}

/// What a transaction begins with.
pub(super) struct Opened {
    pub(super) transaction: Transaction,
    pub(super) blind: BlindKey,
    seen_at: jiff::Timestamp,
    proven: Option<bool>,
    pub(super) kept: Vec<Kept>,
    pub(super) sets: Vec<RecordSet>,
    pub(super) set_versions: Vec<(String, i64)>,
    pub(super) snapshot: String,
}

/// Reads within one transaction.
pub(super) struct Reading<'a> {
    pub(super) transaction: Transaction,
    pub(super) registry: &'a Registry,
    pub(super) tenant: RecordId,
    pub(super) user: RecordId,
    pub(super) scope: Scope<'a>,
    pub(super) blind: BlindKey,
    /// When the device was last seen, and what it said of itself, as far as the database knows.
    pub(super) seen_at: jiff::Timestamp,
    pub(super) proven: Option<bool>,
    /// What this transaction sees.
    pub(super) snapshot: String,
    pub(super) epoch: String,
    /// What is kept from the reader, by API name of the object.
    withheld: BTreeMap<String, Withheld>,
}

/// Ids by the API name of their object.
pub(super) type Ids = BTreeMap<String, BTreeSet<RecordId>>;

/// Plans for the values at hand: kept plans are those of small tables, and compiling takes longer than an empty page.
const PLANS: &str = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)";
const DEVICE: &str = "SELECT d.blind_key, d.last_seen_at, d.proven FROM app.sync_device d WHERE d.id = $1 AND d.revoked_at IS NULL";
const KEPT: &str = "SELECT c.id, c.snapshot, c.epoch, c.position, \
    coalesce((SELECT p.purged_xid FROM app.sync_purge p) >= pg_snapshot_xmin(c.snapshot::pg_snapshot), false) \
    FROM app.sync_cursor c WHERE c.device_id = $1 AND c.id = ANY ($2)";
const SETS: &str = "SELECT r.id, r.version, r.definition::text FROM app.record_set r \
    WHERE coalesce(r.role = (SELECT app.role()), true) AND coalesce(r.person_id = (SELECT app.user_id()), true) ORDER BY r.id";
const SNAPSHOT: &str = "SELECT pg_current_snapshot()::text";

/// Begins a page's transaction for `device`; `ids` are the cursors and pages that it names.
pub(super) async fn open(
    store: &PgStore,
    registry: &Registry,
    device: RecordId,
    ids: &[String],
) -> Result<Opened, SyncError> {
    let mut transaction = store
        .pool()
        .snapshot(store.actor(), Some(registry.version()))
        .await
        .map_err(store_error)?;
    let device = device.to_string();
    let steps = [
        Step {
            sql: PLANS,
            params: &[],
        },
        Step {
            sql: DEVICE,
            params: &[&device],
        },
        Step {
            sql: KEPT,
            params: &[&device, &ids],
        },
        Step {
            sql: SETS,
            params: &[],
        },
        Step {
            sql: SNAPSHOT,
            params: &[],
        },
    ];
    let results = transaction.run(&steps, false).await.map_err(store_error)?;
    let [_, devices, kept, sets, snapshots] = &results[..] else {
        return Err(StoreError::internal("a flight lost an answer").into());
    };
    let known = devices.first().ok_or(SyncError::UnknownDevice)?;
    let key: &[u8] = column(known, 0)?;
    let blind = BlindKey(key.try_into().map_err(StoreError::internal)?);
    let (mut chosen, mut set_versions) = (Vec::new(), Vec::new());
    for row in sets {
        set_versions.push((column::<String>(row, 0)?, column(row, 1)?));
        chosen
            .push(serde_json::from_str(&column::<String>(row, 2)?).map_err(StoreError::internal)?);
    }
    Ok(Opened {
        blind,
        seen_at: column(known, 1)?,
        proven: column(known, 2)?,
        transaction,
        kept: kept.iter().map(kept_row).collect::<Result<_, _>>()?,
        sets: if chosen.is_empty() {
            default_sets()
        } else {
            chosen
        },
        set_versions,
        snapshot: column(
            snapshots
                .first()
                .ok_or_else(|| StoreError::internal("no snapshot"))?,
            0,
        )?,
    })
}

fn kept_row(row: &Row) -> Result<Kept, SyncError> {
    let position: Option<String> = column(row, 3)?;
    Ok(Kept {
        id: column(row, 0)?,
        snapshot: column(row, 1)?,
        epoch: column(row, 2)?,
        position: position.and_then(|id| id.parse().ok()),
        purged: column(row, 4)?,
    })
}

/// What stands in a column of an answer.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, SyncError> {
    Ok(crate::store::column(row, at)?)
}

pub(super) fn id_of(row: &Row) -> Result<RecordId, SyncError> {
    column::<&str>(row, 0)?
        .parse()
        .map_err(|error| StoreError::internal(error).into())
}

/// A statement with the parameters of a scope and some more.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) params: Vec<Param>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        store: &PgStore,
        registry: &'a Registry,
        opened: Opened,
        environment: Environment,
    ) -> Self {
        let scope = Scope::new(registry, &opened.sets, environment);
        let actor = store.actor();
        let epoch = scope.epoch(
            &opened.set_versions,
            actor.role.name(),
            actor.member_version,
            registry.version(),
            environment,
        );
        Self {
            transaction: opened.transaction,
            registry,
            tenant: actor.tenant,
            user: actor.user,
            scope,
            blind: opened.blind,
            seen_at: opened.seen_at,
            proven: opened.proven,
            snapshot: opened.snapshot,
            epoch,
            withheld: kept_from(registry),
        }
    }

    /// What is kept from the reader of records of this object.
    pub(super) fn withheld(&self, object: &str) -> Withheld {
        self.withheld.get(object).copied().unwrap_or_default()
    }

    /// Ends the transaction with nothing more to do in it.
    pub(super) async fn finish(mut self) -> Result<(), SyncError> {
        self.transaction.run(&[], true).await.map_err(store_error)?;
        Ok(())
    }

    pub(super) async fn run(
        &mut self,
        statements: &[Statement],
    ) -> Result<Vec<Vec<Row>>, SyncError> {
        let sent: Vec<Vec<Sent<'_>>> = statements
            .iter()
            .map(|statement| statement.params.iter().map(Sent).collect())
            .collect();
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = sent
            .iter()
            .map(|params| params.iter().map(|param| param as _).collect())
            .collect();
        let steps: Vec<Step<'_>> = statements
            .iter()
            .zip(&params)
            .map(|(statement, params)| Step {
                sql: &statement.text,
                params,
            })
            .collect();
        Ok(self
            .transaction
            .run(&steps, false)
            .await
            .map_err(store_error)?)
    }

    /// The API names of everything a scope has: its objects, and conflicts.
    pub(super) fn object_names(&self) -> Vec<String> {
        let objects = self.scope.objects().into_iter();
        let names = objects.map(|object| object.name.to_string());
        names.chain([conflict::OBJECT.to_owned()]).collect()
    }

    /// The tables that the scope's objects are in, each once.
    fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = self.scope.objects().into_iter().map(sql_table).collect();
        tables.push("app.sync_conflict".to_owned());
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Records that `since` doesn't see, deleted or not, behind `after`, in order of id, at most `limit`.
    ///
    /// Two ranges of the index on the transaction: what began since, and what was under way then. `pg_visible_in_snapshot()` would say the
    /// same and read the whole table, because it isn't leakproof and so comes after the policies.
    pub(super) async fn changed(
        &mut self,
        since: &str,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, SyncError> {
        let statement = self.changed_sql(since, after, limit);
        let results = self.run(&[statement]).await?;
        results.iter().flatten().map(id_of).collect()
    }

    /// What records led to until changes that `since` doesn't see, and records that went out of somebody's sight by one.
    pub(super) async fn unlinked(&mut self, since: &str) -> Result<Vec<RecordId>, SyncError> {
        let results = self.run(&[unlinked_sql(since)]).await?;
        ids_of(results.iter().flatten())
    }

    /// Both, from the beginning, in one flight.
    pub(super) async fn news(
        &mut self,
        since: &str,
        limit: usize,
    ) -> Result<(Vec<RecordId>, Vec<RecordId>), SyncError> {
        let statements = [self.changed_sql(since, None, limit), unlinked_sql(since)];
        let results = self.run(&statements).await?;
        let [changed, unlinked] = &results[..] else {
            return Err(StoreError::internal("a flight lost an answer").into());
        };
        let changed = changed.iter().map(id_of).collect::<Result<_, _>>()?;
        Ok((changed, ids_of(unlinked)?))
    }

    fn changed_sql(&self, since: &str, after: Option<RecordId>, limit: usize) -> Statement {
        let part = |table: &String| {
            format!(
                "SELECT t.id FROM {table} t WHERE t.changed_xid >= pg_snapshot_xmax($1::text::pg_snapshot) AND t.id > $2 \
                 UNION ALL SELECT q.id FROM pg_snapshot_xip($1::text::pg_snapshot) x CROSS JOIN LATERAL \
                 (SELECT r.id FROM {table} r WHERE r.changed_xid = x AND r.id > $2 OFFSET 0) q"
            )
        };
        let parts: Vec<String> = self.tables().iter().map(part).collect();
        let text = format!(
            "SELECT c.id FROM ({}) c ORDER BY c.id LIMIT {limit}",
            parts.join(" UNION ALL ")
        );
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let params = vec![Param::Text(since.to_owned()), Param::Text(after)];
        Statement { text, params }
    }

    /// The API name of the object that an id belongs to, if a scope can have it.
    pub(super) fn object_name(&self, id: RecordId) -> Option<String> {
        if id.prefix().as_bytes() == conflict::PREFIX {
            return Some(conflict::OBJECT.to_owned());
        }
        self.registry
            .object_of(id)
            .map(|object| object.name.to_string())
    }

    /// The changed records and everything that may be in or out of scope because of them: what hangs on them, step by step.
    ///
    /// None when that is too much for a page.
    pub(super) async fn candidates(
        &mut self,
        changed: Vec<RecordId>,
    ) -> Result<Option<Ids>, SyncError> {
        let mut found = Ids::new();
        let mut next = Ids::new();
        let mut count = 0;
        for id in changed {
            if let Some(name) = self.object_name(id)
                && found.entry(name.clone()).or_default().insert(id)
            {
                count += 1;
                next.entry(name).or_default().insert(id);
            }
        }
        while !next.is_empty() {
            let mut steps = Vec::new();
            for step in self.scope.steps() {
                let Some(ids) = next.get(step.from.name.as_ref()) else {
                    continue;
                };
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let text = if step.down && step.field.custom {
                    // No index knows it: once through is enough.
                    let (table, field) = (sql_table(step.to), field_sql("t", step.field));
                    format!(
                        "SELECT t.id FROM {table} t WHERE t.deleted_at IS NULL AND {field} = ANY ($1)"
                    )
                } else if step.down {
                    let field = field_sql("r", step.field);
                    let among = format!("r.deleted_at IS NULL AND {field} = u.key");
                    format!("SELECT t.id FROM {}", super::rows::each(step.to, &among))
                } else {
                    let field = field_sql("t", step.field);
                    let from = super::rows::each(step.from, "r.id = u.key");
                    format!("SELECT DISTINCT {field} FROM {from} WHERE {field} IS NOT NULL")
                };
                steps.push((
                    step.to.name.to_string(),
                    Statement {
                        text,
                        params: vec![Param::Texts(ids)],
                    },
                ));
            }
            let (names, statements): (Vec<String>, Vec<Statement>) = steps.into_iter().unzip();
            let results = self.run(&statements).await?;
            next = Ids::new();
            for (name, rows) in names.into_iter().zip(&results) {
                for row in rows {
                    let Some(id) = column_id(row)? else { continue };
                    if found.entry(name.clone()).or_default().insert(id) {
                        count += 1;
                        next.entry(name.clone()).or_default().insert(id);
                    }
                }
            }
            if count > CANDIDATES_MAX {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    fn scope_sql(&self, object: &Object) -> Result<Option<(String, Vec<Param>)>, SyncError> {
        let nodes = self.scope.nodes();
        let sql = compile_scope(Dialect::Postgres, self.registry, &nodes, object)
            .map_err(StoreError::from)?;
        Ok(sql.map(|sql| (sql.text, sql.params)))
    }

    /// Those of the candidates that are in scope.
    pub(super) async fn within(&mut self, candidates: &Ids) -> Result<Ids, SyncError> {
        let (mut names, mut statements) = (Vec::new(), Vec::new());
        for (name, ids) in candidates {
            let ids = Param::Texts(ids.iter().map(ToString::to_string).collect());
            if name == conflict::OBJECT {
                let text = "SELECT c.id FROM app.sync_conflict c WHERE c.deleted_at IS NULL AND c.id = ANY ($1)".to_owned();
                names.push(name.clone());
                statements.push(Statement {
                    text,
                    params: vec![ids],
                });
                continue;
            }
            let Some(object) = self.registry.object(name).cloned() else {
                continue;
            };
            let Some((scope, mut params)) = self.scope_sql(&object)? else {
                continue;
            };
            params.push(ids);
            let text = format!(
                "SELECT s.id FROM ({scope}) s WHERE s.id = ANY (${})",
                params.len()
            );
            names.push(name.clone());
            statements.push(Statement { text, params });
        }
        let results = self.run(&statements).await?;
        let mut within = Ids::new();
        for (name, rows) in names.into_iter().zip(&results) {
            within.insert(name, rows.iter().map(id_of).collect::<Result<_, _>>()?);
        }
        Ok(within)
    }

    /// The ids and tags of everything in scope of one object.
    pub(super) fn in_scope(&self, name: &str) -> Result<Option<(String, Vec<Param>)>, SyncError> {
        if name == conflict::OBJECT {
            let text = "SELECT c.id, c.row_tag, c.object FROM app.sync_conflict c WHERE c.deleted_at IS NULL";
            return Ok(Some((text.to_owned(), Vec::new())));
        }
        let Some(object) = self.registry.object(name).cloned() else {
            return Ok(None);
        };
        self.scope_sql(&object)
    }

    /// Whole rows in scope, by id.
    pub(super) async fn rows(
        &mut self,
        within: &Ids,
    ) -> Result<Vec<fieldstone_protocol::pull::Row>, SyncError> {
        let mut statements = Vec::new();
        let mut shapes = Vec::new();
        for (name, ids) in within.iter().filter(|(_, ids)| !ids.is_empty()) {
            let ids = Param::Texts(ids.iter().map(ToString::to_string).collect());
            let object = self.registry.object(name).cloned();
            let text = match &object {
                Some(object) => super::rows::select(object),
                None if name == conflict::OBJECT => super::rows::SELECT_CONFLICTS.to_owned(),
                None => continue,
            };
            statements.push(Statement {
                text,
                params: vec![ids],
            });
            shapes.push(object);
        }
        let results = self.run(&statements).await?;
        let mut rows = Vec::new();
        for (object, found) in shapes.iter().zip(&results) {
            for row in found {
                rows.push(if let Some(object) = object {
                    super::rows::record(object, self.withheld(&object.name), row)?
                } else {
                    let of: &str = column(row, 3)?;
                    let object = self.registry.object(of).map(AsRef::as_ref);
                    super::rows::conflict(object, self.withheld(of), row)?
                });
            }
        }
        Ok(rows)
    }
}

/// What is kept from a reader with this registry, by API name of the object; nothing where it isn't named.
fn kept_from(registry: &Registry) -> BTreeMap<String, Withheld> {
    let whole = registry.whole();
    let kept = |object: &std::sync::Arc<Object>| {
        let names = super::device::withheld(&whole, object, true);
        let names = names.iter().map(String::as_str);
        (object.name.to_string(), Withheld::new(&object.name, names))
    };
    registry.objects().map(kept).collect()
}

fn unlinked_sql(since: &str) -> Statement {
    let text = format!(
        "SELECT u.target FROM app.sync_unlinked u WHERE u.changed_xid >= pg_snapshot_xmax($1::text::pg_snapshot) \
         UNION SELECT q.target FROM pg_snapshot_xip($1::text::pg_snapshot) x CROSS JOIN LATERAL \
         (SELECT r.target FROM app.sync_unlinked r WHERE r.changed_xid = x OFFSET 0) q LIMIT {}",
        CANDIDATES_MAX + 1
    );
    Statement {
        text,
        params: vec![Param::Text(since.to_owned())],
    }
}

/// Those of a column that are ids.
fn ids_of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Result<Vec<RecordId>, SyncError> {
    let ids = rows.into_iter().map(column_id);
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}

/// A relation's value: a column, or a member of the custom values.
fn field_sql(alias: &str, field: &fieldstone_model::Field) -> String {
    if field.custom {
        format!("{alias}.custom ->> '{}'", field.id)
    } else {
        format!("{alias}.\"{}\"", field.name)
    }
}

fn column_id(row: &Row) -> Result<Option<RecordId>, SyncError> {
    let text: Option<&str> = column(row, 0)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
