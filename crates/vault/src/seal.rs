//! One sealed value: AES-256-GCM under a key of its own, with a commitment to that key.
//!
//! ```text
//! 1 byte   format, 0x01
//! 2 bytes  version of the data key
//! 32 bytes salt, random
//! 32 bytes commitment
//! n bytes  ciphertext
//! 16 bytes tag
//! ```
//!
//! HKDF-SHA256 makes the value's own key and the commitment from the data key and the salt, so no key seals twice: the nonce is zero, and no
//! number of messages wears a data key out. The commitment makes a text open under one key only, which GCM alone doesn't promise. What
//! stands before the ciphertext is authenticated together with the place.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    rand,
};
use zeroize::Zeroizing;

use crate::{
    SecretKey, VaultError,
    key::{self, KEY_LEN, framed},
};

pub(crate) const FORMAT: u8 = 1;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const HEAD_LEN: usize = 1 + 2 + SALT_LEN + COMMITMENT_LEN;
const TAG_LEN: usize = 16;

/// What one value is sealed with.
struct Own {
    key: LessSafeKey,
    commitment: [u8; COMMITMENT_LEN],
}

impl Own {
    fn derive(data_key: &SecretKey, salt: &[u8]) -> Result<Self, VaultError> {
        let mut out = Zeroizing::new([0; KEY_LEN + COMMITMENT_LEN]);
        key::fill(
            data_key.bytes(),
            salt,
            b"fieldstone seal 1",
            out.as_mut_slice(),
        )?;
        let (own, committed) = out.split_at(KEY_LEN);
        let key = UnboundKey::new(&AES_256_GCM, own).map_err(|_| VaultError::Crypto)?;
        let mut commitment = [0; COMMITMENT_LEN];
        commitment.copy_from_slice(committed);
        Ok(Self {
            key: LessSafeKey::new(key),
            commitment,
        })
    }
}

/// Seals `value` under a data key of this version, for the place that `data` says.
pub(crate) fn seal(
    data_key: &SecretKey,
    version: u16,
    data: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt).map_err(|_| VaultError::Crypto)?;
    seal_with(data_key, version, &salt, data, value)
}

fn seal_with(
    data_key: &SecretKey,
    version: u16,
    salt: &[u8; SALT_LEN],
    data: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let own = Own::derive(data_key, salt)?;
    let mut sealed = Vec::with_capacity(HEAD_LEN + value.len() + TAG_LEN);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&version.to_be_bytes());
    sealed.extend_from_slice(salt);
    sealed.extend_from_slice(&own.commitment);
    let data = framed(&[&sealed, data]);
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() + TAG_LEN));
    text.extend_from_slice(value);
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    own.key
        .seal_in_place_append_tag(nonce, Aad::from(data), &mut *text)
        .map_err(|_| VaultError::Crypto)?;
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

/// The version of the data key that `sealed` needs.
pub(crate) fn version(sealed: &[u8]) -> Result<u16, VaultError> {
    match sealed {
        [FORMAT, high, low, ..] if sealed.len() >= HEAD_LEN + TAG_LEN => {
            Ok(u16::from_be_bytes([*high, *low]))
        }
        _ => Err(VaultError::NotSealed),
    }
}

/// Opens what [`seal`] made for the same place with the same key.
pub(crate) fn open(
    data_key: &SecretKey,
    data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    version(sealed)?;
    let (head, text) = sealed
        .split_at_checked(HEAD_LEN)
        .ok_or(VaultError::NotSealed)?;
    let (salt, commitment) = head
        .get(3..)
        .and_then(|rest| rest.split_at_checked(SALT_LEN))
        .ok_or(VaultError::NotSealed)?;
    let own = Own::derive(data_key, salt)?;
    verify_slices_are_equal(&own.commitment, commitment).map_err(|_| VaultError::DoesNotOpen)?;
    let data = framed(&[head, data]);
    let mut text = Zeroizing::new(text.to_vec());
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let len = own
        .key
        .open_in_place(nonce, Aad::from(data), &mut text)
        .map_err(|_| VaultError::DoesNotOpen)?
        .len();
    text.truncate(len);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    fn byte(at: usize) -> u8 {
        u8::try_from(at).unwrap()
    }

    /// Computed with another implementation (Python's `cryptography`: HKDF, AESGCM) from the description at the top of this file.
    #[test]
    fn a_known_value_has_its_known_text() {
        let key = SecretKey::from_bytes(&core::array::from_fn::<u8, 32, _>(byte)).unwrap();
        let salt = core::array::from_fn(|at| 0x80 + byte(at));
        let sealed = seal_with(&key, 7, &salt, b"a place", b"a value").unwrap();
        assert_eq!(hex(&sealed), include_str!("known.hex").trim());
        assert_eq!(&*open(&key, b"a place", &sealed).unwrap(), b"a value");
        assert_eq!(version(&sealed).unwrap(), 7);
    }

    #[test]
    fn short_texts_are_not_sealed_values() {
        let key = SecretKey::generate().unwrap();
        let sealed = seal(&key, 1, b"", b"").unwrap();
        assert_eq!(sealed.len(), HEAD_LEN + TAG_LEN);
        assert!(open(&key, b"", &sealed).is_ok());
        for len in 0..sealed.len() {
            assert!(
                matches!(open(&key, b"", &sealed[..len]), Err(VaultError::NotSealed)),
                "{len}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_nothing_else_does(
            value in prop::collection::vec(any::<u8>(), 0..200),
            data in prop::collection::vec(any::<u8>(), 0..60),
            other in prop::collection::vec(any::<u8>(), 0..60),
            version in any::<u16>(),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = SecretKey::generate().unwrap();
            let sealed = seal(&key, version, &data, &value).unwrap();
            prop_assert_eq!(&*open(&key, &data, &sealed).unwrap(), &value);
            prop_assert_ne!(seal(&key, version, &data, &value).unwrap(), sealed.clone());
            if other != data {
                prop_assert!(open(&key, &other, &sealed).is_err());
            }
            prop_assert!(open(&SecretKey::generate().unwrap(), &data, &sealed).is_err());
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(open(&key, &data, &changed).is_err());
        }
    }
}
