//! Reading: compiled queries are run, rows turned into records.

use std::collections::{BTreeMap, HashMap};

use fieldstone_model::{
    Capability, FieldType, Object, Query, Record, RecordId, Registry, Value,
    query::{Cursor, CursorKey, Path, QueryError},
};
use fieldstone_store::{
    Action, Aggregate, AggregateRow, ChangeMark, Changes, FieldChange, HistoryEntry, Page, Scope,
    StoreError,
    compile::{
        Dialect, Param, Select, Shown, Sql, compile_aggregate, compile_count, compile_in_sight,
        phases,
    },
    sum_figure,
};
use tokio_postgres::Row;

use super::{PgStore, table_of, wire::Cell};

/// A row of `Select` from column `first` on: id, version, deletion, columns, keys.
fn record(shown: &Shown, row: &Row, first: usize) -> Result<Record, StoreError> {
    let id: &str = row.try_get(first).map_err(StoreError::internal)?;
    let facts = (
        id.parse().map_err(StoreError::internal)?,
        row.try_get(first + 1).map_err(StoreError::internal)?,
        cell(row, first + 2)? != Cell::Null,
    );
    shown.record(facts, |at, column, custom| {
        Ok(cell(row, first + 3 + at)?.into_value(&column.kind, custom))
    })
}

/// Where the page after a row begins.
fn cursor(shown: &Shown, row: &Row, keys: usize, backward: bool) -> Result<Cursor, StoreError> {
    let id: &str = row.try_get(0).map_err(StoreError::internal)?;
    let first = shown.len() + 3;
    let key = |at| {
        Ok(match cell(row, first + at)? {
            Cell::Null => CursorKey::Null,
            Cell::Bool(yes) => CursorKey::Int(i64::from(yes)),
            Cell::Int(number) => CursorKey::Int(number),
            Cell::Text(text) => CursorKey::Text(text),
        })
    };
    Ok(Cursor {
        keys: (0..keys).map(key).collect::<Result<_, StoreError>>()?,
        id: id.parse().map_err(StoreError::internal)?,
        backward,
    })
}

fn cell(row: &Row, at: usize) -> Result<Cell, StoreError> {
    row.try_get(at).map_err(StoreError::internal)
}

