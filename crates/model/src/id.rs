//! Record ids: 15 characters that say their object and sort by time, and that any device can make offline.
//!
//! Three characters of object prefix, seven base-62 digits of milliseconds since 2020-01-01, five random digits.
//! Digits are in ASCII order (`0-9A-Za-z`), so byte order is time order. An id is never a capability.

use std::{fmt, str::FromStr, sync::Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 2020-01-01T00:00:00Z in milliseconds of the Unix epoch.
const EPOCH_MS: i64 = 1_577_836_800_000;
/// 2130-01-01T00:00:00Z, the last instant that an id can carry (62⁷ ms reach a little further).
const LAST_MS: i64 = 5_049_129_600_000;
/// 62⁵: how many ids one object can have within a millisecond.
const RANDOM_SPAN: u64 = 916_132_832;
/// Length of an id in bytes.
pub const ID_LEN: usize = 15;

/// The id of one record, e.g. `0061kQh2S0a8Xbd`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; ID_LEN]);

/// Why a text is not a record id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 15 letters and digits (or 18 with its checksum)")]
pub struct InvalidId;

impl RecordId {
    /// Composes an id from its parts; time is clamped to 2020…2130 and `random` taken modulo 62⁵.
    pub fn compose(prefix: [u8; 3], at: Timestamp, random: u64) -> Self {
        let ms = at.as_millisecond().clamp(EPOCH_MS, LAST_MS) - EPOCH_MS;
        Self::from_parts(prefix, ms.unsigned_abs(), random)
    }

    fn from_parts(prefix: [u8; 3], ms: u64, random: u64) -> Self {
        let mut bytes = [b'0'; ID_LEN];
        let (head, tail) = bytes.split_at_mut(3);
        head.copy_from_slice(&prefix);
        let (time, noise) = tail.split_at_mut(7);
        write_base62(time, ms);
        write_base62(noise, random % RANDOM_SPAN);
        Self(bytes)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Only base-62 digits are ever stored, so this cannot fail; an empty text would be refused everywhere.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The three characters that say which object the record belongs to.
    pub fn prefix(&self) -> &str {
        self.as_str().get(..3).unwrap_or_default()
    }

    /// The Salesforce form: the id and its 3-character checksum, 18 characters.
    pub fn with_checksum(&self) -> String {
        const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
        let mut text = self.as_str().to_owned();
        for part in self.0.chunks(5) {
            let bits = part
                .iter()
                .enumerate()
                .filter(|(_, byte)| byte.is_ascii_uppercase())
                .fold(0_usize, |bits, (at, _)| bits | 1 << at);
            text.push(char::from(CHECK.get(bits).copied().unwrap_or(b'A')));
        }
        text
    }
}

impl FromStr for RecordId {
    type Err = InvalidId;

    /// Accepts the 15-character form and the 18-character form with a right checksum.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        let body: [u8; ID_LEN] = bytes
            .get(..ID_LEN)
            .and_then(|b| b.try_into().ok())
            .ok_or(InvalidId)?;
        if !body.iter().all(u8::is_ascii_alphanumeric) {
            return Err(InvalidId);
        }
        let id = Self(body);
        match bytes.len() {
            ID_LEN => Ok(id),
            18 if id.with_checksum() == text => Ok(id),
            _ => Err(InvalidId),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RecordId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn write_base62(into: &mut [u8], mut number: u64) {
    for slot in into.iter_mut().rev() {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        *slot = DIGITS.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
}

/// Makes ids that never go backwards within one process.
///
/// Within a millisecond the random part is incremented; when that runs over, the time part is.
#[derive(Debug, Default)]
pub struct IdSource {
    last: Mutex<(u64, u64)>,
}

impl IdSource {
    /// The next id for `prefix` at `now`; `random` is fresh randomness from the caller.
    pub fn next(&self, prefix: [u8; 3], now: Timestamp, random: u64) -> RecordId {
        let ms = (now.as_millisecond().clamp(EPOCH_MS, LAST_MS) - EPOCH_MS).unsigned_abs();
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last_ms, last_random) = *last;
        *last = if ms > last_ms {
            (ms, random % RANDOM_SPAN)
        } else if last_random + 1 < RANDOM_SPAN {
            (last_ms, last_random + 1)
        } else {
            (last_ms + 1, random % RANDOM_SPAN)
        };
        RecordId::from_parts(prefix, last.0, last.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_forms_and_refuses_a_wrong_checksum() {
        let id: RecordId = "001D000000IqhSL".parse().unwrap();
        assert_eq!(id.with_checksum(), "001D000000IqhSLIAZ");
        assert_eq!("001D000000IqhSLIAZ".parse(), Ok(id));
        assert_eq!("001D000000IqhSLIAA".parse::<RecordId>(), Err(InvalidId));
        assert_eq!("001D000000Iqh-L".parse::<RecordId>(), Err(InvalidId));
        assert_eq!("".parse::<RecordId>(), Err(InvalidId));
    }

    #[test]
    fn stays_in_order_within_a_millisecond_and_when_the_clock_steps_back() {
        let source = IdSource::default();
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let earlier: Timestamp = "2026-03-01T11:00:00Z".parse().unwrap();
        let first = source.next(*b"006", now, RANDOM_SPAN - 1);
        let second = source.next(*b"006", now, 7);
        let third = source.next(*b"006", earlier, 7);
        assert!(first < second && second < third);
    }

    proptest! {
        #[test]
        fn byte_order_is_time_order(a in 0_i64..3_400_000_000_000, b in 0_i64..3_400_000_000_000, r in any::<u64>()) {
            let at = |ms| RecordId::compose(*b"001", Timestamp::from_millisecond(EPOCH_MS + ms).unwrap(), r);
            prop_assert_eq!(a.cmp(&b), at(a).cmp(&at(b)));
        }

        #[test]
        fn text_round_trip(ms in 0_i64..3_400_000_000_000, r in any::<u64>()) {
            let id = RecordId::compose(*b"a01", Timestamp::from_millisecond(EPOCH_MS + ms).unwrap(), r);
            prop_assert_eq!(id.as_str().parse::<RecordId>().unwrap(), id);
            prop_assert_eq!(id.with_checksum().parse::<RecordId>().unwrap(), id);
        }
    }
}
