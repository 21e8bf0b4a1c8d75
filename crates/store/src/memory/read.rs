//! Reading from memory: filters, orders and figures, evaluated the plain way.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use fieldstone_model::{
    Columns, Comparison, FieldType, Filter, Object, Query, Record, RecordId, Registry, Value,
    query::{Cursor, CursorKey, Path, Presence},
    value::Key,
};

use super::{Row, State, columns_of};
use crate::{Aggregate, AggregateRow, Bucket, Function, Page, StoreError, sum_figure, write};

pub(super) fn record(
    state: &State,
    registry: &Registry,
    columns: &Arc<Columns>,
    id: RecordId,
    row: &Row,
) -> Record {
    let values = columns
        .iter()
        .map(|column| {
            value_at(state, registry, id, row, &column.path)
                .map(|(value, _)| value)
                .unwrap_or_default()
        })
        .collect();
    Record {
        id,
        version: row.version,
        deleted: row.deleted_at.is_some(),
        columns: columns.clone(),
        values,
    }
}

pub(super) fn list(state: &State, registry: &Registry, query: &Query) -> Result<Page, StoreError> {
    let object = query.check(registry)?;
    let columns = columns_of(registry, object, &query.columns)?;
    let mut found: Vec<(Vec<Option<Key>>, RecordId, &Row)> =
        matching(state, registry, object, query)
            .map(|(id, row)| {
                (
                    query
                        .order
                        .iter()
                        .map(|order| key_at(state, registry, id, row, &order.path))
                        .collect(),
                    id,
                    row,
                )
            })
            .collect();
    let compare =
        |left: (&[Option<Key>], RecordId), right: (&[Option<Key>], RecordId)| -> Ordering {
            let mut descending_id = query.order.is_empty();
            for ((order, left), right) in query.order.iter().zip(left.0).zip(right.0) {
                descending_id = order.descending;
                let ordering = match (left, right) {
                    (None, None) => Ordering::Equal,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(_), None) => Ordering::Less,
                    (Some(left), Some(right)) if order.descending => right.cmp(left),
                    (Some(left), Some(right)) => left.cmp(right),
                };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
            if descending_id {
                right.1.cmp(&left.1)
            } else {
                left.1.cmp(&right.1)
            }
        };
    found.sort_by(|left, right| compare((&left.0, left.1), (&right.0, right.1)));
    let limit = query.limit as usize;
    let (start, end) = match &query.cursor {
        None => (0, found.len().min(limit)),
        Some(cursor) => {
            let keys: Vec<Option<Key>> = cursor.keys.iter().map(cursor_key).collect();
            let place = |ordering: &dyn Fn(Ordering) -> bool| {
                found.partition_point(|(found, id, _)| {
                    ordering(compare((found, *id), (&keys, cursor.id)))
                })
            };
            if cursor.backward {
                let end = place(&|ordering| ordering == Ordering::Less);
                (end.saturating_sub(limit), end)
            } else {
                let start = place(&|ordering| ordering != Ordering::Greater);
                (start, (start + limit).min(found.len()))
            }
        }
    };
    let cursor_at = |at: usize, backward: bool| {
        found.get(at).map(|(keys, id, _)| Cursor {
            keys: keys.iter().map(|key| key_cursor(key.as_ref())).collect(),
            id: *id,
            backward,
        })
    };
    let page = found.get(start..end).unwrap_or_default();
    Ok(Page {
        records: page
            .iter()
            .map(|(_, id, row)| record(state, registry, &columns, *id, row))
            .collect(),
        next: if end < found.len() && end > start {
            cursor_at(end - 1, false)
        } else {
            None
        },
        previous: if start > 0 && end > start {
            cursor_at(start, true)
        } else {
            None
        },
    })
}

pub(super) fn count(state: &State, registry: &Registry, query: &Query) -> Result<u64, StoreError> {
    let object = query.check(registry)?;
    Ok(matching(state, registry, object, query).count() as u64)
}

/// The values that name a group, and its records.
type Members<'a> = (Vec<Value>, Vec<(RecordId, &'a Row)>);

