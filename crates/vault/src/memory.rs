//! Keys in memory, for tests: gone with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{KeySource, SecretKey, VaultError, source::check_tenant};

/// Keys that nobody keeps. `None` stands for a destroyed one.
#[derive(Debug, Default)]
pub struct MemoryKeys(Mutex<HashMap<String, Option<SecretKey>>>);

impl KeySource for MemoryKeys {
    fn tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(tenant).cloned().flatten().ok_or(VaultError::NoKey)
    }

    fn make_tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError> {
        check_tenant(tenant)?;
        let fresh = SecretKey::generate()?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = keys.entry(tenant.to_owned()).or_insert(Some(fresh));
        key.clone().ok_or(VaultError::NoKey)
    }

    fn destroy_tenant_key(&self, tenant: &str) -> Result<(), VaultError> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(tenant.to_owned(), None);
        Ok(())
    }
}
