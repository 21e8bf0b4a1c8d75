//! Certificates of tests: an authority, what it vouches for, and servers that show it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// An authority that only those trust who are given its certificate.
#[derive(Debug)]
pub struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

impl TestAuthority {
    /// A new one of this name. A certificate with its issuer's name would be taken for its own issuer.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses.
    pub fn certify(&self, names: &[&str]) -> TestCertificate {
        TestCertificate::new(names, |params, key| params.signed_by(key, &self.0))
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub struct TestCertificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl TestCertificate {
    fn new(
        names: &[&str],
        sign: impl FnOnce(CertificateParams, &KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
    ) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = sign(params, &key).expect("a certificate");
        Self { certificate, key }
    }

    /// One that nobody vouches for.
    pub fn alone(names: &[&str]) -> Self {
        Self::new(names, |params, key| params.self_signed(key))
    }

    /// The certificate.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its key.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// TLS of these versions with it, as a server speaks it.
    pub fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let chain: Vec<CertificateDer<'static>> = vec![self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key")
    }
}
