//! Keys in a secrets manager that counts versions of what it keeps (KV v2 of Vault and OpenBao), which encrypts them under its own root key.
//!
//! ```text
//! workspaces/ID    the tenant's keys
//! ended/ID         left behind by destroyed keys, so that they are never made again
//! ```

use std::{fmt, io, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    KeyRing, KeySource, VaultError,
    source::{Consent, Progress, check_tenant},
};

/// How often a change is tried again that somebody else was faster than.
const TRIES: u32 = 8;

/// A secrets manager that keeps keys.
pub trait SecretStore: Send + Sync {
    /// Begins one piece of work. All its questions together take as long as one may, so that nobody waits for a slow manager again and again.
    fn begin(&self) -> Box<dyn SecretSession + '_>;

    /// Whether it can be used just now.
    fn check(&self) -> Result<(), VaultError>;
}

/// What a secrets manager does for keys. Paths are relative to where this installation's secrets are.
pub trait SecretSession {
    /// The value at a path and its version; nothing when there is none.
    fn read(&self, path: &str) -> Result<Option<(Zeroizing<String>, u64)>, VaultError>;

    /// Writes a value unless its version is another one by now than `seen` (0: none was there). Answers whether it was written.
    fn write(&self, path: &str, value: &str, seen: u64) -> Result<bool, VaultError>;

    /// Makes a version unreadable for good.
    fn destroy(&self, path: &str, version: u64) -> Result<(), VaultError>;

    /// Removes a value with all its versions. That there is none is as good.
    fn remove(&self, path: &str) -> Result<(), VaultError>;

    /// The names below a path.
    fn list(&self, path: &str) -> Result<Vec<String>, VaultError>;
}

/// Keys in a secrets manager.
#[derive(Clone)]
pub struct ManagedKeys(Arc<dyn SecretStore>);

impl fmt::Debug for ManagedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManagedKeys")
    }
}

impl ManagedKeys {
    /// Keys that lie in this manager.
    pub fn new(store: Arc<dyn SecretStore>) -> Self {
        Self(store)
    }
}

fn is_ended(manager: &dyn SecretSession, tenant: &str) -> Result<bool, VaultError> {
    Ok(manager.read(&ended(tenant)?)?.is_some())
}

fn ring(manager: &dyn SecretSession, tenant: &str) -> Result<(KeyRing, u64), VaultError> {
    let path = keys(tenant)?;
    let Some((text, version)) = manager.read(&path)? else {
        return Err(VaultError::NoKey);
    };
    let ring = unhex(&text).and_then(|bytes| KeyRing::from_bytes(&bytes));
    Ok((
        ring.ok_or_else(|| VaultError::Damaged(path.into()))?,
        version,
    ))
}

/// The keys of a tenant that weren't ended.
fn lasting(manager: &dyn SecretSession, tenant: &str) -> Result<KeyRing, VaultError> {
    let (ring, _) = ring(manager, tenant)?;
    // One that was made while it was being destroyed.
    if is_ended(manager, tenant)? {
        return Err(VaultError::NoKey);
    }
    Ok(ring)
}

impl KeySource for ManagedKeys {
    fn tenant_keys(&self, tenant: &str) -> Result<KeyRing, VaultError> {
        lasting(&*self.0.begin(), tenant)
    }

    fn make_tenant_keys(&self, tenant: &str, may_make: Consent<'_>) -> Result<KeyRing, VaultError> {
        {
            let manager = &*self.0.begin();
            match lasting(manager, tenant) {
                Err(VaultError::NoKey) if !is_ended(manager, tenant)? => {}
                found => return found,
            }
        }
        // There may have been some that the manager knows nothing of any more. Somebody else is asked, whose time isn't the manager's.
        may_make()?;
        let manager = &*self.0.begin();
        let fresh = KeyRing::generate()?;
        let path = keys(tenant)?;
        // Whoever came first has made them.
        manager.write(&path, &hex(&fresh.to_bytes()), 0)?;
        match lasting(manager, tenant) {
            Err(VaultError::NoKey) if is_ended(manager, tenant)? => {
                manager.remove(&path)?;
                Err(VaultError::NoKey)
            }
            // There were some, and they can be brought back.
            Err(VaultError::NoKey) => Err(VaultError::Source {
                path: path.into(),
                source: io::Error::other(
                    "these keys were deleted in the secrets manager; undelete their last version there",
                ),
            }),
            found => found,
        }
    }