pub(super) fn aggregate(
    state: &State,
    registry: &Registry,
    aggregate: &Aggregate,
) -> Result<Vec<AggregateRow>, StoreError> {
    let object = aggregate.check(registry)?;
    let query = Query::new(object.name.clone()).filter(aggregate.filter.clone());
    // The flag puts groups without a value last, as in every order.
    let mut groups: BTreeMap<Vec<(bool, Option<Key>)>, Members<'_>> = BTreeMap::new();
    if aggregate.groups.is_empty() {
        groups.insert(Vec::new(), (Vec::new(), Vec::new()));
    }
    for (id, row) in matching(state, registry, object, &query) {
        let mut keys = Vec::new();
        let mut values = Vec::new();
        for group in &aggregate.groups {
            let (value, kind) = value_at(state, registry, id, row, &group.path).unwrap_or_default();
            let value = group
                .bucket
                .map_or(value.clone(), |bucket| bucket_of(&value, bucket));
            let key = value.key(&kind);
            keys.push((key.is_none(), key));
            values.push(value);
        }
        groups
            .entry(keys)
            .or_insert_with(|| (values, Vec::new()))
            .1
            .push((id, row));
    }
    let figure = |rows: &[(RecordId, &Row)], function: Function, path: Option<&Path>| {
        let values: Vec<Value> = path.map_or_else(Vec::new, |path| {
            rows.iter()
                .filter_map(|(id, row)| value_at(state, registry, *id, row, path))
                .map(|(value, _)| value)
                .filter(|value| !value.is_null())
                .collect()
        });
        let by_key = |value: &&Value| value.key(&FieldType::Integer);
        match function {
            Function::Count if path.is_none() => {
                Value::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX))
            }
            Function::Count => Value::Int(i64::try_from(values.len()).unwrap_or(i64::MAX)),
            Function::Sum if values.is_empty() => Value::Null,
            Function::Sum => sum_figure(
                values
                    .iter()
                    .filter_map(Value::as_int)
                    .map(i128::from)
                    .sum(),
            ),
            Function::Min => values
                .iter()
                .min_by_key(by_key)
                .cloned()
                .unwrap_or_default(),
            Function::Max => values
                .iter()
                .max_by_key(by_key)
                .cloned()
                .unwrap_or_default(),
        }
    };
    let rows = groups.into_iter().take(aggregate.limit as usize);
    Ok(rows
        .map(|(_, (keys, rows))| AggregateRow {
            keys,
            figures: aggregate
                .measures
                .iter()
                .map(|measure| figure(&rows, measure.function, measure.path.as_ref()))
                .collect(),
        })
        .collect())
}

fn matching<'a>(
    state: &'a State,
    registry: &'a Registry,
    object: &'a Object,
    query: &'a Query,
) -> impl Iterator<Item = (RecordId, &'a Row)> {
    let words = query.search.as_deref().map(write::search_words);
    state
        .rows
        .iter()
        .map(|(id, row)| (*id, row))
        .filter(move |(id, row)| {
            let present = match query.presence {
                Presence::Living => row.deleted_at.is_none(),
                Presence::Deleted => row.deleted_at.is_some(),
                Presence::All => true,
            };
            let found = words.as_ref().is_none_or(|words| {
                words.iter().all(|word| {
                    row.tokens
                        .iter()
                        .any(|token| token.starts_with(word.as_str()))
                })
            });
            present
                && found
                && id.prefix() == object.prefix_str()
                && matches(state, registry, *id, row, &query.filter)
        })
}

fn matches(state: &State, registry: &Registry, id: RecordId, row: &Row, filter: &Filter) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(parts) => parts
            .iter()
            .all(|part| matches(state, registry, id, row, part)),
        Filter::Or(parts) => parts
            .iter()
            .any(|part| matches(state, registry, id, row, part)),
        Filter::Not(part) => !matches(state, registry, id, row, part),
        Filter::Empty { path } => {
            value_at(state, registry, id, row, path).is_none_or(|(value, _)| value.is_null())
        }
        Filter::In { path, values } => values
            .iter()
            .any(|value| compare(state, registry, id, row, path, Comparison::Equal, value)),
        Filter::Compare {
            path,
            comparison,
            value,
        } => compare(state, registry, id, row, path, *comparison, value),
    }
}

