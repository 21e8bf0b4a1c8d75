//! The operating system's store for secrets, which holds the key of a login for as long as it lasts. Nothing else ever holds it on disk.
//!
//! Linux: the Secret Service, or with `--ephemeral` the kernel, which forgets at a restart. macOS and iOS: the Keychain. Windows: the
//! Credential Manager. Android: the Keystore.

#[cfg(target_os = "linux")]
mod kernel;

use std::{collections::HashMap, sync::Arc, thread};

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
        "No keystore can be reached in this session: start and unlock your login keyring (GNOME Keyring, KWallet), or log in with \
         --ephemeral to keep the key in the kernel's memory until the next restart."
    )]
    Unreachable(#[source] Error),
    /// It is there and closed.
    #[error(
        "This system's keystore is locked: unlock your login keyring and try again, or log in with --ephemeral to keep the key in the \
         kernel's memory until the next restart. Nothing was deleted."
    )]
    Locked(#[source] Error),
    /// The kernel keeps no keys for this process.
    #[error(
        "The kernel doesn't keep keys for programs here ({0}), as in some containers. Use a system where it does, or a login keyring \
         without --ephemeral. Nothing was deleted."
    )]
    NoKernelKeys(String),
    /// It holds something that is no key of ours.
    #[error("The keystore holds something else where the key should be. Nothing was deleted.")]
    NotAKey,
    /// It lost what it was given a moment ago.
    #[error("This system's keystore doesn't keep what it is given. Try --ephemeral.")]
    Forgetful,
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
///
/// Each call runs on a thread of its own: a store may drive a runtime to speak to its service, which can't be done from within another one.
#[derive(Clone)]
pub struct Keystore {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Service(Arc<Service>),
    #[cfg(target_os = "linux")]
    Kernel,
}

/// A store of the system's, which is let go of on a thread of its own as well.
struct Service {
    store: Option<Arc<CredentialStore>>,
    is_systems: bool,
}

impl Service {
    fn entry(&self, name: &KeyName) -> Result<Entry, KeystoreError> {
        let none: Option<&HashMap<&str, &str>> = None;
        let store = self.store.as_ref().ok_or(KeystoreError::Unsupported)?;
        store.build(SERVICE, &name.account(), none).map_err(refusal)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let store = self.store.take();
        let gone = apart(move || {
            drop(store);
            Ok(())
        });
        if gone.is_err() {
            tracing::debug!("the connection to the keystore can't be closed");
        }
    }
}

impl Keystore {
    /// The system's own keystore; with `ephemeral`, one that forgets at a restart.
    pub fn open(ephemeral: bool) -> Result<Self, KeystoreError> {
        let place = if ephemeral {
            ephemeral_place()?
        } else {
            Place::Service(Arc::new(Service {
                store: Some(apart(system_store)?),
                is_systems: true,
            }))
        };
        Ok(Self { place })
    }

    /// Any store of credentials.
    pub fn of(store: Arc<CredentialStore>) -> Self {
        Self {
            place: Place::Service(Arc::new(Service {
                store: Some(store),
                is_systems: false,
            })),
        }
    }

    /// Whether it keeps what it is given, gives it back and forgets it: before anything depends on that.
    pub fn try_out(&self, installation: &str) -> Result<(), KeystoreError> {
        let name = KeyName {
            installation: installation.to_owned(),
            user: "nobody".to_owned(),
            login: "trial".to_owned(),
        };
        let key = LoginKey::generate().map_err(|_| KeystoreError::Unsupported)?;
        self.keep(&name, &key)?;
        let found = self.find(&name);
        self.forget(&name)?;
        match found? {
            Some(found) if found.bytes() == key.bytes() => Ok(()),
            _ => Err(KeystoreError::Forgetful),
        }
    }

    /// Keeps a key.
    pub fn keep(&self, name: &KeyName, key: &LoginKey) -> Result<(), KeystoreError> {
        apart(|| match &self.place {
            Place::Service(service) => service
                .entry(name)?
                .set_secret(key.bytes())
                .map_err(refusal),
            #[cfg(target_os = "linux")]
            Place::Kernel => kernel::keep(&description(name), key).map_err(kernel_refusal),
        })
    }

    /// The key, if it is there.
    pub fn find(&self, name: &KeyName) -> Result<Option<LoginKey>, KeystoreError> {
        let found = apart(|| match &self.place {
            Place::Service(service) => {
                match service.entry(name)?.get_secret().map(Zeroizing::new) {
                    // A keyring that is locked may say that it has nothing.
                    Err(Error::NoEntry) if service.is_systems => check_open().map(|()| None),
                    Err(Error::NoEntry) => Ok(None),
                    found => found.map(Some).map_err(refusal),
                }
            }
            #[cfg(target_os = "linux")]
            Place::Kernel => kernel::find(&description(name)).map_err(kernel_refusal),
        })?;
        found
            .map(|bytes| LoginKey::from_bytes(&bytes).ok_or(KeystoreError::NotAKey))
            .transpose()
    }

    /// Removes the key; it may be gone already.
    pub fn forget(&self, name: &KeyName) -> Result<(), KeystoreError> {
        apart(|| match &self.place {
            Place::Service(service) => match service.entry(name)?.delete_credential() {
                Ok(()) | Err(Error::NoEntry) => Ok(()),
                Err(error) => Err(refusal(error)),
            },
            #[cfg(target_os = "linux")]
            Place::Kernel => kernel::forget(&description(name)).map_err(kernel_refusal),
        })
    }
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Service(_) => f.write_str("Keystore(the system's)"),
            #[cfg(target_os = "linux")]
            Place::Kernel => f.write_str("Keystore(the kernel)"),
        }
    }
}

/// Runs `job` on a thread of its own.
fn apart<T: Send>(
    job: impl FnOnce() -> Result<T, KeystoreError> + Send,
) -> Result<T, KeystoreError> {
    thread::scope(|scope| {
        let job = thread::Builder::new()
            .name("keystore".to_owned())
            .spawn_scoped(scope, job);
        let answer = job
            .map_err(|error| KeystoreError::Unreachable(Error::PlatformFailure(Box::new(error))))?;
        answer.join().unwrap_or(Err(KeystoreError::Unsupported))
    })
}

/// Refuses when the keyring that keys are kept in is locked.
#[cfg(target_os = "linux")]
fn check_open() -> Result<(), KeystoreError> {
    use secret_service::{EncryptionType, blocking::SecretService};
    let failed = |error| KeystoreError::Unreachable(Error::PlatformFailure(Box::new(error)));
    let service = SecretService::connect(EncryptionType::Plain).map_err(failed)?;
    let keyring = service.get_default_collection().map_err(failed)?;
    if keyring.is_locked().map_err(failed)? {
        let locked = Box::new(secret_service::Error::Locked);
        return Err(KeystoreError::Locked(Error::NoStorageAccess(locked)));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "a locked keystore says so itself")]
fn check_open() -> Result<(), KeystoreError> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn description(name: &KeyName) -> String {
    format!("{SERVICE}: {}", name.account())
}

#[cfg(target_os = "linux")]
fn kernel_refusal(error: linux_keyutils::KeyError) -> KeystoreError {
    KeystoreError::NoKernelKeys(error.to_string())
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
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn ephemeral_place() -> Result<Place, KeystoreError> {
    Ok(Place::Kernel)
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
fn ephemeral_place() -> Result<Place, KeystoreError> {
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
