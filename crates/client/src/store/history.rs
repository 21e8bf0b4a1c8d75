//! What was done on this device, for the history of a record. What others did is asked of the platform.

use std::collections::BTreeMap;

use fieldstone_guard::hidden;
use fieldstone_model::{Object, RecordId, Registry, Value};
use fieldstone_store::{Action, FieldChange, HistoryEntry, write::Write};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{error::DatabaseError, write::moment};

/// Most entries answered at once.
const LIMIT_MAX: u32 = 500;

pub(super) fn add(
    connection: &Connection,
    object: &Object,
    write: &Write,
    by: RecordId,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let changes = (!write.changes.is_empty()).then(|| pairs_to_json(object, &write.changes));
    connection
        .prepare_cached(hidden!("INSERT INTO history (record_id, at, by_id, action, changes) VALUES (?1, ?2, ?3, ?4, ?5)"))?
        .execute(params![
            write.id.as_str(),
            moment(at),
            by.as_str(),
            write.action.name(),
            changes
        ])?;
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    registry: &Registry,
    id: RecordId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, DatabaseError> {
    let object = registry.object_of(id).map(AsRef::as_ref);
    let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(
        hidden!("SELECT sequence, at, by_id, action, changes FROM history WHERE record_id = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3"),
    )?;
    let mut rows = statement.query(params![id.as_str(), before, limit.min(LIMIT_MAX)])?;
    let mut entries = Vec::new();
    let broken = || DatabaseError::Content("the history of a record");
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let by: String = row.get(2)?;
        let action: String = row.get(3)?;
        let changes: Option<String> = row.get(4)?;
        entries.push(HistoryEntry {
            sequence: sequence.unsigned_abs(),
            at: Timestamp::from_microsecond(row.get(1)?).map_err(|_| broken())?,
            by: by.parse().map_err(|_| broken())?,
            action: Action::from_name(&action).ok_or_else(broken)?,
            fields: changes
                .map(|json| pairs_from_json(object, &json).ok_or_else(broken))
                .transpose()?
                .unwrap_or_default(),
        });
    }
    Ok(entries)
}

/// Changed fields as JSON: a pair of the value before and the value after for each, by name.
pub(super) fn pairs_to_json(object: &Object, changes: &[FieldChange]) -> String {
    let mut json = String::from("{");
    for (at, change) in changes.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        fieldstone_model::value::push_json_text(&mut json, &change.field);
        json.push_str(":[");
        match object.field(&change.field) {
            Some(field) => {
                change.old.write_json(&field.kind, &mut json);
                json.push(',');
                change.new.write_json(&field.kind, &mut json);
            }
            None => json.push_str("null,null"),
        }
        json.push(']');
    }
    json.push('}');
    json
}

/// Reads what [`pairs_to_json`] wrote. A field that is gone is shown as the texts that were stored.
pub(super) fn pairs_from_json(object: Option<&Object>, json: &str) -> Option<Vec<FieldChange>> {
    let pairs: BTreeMap<String, [serde_json::Value; 2]> = serde_json::from_str(json).ok()?;
    let read =
        |name: &str, json: serde_json::Value| match object.and_then(|object| object.field(name)) {
            Some(field) => Value::from_json(field, &json).unwrap_or_default(),
            None => match json {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::String(text) => Value::Text(text),
                json => Value::Text(json.to_string()),
            },
        };
    let change = |(field, [old, new]): (String, [serde_json::Value; 2])| FieldChange {
        old: read(&field, old),
        new: read(&field, new),
        field,
    };
    Some(pairs.into_iter().map(change).collect())
}
