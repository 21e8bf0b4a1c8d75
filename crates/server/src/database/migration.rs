//! Schema migrations: hand-written SQL in `migrations/`, forward only, run as the schema's owner.

use refinery::Migration;
use tokio_postgres::{Client, Config, error::SqlState};

use super::{DatabaseError, connect};

mod embedded {
    //! The migrations, compiled in.
    refinery::embed_migrations!("migrations");
}

/// Where refinery keeps what it has applied.
const HISTORY: &str = "app.schema_history";

/// The number of the last migration that this program has.
pub fn latest() -> i32 {
    migrations()
        .iter()
        .map(Migration::version)
        .max()
        .unwrap_or_default()
}

fn migrations() -> Vec<Migration> {
    embedded::migrations::runner().get_migrations().clone()
}

/// Brings the database up to date with the owner's credentials alone; the roles have to exist.
///
/// Answers the names of the migrations applied now. Each migration is one transaction.
pub async fn migrate(owner: &Config) -> Result<Vec<String>, DatabaseError> {
    let mut client = connect(owner).await?;
    for role in [
        "fieldstone_owner",
        "fieldstone_app",
        "fieldstone_auth",
        "fieldstone_worker",
        "fieldstone_lookup",
    ] {
        if client
            .query_opt(
                "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1",
                &[&role],
            )
            .await?
            .is_none()
        {
            return Err(DatabaseError::RoleMissing(role.to_owned()));
        }
    }
    // Two nodes that start together migrate one after the other.
    client
        .batch_execute("SELECT pg_catalog.pg_advisory_lock(1179603027, 2)")
        .await?;
    if let Some(found) = current(&client).await? {
        refuse_newer(found, latest())?;
    } else {
        client
            .batch_execute("CREATE SCHEMA IF NOT EXISTS app")
            .await?;
    }
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    let report = runner
        .run_async(&mut client)
        .await
        .map_err(|error| match error.kind() {
            refinery::error::Kind::DivergentVersion(found, _)
            | refinery::error::Kind::MissingVersion(found) => {
                DatabaseError::Diverged(found.version())
            }
            _ => DatabaseError::Migration(Box::new(error)),
        })?;
    Ok(report
        .applied_migrations()
        .iter()
        .map(ToString::to_string)
        .collect())
}

/// The number of the database's last migration; `None` before the first.
pub async fn current(client: &Client) -> Result<Option<i32>, DatabaseError> {
    match client
        .query_one("SELECT max(version) FROM app.schema_history", &[])
        .await
    {
        Ok(row) => Ok(row.try_get(0)?),
        Err(error)
            if matches!(
                error.code(),
                Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether every migration of this program, and no other text of it, has been applied.
pub(super) async fn is_current(client: &Client) -> Result<bool, DatabaseError> {
    if current(client).await?.is_none() {
        return Ok(false);
    }
    let applied = client
        .query(
            "SELECT version, checksum FROM app.schema_history ORDER BY version",
            &[],
        )
        .await?;
    let mut known = migrations();
    known.sort();
    Ok(applied.len() == known.len()
        && applied.iter().zip(&known).all(|(row, migration)| {
            row.try_get::<_, i32>(0).ok() == Some(migration.version())
                && row.try_get::<_, &str>(1).ok() == Some(&migration.checksum().to_string())
        }))
}

pub(super) fn refuse_newer(found: i32, known: i32) -> Result<(), DatabaseError> {
    if found > known {
        Err(DatabaseError::Newer { found, known })
    } else {
        Ok(())
    }
}
