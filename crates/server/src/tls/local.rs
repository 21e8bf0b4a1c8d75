//! A certificate authority of one installation's own, and the server's certificate under it.
//!
//! Whoever trusts the authority trusts it for names of this machine and of private networks only: its constraints say so.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
    string::Ia5String,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{TlsError, provider, read_certificate};
use crate::data_dir::{make_dir, write_private, write_public};

/// How long the authority is valid.
const AUTHORITY_YEARS: i64 = 10;
/// How long a server certificate is valid: what Apple's platforms take at most.
const SERVER_DAYS: i64 = 397;
/// A certificate with less than this to live is renewed.
const RENEW_WITHIN: Duration = Duration::from_hours(30 * 24);

/// Networks that nobody reaches over the Internet: a name in them means only this site.
const PRIVATE_NETWORKS: [(IpAddr, u8); 7] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

/// What the server is called.
#[derive(Debug, Clone)]
pub struct Names {
    listen: Option<IpAddr>,
    host: Option<String>,
}

impl Names {
    /// `localhost` and its addresses, the address listened on unless it stands for all, and the machine's name if it is one that
    /// DNS could hold.
    pub fn new(listen: Option<IpAddr>, host: Option<&str>) -> Self {
        let listen = listen.filter(|listen| !listen.is_unspecified() && !listen.is_loopback());
        let host = host.map(str::to_ascii_lowercase);
        let host = host.filter(|host| {
            host != "localhost"
                && matches!(
                    ServerName::try_from(host.as_str()),
                    Ok(ServerName::DnsName(_))
                )
        });
        Self { listen, host }
    }

    /// This machine's own name.
    pub fn of_this_machine(listen: IpAddr) -> Self {
        Self::new(Some(listen), Some(&host_name()))
    }

    /// The same without the machine's name, which may have changed since the authority was made.
    fn without_host(&self) -> Self {
        Self {
            host: None,
            ..self.clone()
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ]
        .into_iter()
        .chain(self.listen)
    }

    fn domains(&self) -> impl Iterator<Item = &str> {
        ["localhost"].into_iter().chain(self.host.as_deref())
    }

    fn all(&self) -> impl Iterator<Item = ServerName<'static>> {
        let domains = self
            .domains()
            .filter_map(|domain| ServerName::try_from(domain.to_owned()).ok());
        domains.chain(
            self.addresses()
                .map(|address| ServerName::IpAddress(address.into())),
        )
    }
}

/// What this machine calls itself.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The folder that holds the authority (`ca.pem`, `ca-key.pem`) and the server's certificate (`server.pem`, `server-key.pem`).
#[derive(Debug)]
pub struct LocalAuthority {
    folder: PathBuf,
    names: Names,
}

impl LocalAuthority {
    /// An authority in `folder` for a server with these names. Nothing is made yet.
    pub fn new(folder: PathBuf, names: Names) -> Self {
        Self { folder, names }
    }

    /// The authority's certificate, for clients to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's certificate: the present one while it serves, a renewed one of the same authority when it no longer does (too
    /// old, another address), and a new authority only when the present one can't vouch for what is needed.
    pub(super) fn certificate(&self, now: Timestamp) -> Result<CertifiedKey, TlsError> {
        make_dir(&self.folder, 0o755).map_err(|source| TlsError::file(&self.folder, source))?;
        let without_host = self.names.without_host();
        if let Some(authority) = Authority::load(&self.folder)? {
            if let Ok(present) = self.present()
                && authority.vouches(&present, &without_host, now).is_ok()
            {
                return Ok(present);
            }
            for names in [&self.names, &without_host] {
                let (key, certificate) = authority.issue(names, now)?;
                let renewed = certified(&certificate, &key)?;
                if authority.vouches(&renewed, names, now).is_ok() {
                    return self.keep(&certificate, &key);
                }
            }
            tracing::warn!(
                "Making a new certificate authority: the present one ends soon or does not cover the address listened on."
            );
        }
        let authority = Authority::make(&self.names, now)?;
        let (key, certificate) = authority.issue(&self.names, now)?;
        authority
            .vouches(&certified(&certificate, &key)?, &self.names, now)
            .map_err(TlsError::Invalid)?;
        authority.save(&self.folder)?;
        self.keep(&certificate, &key)
    }

    fn present(&self) -> Result<CertifiedKey, TlsError> {
        read_certificate(&self.certificate_file(), &self.key_file().into())
    }

