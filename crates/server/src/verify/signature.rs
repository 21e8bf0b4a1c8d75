//! The signature of a report: Ed25519 (RFC 8032), under a key that is made once and kept with the other secrets.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Report;
use crate::data_dir::write_private;
use crate::secrets::{Place, Secret, SecretError};

/// The name of the key among the secrets.
pub const VERIFY_KEY: &str = "verify.key";

/// Why there is no key. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyKeyError {
    /// The file can't be used.
    #[error("The key that signs reports {path} can't be used: {source}.")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "The key that signs reports {0} can be read by other users; make it private (chmod 600)."
    )]
    Exposed(PathBuf),
    /// The secrets manager doesn't give or take it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is no key, or none could be made.
    #[error("The file {0} does not hold a key that signs reports.")]
    Damaged(PathBuf),
}

/// Signs reports.
#[derive(Debug)]
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The key in this file; made when it isn't there.
    pub fn own(path: &Path) -> Result<Self, VerifyKeyError> {
        let failed = |source| VerifyKeyError::File {
            path: path.to_owned(),
            source,
        };
        let damaged = || VerifyKeyError::Damaged(path.to_owned());
        let document = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let pair = Ed25519KeyPair::generate().map_err(|_| damaged())?;
                let document = pair.to_pkcs8v1().map_err(|_| damaged())?;
                write_private(path, document.as_ref()).map_err(failed)?;
                return Ok(Self(pair));
            }
            read => Zeroizing::new(read.map_err(failed)?),
        };
        if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(VerifyKeyError::Exposed(path.to_owned()));
        }
        Ed25519KeyPair::from_pkcs8(&document)
            .map(Self)
            .map_err(|_| damaged())
    }

    /// The key at this place; made when there is none.
    pub fn at(secret: &Secret) -> Result<Self, VerifyKeyError> {
        if let Place::File(file) = secret.place() {
            return Self::own(file);
        }
        let damaged = || VerifyKeyError::Damaged(secret.place().to_string().into());
        let text = if let Some(text) = secret.find()? {
            text
        } else {
            let pair = Ed25519KeyPair::generate().map_err(|_| damaged())?;
            let document = pair.to_pkcs8v1().map_err(|_| damaged())?;
            let text = Zeroizing::new(STANDARD.encode(document.as_ref()));
            // Whoever came first has made it.
            if secret.replace(None, &text)? {
                text
            } else {
                secret.read()?
            }
        };
        let document = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| damaged())?);
        Ed25519KeyPair::from_pkcs8(&document)
            .map(Self)
            .map_err(|_| damaged())
    }

    /// The report with its signature.
    #[must_use]
    pub fn sign(&self, mut report: Report) -> Report {
        report.public_key = STANDARD.encode(self.0.public_key());
        report.signature = STANDARD.encode(self.0.sign(&text(&report)));
        report
    }
}

/// Whether the report is as it was signed by the key it names.
pub fn is_signed(report: &Report) -> bool {
    let decode = |text: &str| STANDARD.decode(text).unwrap_or_default();
    UnparsedPublicKey::new(&ED25519, decode(&report.public_key))
        .verify(&text(report), &decode(&report.signature))
        .is_ok()
}

/// What is signed: the report without the key and the signature.
fn text(report: &Report) -> Vec<u8> {
    let text = serde_json::json!({
        "at": report.at,
        "checks": report.checks,
        "url": report.url,
        "version": report.version,
    });
    text.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Check, Status};

    #[test]
    fn a_report_that_was_changed_is_not_signed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verify.key");
        let signer = Signer::own(&path).unwrap();
        let report = Report {
            at: "2026-05-01T12:00:00Z".parse().unwrap(),
            url: "https://crm.example".to_owned(),
            version: "1".to_owned(),
            checks: vec![Check {
                id: "P1".to_owned(),
                status: Status::Fail,
                seen: "TLS 1.2".to_owned(),
            }],
            public_key: String::new(),
            signature: String::new(),
        };
        assert!(!is_signed(&report));
        let report = signer.sign(report);
        assert!(is_signed(&report));
        let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert!(is_signed(&again), "also after it was sent somewhere");
        assert_eq!(
            Signer::own(&path).unwrap().sign(report.clone()).public_key,
            report.public_key
        );
        let mut changed = report.clone();
        changed.checks[0].status = Status::Pass;
        assert!(!is_signed(&changed));
        let mut elsewhere = report;
        elsewhere.url = "https://other.example".to_owned();
        assert!(!is_signed(&elsewhere));
    }
}
