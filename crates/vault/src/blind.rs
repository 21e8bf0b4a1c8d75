//! Blind indexes: a keyed hash that finds equal values without telling them (HMAC-SHA256).

use aws_lc_rs::hmac;

use crate::{SecretKey, key::framed};

/// The hash of `value` within the context that `parts` say.
pub(crate) fn index(key: &SecretKey, parts: &[&[u8]], value: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
    let text = framed(&[&framed(parts), value]);
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(&key, &text).as_ref());
    hash
}