fn compare(
    state: &State,
    registry: &Registry,
    id: RecordId,
    row: &Row,
    path: &Path,
    comparison: Comparison,
    wanted: &Value,
) -> bool {
    // An empty relation on the way is no value, and no value differs from every value.
    let Some((value, kind)) = value_at(state, registry, id, row, path) else {
        return comparison == Comparison::NotEqual;
    };
    if let (Value::Choices(options), Value::Text(wanted)) = (&value, wanted) {
        return comparison == Comparison::Contains && options.contains(wanted);
    }
    let (Some(key), Some(wanted)) = (value.key(&kind), wanted.key(&kind)) else {
        return comparison == Comparison::NotEqual;
    };
    match (comparison, &key, &wanted) {
        (Comparison::Equal, ..) => key == wanted,
        (Comparison::NotEqual, ..) => key != wanted,
        (Comparison::Less, ..) => key < wanted,
        (Comparison::LessOrEqual, ..) => key <= wanted,
        (Comparison::Greater, ..) => key > wanted,
        (Comparison::GreaterOrEqual, ..) => key >= wanted,
        (Comparison::Contains, Key::Text(text), Key::Text(part)) => text.contains(part.as_str()),
        (Comparison::StartsWith, Key::Text(text), Key::Text(part)) => {
            text.starts_with(part.as_str())
        }
        _ => false,
    }
}

/// The value at the end of `path` and its type; `None` when a relation on the way is empty.
fn value_at(
    state: &State,
    registry: &Registry,
    id: RecordId,
    row: &Row,
    path: &Path,
) -> Option<(Value, FieldType)> {
    let object = registry.object_of(id)?;
    let resolved = registry.resolve(object, path)?;
    let (mut id, mut row) = (id, row);
    for (relation, _) in &resolved.steps {
        id = own_value(id, row, &relation.name).as_id()?;
        row = state.rows.get(&id)?;
    }
    Some((
        own_value(id, row, &resolved.field.name),
        resolved.field.kind.clone(),
    ))
}

fn key_at(state: &State, registry: &Registry, id: RecordId, row: &Row, path: &Path) -> Option<Key> {
    let (value, kind) = value_at(state, registry, id, row, path)?;
    value.key(&kind)
}

fn own_value(id: RecordId, row: &Row, field: &str) -> Value {
    match field {
        "id" => Value::Id(id),
        "version" => Value::Int(row.version),
        "created_at" => Value::DateTime(row.created.0),
        "created_by_id" => Value::Id(row.created.1),
        "updated_at" => Value::DateTime(row.updated.0),
        "updated_by_id" => Value::Id(row.updated.1),
        "deleted_at" => row.deleted_at.map_or(Value::Null, Value::DateTime),
        _ => row.values.get(field).cloned().unwrap_or_default(),
    }
}

fn bucket_of(value: &Value, bucket: Bucket) -> Value {
    let date = match value {
        Value::Date(date) => *date,
        Value::DateTime(at) => at.to_zoned(jiff::tz::TimeZone::UTC).date(),
        _ => return Value::Null,
    };
    Value::Date(match bucket {
        Bucket::Month => date.first_of_month(),
        Bucket::Year => date.first_of_year(),
    })
}

fn cursor_key(key: &CursorKey) -> Option<Key> {
    match key {
        CursorKey::Null => None,
        CursorKey::Int(number) => Some(Key::Int(*number)),
        CursorKey::Text(text) => Some(Key::Text(text.clone())),
    }
}

fn key_cursor(key: Option<&Key>) -> CursorKey {
    match key {
        None => CursorKey::Null,
        Some(Key::Int(number)) => CursorKey::Int(*number),
        Some(Key::Text(text)) => CursorKey::Text(text.clone()),
    }
}
