//! TLS 1.3 for everything that users and devices send: the certificates, and what a handshake may agree on.
//!
//! It must never offer an older version.

mod local;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::secrets::{Secret, SecretError};

pub use self::local::{LocalAuthority, Names, host_name};

/// How often a running server looks whether its certificate has to be, or has been, renewed.
const RENEWAL: Duration = Duration::from_hours(12);

/// Why there is no certificate to serve with. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate or key file can't be read or written.
    #[error("The certificate file {path} can't be used: {source}.")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("The file {path} does not hold {what} in PEM form.")]
    Content {
        /// Which one.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key don't belong together, or are of a kind that can't be used.
    #[error("The certificate can't be used with its key: {0}.")]
    Mismatch(#[source] rustls::Error),
    /// The key can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Making a certificate failed.
    #[error("A certificate could not be made: {0}.")]
    Making(#[source] rcgen::Error),
    /// A certificate just made is not accepted by its own authority.
    #[error("The certificate that was made is not valid: {0}.")]
    Invalid(#[source] rustls::Error),
    /// The TLS library refuses its configuration.
    #[error("TLS can't be set up: {0}.")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Where the server's certificate comes from.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateSource {
    /// An authority of this installation's own.
    Local(LocalAuthority),
    /// Files that somebody else keeps up to date.
    Files {
        /// The certificate with its chain, PEM.
        certificate: PathBuf,
        /// Its private key, PEM.
        key: Secret,
    },
}

impl CertificateSource {
    /// The certificate to serve with from `now` on.
    fn load(&self, now: Timestamp) -> Result<CertifiedKey, TlsError> {
        match self {
            Self::Local(authority) => authority.certificate(now),
            Self::Files { certificate, key } => read_certificate(certificate, key),
        }
    }
}

/// The server's end of TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
}

impl Tls {
    /// Loads the certificate, which is made or renewed first where that is ours to do.
    pub fn load(source: CertificateSource, now: Timestamp) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(source.load(now)?));
        let resolver = Arc::new(Resolver { source, current });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Stateless resumption, with keys that rotate and never leave this process. No early data: it can be replayed.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self {
            config: Arc::new(config),
            resolver,
        })
    }

    /// What the accept loop needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Keeps the certificate fresh for as long as the server runs. Never returns.
    pub async fn keep_fresh(self, now: impl Fn() -> Timestamp) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if let Err(error) = self.resolver.refresh(now()) {
                tracing::error!(
                    "The certificate was not renewed; the present one stays in use. {error}"
                );
            }
        }
    }
}

/// Hands out the present certificate, whatever name a client asks for.
#[derive(Debug)]
struct Resolver {
    source: CertificateSource,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Resolver {
    fn refresh(&self, now: Timestamp) -> Result<(), TlsError> {
        let fresh = Arc::new(self.source.load(now)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.current.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Reads a certificate with its chain, and the private key, both PEM.
fn read_certificate(certificate: &Path, key: &Secret) -> Result<CertifiedKey, TlsError> {
    let pem = fs::read(certificate).map_err(|source| TlsError::file(certificate, source))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::Content {
            path: certificate.to_owned(),
            what: "a certificate",
        });
    }
    let pem = key.read()?;
    let private = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::Content {
        path: key.place().to_string().into(),
        what: "a private key",
    })?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(TlsError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.pem");
        fs::write(&path, "no certificate").unwrap();
        let source = CertificateSource::Files {
            certificate: path.clone(),
            key: path.into(),
        };
        let message = Tls::load(source, Timestamp::UNIX_EPOCH)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("server.pem does not hold a certificate"),
            "{message}"
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-05-01T00:00:00Z".parse().unwrap();
        for name in ["one", "two"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            LocalAuthority::new(folder.path().join(name), Names::new(None, None))
                .certificate(now)
                .unwrap();
        }
        let source = CertificateSource::Files {
            certificate: folder.path().join("one/server.pem"),
            key: folder.path().join("two/server-key.pem").into(),
        };
        assert!(matches!(Tls::load(source, now), Err(TlsError::Mismatch(_))));
    }
}
