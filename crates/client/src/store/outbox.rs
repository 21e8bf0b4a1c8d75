//! The outbox: what the user changed and the platform's rows don't show yet, in order.
//!
//! A mutation's uuid names its content for ever once it may be on its way: a later change is a later mutation. One that is still new is
//! joined by the next change of its record, so that a person who corrects a figure twice meets at most one conflict.

use std::collections::BTreeMap;

use aws_lc_rs::rand;
use fieldstone_guard::hidden;
use fieldstone_model::{FieldType, Object, RecordId, Registry, Value, Values, field::Origin};
use fieldstone_protocol::push::{Edit, Kind, Mutation, MutationResult, Outcome, Rejection};
use fieldstone_store::{Action, write::Write};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{base, error::DatabaseError, meta::Numbers, read::object, row::ViewRow, write::moment};
pub use crate::engine::memory::State;

/// One change that the platform's rows don't show yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What is to be done.
    pub mutation: Mutation,
    /// How far it has got.
    pub state: State,
    /// When it was made, or last joined.
    pub made_at: Timestamp,
    /// Who made it.
    pub by: RecordId,
}

/// What a pending change is, for scripts.
pub fn state_name(state: &State) -> &'static str {
    match state {
        State::New => "waiting",
        State::Taken => "sent",
        State::SetAside(_) => "set_aside",
        State::Acknowledged { .. } => "accepted",
    }
}

pub(super) const NEW: i64 = 0;
const TAKEN: i64 = 1;
const SET_ASIDE: i64 = 2;
const ACKNOWLEDGED: i64 = 3;

const COLUMNS: &str =
    "sequence, uuid, object, record_id, kind, fields, state, counter, outcome, made_at, by_id";

/// A random UUID (RFC 9562, version 4).
pub(crate) fn new_uuid() -> Result<String, DatabaseError> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| DatabaseError::Content("no random numbers"))?;
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    let parts = [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ];
    Ok(parts.join("-"))
}

/// A value as plain JSON, as it travels.
pub(super) fn to_json(value: &Value, kind: &FieldType) -> serde_json::Value {
    let mut json = String::new();
    value.write_json(kind, &mut json);
    serde_json::from_str(&json).unwrap_or_default()
}

/// Puts what a write changes into the outbox: entered fields only, since the platform works out the others itself.
///
/// False when it can't be: a deletion that may have arrived can't be taken back from here.
pub(super) fn add(
    connection: &Connection,
    object: &Object,
    write: &Write,
    before: Option<&ViewRow>,
    by: RecordId,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let empty = Values::new();
    let seen = before.map_or(&empty, |row| &row.values);
    let entered = |values: &Values| -> Vec<(String, Value, FieldType)> {
        values
            .iter()
            .filter_map(|(name, value)| {
                let field = object.field(name)?;
                (field.origin == Origin::Entered)
                    .then(|| (name.to_owned(), value.clone(), field.kind.clone()))
            })
            .collect()
    };
    let kind = match write.action {
        Action::Created => Kind::Create,
        Action::Updated => Kind::Update,
        Action::Deleted => Kind::Delete,
        Action::Restored => return take_back_deletion(connection, write.id),
    };
    let fields: BTreeMap<String, Edit> = if kind == Kind::Delete {
        // Those that were seen empty as well: somebody may have filled one meanwhile.
        object
            .fields
            .iter()
            .filter(|field| field.origin == Origin::Entered && field.roll_up.is_none())
            .map(|field| {
                let base = seen
                    .get(&field.name)
                    .map_or(serde_json::Value::Null, |seen| to_json(seen, &field.kind));
                let wanted = serde_json::Value::Null;
                (field.name.to_string(), Edit { base, wanted })
            })
            .collect()
    } else {
        entered(&write.values)
            .into_iter()
            .map(|(name, value, kind)| {
                let base = seen
                    .get(&name)
                    .map_or(serde_json::Value::Null, |seen| to_json(seen, &kind));
                let wanted = to_json(&value, &kind);
                (name, Edit { base, wanted })
            })
            .collect()
    };
    if kind == Kind::Update && join(connection, write.id, &fields, now)? {
        return Ok(true);
    }
    insert(connection, &object.name, write.id, kind, &fields, by, now)?;
    Ok(true)
}