    fn keep(
        &self,
        certificate: &rcgen::Certificate,
        key: &KeyPair,
    ) -> Result<CertifiedKey, TlsError> {
        save_private(&self.key_file(), &key.serialize_pem())?;
        save_public(&self.certificate_file(), &certificate.pem())?;
        self.present()
    }

    fn certificate_file(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    fn key_file(&self) -> PathBuf {
        self.folder.join("server-key.pem")
    }
}

/// The authority itself.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn make(names: &Names, now: Timestamp) -> Result<Self, TlsError> {
        let key = KeyPair::generate().map_err(TlsError::Making)?;
        let mut params = authority_params(&key);
        let domains = ["local", "lan", "internal", "home.arpa"]
            .into_iter()
            .chain(names.domains());
        let domains = domains.map(|domain| GeneralSubtree::DnsName(domain.to_owned()));
        let networks = PRIVATE_NETWORKS.iter().copied().chain(
            names
                .listen
                .map(|listen| (listen, if listen.is_ipv4() { 32 } else { 128 })),
        );
        let networks = networks.map(|(network, prefix)| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network, prefix))
        });
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: domains.chain(networks).collect(),
            excluded_subtrees: Vec::new(),
        });
        set_validity(&mut params, now, Span::new().years(AUTHORITY_YEARS));
        let certificate = params.self_signed(&key).map_err(TlsError::Making)?;
        let pem = certificate.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            pem,
        })
    }

    /// The authority in `folder`; nothing when there is none yet.
    fn load(folder: &Path) -> Result<Option<Self>, TlsError> {
        let (ca, key) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        let pem = match fs::read_to_string(&ca) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| TlsError::file(&ca, source))?,
        };
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        let certificate = certificate.map_err(|_| TlsError::Content {
            path: ca,
            what: "a certificate",
        })?;
        let key_pem = fs::read_to_string(&key).map_err(|source| TlsError::file(&key, source))?;
        let key_pair = KeyPair::from_pem(&key_pem).map_err(|_| TlsError::Content {
            path: key,
            what: "a private key",
        })?;
        Ok(Some(Self {
            issuer: Issuer::new(authority_params(&key_pair), key_pair),
            certificate,
            pem,
        }))
    }

    fn save(&self, folder: &Path) -> Result<(), TlsError> {
        save_private(
            &folder.join("ca-key.pem"),
            &self.issuer.key().serialize_pem(),
        )?;
        save_public(&folder.join("ca.pem"), &self.pem)
    }

    fn issue(
        &self,
        names: &Names,
        now: Timestamp,
    ) -> Result<(KeyPair, rcgen::Certificate), TlsError> {
        let key = KeyPair::generate().map_err(TlsError::Making)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Fieldstone");
        for domain in names.domains() {
            params.subject_alt_names.push(SanType::DnsName(
                Ia5String::try_from(domain).map_err(TlsError::Making)?,
            ));
        }
        params
            .subject_alt_names
            .extend(names.addresses().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, Span::new().days(SERVER_DAYS));
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(TlsError::Making)?;
        Ok((key, certificate))
    }

    /// When it ends, in seconds since 1970.
    fn ends(&self) -> Result<i64, rustls::Error> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.certificate)
            .map_err(|_| CertificateError::BadEncoding)?;
        Ok(certificate.validity().not_after.timestamp())
    }

    /// Whether a client that trusts this authority would take `certificate` for every one of `names`, now and for a while yet.
    fn vouches(
        &self,
        certificate: &CertifiedKey,
        names: &Names,
        now: Timestamp,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let later = now
            .saturating_add(RENEW_WITHIN)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        // Verifiers don't ask how old the anchor of their trust is; browsers and operating systems do.
        if self.ends()? < later.as_second() {
            return Err(CertificateError::Expired.into());
        }
        let end_entity = certificate.end_entity_cert()?;
        for time in [now, later] {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(
                u64::try_from(time.as_second()).unwrap_or_default(),
            ));
            for name in names.all() {
                verifier.verify_server_cert(end_entity, &[], &name, &[], time)?;
            }
        }
        Ok(())
    }
}

