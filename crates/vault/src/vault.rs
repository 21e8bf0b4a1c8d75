//! The vault: seals and opens small values, and makes blind indexes, each under its tenant's keys.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use zeroize::Zeroizing;

use crate::{KeySource, Place, Purpose, SecretKey, Stream, VaultError, blind, seal, stream};

/// The version of the data keys that seal today. Older ones go on opening what they have sealed.
const CURRENT: u16 = 1;

/// A sealed value, as a table keeps it.
pub type Sealed = Vec<u8>;

/// Seals, opens, indexes. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    keys: Arc<dyn KeySource>,
    /// Tenants' keys that have been used. Gone with the process, and with [`Vault::destroy`].
    known: Arc<RwLock<HashMap<String, SecretKey>>>,
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
        }
    }

    /// Seals a small value for its place. Makes the tenant's key if it has none yet.
    pub fn seal(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        value: &[u8],
    ) -> Result<Sealed, VaultError> {
        let tenant = self.tenant_key(place.tenant, true)?;
        seal::seal(
            &data_key(&tenant, purpose, CURRENT)?,
            CURRENT,
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
        let tenant = self.tenant_key(place.tenant, false)?;
        seal::open(&data_key(&tenant, purpose, version)?, &place.data(), sealed)
    }

    /// A stream to seal content of any length with, for its place. Makes the tenant's key if it has none yet.
    pub fn begin_stream(&self, purpose: Purpose, place: &Place<'_>) -> Result<Stream, VaultError> {
        let tenant = self.tenant_key(place.tenant, true)?;
        let key = data_key(&tenant, purpose, CURRENT)?;
        Stream::begin(&key, CURRENT, &place.data())
    }

    /// The stream that begins with `head`, sealed for the same purpose and place, to open its segments with.
    pub fn open_stream(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        head: &[u8; stream::HEAD_LEN],
    ) -> Result<Stream, VaultError> {
        let version = stream::version(head)?;
        let tenant = self.tenant_key(place.tenant, false)?;
        Stream::resume(&data_key(&tenant, purpose, version)?, &place.data(), head)
    }

    /// A hash of `value` that is the same for equal values of one field of one tenant, and means nothing to whoever lacks the key.
    pub fn blind_index(
        &self,
        purpose: Purpose,
        (tenant, object, field): (&str, &str, &str),
        value: &[u8],
    ) -> Result<[u8; 32], VaultError> {
        let key = self.tenant_key(tenant, true)?;
        let info: [&[u8]; 2] = [b"fieldstone blind index 1", purpose.name()];
        let key = key.derive(b"", &info)?;
        Ok(blind::index(
            &key,
            &[object.as_bytes(), field.as_bytes()],
            value,
        ))
    }

    /// Destroys the tenant's key, for good: nothing of theirs can be opened any more. Other processes forget it when they end.
    pub fn destroy(&self, tenant: &str) -> Result<(), VaultError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(tenant);
        self.keys.destroy_tenant_key(tenant)
    }

    fn tenant_key(&self, tenant: &str, make: bool) -> Result<SecretKey, VaultError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(tenant) {
            return Ok(key.clone());
        }
        drop(known);
        // Under the lock, so that a key destroyed meanwhile isn't remembered.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let key = if make {
            self.keys.make_tenant_key(tenant)?
        } else {
            self.keys.tenant_key(tenant)?
        };
        known.insert(tenant.to_owned(), key.clone());
        Ok(key)
    }
}

fn data_key(tenant: &SecretKey, purpose: Purpose, version: u16) -> Result<SecretKey, VaultError> {
    tenant.derive(
        b"",
        &[
            b"fieldstone data key 1",
            purpose.name(),
            &version.to_be_bytes(),
        ],
    )
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
}
