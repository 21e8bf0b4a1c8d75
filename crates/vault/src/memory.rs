//! Keys in memory, for tests: gone with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    KeyRing, KeySource, VaultError,
    source::{Consent, Progress, check_tenant},
};

/// Keys that nobody keeps. `None` stands for destroyed ones.
#[derive(Debug, Default)]
pub struct MemoryKeys(Mutex<HashMap<String, Option<KeyRing>>>);

impl MemoryKeys {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, Option<KeyRing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for MemoryKeys {
    fn tenant_keys(&self, tenant: &str) -> Result<KeyRing, VaultError> {
        self.keys()
            .get(tenant)
            .cloned()
            .flatten()
            .ok_or(VaultError::NoKey)
    }

    fn make_tenant_keys(&self, tenant: &str, may_make: Consent<'_>) -> Result<KeyRing, VaultError> {
        check_tenant(tenant)?;
        if !self.keys().contains_key(tenant) {
            may_make()?;
        }
        let fresh = KeyRing::generate()?;
        let mut keys = self.keys();
        let ring = keys.entry(tenant.to_owned()).or_insert(Some(fresh));
        ring.clone().ok_or(VaultError::NoKey)
    }

    fn change_tenant_keys(
        &self,
        tenant: &str,
        change: &mut dyn FnMut(&KeyRing) -> Result<KeyRing, VaultError>,
    ) -> Result<KeyRing, VaultError> {
        let mut keys = self.keys();
        let ring = keys
            .get_mut(tenant)
            .and_then(Option::as_mut)
            .ok_or(VaultError::NoKey)?;
        *ring = change(ring)?;
        Ok(ring.clone())
    }

    fn tenants(&self) -> Result<Vec<String>, VaultError> {
        let keys = self.keys();
        let mut tenants: Vec<_> = keys
            .iter()
            .filter(|(_, ring)| ring.is_some())
            .map(|(tenant, _)| tenant.clone())
            .collect();
        tenants.sort();
        Ok(tenants)
    }

    fn rotate_root(&self, _: Progress<'_>) -> Result<u16, VaultError> {
        // Nothing is wrapped.
        Ok(1)
    }

    fn check(&self) -> Result<(), VaultError> {
        Ok(())
    }

    fn destroy_tenant_keys(&self, tenant: &str) -> Result<(), VaultError> {
        self.keys().insert(tenant.to_owned(), None);
        Ok(())
    }
}