    fn change_tenant_keys(
        &self,
        tenant: &str,
        change: &mut dyn FnMut(&KeyRing) -> Result<KeyRing, VaultError>,
    ) -> Result<KeyRing, VaultError> {
        let manager = &*self.0.begin();
        let path = keys(tenant)?;
        for _ in 0..TRIES {
            if is_ended(manager, tenant)? {
                return Err(VaultError::NoKey);
            }
            let (ring, seen) = ring(manager, tenant)?;
            let changed = change(&ring)?;
            if manager.write(&path, &hex(&changed.to_bytes()), seen)? {
                // Keys that were let go must not stay readable as an older version. That has its own time: it must not be cut short.
                self.0.begin().destroy(&path, seen)?;
                return Ok(changed);
            }
        }
        Err(VaultError::Source {
            path: path.into(),
            source: io::Error::other("somebody else keeps changing these keys"),
        })
    }

    fn tenants(&self) -> Result<Vec<String>, VaultError> {
        let mut tenants = self.0.begin().list("workspaces")?;
        tenants.retain(|tenant| check_tenant(tenant).is_ok());
        tenants.sort();
        Ok(tenants)
    }

    fn rotate_root(&self, _: Progress<'_>) -> Result<u16, VaultError> {
        Err(VaultError::NotOurs)
    }

    fn check(&self) -> Result<(), VaultError> {
        self.0.check()
    }

    fn destroy_tenant_keys(&self, tenant: &str) -> Result<(), VaultError> {
        let manager = self.0.begin();
        manager.write(&ended(tenant)?, "destroyed", 0)?;
        manager.remove(&keys(tenant)?)
    }
}

fn keys(tenant: &str) -> Result<String, VaultError> {
    check_tenant(tenant)?;
    Ok(format!("workspaces/{tenant}"))
}

