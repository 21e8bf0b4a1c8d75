//! Connections to services that the operator names: TLS 1.3, straight there, and never on to somebody else.

use std::{fs, io, path::Path};

use reqwest::{Certificate, ClientBuilder, redirect::Policy, tls::Version};
use url::{Host, Url};

/// Why no connection can be made.
pub(crate) enum Unusable {
    /// The file of authorities can't be read.
    File(io::Error),
    /// It holds no certificate.
    NoCertificate,
}

/// A client that trusts the authorities in this file, or else the system's.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientBuilder, Unusable> {
    let client = reqwest::Client::builder()
        .tls_version_min(Version::TLS_1_3)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent("fieldstone");
    let Some(file) = ca_file else {
        return Ok(client);
    };
    let pem = fs::read(file).map_err(Unusable::File)?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| Unusable::NoCertificate)?;
    if authorities.is_empty() {
        return Err(Unusable::NoCertificate);
    }
    Ok(client.tls_certs_only(authorities))
}

/// Whether a service is on this machine: only such a one may be spoken to without TLS.
pub(crate) fn is_on_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether an address holds a user or a password, which belong elsewhere.
pub(crate) fn holds_a_secret(address: &Url) -> bool {
    !address.username().is_empty() || address.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names() {
        let is_near = |address: &str| is_on_this_machine(&address.parse().unwrap());
        for near in [
            "http://127.0.0.1:4318",
            "http://[::1]:4318/v1",
            "http://localhost",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "http://10.0.0.1",
            "http://s3.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://[fe80::1]",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            client(Some(file.path())),
            Err(Unusable::NoCertificate)
        ));
        assert!(matches!(
            client(Some(Path::new("/nowhere/ca.pem"))),
            Err(Unusable::File(_))
        ));
    }
}
