//! What a person still does with a change that waits: takes it back, changes what it wants, tries it again.

use fieldstone_guard::hidden;
use fieldstone_model::{Registry, Values};
use fieldstone_protocol::push::Kind;
use rusqlite::{Connection, Transaction, params};

use super::{
    base,
    error::DatabaseError,
    meta::Numbers,
    outbox::{Pending, State, new_uuid, of_record, one, remove, text, to_json},
    read::object,
};

/// Why a pending change can't be undone, edited or tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// There is none.
    #[error(
        "There is no such change waiting. It may have arrived already; “fieldstone-device pending” lists what waits."
    )]
    Unknown,
    /// Its answer is awaited.
    #[error(
        "This change is on its way and may have arrived. Sync first, then change the record again."
    )]
    OnItsWay,
    /// Later changes build on it.
    #[error("Later changes to this record build on its creation. Undo those first.")]
    BuiltUpon,
    /// No field would be left.
    #[error("Nothing would be left of this change. Take it back with --undo instead.")]
    NothingLeft,
    /// The platform hasn't refused it.
    #[error("This change waits to be sent anyway.")]
    NotRefused,
}

fn changeable(
    connection: &Connection,
    uuid: &str,
) -> Result<Result<Pending, OutboxError>, DatabaseError> {
    Ok(match one(connection, uuid)? {
        None => Err(OutboxError::Unknown),
        Some(pending) => match pending.state {
            State::New | State::SetAside(_) => Ok(pending),
            State::Taken => Err(OutboxError::OnItsWay),
            State::Acknowledged { .. } => Err(OutboxError::Unknown),
        },
    })
}

/// Takes a mutation back as if it had never been made.
pub(super) fn undo(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    uuid: &str,
) -> Result<Result<Pending, OutboxError>, DatabaseError> {
    let pending = match changeable(transaction, uuid)? {
        Ok(pending) => pending,
        Err(error) => return Ok(Err(error)),
    };
    let record = pending.mutation.record;
    if pending.mutation.kind == Kind::Create && of_record(transaction, record)?.len() > 1 {
        return Ok(Err(OutboxError::BuiltUpon));
    }
    remove(transaction, uuid)?;
    base::rebuild(transaction, registry, numbers, record)?;
    Ok(Ok(pending))
}

/// Sets wanted values of a mutation that is new or set aside, leaves fields out of it, and puts it back into the queue. It gets another uuid:
/// its content is another.
pub(super) fn edit(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    uuid: &str,
    wanted: &Values,
    without: &[String],
) -> Result<Result<Pending, OutboxError>, DatabaseError> {
    let mut pending = match changeable(transaction, uuid)? {
        Ok(pending) => pending,
        Err(error) => return Ok(Err(error)),
    };
    if let Ok(object) = object(registry, &pending.mutation.object) {
        for (name, value) in wanted.iter() {
            let (Some(field), Some(edit)) =
                (object.field(name), pending.mutation.fields.get_mut(name))
            else {
                continue;
            };
            edit.wanted = to_json(value, &field.kind);
        }
    }
    for name in without {
        pending.mutation.fields.remove(name);
    }
    if pending.mutation.fields.is_empty() && pending.mutation.kind == Kind::Update {
        return Ok(Err(OutboxError::NothingLeft));
    }
    pending.state = State::New;
    pending.mutation.uuid = new_uuid()?;
    transaction
        .prepare_cached(
            hidden!("UPDATE mutation SET uuid = ?2, fields = ?3, state = 0, counter = NULL, outcome = NULL WHERE uuid = ?1"),
        )?
        .execute(params![
            uuid,
            pending.mutation.uuid,
            text(&pending.mutation.fields)?
        ])?;
    base::rebuild(transaction, registry, numbers, pending.mutation.record)?;
    Ok(Ok(pending))
}

/// Tries a refused mutation again as it is.
pub(super) fn retry(
    transaction: &Transaction<'_>,
    registry: &Registry,
    numbers: &mut Numbers,
    uuid: &str,
) -> Result<Result<Pending, OutboxError>, DatabaseError> {
    match one(transaction, uuid)? {
        Some(Pending {
            state: State::New | State::Taken,
            ..
        }) => Ok(Err(OutboxError::NotRefused)),
        _ => edit(transaction, registry, numbers, uuid, &Values::new(), &[]),
    }
}
