//! Where keys come from: files, a secrets manager, memory.

use crate::{SecretKey, VaultError};

/// Keeps the tenants' keys, outside every database. Each is random and can be destroyed for good.
///
/// An implementation keeps them wrapped under its root key, or in a manager that does that itself.
pub trait KeySource: Send + Sync {
    /// The key of `tenant`; [`VaultError::NoKey`] when there is none.
    fn tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError>;

    /// The key of `tenant`, made when there is none. Two who make it at once get the same one.
    ///
    /// Never brings back a key that was destroyed: that answers [`VaultError::NoKey`] for ever.
    fn make_tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError>;

    /// Destroys the key of `tenant`: nothing sealed under it can be read any more, wherever it is.
    fn destroy_tenant_key(&self, tenant: &str) -> Result<(), VaultError>;
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
