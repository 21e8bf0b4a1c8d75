//! The operating system's store for secrets, which holds the key of a login for as long as it lasts. Nothing else ever holds it on disk.
//!
//! Linux: the Secret Service, or with `--ephemeral` the kernel, which forgets at a restart. macOS and iOS: the Keychain. Windows: the
//! Credential Manager. Android: the Keystore.

use std::{collections::HashMap, sync::Arc};

use keyring_core::{Entry, Error, api::CredentialStore};
use zeroize::Zeroizing;

use crate::keys::LoginKey;

/// The name under which keys are filed.
const SERVICE: &str = "Fieldstone device";

/// Why the keystore didn't answer. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// There is none in this session.
    #[error(
        "This system's keystore can't be reached. On Linux, unlock your login keyring (GNOME Keyring, KWallet), or log in with \
         --ephemeral to keep the key in memory until the next restart."
    )]
    Unreachable(#[source] Error),
    /// It is there and closed.
    #[error("This system's keystore is locked. Unlock it, then try again. Nothing was deleted.")]
    Locked(#[source] Error),
    /// It holds something that is no key of ours.
    #[error("The keystore holds something else where the key should be. Nothing was deleted.")]
    NotAKey,
    /// This system has none that is supported.
    #[error("There is no supported keystore for this choice on this system.")]
    Unsupported,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// This installation of the app.
    pub installation: String,
    /// The user.
    pub user: String,
    /// The login.
    pub login: String,
}

impl KeyName {
    fn account(&self) -> String {
        format!("{}/{}/{}", self.installation, self.user, self.login)
    }
}

/// A keystore.
#[derive(Clone)]
pub struct Keystore {
    store: Arc<CredentialStore>,
}

impl Keystore {
    /// The system's own keystore; with `ephemeral`, one that forgets at a restart.
    pub fn open(ephemeral: bool) -> Result<Self, KeystoreError> {
        let store = if ephemeral {
            ephemeral_store()?
        } else {
            system_store()?
        };
        Ok(Self { store })
    }

    /// Any store of credentials.
    pub fn of(store: Arc<CredentialStore>) -> Self {
        Self { store }
    }

    fn entry(&self, name: &KeyName) -> Result<Entry, KeystoreError> {
        let none: Option<&HashMap<&str, &str>> = None;
        self.store
            .build(SERVICE, &name.account(), none)
            .map_err(refusal)
    }

    /// Keeps a key.
    pub fn keep(&self, name: &KeyName, key: &LoginKey) -> Result<(), KeystoreError> {
        self.entry(name)?.set_secret(key.bytes()).map_err(refusal)
    }

    /// The key, if it is there.
    pub fn find(&self, name: &KeyName) -> Result<Option<LoginKey>, KeystoreError> {
        match self.entry(name)?.get_secret().map(Zeroizing::new) {
            Ok(bytes) => LoginKey::from_bytes(&bytes)
                .map(Some)
                .ok_or(KeystoreError::NotAKey),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Removes the key; it may be gone already.
    pub fn forget(&self, name: &KeyName) -> Result<(), KeystoreError> {
        match self.entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keystore({})", self.store.vendor())
    }
}

fn refusal(error: Error) -> KeystoreError {
    match error {
        Error::NoStorageAccess(_) => KeystoreError::Locked(error),
        error => KeystoreError::Unreachable(error),
    }
}

#[cfg(target_os = "linux")]
fn system_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    let store = zbus_secret_service_keyring_store::Store::new().map_err(refusal)?;
    Ok(store)
}

#[cfg(target_os = "linux")]
fn ephemeral_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    let store = linux_keyutils_keyring_store::Store::new().map_err(refusal)?;
    Ok(store)
}

#[cfg(any(target_os = "macos", target_os = "ios"))]
fn system_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    let store = apple_native_keyring_store::protected::Store::new().map_err(refusal)?;
    Ok(store)
}

#[cfg(target_os = "windows")]
fn system_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    let store = windows_native_keyring_store::Store::new().map_err(refusal)?;
    Ok(store)
}

#[cfg(target_os = "android")]
fn system_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    let store = android_native_keyring_store::Store::new().map_err(refusal)?;
    Ok(store)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "ios",
    target_os = "windows",
    target_os = "android"
)))]
fn system_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    Err(KeystoreError::Unsupported)
}

#[cfg(not(target_os = "linux"))]
fn ephemeral_store() -> Result<Arc<CredentialStore>, KeystoreError> {
    Err(KeystoreError::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_by_login_and_forgotten() {
        let keystore = Keystore::of(keyring_core::mock::Store::new().unwrap());
        let name = |login: &str| KeyName {
            installation: "i".to_owned(),
            user: "0050000000000Aa".to_owned(),
            login: login.to_owned(),
        };
        let (one, other) = (LoginKey::generate().unwrap(), LoginKey::generate().unwrap());
        keystore.keep(&name("1"), &one).unwrap();
        keystore.keep(&name("2"), &other).unwrap();
        let found = keystore.find(&name("1")).unwrap().unwrap();
        assert_eq!(found.bytes(), one.bytes());
        keystore.forget(&name("1")).unwrap();
        assert!(keystore.find(&name("1")).unwrap().is_none());
        assert!(keystore.find(&name("2")).unwrap().is_some());
        keystore.forget(&name("1")).unwrap();
    }
}
