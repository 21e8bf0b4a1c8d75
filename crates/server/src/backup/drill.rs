//! The drill: restores the latest backup into scratch space, and sees whether it is what it should be. A backup that was never restored is a
//! hope.

use std::fs;
use std::sync::Arc;

use fieldstone_model::clock::Clock;
use fieldstone_vault::{FileKeys, Vault};
use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use tokio_postgres::{Client, Config};

use super::{BackupError, Backups, Until, restore};
use crate::attachments::{Object, ObjectStorage};
use crate::data_dir::{DataDir, make_dir};
use crate::database::{DEFAULT_DATABASE, connect, lint::lint};

/// Plants a row; the transaction is over when it answers.
const PLANT: &str = "INSERT INTO app.backup_canary (planted_at) VALUES (pg_catalog.clock_timestamp()) RETURNING number";
const NOW: &str = "SELECT pg_catalog.clock_timestamp()";

/// What a drill has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drilled {
    /// The moment that was restored.
    pub restored_to: Timestamp,
    /// Seconds of work that would have been lost, had the disk died when the drill began.
    pub rpo_seconds: u64,
    /// From the first byte to a database that answers.
    pub rto_ms: u64,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Indexes whose structure was checked.
    pub indexes_checked: u64,
    /// Workspaces that were found.
    pub workspaces: u64,
    /// Workspaces with files, one of which was opened by what the restored database says of it.
    pub files_opened: u64,
}

/// The newest complete file of each workspace, and its first part.
const FILES: &str = "SELECT DISTINCT ON (p.tenant_id) p.tenant_id, p.content_id, p.number, p.object FROM app.content_part p
    JOIN app.content c ON c.tenant_id = p.tenant_id AND c.id = p.content_id WHERE c.ready_at IS NOT NULL AND p.number = 0
    ORDER BY p.tenant_id, c.ready_at DESC";

/// Runs a drill against the running database of `data_dir`, in scratch space beside it, and cleans up whatever happens.
pub async fn drill(
    data_dir: &DataDir,
    backups: &Backups,
    admin: &Config,
    clock: &dyn Clock,
) -> Result<Drilled, BackupError> {
    let scratch = data_dir.inside().join("scratch");
    make_dir(&scratch, 0o711).map_err(|source| BackupError::file(&scratch, source))?;
    let lock = scratch.join("drill.lock");
    let file = fs::File::create(&lock).map_err(|source| BackupError::file(&lock, source))?;
    let _alone =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| BackupError::Busy)?;
    let folder = scratch.join("drill");
    clean(&folder)?;
    let target = DataDir::open(&folder)?;
    let drilled = run(data_dir, &target, backups, admin, clock).await;
    clean(&folder)?;
    drilled
}

fn clean(folder: &std::path::Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BackupError::file(folder, error))
        }
        _ => Ok(()),
    }
}

