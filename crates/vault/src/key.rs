//! A 256-bit key that is wiped when it is let go and never printed.

use std::fmt;

use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use crate::VaultError;

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;

/// 256 secret bits.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_LEN]>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// A fresh one.
    pub fn generate() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| VaultError::Crypto)?;
        Ok(Self(bytes))
    }

    /// The one with these bytes; `None` unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        if bytes.len() != KEY_LEN {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// A key of its own for what `info` says (HKDF-SHA256, RFC 5869).
    ///
    /// The parts of `info` are told apart by their lengths, so that no two lists of parts are the same text.
    pub(crate) fn derive(&self, salt: &[u8], info: &[&[u8]]) -> Result<Self, VaultError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        fill(self.bytes(), salt, &framed(info), key.as_mut_slice())?;
        Ok(Self(key))
    }
}

/// Fills `out` with HKDF-SHA256's output.
pub(crate) fn fill(key: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), VaultError> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = Length(out.len());
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(&[info], length)
        .and_then(|okm| okm.fill(out))
        .map_err(|_| VaultError::Crypto)
}

/// Parts with their lengths before them, four bytes each, largest first.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        // No part comes near 4 GiB; one that did would collide with nothing shorter.
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        text.extend_from_slice(&len.to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 5869, test case 1.
    #[test]
    fn derivation_is_the_standard_one() {
        let mut out = [0; 42];
        let key = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
        let salt = unhex("000102030405060708090a0b0c");
        fill(&key, &salt, &unhex("f0f1f2f3f4f5f6f7f8f9"), &mut out).unwrap();
        let wanted =
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(out.as_slice(), unhex(wanted));
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
        assert_ne!(framed(&[b"a"]), framed(&[b"a", b""]));
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = SecretKey::from_bytes(&[0x41; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
        assert!(SecretKey::from_bytes(&[0; 31]).is_none());
    }
}
