//! The secrets of the authorization server: 256 random bits behind a prefix that scanners for leaked secrets know.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::identity::{IdentityError, random};

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opens the API for a while.
    Access,
    /// Gets the next access token, once.
    Refresh,
    /// Gets the first tokens, once.
    Code,
    /// What a confidential application proves itself with.
    Client,
}

impl Kind {
    /// What its secrets start with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "fsa_",
            Self::Refresh => "fsr_",
            Self::Code => "fsc_",
            Self::Client => "fss_",
        }
    }
}

/// A secret that goes to an application, and is kept here as a hash.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A fresh one.
    pub fn generate(kind: Kind) -> Result<Self, IdentityError> {
        let random = Zeroizing::new(random::secret()?);
        Ok(Self::of(kind, &random))
    }

    /// What a request sent, if it has the shape of this kind.
    pub fn read(kind: Kind, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(kind.prefix())?;
        random::is_secret(rest).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The refresh token that replaces this one: HMAC-SHA256 of the salt under this secret.
    ///
    /// Who has only the token lacks the salt, who has only the database lacks the token; together they give the same successor again
    /// for as long as the salt is kept.
    #[must_use]
    pub fn successor(&self, salt: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, salt);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(tag.as_ref()));
        Self::of(Kind::Refresh, &text)
    }

    /// The whole of it, for whom it is made.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        random::hash(&self.0)
    }

    fn of(kind: Kind, random: &str) -> Self {
        Self(Zeroizing::new(format!("{}{random}", kind.prefix())))
    }
}

/// A salt for [`Secret::successor`].
pub(super) fn salt() -> Result<[u8; 32], IdentityError> {
    random::bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_its_own_kind_only() {
        let secret = Secret::generate(Kind::Access).unwrap();
        assert_eq!(
            Secret::read(Kind::Access, secret.expose()).unwrap().hash(),
            secret.hash()
        );
        for kind in [Kind::Refresh, Kind::Code, Kind::Client] {
            assert!(Secret::read(kind, secret.expose()).is_none());
        }
        assert!(Secret::read(Kind::Access, "fsa_short").is_none());
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }

    #[test]
    fn a_successor_comes_of_token_and_salt_together() {
        let (first, other) = (
            Secret::generate(Kind::Refresh).unwrap(),
            Secret::generate(Kind::Refresh).unwrap(),
        );
        let salt = salt().unwrap();
        let successor = first.successor(&salt);
        assert_eq!(first.successor(&salt).hash(), successor.hash());
        assert_ne!(other.successor(&salt).hash(), successor.hash());
        assert_ne!(first.successor(&[0; 32]).hash(), successor.hash());
        assert!(Secret::read(Kind::Refresh, successor.expose()).is_some());
    }
}
