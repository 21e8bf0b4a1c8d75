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

pub use bootstrap::{Prepared, RolePasswords, prepare};
pub use context::{Actor, Backend, ContextSigner};
pub use error::DatabaseError;
pub use migration::migrate;

use tokio_postgres::{Client, Config, NoTls};

/// The database's name where the configuration gives none.
pub const DEFAULT_DATABASE: &str = "fieldstone";

/// Opens one connection outside any pool, for set-up and operator commands.
///
/// The connection ends when the client is dropped.
pub async fn connect(config: &Config) -> Result<Client, DatabaseError> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(DatabaseError::connect)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a database connection ended");
        }
    });
    Ok(client)
}
