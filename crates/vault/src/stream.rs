//! Sealed content of any length: AES-256-GCM in segments, each of which opens by itself and at its own place only.
//!
//! ```text
//! 1 byte   format, 0x02
//! 2 bytes  version of the data key
//! 32 bytes salt, random
//! 32 bytes commitment
//! then segments: 65,536 bytes of ciphertext (the last one may have fewer, down to none) and a tag of 16 bytes
//! ```
//!
//! HKDF-SHA256 makes the stream's own key and the commitment from the data key and the salt. A segment's nonce is seven zero bytes, its
//! number, and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so segments can't be
//! moved, repeated, left out or cut off at the end. The head is authenticated with every segment, together with the place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time::verify_slices_are_equal, rand};
use zeroize::Zeroizing;

use crate::{
    SecretKey, VaultError,
    key::{self, KEY_LEN, framed},
};

const FORMAT: u8 = 2;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Bytes before the first segment.
pub const HEAD_LEN: usize = 1 + 2 + SALT_LEN + COMMITMENT_LEN;
/// Bytes of content in a segment, save the last.
pub const SEGMENT_LEN: usize = 64 * 1024;
/// Bytes of such a segment once it is sealed.
pub const SEALED_SEGMENT_LEN: usize = SEGMENT_LEN + TAG_LEN;

/// The key of one stream, to seal or open its segments with.
pub struct Stream {
    key: LessSafeKey,
    head: [u8; HEAD_LEN],
    /// What is authenticated with every segment.
    data: Vec<u8>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    /// A new one, under a data key of this version, for the place that `data` says.
    pub fn begin(data_key: &SecretKey, version: u16, data: &[u8]) -> Result<Self, VaultError> {
        let mut salt = [0; SALT_LEN];
        rand::fill(&mut salt).map_err(|_| VaultError::Crypto)?;
        Self::derive(data_key, version, &salt, data)
    }

    /// The one that begins with `head`; [`VaultError::DoesNotOpen`] when it was sealed with another key.
    pub fn resume(
        data_key: &SecretKey,
        data: &[u8],
        head: &[u8; HEAD_LEN],
    ) -> Result<Self, VaultError> {
        let salt = head
            .get(3..)
            .and_then(|rest| rest.first_chunk::<SALT_LEN>())
            .ok_or(VaultError::NotSealed)?;
        let stream = Self::derive(data_key, version(head)?, salt, data)?;
        verify_slices_are_equal(&stream.head, head).map_err(|_| VaultError::DoesNotOpen)?;
        Ok(stream)
    }

    fn derive(
        data_key: &SecretKey,
        version: u16,
        salt: &[u8; SALT_LEN],
        data: &[u8],
    ) -> Result<Self, VaultError> {
        let mut out = Zeroizing::new([0; KEY_LEN + COMMITMENT_LEN]);
        key::fill(
            data_key.bytes(),
            salt,
            b"fieldstone stream 1",
            out.as_mut_slice(),
        )?;
        let (own, commitment) = out.split_at(KEY_LEN);
        let key = UnboundKey::new(&AES_256_GCM, own).map_err(|_| VaultError::Crypto)?;
        let text = [&[FORMAT][..], &version.to_be_bytes(), salt, commitment].concat();
        let head: [u8; HEAD_LEN] = text.try_into().map_err(|_| VaultError::Crypto)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            data: framed(&[&head, data]),
            head,
        })
    }

    /// What stands before the first segment. No secret.
    pub fn head(&self) -> &[u8; HEAD_LEN] {
        &self.head
    }

    /// Seals the segment of this number in place: at most [`SEGMENT_LEN`] bytes, exactly so many unless it is the last.
    ///
    /// A number is sealed once in a stream's life, never a second time with other content.
    pub fn seal(&self, number: u32, last: bool, segment: &mut Vec<u8>) -> Result<(), VaultError> {
        if segment.len() > SEGMENT_LEN || (!last && segment.len() != SEGMENT_LEN) {
            return Err(VaultError::Crypto);
        }
        self.key
            .seal_in_place_append_tag(nonce(number, last), Aad::from(&self.data), segment)
            .map_err(|_| VaultError::Crypto)
    }

    /// Opens the segment of this number in place; whether it is the last has to be known from the content's length.
    pub fn open<'a>(
        &self,
        number: u32,
        last: bool,
        segment: &'a mut [u8],
    ) -> Result<&'a mut [u8], VaultError> {
        self.key
            .open_in_place(nonce(number, last), Aad::from(&self.data), segment)
            .map_err(|_| VaultError::DoesNotOpen)
    }

    /// Seals all of `content`, head first.
    pub fn seal_all(&self, content: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut sealed = Vec::with_capacity(sealed_len(content.len()));
        sealed.extend_from_slice(&self.head);
        let segments = segments_of(content.len());
        for number in 0..segments {
            let rest = content.get(number * SEGMENT_LEN..).unwrap_or_default();
            let start = sealed.len();
            sealed.extend_from_slice(rest.get(..SEGMENT_LEN).unwrap_or(rest));
            let place = sealed.get_mut(start..).unwrap_or_default();
            let tag = self
                .key
                .seal_in_place_separate_tag(
                    nonce(counted(number)?, number + 1 == segments),
                    Aad::from(&self.data),
                    place,
                )
                .map_err(|_| VaultError::Crypto)?;
            sealed.extend_from_slice(tag.as_ref());
        }
        Ok(sealed)
    }

    /// Opens all segments, without the head, in place.
    pub fn open_all(&self, mut segments: Vec<u8>) -> Result<Vec<u8>, VaultError> {
        let len = segments.len();
        let count = len.div_ceil(SEALED_SEGMENT_LEN);
        if count == 0 {
            return Err(VaultError::NotSealed);
        }
        let mut written = 0;
        for number in 0..count {
            let start = number * SEALED_SEGMENT_LEN;
            let end = (start + SEALED_SEGMENT_LEN).min(len);
            let sealed = segments.get_mut(start..end).unwrap_or_default();
            let opened = self
                .open(counted(number)?, number + 1 == count, sealed)?
                .len();
            segments.copy_within(start..start + opened, written);
            written += opened;
        }
        segments.truncate(written);
        Ok(segments)
    }
}

