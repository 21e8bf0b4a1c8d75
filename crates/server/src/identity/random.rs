//! Secrets from the operating system's random source, and their hashes.

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_model::{IdSource, RecordId};
use jiff::Timestamp;

use super::IdentityError;

/// Length of a secret's text: 256 bits in base64.
pub(crate) const SECRET_LEN: usize = 43;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| IdentityError::Crypto)?;
    Ok(bytes)
}

/// 256 random bits as URL-safe text.
pub(crate) fn secret() -> Result<String, IdentityError> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}

/// Whether `text` has the shape of [`secret`]'s; anything else needs no look-up.
pub(crate) fn is_secret(text: &str) -> bool {
    text.len() == SECRET_LEN
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What is stored of a secret. It has 256 bits of its own, so a plain hash is enough.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

/// A new record id.
pub(crate) fn id(
    ids: &IdSource,
    prefix: [u8; 3],
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    Ok(ids.next(prefix, now, u64::from_ne_bytes(bytes::<8>()?)))
}
