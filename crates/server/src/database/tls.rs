//! TLS towards a database on another machine: 1.3, the certificate checked against the system's trusted authorities.
//!
//! Never falls back: a configuration that asks for TLS gets it or no connection. Never connects to a standby: to its snapshots, transactions
//! that commit late on the primary look as if they were over, and a device would miss what they wrote. Where the configuration names several
//! databases, it is the one that takes changes.
//!
//! An authority of one's own goes into the system's store, or into the file that `SSL_CERT_FILE` names.

use std::sync::{Arc, LazyLock};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version::TLS13};
use tokio_postgres::{
    CancelToken, Client, Config, NoTls,
    config::{SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::DatabaseError;

static ENCRYPTED: LazyLock<Option<MakeRustlsConnect>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate of the system can't be read");
    }
    roots.add_parsable_certificates(found.certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(MakeRustlsConnect::new(config))
});

/// Whether connections of `config` are encrypted.
fn is_encrypted(config: &Config) -> bool {
    config.get_ssl_mode() == SslMode::Require
}

/// The one that takes changes, of the databases that `config` names.
fn primary(config: &Config) -> Config {
    let mut config = config.clone();
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config
}

fn encrypted() -> Result<MakeRustlsConnect, DatabaseError> {
    ENCRYPTED.clone().ok_or(DatabaseError::NoTls)
}

/// Opens one connection and sees to what it says.
pub(super) async fn connect(config: &Config) -> Result<Client, DatabaseError> {
    let config = primary(config);
    if is_encrypted(&config) {
        // A handshake is large, and every caller would carry room for it.
        let (client, connection) = Box::pin(config.connect(encrypted()?))
            .await
            .map_err(DatabaseError::connect)?;
        watch(connection);
        Ok(client)
    } else {
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(DatabaseError::connect)?;
        watch(connection);
        Ok(client)
    }
}

fn watch(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a database connection ended");
        }
    });
}

/// Asks the backend of a connection made with `config` to stop what it does.
pub(super) async fn cancel(config: &Config, token: &CancelToken) -> Result<(), DatabaseError> {
    if is_encrypted(config) {
        Box::pin(token.cancel_query(encrypted()?)).await?;
    } else {
        token.cancel_query(NoTls).await?;
    }
    Ok(())
}

/// What makes connections of `config` for a deadpool.
pub fn manager(config: &Config) -> Result<deadpool_postgres::Manager, DatabaseError> {
    let config = primary(config);
    Ok(if is_encrypted(&config) {
        deadpool_postgres::Manager::new(config, encrypted()?)
    } else {
        deadpool_postgres::Manager::new(config, NoTls)
    })
}
