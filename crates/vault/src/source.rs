//! Where keys come from: files, a secrets manager, memory.

use crate::{KeyRing, VaultError};

/// What is told while a root key is changed: how many tenants' keys are wrapped anew, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Asked once there are no keys, before some are made.
pub type Consent<'a> = &'a dyn Fn() -> Result<(), VaultError>;

/// Knows whether anything of a tenant is sealed already, wherever that is kept: then there were keys for it, and others beside them would
/// hide that they are lost.
pub trait Witness: Send + Sync {
    /// Whether anything is.
    fn has_sealed(&self, tenant: &str) -> Result<bool, VaultError>;
}

/// Keeps the tenants' keys, outside every database. Each is random and can be destroyed for good.
///
/// An implementation keeps them wrapped under its root key, or in a manager that does that itself.
pub trait KeySource: Send + Sync {
    /// The keys of `tenant`; [`VaultError::NoKey`] when there are none.
    fn tenant_keys(&self, tenant: &str) -> Result<KeyRing, VaultError>;

    /// The keys of `tenant`, made when there are none and `may_make` has no objection. Two who make them at once get the same ones.
    ///
    /// Never brings back keys that were destroyed: that answers [`VaultError::NoKey`] for ever.
    fn make_tenant_keys(&self, tenant: &str, may_make: Consent<'_>) -> Result<KeyRing, VaultError>;

    /// Puts what `change` makes of the keys of `tenant` in their place, with nobody else changing them meanwhile.
    fn change_tenant_keys(
        &self,
        tenant: &str,
        change: &mut dyn FnMut(&KeyRing) -> Result<KeyRing, VaultError>,
    ) -> Result<KeyRing, VaultError>;

    /// Whose keys there are.
    fn tenants(&self) -> Result<Vec<String>, VaultError>;

    /// Changes the root key and wraps every tenant's keys anew; goes on where an earlier call was interrupted. Answers the root key's
    /// version.
    fn rotate_root(&self, progress: Progress<'_>) -> Result<u16, VaultError>;

    /// Whether keys can be had just now.
    fn check(&self) -> Result<(), VaultError>;

    /// Destroys the keys of `tenant`: nothing sealed under them can be read any more, wherever it is.
    fn destroy_tenant_keys(&self, tenant: &str) -> Result<(), VaultError>;
}

/// Whether a name can stand for a tenant: it becomes the name of a file or of a secret.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), VaultError> {
    let good =
        (1..=64).contains(&tenant.len()) && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        Ok(())
    } else {
        Err(VaultError::BadTenant)
    }
}
