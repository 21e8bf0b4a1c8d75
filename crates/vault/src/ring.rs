//! A tenant's keys: one per generation while a change of keys is under way, and the version of data keys that seals today.
//!
//! A version of data keys is a generation (its high byte) and a number in it (its low byte), so that what is sealed says which key it needs.
//! Blind indexes can't be made anew, since nobody keeps what they stand for: their keys are carried along when their generation goes.
//!
//! ```text
//! 32 bytes                                       a key as it was first made: generation 0, version 1
//! "FSR1", 2 bytes current, 2 bytes settled,      anything later
//! 32 bytes root of new blind indexes,
//! 1 byte count, (1 byte generation, 32 bytes key)…,
//! 1 byte count, (1 byte length, name, 32 bytes key)…    blind indexes of the first generation
//! ```

use zeroize::Zeroizing;

use crate::{Purpose, SecretKey, VaultError, key::KEY_LEN};

const MAGIC: &[u8; 4] = b"FSR1";
/// The first version of a generation.
const FIRST: u16 = 1;

/// The keys of one tenant.
#[derive(Debug, Clone)]
pub struct KeyRing {
    current: u16,
    settled: u16,
    /// Oldest first; never empty.
    generations: Vec<(u8, SecretKey)>,
    /// Blind indexes of purposes that the first change of keys didn't know.
    index_root: Option<SecretKey>,
    carried: Vec<(String, SecretKey)>,
}

/// Which versions there are; says nothing of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingState {
    /// The version that seals.
    pub current: u16,
    /// The version that everything had when a change of keys was last finished.
    pub settled: u16,
    /// How many generations of keys are kept.
    pub generations: usize,
}

impl RingState {
    /// Whether something may still be sealed under an older version.
    pub fn is_under_way(&self) -> bool {
        self.current != self.settled
    }
}

impl KeyRing {
    /// A first key.
    pub(crate) fn generate() -> Result<Self, VaultError> {
        Ok(Self::first(SecretKey::generate()?))
    }

    fn first(key: SecretKey) -> Self {
        Self {
            current: FIRST,
            settled: FIRST,
            generations: vec![(0, key)],
            index_root: None,
            carried: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> RingState {
        RingState {
            current: self.current,
            settled: self.settled,
            generations: self.generations.len(),
        }
    }

    /// The version that seals.
    pub(crate) fn current(&self) -> u16 {
        self.current
    }

    /// The data keys of this version, for this purpose.
    pub(crate) fn data_key(&self, purpose: Purpose, version: u16) -> Result<SecretKey, VaultError> {
        let [generation, _] = version.to_be_bytes();
        let mut kept = self.generations.iter();
        let (_, key) = kept
            .find(|(kept, _)| *kept == generation)
            .ok_or(VaultError::DoesNotOpen)?;
        key.derive(
            b"",
            &[
                b"fieldstone data key 1",
                purpose.name(),
                &version.to_be_bytes(),
            ],
        )
    }

    /// The key of blind indexes for this purpose: the same for ever.
    pub(crate) fn index_key(&self, purpose: Purpose) -> Result<SecretKey, VaultError> {
        let mut carried = self.carried.iter();
        if let Some((_, key)) = carried.find(|(name, _)| name.as_bytes() == purpose.name()) {
            return Ok(key.clone());
        }
        match (&self.index_root, self.generations.first()) {
            (Some(root), _) => index_key(root, purpose),
            (None, Some((_, first))) => index_key(first, purpose),
            (None, None) => Err(VaultError::NoKey),
        }
    }

    /// The next version of data keys, under the same tenant key.
    pub(crate) fn with_new_data_keys(&self) -> Result<Self, VaultError> {
        let mut next = self.clone();
        let [generation, number] = self.current.to_be_bytes();
        let number = number.checked_add(1).ok_or(VaultError::WornOut)?;
        next.current = u16::from_be_bytes([generation, number]);
        Ok(next)
    }

    /// A new tenant key, and with it new data keys. `indexes` are the purposes of the blind indexes there are.
    pub(crate) fn with_new_key(&self, indexes: &[Purpose]) -> Result<Self, VaultError> {
        let mut next = self.clone();
        let [generation, _] = self.current.to_be_bytes();
        let generation = generation.checked_add(1).ok_or(VaultError::WornOut)?;
        if next.index_root.is_none() {
            for purpose in indexes {
                let name = String::from_utf8_lossy(purpose.name()).into_owned();
                next.carried.push((name, self.index_key(*purpose)?));
            }
            next.index_root = Some(SecretKey::generate()?);
        }
        let [_, first] = FIRST.to_be_bytes();
        next.generations.push((generation, SecretKey::generate()?));
        next.current = u16::from_be_bytes([generation, first]);
        Ok(next)
    }

    /// The same without the keys that nothing is sealed under any more.
    pub(crate) fn settle(&self) -> Self {
        let mut next = self.clone();
        let [current, _] = self.current.to_be_bytes();
        next.generations
            .retain(|(generation, _)| *generation == current);
        next.settled = self.current;
        next
    }

    /// As it is kept, sealed under the root key.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        match (self.generations.as_slice(), &self.index_root) {
            ([(0, key)], None) if self.current == FIRST && self.settled == FIRST => {
                bytes.extend_from_slice(key.bytes());
            }
            (generations, root) => {
                bytes.extend_from_slice(MAGIC);
                bytes.extend_from_slice(&self.current.to_be_bytes());
                bytes.extend_from_slice(&self.settled.to_be_bytes());
                match root {
                    Some(root) => bytes.extend_from_slice(root.bytes()),
                    // All zero stands for none; no random key is that.
                    None => bytes.extend_from_slice(&[0; KEY_LEN]),
                }
                bytes.push(u8::try_from(generations.len()).unwrap_or(u8::MAX));
                for (generation, key) in generations {
                    bytes.push(*generation);
                    bytes.extend_from_slice(key.bytes());
                }
                bytes.push(u8::try_from(self.carried.len()).unwrap_or(u8::MAX));
                for (name, key) in &self.carried {
                    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                    bytes.extend_from_slice(name.as_bytes());
                    bytes.extend_from_slice(key.bytes());
                }
            }
        }
        bytes
    }

