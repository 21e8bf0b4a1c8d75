//! What SQLCipher alone can do: the device's own rows, inserted into a table of the same columns under the same settings.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use fieldstone_client::device::Device;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Rows of one transaction: as many as a page of the first sync has.
const TOGETHER: usize = 2_000;
/// The settings of the device's writing connection, with a key of its own.
const SETTINGS: &str = "PRAGMA key = \"x'5f1c9a7e30b44d82a6c1e95d3f70b8124e6a9dc3b1f0587c2d94e8a7061b3f5d'\"; \
    PRAGMA cipher_hmac_algorithm = HMAC_SHA256; PRAGMA cache_size = -18432; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 4194304";

/// Rows per second.
pub(super) async fn insert(device: &Device, scratch: &Path) -> anyhow::Result<f64> {
    let (table, rows) = device
        .local()
        .database()
        .read(|connection| {
            let table: String = connection.query_row(
                "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'contact'",
                [],
                |row| row.get(0),
            )?;
            let mut statement = connection.prepare("SELECT * FROM contact ORDER BY rid")?;
            let columns = statement.column_count();
            let cells = statement.query_map([], |row| {
                (0..columns)
                    .map(|at| row.get::<_, Value>(at))
                    .collect::<Result<Vec<Value>, _>>()
            })?;
            let rows = cells.collect::<Result<Vec<Vec<Value>>, _>>()?;
            Ok((table, rows))
        })
        .await?;
    let path = scratch.join("raw.db");
    tokio::task::spawn_blocking(move || insert_all(&path, &table, &rows)).await?
}

fn insert_all(path: &Path, table: &str, rows: &[Vec<Value>]) -> anyhow::Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(table)?;
    let columns = rows.first().map_or(0, Vec::len);
    let marks = vec!["?"; columns].join(", ");
    let begun = Instant::now();
    for chunk in rows.chunks(TOGETHER) {
        let transaction = connection.transaction()?;
        let mut statement =
            transaction.prepare_cached(&format!("INSERT INTO contact VALUES ({marks})"))?;
        for row in chunk {
            statement.execute(params_from_iter(row))?;
        }
        drop(statement);
        transaction.commit()?;
    }
    let took = begun.elapsed();
    let written: i64 =
        connection.query_row("SELECT count(*) FROM contact", [], |row| row.get(0))?;
    ensure!(usize::try_from(written)? == rows.len(), "rows went missing");
    Ok(f64::from(u32::try_from(rows.len())?) / took.as_secs_f64())
}
