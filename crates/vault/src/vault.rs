//! The vault: seals and opens small values, and makes blind indexes, each under its tenant's keys.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use crate::{
    KeyRing, KeySource, Place, Progress, Purpose, RingState, Stream, VaultError, Witness, blind,
    seal, stream,
};

/// For how long keys are used without asking whether they have changed or were destroyed. While the source can't be asked, for longer.
const FRESH: Duration = Duration::from_secs(10);

/// A sealed value, as a table keeps it.
pub type Sealed = Vec<u8>;

/// Tenants' keys that have been used.
#[derive(Default)]
struct Known {
    /// With when they were asked for.
    rings: HashMap<String, (Arc<KeyRing>, Instant)>,
    /// How often some were forgotten: what was asked for before that isn't remembered after it.
    forgotten: u64,
}

/// Seals, opens, indexes. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    keys: Arc<dyn KeySource>,
    /// Gone with the process, and with [`Vault::destroy`]. Never locked while the source is asked, which may take its time.
    known: Arc<RwLock<Known>>,
    fresh: Duration,
    /// Asked before keys are made.
    witness: Option<Arc<dyn Witness>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault over this source of keys.
    pub fn new(keys: Arc<dyn KeySource>) -> Self {
        Self {
            keys,
            known: Arc::default(),
            fresh: FRESH,
            witness: None,
        }
    }

    /// The same, which makes no keys for a tenant of whom something is sealed already: those that it was sealed under are lost then, and
    /// others would hide that.
    #[must_use]
    pub fn beside(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    fn may_make(&self, tenant: &str) -> Result<(), VaultError> {
        match &self.witness {
            Some(witness) if witness.has_sealed(tenant)? => Err(VaultError::KeysLost),
            _ => Ok(()),
        }
    }

    /// For how long keys are used without asking again; whoever changes them waits that long.
    pub fn freshness(&self) -> Duration {
        self.fresh
    }

    /// Seals a small value for its place. Makes the tenant's key if it has none yet.
    pub fn seal(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        value: &[u8],
    ) -> Result<Sealed, VaultError> {
        let ring = self.ring(place.tenant, true)?;
        let version = ring.current();
        seal::seal(
            &ring.data_key(purpose, version)?,
            version,
            &place.data(),
            value,
        )
    }

    /// Opens what was sealed for the same purpose and place.
    pub fn open(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let version = seal::version(sealed)?;
        self.with_version(place.tenant, version, |ring| {
            seal::open(&ring.data_key(purpose, version)?, &place.data(), sealed)
        })
    }

    /// A stream to seal content of any length with, for its place. Makes the tenant's key if it has none yet.
    pub fn begin_stream(&self, purpose: Purpose, place: &Place<'_>) -> Result<Stream, VaultError> {
        let ring = self.ring(place.tenant, true)?;
        let version = ring.current();
        Stream::begin(&ring.data_key(purpose, version)?, version, &place.data())
    }

    /// The stream that begins with `head`, sealed for the same purpose and place, to open its segments with.
    pub fn open_stream(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        head: &[u8; stream::HEAD_LEN],
    ) -> Result<Stream, VaultError> {
        let version = stream::version(head)?;
        self.with_version(place.tenant, version, |ring| {
            Stream::resume(&ring.data_key(purpose, version)?, &place.data(), head)
        })
    }

    /// A hash of `value` that is the same for equal values of one field of one tenant, and means nothing to whoever lacks the key.
    pub fn blind_index(
        &self,
        purpose: Purpose,
        (tenant, object, field): (&str, &str, &str),
        value: &[u8],
    ) -> Result<[u8; 32], VaultError> {
        let key = self.ring(tenant, true)?.index_key(purpose)?;
        Ok(blind::index(
            &key,
            &[object.as_bytes(), field.as_bytes()],
            value,
        ))
    }

    /// Whether keys can be had just now; those in use stay in use either way.
    pub fn check(&self) -> Result<(), VaultError> {
        self.keys.check()
    }

    /// Destroys the tenant's keys, for good: nothing of theirs can be opened any more. Other processes notice within [`Self::freshness`].
    pub fn destroy(&self, tenant: &str) -> Result<(), VaultError> {
        let outcome = self.keys.destroy_tenant_keys(tenant);
        self.forget(tenant);
        outcome
    }

    /// Whose keys there are.
    pub fn tenants(&self) -> Result<Vec<String>, VaultError> {
        self.keys.tenants()
    }

    /// Which versions of a tenant's keys there are, as the source has them now.
    pub fn state(&self, tenant: &str) -> Result<RingState, VaultError> {
        Ok(self.keys.tenant_keys(tenant)?.state())
    }

    /// Changes the root key; see [`KeySource::rotate_root`].
    pub fn rotate_root(&self, progress: Progress<'_>) -> Result<u16, VaultError> {
        self.keys.rotate_root(progress)
    }

    /// Lets new data keys seal from now on. What is under way stays under way.
    pub fn rotate_data_keys(&self, tenant: &str) -> Result<RingState, VaultError> {
        self.change(tenant, KeyRing::with_new_data_keys)
    }

    /// Lets a new tenant key seal from now on. `indexes` are the purposes of the blind indexes there are.
    pub fn rotate_tenant_key(
        &self,
        tenant: &str,
        indexes: &[Purpose],
    ) -> Result<RingState, VaultError> {
        self.change(tenant, |ring| ring.with_new_key(indexes))
    }

    /// Lets keys go that nothing is sealed under any more: nothing sealed before the last change opens after this.
    pub fn settle(&self, tenant: &str) -> Result<RingState, VaultError> {
        self.change(tenant, |ring| Ok(ring.settle()))
    }

    /// The same value under the keys of today; nothing when it is sealed under them already.
    pub fn seal_anew(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Option<Sealed>, VaultError> {
        if seal::version(sealed)? == self.ring(place.tenant, false)?.current() {
            return Ok(None);
        }
        let value = self.open(purpose, place, sealed)?;
        self.seal(purpose, place, &value).map(Some)
    }

    /// Whether content that begins with `head` is sealed under the keys of today.
    pub fn is_current(
        &self,
        tenant: &str,
        head: &[u8; stream::HEAD_LEN],
    ) -> Result<bool, VaultError> {
        Ok(stream::version(head)? == self.ring(tenant, false)?.current())
    }

    fn change(
        &self,
        tenant: &str,
        mut change: impl FnMut(&KeyRing) -> Result<KeyRing, VaultError>,
    ) -> Result<RingState, VaultError> {
        let changed = self.keys.change_tenant_keys(tenant, &mut change);
        self.forget(tenant);
        Ok(changed?.state())
    }

    fn known(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, tenant: &str) {
        let mut known = self.known();
        known.forgotten += 1;
        known.rings.remove(tenant);
    }

    /// Does something with keys that have this version: keys that were changed a moment ago are asked for anew.
    fn with_version<T>(
        &self,
        tenant: &str,
        version: u16,
        work: impl Fn(&KeyRing) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let ring = self.ring(tenant, false)?;
        let [generation, _] = version.to_be_bytes();
        let [newest, _] = ring.current().to_be_bytes();
        if generation <= newest {
            return work(&ring);
        }
        self.known().rings.remove(tenant);
        work(&*self.ring(tenant, false)?)
    }

    fn ring(&self, tenant: &str, make: bool) -> Result<Arc<KeyRing>, VaultError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((ring, asked)) = known.rings.get(tenant)
            && asked.elapsed() < self.fresh
        {
            return Ok(Arc::clone(ring));
        }
        let forgotten = known.forgotten;
        drop(known);
        let found = if make {
            self.keys
                .make_tenant_keys(tenant, &|| self.may_make(tenant))
        } else {
            self.keys.tenant_keys(tenant)
        };
        let mut known = self.known();
        match found {
            Ok(ring) => {
                let ring = Arc::new(ring);
                if known.forgotten == forgotten {
                    let asked = (Arc::clone(&ring), Instant::now());
                    known.rings.insert(tenant.to_owned(), asked);
                }
                Ok(ring)
            }
            // What is running goes on with what it holds while the source can't be asked.
            Err(error @ VaultError::Source { .. }) => match known.rings.get_mut(tenant) {
                Some((ring, asked)) => {
                    *asked = Instant::now();
                    Ok(Arc::clone(ring))
                }
                None => Err(error),
            },
            Err(error) => {
                known.rings.remove(tenant);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryKeys;

    const SEED: Purpose = Purpose::new("totp seed");
    const FIRST: Place<'_> = Place {
        tenant: "00D000000000001",
        object: "user",
        record: "005000000000001",
        field: "totp",
        version: 1,
    };

    fn vault() -> Vault {
        Vault::new(Arc::new(MemoryKeys::default()))
    }

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let vault = vault();
        let sealed = vault.seal(SEED, &FIRST, b"secret").unwrap();
        assert_eq!(&*vault.open(SEED, &FIRST, &sealed).unwrap(), b"secret");
        // The other tenant has a key of its own.
        vault
            .seal(
                SEED,
                &Place {
                    tenant: "00D000000000002",
                    ..FIRST
                },
                b"x",
            )
            .unwrap();
        for elsewhere in [
            Place {
                tenant: "00D000000000002",
                ..FIRST
            },
            Place {
                object: "account",
                ..FIRST
            },
            Place {
                record: "005000000000002",
                ..FIRST
            },
            Place {
                field: "phone",
                ..FIRST
            },
            Place {
                version: 2,
                ..FIRST
            },
            Place {
                object: "use",
                record: "r005000000000001",
                ..FIRST
            },
        ] {
            let opened = vault.open(SEED, &elsewhere, &sealed);
            assert!(
                matches!(opened, Err(VaultError::DoesNotOpen)),
                "{elsewhere:?}"
            );
        }
        let opened = vault.open(Purpose::new("else"), &FIRST, &sealed);
        assert!(matches!(opened, Err(VaultError::DoesNotOpen)));
        // Another version of the data key is another key.
        let mut changed = sealed;
        changed[2] ^= 3;
        assert!(matches!(
            vault.open(SEED, &FIRST, &changed),
            Err(VaultError::DoesNotOpen)
        ));
    }

    #[test]
    fn destroying_a_key_makes_everything_under_it_unreadable() {
        let vault = vault();
        let sealed = vault.seal(SEED, &FIRST, b"secret").unwrap();
        vault.destroy(FIRST.tenant).unwrap();
        assert!(matches!(
            vault.open(SEED, &FIRST, &sealed),
            Err(VaultError::NoKey)
        ));
        assert!(matches!(
            vault.seal(SEED, &FIRST, b"more"),
            Err(VaultError::NoKey)
        ));
    }

    #[test]
    fn keys_are_never_made_beside_what_is_sealed_already() {
        struct Said(bool);
        impl Witness for Said {
            fn has_sealed(&self, _: &str) -> Result<bool, VaultError> {
                Ok(self.0)
            }
        }
        let first = vault().beside(Arc::new(Said(false)));
        first.seal(SEED, &FIRST, b"secret").unwrap();
        let emptied = vault().beside(Arc::new(Said(true)));
        for _ in 0..2 {
            let refused = emptied.seal(SEED, &FIRST, b"more").unwrap_err();
            assert!(matches!(refused, VaultError::KeysLost), "{refused}");
        }
        assert!(emptied.begin_stream(SEED, &FIRST).is_err());
        assert!(emptied.tenants().unwrap().is_empty());
    }

    #[test]
    fn a_blind_index_finds_equal_values_of_one_field_only() {
        let vault = vault();
        let index = |tenant, object, field, value: &[u8]| {
            vault
                .blind_index(SEED, (tenant, object, field), value)
                .unwrap()
        };
        let one = index("00D1", "contact", "iban", b"DE01");
        assert_eq!(one, index("00D1", "contact", "iban", b"DE01"));
        for other in [
            index("00D1", "contact", "iban", b"DE02"),
            index("00D1", "contact", "ibanD", b"E01"),
            index("00D1", "account", "iban", b"DE01"),
            index("00D2", "contact", "iban", b"DE01"),
        ] {
            assert_ne!(one, other);
        }
        let elsewhere =
            vault.blind_index(Purpose::new("else"), ("00D1", "contact", "iban"), b"DE01");
        assert_ne!(one, elsewhere.unwrap());
    }

    #[test]
    fn a_change_of_keys_keeps_everything_readable_and_lets_the_old_keys_go() {
        let keys: Arc<dyn KeySource> = Arc::new(MemoryKeys::default());
        let vault = Vault::new(Arc::clone(&keys));
        let sealed = vault.seal(SEED, &FIRST, b"secret").unwrap();
        // Another process, which has used the keys.
        let other = Vault::new(keys);
        assert_eq!(&*other.open(SEED, &FIRST, &sealed).unwrap(), b"secret");

        let state = vault.rotate_tenant_key(FIRST.tenant, &[SEED]).unwrap();
        assert!(state.is_under_way() && state.generations == 2);
        let anew = vault.seal_anew(SEED, &FIRST, &sealed).unwrap().unwrap();
        assert!(vault.seal_anew(SEED, &FIRST, &anew).unwrap().is_none());
        assert_eq!(
            &*other.open(SEED, &FIRST, &anew).unwrap(),
            b"secret",
            "it asks again"
        );
        assert_eq!(&*other.open(SEED, &FIRST, &sealed).unwrap(), b"secret");
        assert_eq!(vault.settle(FIRST.tenant).unwrap().generations, 1);
        assert!(matches!(
            vault.open(SEED, &FIRST, &sealed),
            Err(VaultError::DoesNotOpen)
        ));
        assert_eq!(&*vault.open(SEED, &FIRST, &anew).unwrap(), b"secret");

        vault.rotate_data_keys(FIRST.tenant).unwrap();
        let third = vault.seal_anew(SEED, &FIRST, &anew).unwrap().unwrap();
        assert_eq!(&*vault.open(SEED, &FIRST, &third).unwrap(), b"secret");
    }

    #[test]
    fn keys_destroyed_elsewhere_are_forgotten() {
        let keys: Arc<dyn KeySource> = Arc::new(MemoryKeys::default());
        let (one, mut other) = (Vault::new(Arc::clone(&keys)), Vault::new(keys));
        other.fresh = Duration::ZERO;
        let sealed = other.seal(SEED, &FIRST, b"secret").unwrap();
        one.destroy(FIRST.tenant).unwrap();
        assert!(matches!(
            other.open(SEED, &FIRST, &sealed),
            Err(VaultError::NoKey)
        ));
    }
}
