//! P1: whatever comes to the server travels over TLS 1.3.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_rustls::TlsConnector;

use super::{Miss, Seen, Subject, fail, pass};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The handshake: TLS 1.3 alone, with a certificate that clients trust; nothing useful in the clear.
pub(super) async fn tls(subject: &Subject) -> Seen {
    let target = Target::of(subject).await?;
    let (version, suite) = match handshake(&target, subject, &[&rustls::version::TLS13]).await? {
        Ok(agreed) => agreed,
        Err(reason) => return fail(format!("TLS 1.3 was refused: {reason}")),
    };
    if let Ok((version, _)) = handshake(&target, subject, &[&rustls::version::TLS12]).await? {
        return fail(format!("{version} was accepted, too"));
    }
    let plain = plainly(&target).await?;
    if plain.to_lowercase().contains("\r\nlocation:")
        || plain.starts_with("HTTP/1.1 2")
        || plain.starts_with("HTTP/1.1 3")
    {
        return fail(format!(
            "plain HTTP was answered with {}",
            first_line(&plain)
        ));
    }
    let plain = if plain.is_empty() {
        "nothing"
    } else {
        first_line(&plain)
    };
    let database = database(subject)?;
    pass(format!(
        "{version}, {suite}, trusted certificate; TLS 1.2 refused; plain HTTP answered with {plain}; the database is reached over {database}"
    ))
}

struct Target {
    address: SocketAddr,
    name: ServerName<'static>,
}

impl Target {
    async fn of(subject: &Subject) -> Result<Self, Miss> {
        let url = url::Url::parse(&subject.url)?;
        let Some(host) = url.host_str() else {
            return fail("the address has no host");
        };
        if url.scheme() != "https" {
            return fail(format!("people are sent to {}", subject.url));
        }
        let port = url.port_or_known_default().unwrap_or(443);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = match subject.connect {
            Some(address) => address,
            None => match tokio::net::lookup_host((bare, port)).await?.next() {
                Some(address) => address,
                None => return fail(format!("{host} has no address")),
            },
        };
        Ok(Self {
            address,
            name: ServerName::try_from(bare.to_owned())?,
        })
    }
}

/// What was agreed on, or why nothing was.
async fn handshake(
    target: &Target,
    subject: &Subject,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Result<(String, String), String>, Miss> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots(subject)?)
        .with_no_client_auth();
    let stream = timeout(PATIENCE, TcpStream::connect(target.address)).await??;
    let connector = TlsConnector::from(Arc::new(config));
    match timeout(PATIENCE, connector.connect(target.name.clone(), stream)).await? {
        Err(error) => Ok(Err(error.to_string())),
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let version = session.protocol_version().map_or_else(
                || "?".to_owned(),
                |version| format!("{version:?}").replace("TLSv1_", "TLS 1."),
            );
            let suite = session
                .negotiated_cipher_suite()
                .map_or_else(|| "?".to_owned(), |suite| format!("{:?}", suite.suite()));
            Ok(Ok((version, suite)))
        }
    }
}

fn roots(subject: &Subject) -> Result<RootCertStore, Miss> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &subject.ca {
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
    } else {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One that rustls doesn't take is one fewer to trust.
            let _ = roots.add(certificate);
        }
    }
    Ok(roots)
}

/// What comes back when somebody speaks plain HTTP to the port.
async fn plainly(target: &Target) -> Result<String, Miss> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(target.address)).await??;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    // A connection that is cut is an answer as well.
    let _ = timeout(
        PATIENCE,
        (&mut stream).take(16 * 1024).read_to_end(&mut answer),
    )
    .await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// How the database is reached: not over a network without encryption.
fn database(subject: &Subject) -> Result<&'static str, Miss> {
    use tokio_postgres::config::SslMode;
    let hosts = subject.app.get_hosts();
    if hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
        return Ok("a local socket");
    }
    let near = |host: &Host| match host {
        Host::Tcp(name) => crate::config::is_loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    if hosts.iter().all(near) {
        Ok("the loopback interface")
    } else if subject.app.get_ssl_mode() == SslMode::Require {
        Ok("TLS with a certificate that is checked")
    } else {
        fail("the database is reached over a network without TLS")
    }
}