    /// The one that [`Self::to_bytes`] made.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some(key) = SecretKey::from_bytes(bytes) {
            return Some(Self::first(key));
        }
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let current = u16::from_be_bytes(*take::<2>(&mut rest)?);
        let settled = u16::from_be_bytes(*take::<2>(&mut rest)?);
        let root = take::<KEY_LEN>(&mut rest)?;
        let index_root = if root == &[0; KEY_LEN] {
            None
        } else {
            SecretKey::from_bytes(root)
        };
        let mut generations = Vec::new();
        let [count] = *take::<1>(&mut rest)?;
        for _ in 0..count {
            let [generation] = *take::<1>(&mut rest)?;
            generations.push((
                generation,
                SecretKey::from_bytes(take::<KEY_LEN>(&mut rest)?)?,
            ));
        }
        let mut carried = Vec::new();
        let [count] = *take::<1>(&mut rest)?;
        for _ in 0..count {
            let [length] = *take::<1>(&mut rest)?;
            let (name, after) = rest.split_at_checked(length.into())?;
            rest = after;
            let name = str::from_utf8(name).ok()?.to_owned();
            carried.push((name, SecretKey::from_bytes(take::<KEY_LEN>(&mut rest)?)?));
        }
        let [newest, _] = current.to_be_bytes();
        let whole = rest.is_empty()
            && generations
                .iter()
                .any(|(generation, _)| *generation == newest);
        whole.then_some(Self {
            current,
            settled,
            generations,
            index_root,
            carried,
        })
    }
}

fn index_key(key: &SecretKey, purpose: Purpose) -> Result<SecretKey, VaultError> {
    key.derive(b"", &[b"fieldstone blind index 1", purpose.name()])
}

/// Takes so many bytes off the front.
fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODES: Purpose = Purpose::new("codes");
    const LATER: Purpose = Purpose::new("later");
    const DATA: Purpose = Purpose::new("data");

    fn key(ring: &KeyRing, version: u16) -> Option<Vec<u8>> {
        ring.data_key(DATA, version)
            .ok()
            .map(|key| key.bytes().to_vec())
    }

    fn index(ring: &KeyRing, purpose: Purpose) -> Vec<u8> {
        ring.index_key(purpose).unwrap().bytes().to_vec()
    }

    fn again(ring: &KeyRing) -> KeyRing {
        KeyRing::from_bytes(&ring.to_bytes()).unwrap()
    }

    #[test]
    fn old_versions_open_until_the_change_is_settled() {
        let first = KeyRing::generate().unwrap();
        assert_eq!(first.to_bytes().len(), 32);
        assert!(!first.state().is_under_way());
        let data = again(&first.with_new_data_keys().unwrap());
        assert_eq!(data.current(), 2);
        assert!(data.state().is_under_way());
        assert_eq!(key(&data, 1), key(&first, 1));
        assert_ne!(key(&data, 2), key(&data, 1));

        let second = again(&data.with_new_key(&[CODES]).unwrap());
        assert_eq!(second.current(), 0x0101);
        assert_eq!(key(&second, 2), key(&data, 2));
        assert_ne!(key(&second, 0x0101), key(&second, 2));
        let settled = again(&second.settle());
        assert!(!settled.state().is_under_way());
        assert_eq!(key(&settled, 1), None);
        assert_eq!(key(&settled, 0x0101), key(&second, 0x0101));

        // What codes and other values are found by stays the same, although the key it came from is gone.
        let third = again(&settled.with_new_key(&[CODES, LATER]).unwrap().settle());
        assert_eq!(index(&third, CODES), index(&first, CODES));
        assert_eq!(index(&third, LATER), index(&settled, LATER));
        assert_ne!(index(&third, LATER), index(&third, CODES));
    }

    #[test]
    fn versions_end_without_starting_over() {
        let mut ring = KeyRing::generate().unwrap();
        for _ in 1..255 {
            ring = ring.with_new_data_keys().unwrap();
        }
        assert!(matches!(
            ring.with_new_data_keys(),
            Err(VaultError::WornOut)
        ));
        for _ in 0..255 {
            ring = ring.with_new_key(&[]).unwrap().settle();
        }
        assert!(matches!(ring.with_new_key(&[]), Err(VaultError::WornOut)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_stumble(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let _ = KeyRing::from_bytes(&bytes);
            let _ = KeyRing::from_bytes(&[MAGIC.as_slice(), &bytes].concat());
            let whole = KeyRing::generate().unwrap().with_new_key(&[CODES]).unwrap().to_bytes();
            let cut = cut.index(whole.len());
            prop_assert!(KeyRing::from_bytes(&whole[..cut]).is_none() || cut == 32);
        }
    }
}