/// Puts a mutation at the end of the outbox; answers its uuid.
pub(super) fn insert(
    connection: &Connection,
    object: &str,
    record: RecordId,
    kind: Kind,
    fields: &BTreeMap<String, Edit>,
    by: RecordId,
    now: Timestamp,
) -> Result<String, DatabaseError> {
    let uuid = new_uuid()?;
    connection
        .prepare_cached(
            hidden!("INSERT INTO mutation (uuid, object, record_id, kind, fields, made_at, by_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        )?
        .execute(params![
            uuid,
            object,
            record.as_str(),
            kind_name(kind),
            text(fields)?,
            moment(now),
            by.as_str()
        ])?;
    Ok(uuid)
}

/// Joins an update to the record's last mutation, if that is new and no deletion.
fn join(
    connection: &Connection,
    record: RecordId,
    fields: &BTreeMap<String, Edit>,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let Some(mut last) = of_record(connection, record)?.pop() else {
        return Ok(false);
    };
    if last.state != State::New || last.mutation.kind == Kind::Delete {
        return Ok(false);
    }
    for (name, edit) in fields {
        let joined = last.mutation.fields.entry(name.clone());
        joined.or_insert_with(|| edit.clone()).wanted = edit.wanted.clone();
    }
    connection
        .prepare_cached(hidden!(
            "UPDATE mutation SET fields = ?2, made_at = ?3 WHERE uuid = ?1"
        ))?
        .execute(params![
            last.mutation.uuid,
            text(&last.mutation.fields)?,
            moment(now)
        ])?;
    Ok(true)
}

/// Removes the record's deletion, if it can't have arrived yet.
fn take_back_deletion(connection: &Connection, record: RecordId) -> Result<bool, DatabaseError> {
    let Some(last) = of_record(connection, record)?.pop() else {
        return Ok(false);
    };
    let can =
        last.mutation.kind == Kind::Delete && matches!(last.state, State::New | State::SetAside(_));
    if can {
        remove(connection, &last.mutation.uuid)?;
    }
    Ok(can)
}

pub(super) fn text(value: &impl serde::Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|_| DatabaseError::Content("a change"))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "create",
        Kind::Update => "update",
        Kind::Delete => "delete",
    }
}

fn load(row: &Row<'_>) -> Result<Pending, DatabaseError> {
    let broken = || DatabaseError::Content("a change that waits to be sent");
    let sequence: i64 = row.get(0)?;
    let fields: String = row.get(5)?;
    let counter: Option<i64> = row.get(7)?;
    let outcome: Option<String> = row.get(8)?;
    let outcome = outcome.unwrap_or_default();
    let kind = match row.get::<_, String>(4)?.as_str() {
        "create" => Kind::Create,
        "update" => Kind::Update,
        "delete" => Kind::Delete,
        _ => return Err(broken()),
    };
    let state = match row.get::<_, i64>(6)? {
        NEW => State::New,
        TAKEN => State::Taken,
        SET_ASIDE => State::SetAside(serde_json::from_str(&outcome).map_err(|_| broken())?),
        _ => State::Acknowledged {
            counter: counter.unwrap_or(0).unsigned_abs(),
            outcome: serde_json::from_str(&outcome).map_err(|_| broken())?,
        },
    };
    Ok(Pending {
        mutation: Mutation {
            uuid: row.get(1)?,
            sequence: sequence.unsigned_abs(),
            object: row.get(2)?,
            record: row.get::<_, String>(3)?.parse().map_err(|_| broken())?,
            kind,
            fields: serde_json::from_str(&fields).map_err(|_| broken())?,
        },
        state,
        made_at: Timestamp::from_microsecond(row.get(9)?).map_err(|_| broken())?,
        by: row.get::<_, String>(10)?.parse().map_err(|_| broken())?,
    })
}