async fn run(
    data_dir: &DataDir,
    target: &DataDir,
    backups: &Backups,
    admin: &Config,
    clock: &dyn Clock,
) -> Result<Drilled, BackupError> {
    let inventory = backups.inventory().await?;
    let latest = inventory
        .latest()
        .ok_or_else(|| BackupError::Drill("there is no backup yet".to_owned()))?;
    let mut live = admin.clone();
    live.dbname(DEFAULT_DATABASE);
    let live = connect(&live).await?;
    let rpo_seconds = exposure(&live).await?;
    // Backups are found by the second, so the moment to restore has to lie in a later one than the backup's end.
    loop {
        let now: Timestamp = live.query_one(NOW, &[]).await?.try_get(0)?;
        if now.as_second() > latest.ended.as_second() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let before: i64 = live.query_one(PLANT, &[]).await?.try_get(0)?;
    let restored_to: Timestamp = live.query_one(NOW, &[]).await?.try_get(0)?;
    let after: i64 = live.query_one(PLANT, &[]).await?.try_get(0)?;
    backups.flush(&live).await?;
    live.execute(
        "DELETE FROM app.backup_canary WHERE number < $1",
        &[&before],
    )
    .await?;

    target.adopt_secret(data_dir, crate::cluster::ADMIN_SECRET)?;
    let restored = restore(
        backups.repository().clone(),
        target,
        Until::Time(restored_to),
        clock,
    )
    .await?;
    let mut copy = restored.cluster.admin_config();
    copy.dbname(DEFAULT_DATABASE);
    let seen = async {
        let copy = connect(&copy).await?;
        canaries(&copy, before, after).await?;
        let indexes_checked = check_indexes(&copy).await?;
        let files_opened = open_files(data_dir, &copy).await?;
        let broken = lint(&copy).await?;
        if let Some(finding) = broken.first() {
            return Err(BackupError::Drill(format!("{} {}", finding.object, finding.problem)));
        }
        let row = copy
            .query_one("SELECT (SELECT count(*) FROM app.workspace), pg_catalog.pg_database_size(pg_catalog.current_database())", &[])
            .await?;
        Ok(Drilled {
            restored_to,
            rpo_seconds,
            rto_ms: u64::try_from(restored.took.as_millis()).unwrap_or(u64::MAX),
            database_bytes: row.try_get::<_, i64>(1)?.unsigned_abs(),
            indexes_checked,
            workspaces: row.try_get::<_, i64>(0)?.unsigned_abs(),
            files_opened,
        })
    }
    .await;
    restored.cluster.stop().await?;
    seen
}

/// Opens a part of one file of every workspace, found as the restored database says: the rows, the object and the keys belong together.
async fn open_files(data_dir: &DataDir, copy: &Client) -> Result<u64, BackupError> {
    let rows = copy.query(FILES, &[]).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let failed =
        |what: &str| BackupError::Drill(format!("a file of workspace {what} can't be opened"));
    let keys = FileKeys::shared(&data_dir.vault())
        .map_err(|_| BackupError::Drill("the keys can't be read".to_owned()))?;
    let folder = data_dir
        .objects()
        .map_err(|_| BackupError::Drill("the object folder can't be read".to_owned()))?;
    let objects = ObjectStorage::folder(&folder, Vault::new(Arc::new(keys)))
        .map_err(|_| BackupError::Drill("the object folder can't be opened".to_owned()))?;
    for row in &rows {
        let tenant: &str = row.try_get(0)?;
        let object = Object {
            tenant,
            attachment: row.try_get(1)?,
            name: row.try_get(3)?,
            number: row.try_get::<_, i32>(2)?.unsigned_abs(),
        };
        objects.get(&object).await.map_err(|_| failed(tenant))?;
    }
    Ok(rows.len() as u64)
}

/// Seconds since the last piece of the database's log has left, if anything has been written since.
async fn exposure(live: &Client) -> Result<u64, BackupError> {
    let row = live
        .query_one(
            "SELECT coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - last_archived_time)::bigint, 0) FROM pg_catalog.pg_stat_archiver",
            &[],
        )
        .await?;
    Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default())
}

/// The row from before is there, the one from after is not.
async fn canaries(copy: &Client, before: i64, after: i64) -> Result<(), BackupError> {
    let row = copy
        .query_one(
            "SELECT EXISTS (SELECT FROM app.backup_canary WHERE number = $1), EXISTS (SELECT FROM app.backup_canary WHERE number >= $2)",
            &[&before, &after],
        )
        .await?;
    match (row.try_get(0)?, row.try_get(1)?) {
        (true, false) => Ok(()),
        (false, _) => Err(BackupError::Drill(
            "a row that was written before the moment is missing".to_owned(),
        )),
        (true, true) => Err(BackupError::Drill(
            "a row that was written after the moment is there".to_owned(),
        )),
    }
}

/// Every B-tree, and every heap page against its checksum on the way.
async fn check_indexes(copy: &Client) -> Result<u64, BackupError> {
    copy.batch_execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")
        .await?;
    let checked = copy
        .query(
            "SELECT pg_catalog.bt_index_check(c.oid, true) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam
             JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
             WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisready AND i.indisvalid",
            &[],
        )
        .await
        .map_err(|error| BackupError::Drill(format!("an index is damaged ({error})")))?;
    Ok(checked.len() as u64)
}