impl PgStore {
    pub(super) async fn read_one(
        &self,
        registry: &Registry,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> Result<Record, StoreError> {
        let object = registry
            .object(object)
            .ok_or_else(|| StoreError::UnknownObject(object.to_owned()))?;
        if id.prefix() != object.prefix_str() {
            return Err(StoreError::NotFound(id));
        }
        let shown = Shown::new(registry, object, columns)?;
        let mut query = Query::new(object.name.clone()).limit(1);
        query.presence = fieldstone_model::query::Presence::All;
        query.filter = fieldstone_model::Filter::equal("id", Value::Id(id));
        let sql = select(registry, &query, &shown, &self.scope, 1)?;
        let rows = self
            .run_one(registry, sql.first().ok_or(StoreError::NotFound(id))?)
            .await?;
        record(&shown, rows.first().ok_or(StoreError::NotFound(id))?, 0)
    }

    /// Those of the records that are there and seen, deleted or not, with all their fields; in no order.
    pub(crate) async fn read_many(
        &self,
        registry: &Registry,
        object: &Object,
        ids: &[RecordId],
    ) -> Result<Vec<Record>, StoreError> {
        let prefix = object.prefix_str();
        let ids: Vec<Value> = ids
            .iter()
            .filter(|id| id.prefix() == prefix)
            .map(|id| Value::Id(*id))
            .collect();
        let shown = Shown::new(registry, object, &[])?;
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let mut query = Query::new(object.name.clone()).limit(limit);
        query.presence = fieldstone_model::query::Presence::All;
        query.order.clear();
        query.filter = fieldstone_model::Filter::In {
            path: Path::from_text("id"),
            values: ids,
        };
        let mut records = Vec::new();
        for sql in &select(registry, &query, &shown, &self.scope, limit)? {
            for row in &self.run_one(registry, sql).await? {
                records.push(record(&shown, row, 0)?);
            }
        }
        Ok(records)
    }

    pub(super) async fn read_page(
        &self,
        registry: &Registry,
        query: &Query,
    ) -> Result<Page, StoreError> {
        let object = query.check(registry)?;
        let shown = Shown::new(registry, object, &query.columns)?;
        let limit = query.limit as usize;
        let backward = query.cursor.as_ref().is_some_and(|cursor| cursor.backward);
        // One more than the page tells whether there is another one.
        let mut rows = self.page_rows(registry, query, &shown).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        if backward {
            rows.reverse();
        }
        let keys = query.order.len();
        let edge = |row: Option<&Row>, wanted: bool, backward| match row {
            Some(row) if wanted => cursor(&shown, row, keys, backward).map(Some),
            _ => Ok(None),
        };
        // Going backward there is a next page, the one we came from; going forward from a cursor there is a previous one.
        let next = edge(
            rows.last(),
            if backward {
                query.cursor.is_some()
            } else {
                more
            },
            false,
        )?;
        let previous = edge(
            rows.first(),
            if backward {
                more
            } else {
                query.cursor.is_some()
            },
            true,
        )?;
        let records = rows
            .iter()
            .map(|row| record(&shown, row, 0))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            records,
            next,
            previous,
        })
    }

    pub(super) async fn read_count(
        &self,
        registry: &Registry,
        query: &Query,
    ) -> Result<u64, StoreError> {
        let rows = self
            .run_one(
                registry,
                &compile_count(Dialect::Postgres, registry, query, &self.scope)?,
            )
            .await?;
        let count: i64 = rows
            .first()
            .map_or(Ok(0), |row| row.try_get(0))
            .map_err(StoreError::internal)?;
        Ok(count.unsigned_abs())
    }

    pub(super) async fn read_aggregate(
        &self,
        registry: &Registry,
        aggregate: &Aggregate,
    ) -> Result<Vec<AggregateRow>, StoreError> {
        let object = aggregate.check(registry)?;
        let rows = self
            .run_one(
                registry,
                &compile_aggregate(Dialect::Postgres, registry, aggregate, &self.scope)?,
            )
            .await?;
        let kind_of = |path: &Path| {
            registry
                .resolve(object, path)
                .map(|resolved| (resolved.field.kind.clone(), resolved.field.custom))
                .unwrap_or_default()
        };
        let read = |row: &Row| {
            let mut at = 0;
            let mut keys = Vec::new();
            for group in &aggregate.groups {
                let (kind, custom) = kind_of(&group.path);
                let kind = if group.bucket.is_some() {
                    FieldType::Date
                } else {
                    kind
                };
                // A custom field's group is its key, a text only where the field is shown as text.
                keys.push(cell(row, at)?.into_value(&kind, custom && kind.is_folded()));
                at += 1;
            }
            let mut figures = Vec::new();
            for measure in &aggregate.measures {
                let kind = match (&measure.path, measure.function) {
                    (
                        Some(path),
                        fieldstone_store::Function::Min | fieldstone_store::Function::Max,
                    ) => kind_of(path).0,
                    _ => FieldType::Integer,
                };
                figures.push(match (measure.function, cell(row, at)?) {
                    (fieldstone_store::Function::Sum, Cell::Text(sum)) => {
                        sum_figure(sum.parse().map_err(StoreError::internal)?)
                    }
                    (_, figure) => figure.into_value(&kind, false),
                });
                at += 1;
            }
            Ok(AggregateRow { keys, figures })
        };
        rows.iter().map(read).collect()
    }

    pub(super) async fn read_history(
        &self,
        registry: &Registry,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let object = registry.object_of(id).map(AsRef::as_ref);
        let mut params = vec![
            Param::Text(id.to_string()),
            Param::Int(before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX))),
        ];
        // The history of a record out of sight is out of sight.
        let in_sight = object
            .and_then(|object| compile_in_sight(registry, object, &self.scope, &mut params))
            .unwrap_or_default();
        let seen = object.filter(|_| !in_sight.is_empty()).map(|object| {
            format!(
                " AND EXISTS (SELECT 1 FROM app.\"{}\" t WHERE t.id = $1{in_sight})",
                table_of(object)
            )
        });
        let text = format!(
            "SELECT h.version, h.at, h.by_id, h.action, h.changes::text FROM app.history h \
             WHERE h.record_id = $1 AND h.version < $2{} ORDER BY h.version DESC LIMIT {}",
            seen.unwrap_or_default(),
            limit.min(500)
        );
        let sql = Sql { text, params };
        let rows = self.run_one(registry, &sql).await?;
        let shows_gone = self.actor().role.can(Capability::SchemaManage);
        rows.iter()
            .map(|row| history_entry(row, object, shows_gone))
            .collect()
    }

    pub(super) async fn read_names(
        &self,
        registry: &Registry,
        ids: &[RecordId],
    ) -> Result<HashMap<RecordId, String>, StoreError> {
        // In order, so that the same objects give the same statement.
        let mut by_object: BTreeMap<&str, (&Object, Vec<String>)> = BTreeMap::new();
        for id in ids {
            if let Some(object) = registry.object_of(*id) {
                by_object
                    .entry(&object.name)
                    .or_insert_with(|| (object, Vec::new()))
                    .1
                    .push(id.to_string());
            }
        }
        if by_object.is_empty() {
            return Ok(HashMap::new());
        }
        let mut parts = Vec::new();
        let mut params = Vec::new();
        for (object, ids) in by_object.into_values() {
            params.push(Param::Texts(ids));
            let place = params.len();
            let in_sight =
                compile_in_sight(registry, object, &self.scope, &mut params).unwrap_or_default();
            parts.push(format!(
                "SELECT t.id, t.\"{}\" FROM unnest(${place}::text[]) AS u (key) CROSS JOIN LATERAL (SELECT t.* FROM app.\"{}\" t WHERE t.id = u.key{in_sight} OFFSET 0) t",
                object.name_field,
                table_of(object),
            ));
        }
        let text = parts.join(" UNION ALL ");
        let rows = self.run_one(registry, &Sql { text, params }).await?;
        let name = |row: &Row| {
            let id: RecordId = cell(row, 0)?
                .text()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| StoreError::internal("a record without an id"))?;
            Ok((id, cell(row, 1)?.text().unwrap_or_default()))
        };
        rows.iter().map(name).collect()
    }

    /// Reads what the mark's snapshot doesn't see, and a new snapshot, in one statement: one statement has one snapshot.
    pub(super) async fn read_changes(
        &self,
        registry: &Registry,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> Result<Changes, StoreError> {
        let object = registry
            .object(object)
            .ok_or_else(|| StoreError::UnknownObject(object.to_owned()))?;
        let shown = Shown::new(registry, object, &[])?;
        let mut query = Query::new(object.name.clone());
        query.presence = fieldstone_model::query::Presence::All;
        let mut sql = select(registry, &query, &shown, &self.scope, 1)?
            .into_iter()
            .next()
            .ok_or_else(|| StoreError::internal("no statement"))?;
        // The first column is the mark, the second the id, which a record may have twice.
        // The compiled text ends in an order and a limit of its own; changes have neither.
        let end = sql.text.rfind(" ORDER BY ").unwrap_or(sql.text.len());
        sql.text.truncate(end);
        let select =
            sql.text
                .replacen("SELECT ", "SELECT pg_current_snapshot()::text AS mark, ", 1);
        let text = match mark {
            None => format!("{select} ORDER BY 2"),
            Some(mark) => {
                sql.params.push(Param::Text(mark.0.clone()));
                let at = sql.params.len();
                format!(
                    "SELECT * FROM ({select} AND t.changed_xid >= pg_snapshot_xmax(${at}::text::pg_snapshot) UNION ALL \
                     SELECT q.* FROM pg_snapshot_xip(${at}::text::pg_snapshot) x CROSS JOIN LATERAL ({select} AND t.changed_xid = x OFFSET 0) q) d ORDER BY 2"
                )
            }
        };
        let sql = Sql {
            text,
            params: sql.params,
        };
        let rows = self.run_one(registry, &sql).await?;
        let mark = match (rows.first(), mark) {
            (Some(row), _) => cell(row, 0)?.text().unwrap_or_default(),
            // Nothing read: the mark still stands.
            (None, Some(mark)) => mark.0.clone(),
            (None, None) => "1:1:".to_owned(),
        };
        let records = rows
            .iter()
            .map(|row| record(&shown, row, 1))
            .collect::<Result<_, _>>()?;
        Ok(Changes {
            records,
            mark: ChangeMark(mark),
        })
    }
}