fn select(
    connection: &Connection,
    end: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Pending>, DatabaseError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM mutation {end}"))?;
    let mut rows = statement.query(params)?;
    let mut pending = Vec::new();
    while let Some(row) = rows.next()? {
        pending.push(load(row)?);
    }
    Ok(pending)
}

/// Everything that a person may still wait for: all but what the platform has accepted.
pub(super) fn waiting(connection: &Connection) -> Result<Vec<Pending>, DatabaseError> {
    select(connection, "WHERE state <> 3 ORDER BY sequence", [])
}

/// The whole outbox, oldest first.
#[cfg(test)]
pub(super) fn all(connection: &Connection) -> Result<Vec<Pending>, DatabaseError> {
    select(connection, "ORDER BY sequence", [])
}

/// The mutations of one record, oldest first.
pub(super) fn of_record(
    connection: &Connection,
    id: RecordId,
) -> Result<Vec<Pending>, DatabaseError> {
    select(
        connection,
        "WHERE record_id = ?1 ORDER BY sequence",
        [id.as_str()],
    )
}

/// One mutation.
pub(super) fn one(connection: &Connection, uuid: &str) -> Result<Option<Pending>, DatabaseError> {
    Ok(select(connection, "WHERE uuid = ?1", [uuid])?.pop())
}

/// The records that have mutations.
pub(super) fn records(connection: &Connection) -> Result<Vec<(RecordId, String)>, DatabaseError> {
    let mut statement =
        connection.prepare_cached(hidden!("SELECT DISTINCT record_id, object FROM mutation"))?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (id, object) = row?;
        let id = id.parse().map_err(|_| DatabaseError::Content("a change"))?;
        Ok((id, object))
    })
    .collect()
}

/// How many changes haven't been accepted.
pub(super) fn count(connection: &Connection) -> Result<u64, DatabaseError> {
    let sql = hidden!("SELECT count(*) FROM mutation WHERE state <> 3");
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// The oldest mutations that are new or taken; from now on all of them are taken.
pub(super) fn take(connection: &Connection, limit: usize) -> Result<Vec<Mutation>, DatabaseError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let end = "WHERE state < 2 ORDER BY sequence LIMIT ?1";
    let taken: Vec<Mutation> = select(connection, end, [limit])?
        .into_iter()
        .map(|pending| pending.mutation)
        .collect();
    for mutation in &taken {
        connection
            .prepare_cached(hidden!(
                "UPDATE mutation SET state = 1, attempts = attempts + 1 WHERE uuid = ?1"
            ))?
            .execute([&mutation.uuid])?;
    }
    Ok(taken)
}

/// Whether there is something to send.
pub(super) fn has_more(connection: &Connection) -> Result<bool, DatabaseError> {
    let mut statement =
        connection.prepare_cached(hidden!("SELECT 1 FROM mutation WHERE state < 2"))?;
    Ok(statement.exists([])?)
}

