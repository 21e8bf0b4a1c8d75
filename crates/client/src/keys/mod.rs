//! The key of a login: 256 bits from the operating system, from which everything on the device is encrypted.
//!
//! A key is made at login, belongs to one user and one login, and is never written to a file. Memory that held it is wiped.

use aws_lc_rs::{hkdf, rand};
use fieldstone_guard::{Secret, hidden};
use zeroize::Zeroizing;

/// Length of every key in bytes.
pub const KEY_LEN: usize = 32;

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The operating system gave no random numbers. Try again, or restart the device.")]
pub struct NoRandomness;

/// The key of one login, in memory that is never swapped out or dumped, and wiped when the key goes or a threat is found.
pub struct LoginKey(Secret<KEY_LEN>);

/// What a derived key is for. Keys of different purposes tell nothing about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The files of attachments.
    Attachments,
    /// The private half of the login's key pair, as it lies in the keystore beside nothing else.
    Journal,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Attachments => hidden!("fieldstone device attachments v1").as_bytes(),
            Self::Journal => hidden!("fieldstone device journal v1").as_bytes(),
        }
    }
}

impl LoginKey {
    /// A fresh key from the operating system's generator.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut key = Self(Secret::new());
        rand::fill(key.0.bytes_mut()).map_err(|_| NoRandomness)?;
        Ok(key)
    }

    /// The key from the bytes that a keystore held; `None` when they are no key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LEN {
            return None;
        }
        let mut key = Self(Secret::new());
        key.0.bytes_mut().copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes, for a keystore.
    pub fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.bytes()
    }

    /// The statement that gives a connection this key, as SQLCipher wants a raw one.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        pragma(hidden!("PRAGMA key = \"x'"), self.0.bytes())
    }

    /// A statement of the same form and length that does nothing: SQLite passes over a pragma that it doesn't know.
    pub(crate) fn pragma_of_nothing() -> Zeroizing<String> {
        pragma("PRAGMA nil = \"x'", &[0; KEY_LEN])
    }

    /// A key for one purpose and one thing (HKDF-SHA256, RFC 5869).
    pub fn derive(
        &self,
        purpose: Purpose,
        thing: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, NoRandomness> {
        let mut derived = Zeroizing::new([0; KEY_LEN]);
        let info = [purpose.label(), thing];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(self.0.bytes())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(derived.as_mut_slice()))
            .map_err(|_| NoRandomness)?;
        Ok(derived)
    }
}

impl Clone for LoginKey {
    fn clone(&self) -> Self {
        let mut copy = Secret::new();
        copy.bytes_mut().copy_from_slice(self.0.bytes());
        Self(copy)
    }
}

fn pragma(beginning: &str, bytes: &[u8; KEY_LEN]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(String::with_capacity(96));
    text.push_str(beginning);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(
                DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0'),
            ));
        }
    }
    text.push_str("'\"");
    text
}

impl std::fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_say_nothing() {
        let (one, other) = (LoginKey::generate().unwrap(), LoginKey::generate().unwrap());
        assert_ne!(one.bytes(), other.bytes());
        assert_eq!(format!("{one:?}"), "LoginKey(…)");
        assert_eq!(one.pragma().len(), "PRAGMA key = \"x''\"".len() + 64);
        assert_eq!(one.pragma().len(), LoginKey::pragma_of_nothing().len());
        assert!(LoginKey::from_bytes(&[0; 31]).is_none());
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_thing() {
        let key = LoginKey::from_bytes(&[7; 32]).unwrap();
        let derive = |purpose, thing: &[u8]| *key.derive(purpose, thing).unwrap();
        let one = derive(Purpose::Attachments, b"a");
        assert_eq!(one, derive(Purpose::Attachments, b"a"));
        assert_ne!(one, derive(Purpose::Attachments, b"b"));
        assert_ne!(one, derive(Purpose::Journal, b"a"));
    }
}
