//! What the database's refusals mean to whoever asked the store.

use fieldstone_store::{ChangeError, StoreError};
use tokio_postgres::error::SqlState;

use crate::database::pool::FlightError;

/// A refusal in the store's words.
pub(crate) fn store_error(error: FlightError) -> StoreError {
    let statement = match error {
        FlightError::Busy | FlightError::Database(_) => {
            tracing::warn!(%error, "the database could not serve a request");
            return StoreError::Busy;
        }
        FlightError::Statement(statement) => statement,
    };
    if statement.is_closed() {
        tracing::warn!(error = %statement, "a database connection was lost");
        return StoreError::Busy;
    }
    match statement.code() {
        Some(code) if code.code() == "FS001" => StoreError::SessionEnded,
        Some(code) if code.code() == "FS002" => StoreError::SchemaChanged,
        Some(code) if code.code() == "FS013" => StoreError::Change(0, ChangeError::Full),
        // A right that is lacking, or a role that is not above another's.
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE || code.code() == "FS004" => {
            StoreError::Denied
        }
        Some(code) if *code == SqlState::DISK_FULL => {
            tracing::error!(error = %statement, "the database's disk is full");
            StoreError::NoRoom
        }
        Some(code) if is_busy(code) => StoreError::Busy,
        _ => StoreError::internal(statement),
    }
}

fn is_busy(code: &SqlState) -> bool {
    let busy = [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    busy.contains(code)
}

/// Whether the refusal is a key that another transaction took meanwhile.
pub(super) fn is_unique_violation(error: &FlightError) -> bool {
    matches!(error, FlightError::Statement(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
}

/// Whether the refusal is an idempotency key that is there already.
pub(super) fn is_repeated_key(error: &FlightError) -> bool {
    let FlightError::Statement(error) = error else {
        return false;
    };
    let constraint = error.as_db_error().and_then(|error| error.constraint());
    matches!(
        constraint,
        Some("idempotency_key_pkey" | "sync_result_pkey")
    )
}

/// Whether the refusal is a reference to a record that vanished meanwhile.
pub(super) fn is_missing_reference(error: &FlightError) -> bool {
    matches!(error, FlightError::Statement(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION))
}
