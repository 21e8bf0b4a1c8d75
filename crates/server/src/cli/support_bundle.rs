//! `fieldstone support-bundle`: what somebody who helps needs to know of an installation, and nothing of its customers.
//!
//! It holds counts, versions, times and outcomes. No names, no addresses, no values, no secrets; workspaces are numbered.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use crate::database::{DatabaseError, migration};

/// Write down what helps to help, without customers' data
#[derive(Debug, Args)]
pub(super) struct SupportBundle {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "fieldstone-support.json")]
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

/// Rows of each table as the database estimates them, its bytes, and how it was last looked after.
const TABLES: &str = "SELECT c.relname::text, pg_catalog.pg_stat_get_live_tuples(c.oid), pg_catalog.pg_stat_get_dead_tuples(c.oid),
    pg_catalog.pg_total_relation_size(c.oid), pg_catalog.pg_stat_get_last_autovacuum_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)
    FROM pg_catalog.pg_class c WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r' ORDER BY 4 DESC LIMIT 40";
const SETTINGS: &str = "SELECT s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.source NOT IN ('default', 'client', 'override') AND s.name IN
    ('max_connections', 'shared_buffers', 'wal_level', 'synchronous_commit', 'archive_mode', 'archive_timeout', 'max_wal_size', 'work_mem', 'fsync', 'full_page_writes', 'server_version')";
const WORKSPACES: &str = "SELECT w.created_at::date::text, (SELECT count(*) FROM app.\"user\" u WHERE u.tenant_id = w.tenant_id AND u.active),
    (SELECT count(*) FROM app.sync_device d WHERE d.tenant_id = w.tenant_id AND d.revoked_at IS NULL),
    (SELECT coalesce(sum(s.records), 0)::bigint FROM app.workspace_use s WHERE s.tenant_id = w.tenant_id),
    (SELECT coalesce(sum(s.bytes), 0)::bigint FROM app.workspace_use s WHERE s.tenant_id = w.tenant_id) FROM app.workspace w ORDER BY w.created_at";
const OPERATIONS: &str = "SELECT o.kind, o.began_at::text, extract(epoch FROM o.ended_at - o.began_at)::float8, o.ok FROM app.operation o ORDER BY o.number DESC LIMIT 60";
const EVENTS: &str = "SELECT e.action, count(*) FROM app.audit_event e WHERE e.at > now() - interval '7 days' GROUP BY 1 ORDER BY 1";
const JOBS: &str =
    "SELECT (SELECT count(*) FROM app.letter), (SELECT count(*) FROM app.content_orphan)";

impl SupportBundle {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let operator = self.installation.open()?;
        let owner = operator.owner().await?;
        let bundle = bundle(&owner).await.map_err(DatabaseError::from)?;
        let text = format!("{bundle:#}\n");
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            Failure::new(format!(
                "{} can't be written: {error}; name another file.",
                self.file.display()
            ))
        })?;
        say(&format!(
            "Wrote {}. It holds counts, versions and times, and nobody's data; read it before you pass it on.",
            self.file.display()
        ))
    }
}

async fn bundle(owner: &Client) -> Result<Value, tokio_postgres::Error> {
    let mut tables = Vec::new();
    for row in owner.query(TABLES, &[]).await? {
        let table: String = row.try_get(0)?;
        let after: [Option<jiff::Timestamp>; 2] = [row.try_get(4)?, row.try_get(5)?];
        tables.push(json!({
            "table": table, "rows": row.try_get::<_, i64>(1)?, "dead": row.try_get::<_, i64>(2)?, "bytes": row.try_get::<_, i64>(3)?,
            "vacuumed": after.first(), "analyzed": after.last(),
        }));
    }
    let mut settings = Map::new();
    for row in owner.query(SETTINGS, &[]).await? {
        settings.insert(row.try_get(0)?, row.try_get::<_, String>(1)?.into());
    }
    let mut workspaces = Vec::new();
    for (number, row) in owner.query(WORKSPACES, &[]).await?.iter().enumerate() {
        workspaces.push(json!({
            "number": number + 1, "made": row.try_get::<_, String>(0)?, "people": row.try_get::<_, i64>(1)?, "devices": row.try_get::<_, i64>(2)?,
            "records": row.try_get::<_, i64>(3)?, "bytes_of_files": row.try_get::<_, i64>(4)?,
        }));
    }
    let mut operations = Vec::new();
    for row in owner.query(OPERATIONS, &[]).await? {
        operations.push(json!({
            "kind": row.try_get::<_, String>(0)?, "began": row.try_get::<_, String>(1)?, "seconds": row.try_get::<_, f64>(2)?, "ok": row.try_get::<_, bool>(3)?,
        }));
    }
    let mut events = Map::new();
    for row in owner.query(EVENTS, &[]).await? {
        events.insert(row.try_get(0)?, row.try_get::<_, i64>(1)?.into());
    }
    let jobs = owner.query_one(JOBS, &[]).await?;
    let version: String = owner
        .query_one("SELECT pg_catalog.version()", &[])
        .await?
        .try_get(0)?;
    Ok(json!({
        "fieldstone": env!("CARGO_PKG_VERSION"), "knows_migration": migration::latest(),
        "has_migration": owner.query_one("SELECT max(version) FROM app.schema_history", &[]).await?.try_get::<_, Option<i32>>(0)?,
        "database": { "version": version, "settings": settings, "tables": tables },
        "machine": { "system": std::env::consts::OS, "processor": std::env::consts::ARCH,
            "threads": std::thread::available_parallelism().map_or(0, std::num::NonZero::get) },
        "workspaces": workspaces, "operations": operations, "events_of_a_week": events,
        "waiting": { "letters": jobs.try_get::<_, i64>(0)?, "objects_to_remove": jobs.try_get::<_, i64>(1)? },
    }))
}
