//! Tags: 64 bits that name one version of one row as one device may see it, and the blinded names of rows that left its scope.

use std::fmt;

use fieldstone_model::RecordId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// Names one version of one row, with the fields that are withheld from its reader.
///
/// Two rows that differ have different tags; a row whose withheld fields change gets another tag, though nobody wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tag(pub u64);

impl Tag {
    /// The tag of the version that the database calls `row_tag`, for a reader from whom the fields of `withheld` are kept.
    pub fn new(row_tag: i64, withheld: Withheld) -> Self {
        // The finalizer of SplitMix64: a bijection, so that different rows never share a tag within one set of withheld fields.
        let mut mixed = row_tag.cast_unsigned() ^ withheld.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }
}

/// Stands for the set of one object's fields that a reader may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Withheld(u64);

impl Withheld {
    /// The fields of `object` that are withheld, in any order.
    pub fn new<'a>(object: &str, fields: impl IntoIterator<Item = &'a str>) -> Self {
        let mut fields: Vec<&str> = fields.into_iter().collect();
        if fields.is_empty() {
            return Self::default();
        }
        fields.sort_unstable();
        let mut hash = Sha256::new_with_prefix(object.as_bytes());
        for field in fields {
            hash.update([0]);
            hash.update(field.as_bytes());
        }
        Self(first_64_bits(&hash.finalize()))
    }
}

/// A row's name as only a device with its [`BlindKey`] recognises it: says to the device that a row left, and to nobody which one.
///
/// The platform can't know which of the changed rows outside the scope a device still has, so it names them all. Blinded, they tell a
/// device how many records changed and not which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blind(pub u64);

/// The key of one device's blinded names; made by the platform when the device is registered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlindKey(pub [u8; 16]);

impl BlindKey {
    /// The blinded name of `id`.
    pub fn blind(&self, id: RecordId) -> Blind {
        let hash = Sha256::new_with_prefix(self.0)
            .chain_update(id.as_str().as_bytes())
            .finalize();
        Blind(first_64_bits(&hash))
    }
}

fn first_64_bits(hash: &[u8]) -> u64 {
    hash.iter()
        .take(8)
        .fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

macro_rules! sixteen_hex_digits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let bits = u64::from_str_radix(&text, 16).ok().filter(|_| plain);
                bits.map(Self)
                    .ok_or_else(|| D::Error::custom("not sixteen hexadecimal digits"))
            }
        }
    };
}

sixteen_hex_digits!(Tag);
sixteen_hex_digits!(Blind);

impl fmt::Debug for BlindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindKey")
    }
}

impl Serialize for BlindKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl<'de> Deserialize<'de> for BlindKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u128::from_str_radix(&text, 16).ok().filter(|_| plain);
        bits.map(|bits| Self(bits.to_be_bytes()))
            .ok_or_else(|| D::Error::custom("not thirty-two hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_the_row_and_with_what_is_withheld() {
        let none = Withheld::new("deal", []);
        let amount = Withheld::new("deal", ["amount"]);
        let both = Withheld::new("deal", ["probability", "amount"]);
        assert_eq!(both, Withheld::new("deal", ["amount", "probability"]));
        let tags = [
            Tag::new(7, none),
            Tag::new(8, none),
            Tag::new(7, amount),
            Tag::new(7, both),
        ];
        for (at, tag) in tags.iter().enumerate() {
            assert!(!tags[..at].contains(tag));
        }
        // Withholding a field from an even number of rows changes the sum of their tags.
        let sum = |withheld| Tag::new(7, withheld).0 ^ Tag::new(8, withheld).0;
        assert_ne!(sum(none), sum(amount));
    }

    #[test]
    fn two_devices_see_different_blinded_names() {
        let id: RecordId = "001D000000IqhSL".parse().unwrap();
        assert_ne!(BlindKey([1; 16]).blind(id), BlindKey([2; 16]).blind(id));
        // Part of the protocol: devices in the field compute the same.
        assert_eq!(BlindKey([1; 16]).blind(id).to_string(), "ba3faed557514d2c");
        assert_eq!(
            Tag::new(7, Withheld::default()).to_string(),
            "12ae30237b17df14"
        );
    }

    #[test]
    fn only_whole_numbers_of_digits_are_read() {
        for bad in [
            "\"\"",
            "\"12\"",
            "\"+123456789abcdef\"",
            "\"0123456789abcdefg\"",
            "12",
        ] {
            assert!(serde_json::from_str::<Tag>(bad).is_err(), "{bad}");
        }
        let key = BlindKey(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, "\"000102030405060708090a0b0c0d0e0f\"");
        assert_eq!(serde_json::from_str::<BlindKey>(&text).unwrap(), key);
    }
}