/// How long `content` bytes are once they are sealed.
pub fn sealed_len(content: usize) -> usize {
    HEAD_LEN + content + segments_of(content) * TAG_LEN
}

fn segments_of(content: usize) -> usize {
    content.div_ceil(SEGMENT_LEN).max(1)
}

fn counted(number: usize) -> Result<u32, VaultError> {
    u32::try_from(number).map_err(|_| VaultError::Crypto)
}

/// The version of the data key that the stream needs.
pub(crate) fn version(head: &[u8; HEAD_LEN]) -> Result<u16, VaultError> {
    match head {
        [FORMAT, high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(VaultError::NotSealed),
    }
}

fn nonce(number: u32, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let [.., a, b, c, d, end] = &mut bytes;
    [*a, *b, *c, *d] = number.to_be_bytes();
    *end = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn byte(at: usize) -> u8 {
        u8::try_from(at % 251).unwrap()
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(byte).collect()
    }

    fn open(key: &SecretKey, data: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let head = sealed.first_chunk().ok_or(VaultError::NotSealed)?;
        Stream::resume(key, data, head)?.open_all(sealed[HEAD_LEN..].to_vec())
    }

    /// Computed with another implementation (Python's `cryptography`: HKDF, AESGCM) from the description at the top of this file.
    #[test]
    fn known_content_has_its_known_text() {
        let key = SecretKey::from_bytes(&core::array::from_fn::<u8, 32, _>(byte)).unwrap();
        let salt = core::array::from_fn(|at| 0x80 + byte(at));
        let stream = Stream::derive(&key, 7, &salt, b"a place").unwrap();
        let sealed = stream.seal_all(&content(SEGMENT_LEN + 5)).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sealed);
        let hex = digest
            .as_ref()
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(hex, include_str!("stream.hex").trim());
    }

    #[test]
    fn every_length_opens_again() {
        let key = SecretKey::generate().unwrap();
        for len in [
            0,
            1,
            SEGMENT_LEN - 1,
            SEGMENT_LEN,
            SEGMENT_LEN + 1,
            3 * SEGMENT_LEN,
        ] {
            let stream = Stream::begin(&key, 1, b"here").unwrap();
            let sealed = stream.seal_all(&content(len)).unwrap();
            assert_eq!(sealed.len(), sealed_len(len));
            assert_eq!(open(&key, b"here", &sealed).unwrap(), content(len), "{len}");
            assert!(matches!(
                open(&key, b"there", &sealed),
                Err(VaultError::DoesNotOpen)
            ));
        }
    }

    #[test]
    fn a_segment_opens_at_its_own_place_only() {
        let key = SecretKey::generate().unwrap();
        let stream = Stream::begin(&key, 1, b"here").unwrap();
        let sealed = stream.seal_all(&content(3 * SEGMENT_LEN)).unwrap();
        let segment = |number: usize| {
            let start = HEAD_LEN + number * SEALED_SEGMENT_LEN;
            sealed[start..start + SEALED_SEGMENT_LEN].to_vec()
        };
        let opened = stream.open(1, false, &mut segment(1)).unwrap().to_vec();
        assert_eq!(
            opened,
            content(3 * SEGMENT_LEN)[SEGMENT_LEN..2 * SEGMENT_LEN]
        );
        assert!(stream.open(0, false, &mut segment(1)).is_err());
        assert!(stream.open(1, true, &mut segment(1)).is_err());
        // Cut off after a segment, put in another order, or with one left out.
        for numbers in [&[0][..], &[0, 1], &[1, 0, 2], &[0, 2], &[0, 1, 1, 2], &[]] {
            let segments: Vec<u8> = numbers.iter().flat_map(|number| segment(*number)).collect();
            assert!(stream.open_all(segments).is_err(), "{numbers:?}");
        }
    }

    #[test]
    fn a_segment_of_the_wrong_length_is_not_sealed() {
        let stream = Stream::begin(&SecretKey::generate().unwrap(), 1, b"").unwrap();
        assert!(stream.seal(0, false, &mut vec![0; 10]).is_err());
        assert!(stream.seal(0, true, &mut vec![0; SEGMENT_LEN + 1]).is_err());
        assert!(stream.seal(0, true, &mut vec![0; 10]).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_changed_opens(
            len in 0_usize..300,
            data in prop::collection::vec(any::<u8>(), 0..20),
            version in any::<u16>(),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = SecretKey::generate().unwrap();
            let sealed = Stream::begin(&key, version, &data).unwrap().seal_all(&content(len)).unwrap();
            prop_assert_eq!(open(&key, &data, &sealed).unwrap(), content(len));
            prop_assert!(open(&SecretKey::generate().unwrap(), &data, &sealed).is_err());
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(open(&key, &data, &changed).is_err());
            prop_assert!(open(&key, &data, &sealed[..sealed.len() - 1]).is_err());
        }
    }
}
