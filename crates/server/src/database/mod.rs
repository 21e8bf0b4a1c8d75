//! PostgreSQL as the enforcer of tenancy: roles, migrations, the signed context, and the checks of both.
//!
//! Nothing here knows what a record is. Nothing here lets a serving role see another tenant's rows.

pub mod bootstrap;
pub mod context;
mod error;
pub mod lint;
pub mod migration;
pub mod pool;
mod scram;
pub mod statistics;
pub mod tls;

pub use bootstrap::{Prepared, RolePasswords, prepare};
pub use context::{Actor, Backend, ContextSigner};
pub use error::DatabaseError;
pub use migration::migrate;

use tokio_postgres::{Client, Config};

/// The database's name where the configuration gives none.
pub const DEFAULT_DATABASE: &str = "fieldstone";

/// Start-up settings of every serving connection.
///
/// A role may always change its own settings for connections to come (`ALTER ROLE … SET` takes no privilege), so an
/// injection could set them for everybody. What a connection asks for at its start wins over them, and is also what
/// `app.leave()` returns a connection to.
///
/// Joins go row by row through an index. The planner takes every tenant for one of average size, and would otherwise read all of a large
/// one's table for the few rows it needs of it.
const SERVING_SETTINGS: &str = "-c search_path= -c row_security=on \
    -c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off -c default_transaction_deferrable=off \
    -c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s -c jit=off -c plan_cache_mode=auto \
    -c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off \
    -c TimeZone=UTC -c DateStyle=ISO,YMD -c IntervalStyle=postgres -c bytea_output=hex -c synchronous_commit=on";

/// The configuration of a serving role's connections: `config` with the settings that no role can change for others.
pub fn serving(mut config: Config) -> Config {
    config.options(SERVING_SETTINGS);
    config
}

/// A number as a `bigint` takes it; one that none takes is as good as the largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Opens one connection outside any pool, for set-up and operator commands.
///
/// The connection ends when the client is dropped.
pub async fn connect(config: &Config) -> Result<Client, DatabaseError> {
    tls::connect(config).await
}
