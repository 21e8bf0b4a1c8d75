//! The outbox: what the user changed and the platform hasn't confirmed, in order, one mutation for each change.
//!
//! A mutation has an id of its own that the platform applies once, however often it arrives. Nothing is merged into a mutation that may be
//! on its way: a later change is a later mutation. Editing one that waits raises its version, and only an acknowledgement of the version
//! that was sent clears it.

use aws_lc_rs::rand;
use fieldstone_model::{Object, RecordId, Registry, Value, field::Origin};
use fieldstone_store::{Action, FieldChange, write::Write};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{
    base,
    error::DatabaseError,
    history::{pairs_from_json, pairs_to_json},
    meta::Numbers,
    row::ViewRow,
    write::moment,
};

/// One change on its way to the platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// Its place in the order of all changes on this device.
    pub sequence: i64,
    /// Its id, a UUID.
    pub id: String,
    /// API name of the object.
    pub object: String,
    /// The record.
    pub record: RecordId,
    /// What was done.
    pub action: Action,
    /// The fields changed: the value the user saw, and the value wanted.
    pub fields: Vec<FieldChange>,
    /// Counts how often it was edited, from 1.
    pub version: i64,
    /// Where it is on its way.
    pub state: MutationState,
    /// Why it was set aside.
    pub error: Option<String>,
    /// How often it was sent.
    pub attempts: i64,
    /// The platform's version of the record that it was made on.
    pub base_version: Option<i64>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub by: RecordId,
}

/// Where a mutation is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutationState {
    /// Not sent yet, or to be sent again.
    Waiting,
    /// Sent, no answer yet.
    Sent,
    /// Refused by the platform; kept for the user to settle.
    SetAside,
}

impl MutationState {
    fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Sent => 1,
            Self::SetAside => 2,
        }
    }

    /// The name that scripts see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::SetAside => "set_aside",
        }
    }
}

const COLUMNS: &str = "sequence, id, object, record_id, action, fields, version, state, error, attempts, base_version, made_at, by_id";

/// A random UUID (RFC 9562, version 4).
pub(crate) fn new_uuid() -> Result<String, DatabaseError> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| DatabaseError::Content("no random numbers"))?;
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

/// Puts what a write changes into the outbox: entered fields only, since the platform works out the others itself.
pub(super) fn add(
    connection: &Connection,
    object: &Object,
    write: &Write,
    before: Option<&ViewRow>,
    by: RecordId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let is_entered = |name: &str| {
        object
            .field(name)
            .is_some_and(|field| field.origin == Origin::Entered)
    };
    let fields: Vec<FieldChange> = write
        .values
        .iter()
        .filter(|(name, _)| is_entered(name))
        .map(|(name, value)| FieldChange {
            field: name.to_owned(),
            old: before
                .and_then(|row| row.values.get(name).cloned())
                .unwrap_or(Value::Null),
            new: value.clone(),
        })
        .collect();
    connection
        .prepare_cached(
            "INSERT INTO mutation (id, object, record_id, action, fields, base_version, base_tag, made_at, by_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            new_uuid()?,
            object.name,
            write.id.as_str(),
            write.action.name(),
            pairs_to_json(object, &fields),
            before.map(|row| row.version),
            before.and_then(|row| row.row_tag),
            moment(now),
            by.as_str()
        ])?;
    Ok(())
}

fn load(row: &Row<'_>, registry: &Registry) -> Result<Mutation, DatabaseError> {
    let broken = || DatabaseError::Content("a change that waits to be sent");
    let object: String = row.get(2)?;
    let fields: String = row.get(5)?;
    let facts = registry.object(&object).map(AsRef::as_ref);
    Ok(Mutation {
        sequence: row.get(0)?,
        id: row.get(1)?,
        record: row.get::<_, String>(3)?.parse().map_err(|_| broken())?,
        action: Action::from_name(&row.get::<_, String>(4)?).ok_or_else(broken)?,
        fields: pairs_from_json(facts, &fields).ok_or_else(broken)?,
        version: row.get(6)?,
        state: match row.get::<_, i64>(7)? {
            0 => MutationState::Waiting,
            1 => MutationState::Sent,
            _ => MutationState::SetAside,
        },
        error: row.get(8)?,
        attempts: row.get(9)?,
        base_version: row.get(10)?,
        made_at: Timestamp::from_microsecond(row.get(11)?).map_err(|_| broken())?,
        by: row.get::<_, String>(12)?.parse().map_err(|_| broken())?,
        object,
    })
}

fn select(
    connection: &Connection,
    registry: &Registry,
    end: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Mutation>, DatabaseError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM mutation {end}"))?;
    let mut rows = statement.query(params)?;
    let mut mutations = Vec::new();
    while let Some(row) = rows.next()? {
        mutations.push(load(row, registry)?);
    }
    Ok(mutations)
}

/// All mutations, oldest first.
pub(super) fn all(
    connection: &Connection,
    registry: &Registry,
) -> Result<Vec<Mutation>, DatabaseError> {
    select(connection, registry, "ORDER BY sequence", [])
}