fn ended(tenant: &str) -> Result<String, VaultError> {
    check_tenant(tenant)?;
    Ok(format!("ended/{tenant}"))
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| {
        DIGITS
            .get(usize::from(value))
            .map_or('0', |digit| char::from(*digit))
    };
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.trim().as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let value = digit(*high)? * 16 + digit(*low)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    const TENANT: &str = "00D000000000001";

    const FREELY: Consent<'_> = &|| Ok(());

    /// Versions of a value; `None` stands for a destroyed one.
    type Versions = Vec<Option<String>>;

    #[derive(Default)]
    struct Held(Mutex<HashMap<String, Versions>>);

    impl Held {
        fn all(&self) -> MutexGuard<'_, HashMap<String, Versions>> {
            self.0.lock().unwrap()
        }
    }

    impl SecretStore for Held {
        fn begin(&self) -> Box<dyn SecretSession + '_> {
            Box::new(self)
        }

        fn check(&self) -> Result<(), VaultError> {
            Ok(())
        }
    }

    impl SecretSession for &Held {
        fn read(&self, path: &str) -> Result<Option<(Zeroizing<String>, u64)>, VaultError> {
            let all = self.all();
            let Some(versions) = all.get(path) else {
                return Ok(None);
            };
            let last = versions.last().cloned().flatten();
            Ok(last.map(|text| (Zeroizing::new(text), versions.len() as u64)))
        }

        fn write(&self, path: &str, value: &str, seen: u64) -> Result<bool, VaultError> {
            let mut all = self.all();
            let versions = all.entry(path.to_owned()).or_default();
            if versions.len() as u64 != seen {
                return Ok(false);
            }
            versions.push(Some(value.to_owned()));
            Ok(true)
        }

        fn destroy(&self, path: &str, version: u64) -> Result<(), VaultError> {
            let mut all = self.all();
            let versions = all.get_mut(path).unwrap();
            versions[usize::try_from(version).unwrap() - 1] = None;
            Ok(())
        }

        fn remove(&self, path: &str) -> Result<(), VaultError> {
            self.all().remove(path);
            Ok(())
        }

        fn list(&self, path: &str) -> Result<Vec<String>, VaultError> {
            let start = format!("{path}/");
            let all = self.all();
            Ok(all
                .keys()
                .filter_map(|path| path.strip_prefix(&start).map(str::to_owned))
                .collect())
        }
    }

    fn keys_in(held: &Arc<Held>) -> ManagedKeys {
        ManagedKeys::new(Arc::clone(held) as Arc<dyn SecretStore>)
    }

    #[test]
    fn keys_are_made_once_and_found_by_others() {
        let held = Arc::new(Held::default());
        let keys = keys_in(&held);
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
        let made = keys.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes();
        let again = keys_in(&held);
        assert_eq!(
            again.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes(),
            made
        );
        assert_eq!(again.tenant_keys(TENANT).unwrap().to_bytes(), made);
        assert_eq!(again.tenants().unwrap(), [TENANT]);
        assert!(matches!(
            keys.make_tenant_keys("../root", FREELY),
            Err(VaultError::BadTenant)
        ));
    }

    #[test]
    fn destroyed_keys_stay_destroyed() {
        let held = Arc::new(Held::default());
        let keys = keys_in(&held);
        keys.make_tenant_keys(TENANT, FREELY).unwrap();
        keys.destroy_tenant_keys(TENANT).unwrap();
        keys.destroy_tenant_keys(TENANT).unwrap();
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
        for _ in 0..2 {
            let made = keys.make_tenant_keys(TENANT, FREELY);
            assert!(matches!(made, Err(VaultError::NoKey)));
        }
        // Somebody who had begun to make them when they were destroyed.
        let late = KeyRing::generate().unwrap();
        let path = format!("workspaces/{TENANT}");
        held.begin()
            .write(&path, &hex(&late.to_bytes()), 0)
            .unwrap();
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
    }

    #[test]
    fn keys_that_somebody_deleted_in_the_manager_are_left_to_be_undeleted() {
        let held = Arc::new(Held::default());
        let keys = keys_in(&held);
        let made = keys.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes();
        let path = format!("workspaces/{TENANT}");
        let deleted = held.all().get_mut(&path).unwrap().pop().unwrap();
        held.all().get_mut(&path).unwrap().push(None);
        for _ in 0..2 {
            let refused = keys.make_tenant_keys(TENANT, FREELY).unwrap_err();
            assert!(matches!(refused, VaultError::Source { .. }), "{refused}");
        }
        held.all().insert(path, vec![deleted]);
        assert_eq!(
            keys.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes(),
            made
        );
    }

    #[test]
    fn a_manager_that_knows_nothing_any_more_is_not_given_other_keys() {
        let held = Arc::new(Held::default());
        let keys = keys_in(&held);
        let made = keys.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes();
        let path = format!("workspaces/{TENANT}");
        let versions = held.all().remove(&path).unwrap();
        let lost = || Err(VaultError::KeysLost);
        for _ in 0..2 {
            let refused = keys.make_tenant_keys(TENANT, &lost).unwrap_err();
            assert!(matches!(refused, VaultError::KeysLost), "{refused}");
        }
        assert!(held.all().is_empty(), "nothing was made");
        held.all().insert(path, versions);
        let found = keys.make_tenant_keys(TENANT, &lost).unwrap();
        assert_eq!(found.to_bytes(), made, "nobody is asked who finds some");
        // Whoever was ended isn't lost.
        keys.destroy_tenant_keys(TENANT).unwrap();
        let made = keys.make_tenant_keys(TENANT, &lost);
        assert!(matches!(made, Err(VaultError::NoKey)));
    }

    /// A manager whose pieces of work all end when their time is over.
    #[derive(Default)]
    struct Timed {
        held: Held,
        begun: AtomicUsize,
        /// Those that were begun up to here have had their time.
        over: AtomicUsize,
    }

    impl Timed {
        fn pass(&self) {
            let begun = self.begun.load(Ordering::Relaxed);
            self.over.store(begun, Ordering::Relaxed);
        }
    }

    struct InTime<'a>(&'a Timed, usize);

    impl InTime<'_> {
        fn held(&self) -> Result<&Held, VaultError> {
            if self.1 > self.0.over.load(Ordering::Relaxed) {
                return Ok(&self.0.held);
            }
            Err(VaultError::Source {
                path: "the manager".into(),
                source: io::Error::other("too late"),
            })
        }
    }

    impl SecretStore for Timed {
        fn begin(&self) -> Box<dyn SecretSession + '_> {
            let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            Box::new(InTime(self, number))
        }

        fn check(&self) -> Result<(), VaultError> {
            Ok(())
        }
    }

    impl SecretSession for InTime<'_> {
        fn read(&self, path: &str) -> Result<Option<(Zeroizing<String>, u64)>, VaultError> {
            self.held()?.read(path)
        }

        fn write(&self, path: &str, value: &str, seen: u64) -> Result<bool, VaultError> {
            self.held()?.write(path, value, seen)
        }

        fn destroy(&self, path: &str, version: u64) -> Result<(), VaultError> {
            self.held()?.destroy(path, version)
        }

        fn remove(&self, path: &str) -> Result<(), VaultError> {
            self.held()?.remove(path)
        }

        fn list(&self, path: &str) -> Result<Vec<String>, VaultError> {
            self.held()?.list(path)
        }
    }

    #[test]
    fn what_others_are_asked_between_takes_nothing_of_the_managers_time() {
        let timed = Arc::new(Timed::default());
        let keys = ManagedKeys::new(Arc::clone(&timed) as Arc<dyn SecretStore>);
        let slowly = || {
            timed.pass();
            Ok(())
        };
        let made = keys.make_tenant_keys(TENANT, &slowly).unwrap().to_bytes();
        assert_eq!(keys.tenant_keys(TENANT).unwrap().to_bytes(), made);
    }

    #[test]
    fn a_change_builds_on_what_it_has_seen_and_leaves_no_old_keys_behind() {
        let held = Arc::new(Held::default());
        let keys = keys_in(&held);
        let first = keys.make_tenant_keys(TENANT, FREELY).unwrap();
        let mut calls = 0;
        let changed = keys
            .change_tenant_keys(TENANT, &mut |ring| {
                calls += 1;
                // Somebody else is faster the first time.
                if calls == 1 {
                    keys_in(&held)
                        .change_tenant_keys(TENANT, &mut KeyRing::with_new_data_keys)
                        .unwrap();
                }
                ring.with_new_data_keys()
            })
            .unwrap();
        assert_eq!(calls, 2);
        assert_eq!(changed.state().current, first.state().current + 2);
        let all = held.all();
        let versions = &all[&format!("workspaces/{TENANT}")];
        assert_eq!(versions.len(), 3);
        assert!(versions[0].is_none() && versions[1].is_none());
    }

    #[test]
    fn what_is_no_key_is_said_to_be_damaged() {
        let held = Arc::new(Held::default());
        held.begin()
            .write(&format!("workspaces/{TENANT}"), "zz", 0)
            .unwrap();
        let keys = keys_in(&held);
        assert!(matches!(
            keys.tenant_keys(TENANT),
            Err(VaultError::Damaged(_))
        ));
        assert!(matches!(
            keys.rotate_root(&mut |_, _| ()),
            Err(VaultError::NotOurs)
        ));
    }

    #[test]
    fn bytes_survive() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)).unwrap().as_slice(), bytes);
        assert!(unhex("abc").is_none() && unhex("zz").is_none());
    }
}