/// Everything about the authority that a certificate issued by it refers to; the same for the same key.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let fingerprint = digest(&SHA256, key.public_key_raw());
    let short = fingerprint
        .as_ref()
        .first_chunk()
        .copied()
        .map_or(0, u32::from_be_bytes);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(
        DnType::CommonName,
        format!("Fieldstone local authority {short:08x}"),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Valid from yesterday (clocks differ) until `span` from now.
fn set_validity(params: &mut CertificateParams, now: Timestamp, span: Span) {
    let today = now.to_zoned(TimeZone::UTC).date();
    let midnight = |date: Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = midnight(today.saturating_sub(Span::new().days(1)));
    params.not_after = midnight(today.saturating_add(span));
}

fn certified(certificate: &rcgen::Certificate, key: &KeyPair) -> Result<CertifiedKey, TlsError> {
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    CertifiedKey::from_der(vec![certificate.der().clone()], key.into(), &provider())
        .map_err(TlsError::Mismatch)
}

fn save_private(path: &Path, pem: &str) -> Result<(), TlsError> {
    write_private(path, pem.as_bytes()).map_err(|source| TlsError::file(path, source))
}

fn save_public(path: &Path, pem: &str) -> Result<(), TlsError> {
    write_public(path, pem.as_bytes()).map_err(|source| TlsError::file(path, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const NOW: &str = "2026-05-01T12:00:00Z";

    fn authority(folder: &Path, listen: &str, host: &str) -> LocalAuthority {
        LocalAuthority::new(
            folder.to_owned(),
            Names::new(Some(listen.parse().unwrap()), Some(host)),
        )
    }

    fn leaf(key: &CertifiedKey) -> Vec<u8> {
        key.cert[0].to_vec()
    }

    #[test]
    fn it_is_made_once_and_renewed_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(folder.path(), "127.0.0.1", "builder");
        let now: Timestamp = NOW.parse().unwrap();
        let first = leaf(&authority.certificate(now).unwrap());
        let ca = fs::read(authority.ca_file()).unwrap();
        assert_eq!(leaf(&authority.certificate(now).unwrap()), first);
        let after = |days: i64| now + jiff::SignedDuration::from_hours(24 * days);
        assert_eq!(leaf(&authority.certificate(after(360)).unwrap()), first);
        assert_ne!(leaf(&authority.certificate(after(370)).unwrap()), first);
        assert_eq!(
            fs::read(authority.ca_file()).unwrap(),
            ca,
            "the authority stays"
        );
        authority.certificate(after(11 * 365)).unwrap();
        assert_ne!(
            fs::read(authority.ca_file()).unwrap(),
            ca,
            "an authority that ended is replaced"
        );
    }

    #[test]
    fn only_the_certificates_are_public() {
        let folder = tempfile::tempdir().unwrap();
        authority(folder.path(), "::1", "builder")
            .certificate(NOW.parse().unwrap())
            .unwrap();
        for (name, mode) in [
            ("ca.pem", 0o644),
            ("server.pem", 0o644),
            ("ca-key.pem", 0o600),
            ("server-key.pem", 0o600),
        ] {
            assert_eq!(
                fs::metadata(folder.path().join(name)).unwrap().mode() & 0o777,
                mode,
                "{name}"
            );
        }
    }

    #[test]
    fn another_private_address_or_host_name_keeps_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let now = NOW.parse().unwrap();
        authority(folder.path(), "127.0.0.1", "builder")
            .certificate(now)
            .unwrap();
        let ca = fs::read(folder.path().join("ca.pem")).unwrap();
        authority(folder.path(), "192.168.1.20", "builder")
            .certificate(now)
            .unwrap();
        authority(folder.path(), "127.0.0.1", "renamed")
            .certificate(now)
            .unwrap();
        assert_eq!(fs::read(folder.path().join("ca.pem")).unwrap(), ca);
        authority(folder.path(), "203.0.113.7", "builder")
            .certificate(now)
            .unwrap();
        assert_ne!(
            fs::read(folder.path().join("ca.pem")).unwrap(),
            ca,
            "a public address is not covered"
        );
    }

    #[test]
    fn the_authority_can_not_vouch_for_the_world() {
        let now = NOW.parse().unwrap();
        let authority = Authority::make(&Names::new(None, Some("builder")), now).unwrap();
        for name in ["bank.example", "192.0.2.1"] {
            let names = match name.parse() {
                Ok(address) => Names::new(Some(address), None),
                Err(_) => Names::new(None, Some(name)),
            };
            let (key, certificate) = authority.issue(&names, now).unwrap();
            assert!(
                authority
                    .vouches(&certified(&certificate, &key).unwrap(), &names, now)
                    .is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_host_name_that_is_none_is_left_out() {
        assert_eq!(Names::new(None, Some("not a name!")).domains().count(), 1);
        assert_eq!(
            Names::new(Some("0.0.0.0".parse().unwrap()), None)
                .addresses()
                .count(),
            2
        );
    }
}