/// The statements of a page, in the order in which they are run until it is full.
fn select(
    registry: &Registry,
    query: &Query,
    shown: &Shown,
    scope: &Scope,
    limit: u32,
) -> Result<Vec<Sql>, QueryError> {
    let select = Select::new(Dialect::Postgres, registry, query, shown.paths()).within(scope);
    phases(registry, query)?
        .iter()
        .map(|phase| select.compile(phase, limit))
        .collect()
}

/// One entry, with the fields that are in the registry of whoever asks. A field that isn't there may be hidden from them or gone; what is
/// gone is shown only to those from whom nothing is hidden.
fn history_entry(
    row: &Row,
    object: Option<&Object>,
    shows_gone: bool,
) -> Result<HistoryEntry, StoreError> {
    let broken = || StoreError::internal("a history entry can't be read");
    let version = cell(row, 0)?.int().ok_or_else(broken)?;
    let at = cell(row, 1)?.into_value(&FieldType::DateTime, false);
    let Value::DateTime(at) = at else {
        return Err(broken());
    };
    let by = cell(row, 2)?
        .text()
        .and_then(|id| id.parse().ok())
        .ok_or_else(broken)?;
    let action = cell(row, 3)?
        .text()
        .and_then(|name| Action::from_name(&name))
        .ok_or_else(broken)?;
    let fields = match cell(row, 4)?.text() {
        Some(json) => {
            let changes: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&json).map_err(StoreError::internal)?;
            let is_shown = |field: &str| {
                shows_gone || object.is_some_and(|object| object.field(field).is_some())
            };
            changes
                .into_iter()
                .filter(|(field, _)| is_shown(field))
                .map(|(field, pair)| field_change(object, field, &pair))
                .collect()
        }
        None => Vec::new(),
    };
    Ok(HistoryEntry {
        sequence: version.unsigned_abs(),
        at,
        by,
        action,
        fields,
    })
}

/// A stored `[old, new]` pair. A field that is gone is shown as the texts that were stored.
fn field_change(object: Option<&Object>, name: String, pair: &serde_json::Value) -> FieldChange {
    let field = object.and_then(|object| object.field(&name));
    let read = |at: usize| match (pair.get(at), field) {
        (Some(json), Some(field)) => Value::from_json(field, json).unwrap_or_default(),
        (Some(serde_json::Value::String(text)), None) => Value::Text(text.clone()),
        (Some(json), None) if !json.is_null() => Value::Text(json.to_string()),
        _ => Value::Null,
    };
    FieldChange {
        old: read(0),
        new: read(1),
        field: name,
    }
}