/// The mutations of one record, oldest first.
pub(super) fn of_record(
    connection: &Connection,
    registry: &Registry,
    id: RecordId,
) -> Result<Vec<Mutation>, DatabaseError> {
    let end = "WHERE record_id = ?1 ORDER BY sequence";
    select(connection, registry, end, [id.as_str()])
}

/// One mutation.
pub(super) fn one(
    connection: &Connection,
    registry: &Registry,
    id: &str,
) -> Result<Option<Mutation>, DatabaseError> {
    Ok(select(connection, registry, "WHERE id = ?1", [id])?.pop())
}

/// What is to be sent next, oldest first. What was sent without an answer is sent again: its id makes that harmless.
pub(super) fn to_send(
    connection: &Connection,
    registry: &Registry,
    limit: u32,
) -> Result<Vec<Mutation>, DatabaseError> {
    let end = "WHERE state <> 2 ORDER BY sequence LIMIT ?1";
    select(connection, registry, end, [limit])
}

/// Notes that these mutations are on their way.
pub(super) fn mark_sent(connection: &Connection, ids: &[String]) -> Result<(), DatabaseError> {
    for id in ids {
        connection
            .prepare_cached(
                "UPDATE mutation SET state = ?2, attempts = attempts + 1 WHERE id = ?1 AND state <> 2",
            )?
            .execute(params![id, MutationState::Sent.number()])?;
    }
    Ok(())
}

/// What the platform answered to a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Applied, now or before.
    Applied,
    /// Applied except for fields that others changed too: those keep the platform's value, and a conflict holds both.
    Conflict,
    /// Refused, with the reason for people.
    Refused(String),
}

/// Takes in the platform's answer to `version` of a mutation. An answer to an older version changes nothing.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: &str,
    version: i64,
    verdict: &Verdict,
) -> Result<bool, DatabaseError> {
    let Some(mutation) = one(transaction, registry, id)?.filter(|found| found.version == version)
    else {
        return Ok(false);
    };
    match verdict {
        Verdict::Refused(reason) => {
            transaction
                .prepare_cached("UPDATE mutation SET state = ?2, error = ?3 WHERE id = ?1")?
                .execute(params![id, MutationState::SetAside.number(), reason])?;
            return Ok(true);
        }
        Verdict::Applied => base::confirm(transaction, registry, &mutation)?,
        // The base has what the platform kept; what it took of this mutation comes with its next version.
        Verdict::Conflict => {}
    }
    remove(transaction, id)?;
    base::rebuild(transaction, registry, numbers, mutation.record)?;
    Ok(true)
}

fn remove(connection: &Connection, id: &str) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("DELETE FROM mutation WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Why a mutation can't be undone or edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// There is none.
    #[error("There is no such change waiting. It may have arrived already; “fieldstone-device pending” lists what waits.")]
    Unknown,
    /// Its answer is awaited.
    #[error("This change is on its way and may have arrived. Sync first, then change the record again.")]
    OnItsWay,
    /// Later changes build on it.
    #[error("Later changes to this record build on its creation. Undo those first.")]
    BuiltUpon,
}

/// Takes a mutation back as if it had never been made.
pub(super) fn undo(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: &str,
) -> Result<Result<Mutation, OutboxError>, DatabaseError> {
    let Some(mutation) = one(transaction, registry, id)? else {
        return Ok(Err(OutboxError::Unknown));
    };
    if mutation.state == MutationState::Sent {
        return Ok(Err(OutboxError::OnItsWay));
    }
    let others = of_record(transaction, registry, mutation.record)?.len() - 1;
    if mutation.action == Action::Created && others > 0 {
        return Ok(Err(OutboxError::BuiltUpon));
    }
    remove(transaction, id)?;
    base::rebuild(transaction, registry, numbers, mutation.record)?;
    Ok(Ok(mutation))
}

/// Sets the wanted values of a mutation that waits or was set aside, and puts it back into the queue.
pub(super) fn edit(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    id: &str,
    wanted: &fieldstone_model::Values,
) -> Result<Result<Mutation, OutboxError>, DatabaseError> {
    let Some(mut mutation) = one(transaction, registry, id)? else {
        return Ok(Err(OutboxError::Unknown));
    };
    if mutation.state == MutationState::Sent {
        return Ok(Err(OutboxError::OnItsWay));
    }
    let object = super::read::object(registry, &mutation.object)?;
    for change in &mut mutation.fields {
        if let Some(value) = wanted.get(&change.field) {
            change.new = value.clone();
        }
    }
    mutation.version += 1;
    mutation.state = MutationState::Waiting;
    mutation.error = None;
    transaction
        .prepare_cached("UPDATE mutation SET fields = ?2, version = ?3, state = 0, error = NULL WHERE id = ?1")?
        .execute(params![
            id,
            pairs_to_json(object, &mutation.fields),
            mutation.version
        ])?;
    base::rebuild(transaction, registry, numbers, mutation.record)?;
    Ok(Ok(mutation))
}

/// How many mutations wait or were set aside.
pub(super) fn count(connection: &Connection) -> Result<u64, DatabaseError> {
    let count: i64 = connection.query_row("SELECT count(*) FROM mutation", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
