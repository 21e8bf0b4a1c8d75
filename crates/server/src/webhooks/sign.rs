//! The secret that a webhook and its receiver share, and the signature made with it.

use std::fmt;

use aws_lc_rs::hmac;

use fieldstone_model::RecordId;
use fieldstone_vault::{Place, Purpose, Vault};
use zeroize::Zeroizing;

use crate::identity::{IdentityError, random};

/// What secrets are sealed for.
pub(crate) const SECRETS: Purpose = Purpose::new("webhook secret");

/// 256 bits, as text. Nobody sees it twice.
pub(crate) struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where one lies.
pub(crate) fn secret_place<'a>(tenant: &'a str, webhook: &'a str, number: i64) -> Place<'a> {
    Place {
        tenant,
        object: "webhook",
        record: webhook,
        field: "secret",
        version: u64::try_from(number).unwrap_or_default(),
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        let text = Zeroizing::new(random::secret()?);
        Ok(Self(Zeroizing::new(format!("fswh_{}", *text))))
    }

    /// As its owner is shown it, once.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Sealed for its webhook.
    pub(crate) fn seal(
        &self,
        vault: &Vault,
        tenant: RecordId,
        webhook: RecordId,
        number: i64,
    ) -> Result<Vec<u8>, IdentityError> {
        let place = secret_place(tenant.as_str(), webhook.as_str(), number);
        Ok(vault.seal(SECRETS, &place, self.0.as_bytes())?)
    }

    /// Opens what [`Self::seal`] made.
    pub(super) fn open(
        vault: &Vault,
        (tenant, webhook, number): (&str, &str, i64),
        sealed: &[u8],
    ) -> Option<Self> {
        let bytes = vault
            .open(SECRETS, &secret_place(tenant, webhook, number), sealed)
            .ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(Self(Zeroizing::new(text.to_owned())))
    }

    /// `v1=` and the HMAC-SHA256 of `{timestamp}.{body}` under the secret's text, hexadecimal.
    pub(super) fn sign(&self, timestamp: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let signed = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
        format!("v1={}", hex::encode(signed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fieldstone_vault::MemoryKeys;

    use super::*;

    #[test]
    fn a_signature_is_what_is_published() {
        let secret = Secret(Zeroizing::new("fswh_test".to_owned()));
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac fswh_test
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"fswh_test");
        let expected = hex::encode(hmac::sign(&key, b"1700000000.{}"));
        assert_eq!(secret.sign(1_700_000_000, "{}"), format!("v1={expected}"));
        assert_ne!(secret.sign(1_700_000_001, "{}"), format!("v1={expected}"));
    }

    #[test]
    fn a_secret_opens_for_its_webhook_alone() {
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let (tenant, hook) = (
            "00D000000000001".parse().unwrap(),
            "0WH000000000001".parse().unwrap(),
        );
        let secret = Secret::generate().unwrap();
        assert!(secret.reveal().len() > 40);
        let sealed = secret.seal(&vault, tenant, hook, 1).unwrap();
        let open = |tenant: &str, hook: &str, number| {
            Secret::open(&vault, (tenant, hook, number), &sealed)
                .map(|secret| secret.reveal().to_owned())
        };
        assert_eq!(
            open("00D000000000001", "0WH000000000001", 1).as_deref(),
            Some(secret.reveal())
        );
        assert_eq!(open("00D000000000002", "0WH000000000001", 1), None);
        assert_eq!(open("00D000000000001", "0WH000000000002", 1), None);
        assert_eq!(open("00D000000000001", "0WH000000000001", 2), None);
    }
}