/// Notes what became of taken mutations; answers how many were set aside.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    results: &[MutationResult],
    counter: u64,
    mut fresh_id: impl FnMut(RecordId) -> RecordId,
) -> Result<usize, DatabaseError> {
    let mut set_aside = 0;
    for result in results {
        let Some(pending) =
            one(transaction, &result.uuid)?.filter(|found| found.state == State::Taken)
        else {
            continue;
        };
        match &result.outcome {
            Outcome::IdTaken => {
                let id = fresh_id(pending.mutation.record);
                rename(transaction, registry, numbers, &pending.mutation, id)?;
            }
            Outcome::Rejected { rejection } => {
                set_aside += 1;
                note(
                    transaction,
                    &result.uuid,
                    SET_ASIDE,
                    None,
                    &text(rejection)?,
                )?;
            }
            outcome => {
                let counter = i64::try_from(counter).unwrap_or(i64::MAX);
                note(
                    transaction,
                    &result.uuid,
                    ACKNOWLEDGED,
                    Some(counter),
                    &text(outcome)?,
                )?;
                // Of a conflict, the fields that wait show what the platform has.
                if matches!(outcome, Outcome::Conflict { .. }) {
                    base::rebuild(transaction, registry, numbers, pending.mutation.record)?;
                }
            }
        }
    }
    Ok(set_aside)
}

fn note(
    connection: &Connection,
    uuid: &str,
    state: i64,
    counter: Option<i64>,
    outcome: &str,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!(
            "UPDATE mutation SET state = ?2, counter = ?3, outcome = ?4 WHERE uuid = ?1"
        ))?
        .execute(params![uuid, state, counter, outcome])?;
    Ok(())
}

/// Gives the record of a mutation another id, there and in every later mutation that names it.
fn rename(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    from: &Mutation,
    id: RecordId,
) -> Result<(), DatabaseError> {
    let old = from.record;
    let (old_json, new_json) = (
        serde_json::Value::from(old.as_str()),
        serde_json::Value::from(id.as_str()),
    );
    let sequence = i64::try_from(from.sequence).unwrap_or(i64::MAX);
    let mut touched = vec![old];
    for mut pending in select(
        transaction,
        "WHERE sequence >= ?1 ORDER BY sequence",
        [sequence],
    )? {
        let mutation = &mut pending.mutation;
        let mut changed = mutation.record == old;
        if changed {
            mutation.record = id;
        }
        for value in mutation
            .fields
            .values_mut()
            .flat_map(|edit| [&mut edit.base, &mut edit.wanted])
            .filter(|value| **value == old_json)
        {
            value.clone_from(&new_json);
            changed = true;
        }
        if !changed {
            continue;
        }
        transaction
            .prepare_cached(
                hidden!("UPDATE mutation SET uuid = ?2, record_id = ?3, fields = ?4, state = 0, counter = NULL, outcome = NULL WHERE uuid = ?1"),
            )?
            .execute(params![
                mutation.uuid,
                new_uuid()?,
                mutation.record.as_str(),
                text(&mutation.fields)?
            ])?;
        if !touched.contains(&mutation.record) {
            touched.push(mutation.record);
        }
    }
    transaction
        .prepare_cached(hidden!(
            "UPDATE history SET record_id = ?2 WHERE record_id = ?1"
        ))?
        .execute([old.as_str(), id.as_str()])?;
    base::keep(transaction, object(registry, &from.object)?, id, None)?;
    for id in touched {
        base::rebuild(transaction, registry, numbers, id)?;
    }
    Ok(())
}

/// Removes what a pull has brought back, and answers whose views may change by that.
pub(super) fn clear_acknowledged(
    connection: &Connection,
    settles: u64,
) -> Result<Vec<RecordId>, DatabaseError> {
    let settles = i64::try_from(settles).unwrap_or(i64::MAX);
    let settled = select(connection, "WHERE state = 3 AND counter <= ?1", [settles])?;
    for pending in &settled {
        remove(connection, &pending.mutation.uuid)?;
    }
    Ok(settled
        .into_iter()
        .map(|pending| pending.mutation.record)
        .collect())
}

/// Forgets a mutation.
pub(super) fn remove(connection: &Connection, uuid: &str) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!("DELETE FROM mutation WHERE uuid = ?1"))?
        .execute([uuid])?;
    Ok(())
}

/// Why the platform refused a mutation.
pub fn rejection(state: &State) -> Option<&Rejection> {
    match state {
        State::SetAside(rejection) => Some(rejection),
        _ => None,
    }
}
