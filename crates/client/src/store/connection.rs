//! Connections to the encrypted database: the key first, then the settings, then nothing but prepared statements.

use fieldstone_guard::hidden;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi::SQLITE_IOERR_SHMSIZE};

use super::error::DatabaseError;
use crate::keys::LoginKey;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The one that writes.
    Write,
    /// One of those that read.
    Read,
}

/// What authenticates a page. It is most of what a page costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authenticated {
    /// What processors have instructions for.
    Sha256,
    /// What SQLCipher takes by itself, and what databases have that were made before the other was chosen.
    Sha512,
}

/// Page caches in KiB. SQLCipher decrypts a page once for as long as it stays there, and reads are ten times slower without; but the
/// caches of all connections together stay below 64 MiB.
const WRITER_CACHE_KIB: i64 = 18 * 1024;
const READER_CACHE_KIB: i64 = 14 * 1024;

/// `b"FSdv"`: the file is a device's database.
const APPLICATION_ID: i64 = 0x4653_6476;

/// Opens the database under its key, whichever way its pages are authenticated. The writer's connection makes the file if there is none.
pub(super) fn open(path: &Path, key: &LoginKey, use_: Use) -> Result<Connection, DatabaseError> {
    match open_as(path, key, use_, Authenticated::Sha256) {
        Err(DatabaseError::Unreadable) => open_as(path, key, use_, Authenticated::Sha512),
        opened => opened,
    }
}

/// Opens the database with pages that are authenticated in this way. The settings and why:
/// - `cipher_memory_security` stays off: once on, it can't be switched off again, and then every piece of memory that SQLite takes is locked
///   and every one that it gives back is wiped, by a call of the system each. SQLCipher locks and wipes what holds keys in any case; records
///   in freed memory are protected by what protects the process: no core dumps, no tracing.
/// - `synchronous = FULL`: an edit that was confirmed survives the battery.
/// - `secure_delete = ON`: what left the device's scope is overwritten, not just unlinked, also under the key.
/// - `temp_store = MEMORY`: nothing is sorted in a file, even an encrypted one.
pub(super) fn open_as(
    path: &Path,
    key: &LoginKey,
    use_: Use,
    authenticated: Authenticated,
) -> Result<Connection, DatabaseError> {
    let access = match use_ {
        Use::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Use::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    #[cfg(unix)]
    if use_ == Use::Write {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        // What SQLite makes beside it gets the same rights. Why it can't be made, SQLite says.
        let _ = options.append(true).create(true).mode(0o600).open(path);
    }
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // What it finds is told by whoever opens it, and by nobody else.
    connection.execute_batch(hidden!("PRAGMA cipher_log_level = NONE"))?;
    let keyed = connection.execute_batch(&key.pragma());
    // What SQLite copied of that text lies in memory that it has given back. As much of a text that says nothing takes the same places.
    connection.execute_batch(&LoginKey::pragma_of_nothing())?;
    keyed?;
    if authenticated == Authenticated::Sha256 {
        connection.execute_batch(hidden!("PRAGMA cipher_hmac_algorithm = HMAC_SHA256"))?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    let cache_kib = if use_ == Use::Write {
        WRITER_CACHE_KIB
    } else {
        READER_CACHE_KIB
    };
    connection.execute_batch(&format!(
        "PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF; \
         PRAGMA recursive_triggers = OFF"
    ))?;
    // The first read of the file: a wrong key and a damaged header show themselves here.
    connection.query_row(
        hidden!("SELECT count(*) FROM sqlite_schema"),
        [],
        |_| Ok(()),
    )?;
    if use_ == Use::Write {
        connection.execute_batch(
            hidden!("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA journal_size_limit = 4194304"),
        )?;
        let found: i64 =
            connection.query_row(hidden!("PRAGMA application_id"), [], |row| row.get(0))?;
        if found == 0 {
            connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
        } else if found != APPLICATION_ID {
            return Err(DatabaseError::Foreign);
        }
    }
    Ok(connection)
}

/// Checks every page against its authentication code, then the structure. Reads the whole file.
pub(super) fn check(connection: &Connection) -> Result<(), DatabaseError> {
    let mut statement = connection.prepare(hidden!("PRAGMA cipher_integrity_check"))?;
    if statement.query([])?.next()?.is_some() {
        return Err(DatabaseError::Damaged);
    }
    let verdict: String =
        connection.query_row(hidden!("PRAGMA quick_check(1)"), [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(DatabaseError::Damaged)
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            // The index of the log can't grow: SQLite doesn't say that it is for want of room.
            Some(_) if extended == Some(SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable
            }
            Some(ErrorCode::NotADatabase) => Self::Unreadable,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error),
            _ => Self::Sql(error),
        }
    }
}
