//! Keys in the kernel's memory, in the keyring of the user: shared by all sessions of the user, forgotten at a restart, never in a file.
//!
//! Whoever wants a key out of a keyring must *possess* it: reach it from a keyring of their own process. What a session begins with differs
//! between systems (root without a login session possesses nothing), so each call links the user's keyring to the calling thread's own.

use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
use zeroize::Zeroizing;

use crate::keys::{KEY_LEN, LoginKey};

/// The user's keyring, possessed by this thread.
fn keyring() -> Result<KeyRing, KeyError> {
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, true)?;
    KeyRing::from_special_id(KeyRingIdentifier::Thread, true)?.link_keyring(user)?;
    Ok(user)
}

/// The errors by which the kernel says that a key isn't there, or isn't any more.
fn is_gone(error: KeyError) -> bool {
    matches!(
        error,
        KeyError::KeyDoesNotExist | KeyError::KeyRevoked | KeyError::KeyExpired
    )
}

pub(super) fn keep(description: &str, key: &LoginKey) -> Result<(), KeyError> {
    keyring()?.add_key(description, key.bytes()).map(drop)
}

/// The bytes under that description, or what else is there: one byte more than a key is never one.
pub(super) fn find(description: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    let found = match keyring()?.search(description) {
        Err(error) if is_gone(error) => return Ok(None),
        found => found?,
    };
    let mut bytes = Zeroizing::new(vec![0; KEY_LEN + 1]);
    match found.read(&mut *bytes) {
        Err(error) if is_gone(error) => Ok(None),
        Err(error) => Err(error),
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
    }
}

pub(super) fn forget(description: &str) -> Result<(), KeyError> {
    let keyring = keyring()?;
    match keyring.search(description) {
        Err(error) if is_gone(error) => Ok(()),
        found => {
            let found = found?;
            // Revoked, it can't be read by anybody from this moment on; unlinked, its memory is given back.
            found.revoke()?;
            keyring.unlink_key(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_for_every_thread_until_it_is_forgotten() {
        let key = LoginKey::generate().unwrap();
        let name = format!("fieldstone-test:{}", std::process::id());
        let apart = |job: &(dyn Fn() -> Option<Vec<u8>> + Sync)| {
            std::thread::scope(|scope| scope.spawn(job).join().unwrap())
        };
        let read = || find(&name).unwrap().map(|bytes| bytes.to_vec());
        assert_eq!(read(), None);
        keep(&name, &key).unwrap();
        assert_eq!(read().as_deref(), Some(&key.bytes()[..]));
        assert_eq!(apart(&read).as_deref(), Some(&key.bytes()[..]));
        forget(&name).unwrap();
        assert_eq!(apart(&read), None);
        assert_eq!(read(), None);
        forget(&name).unwrap();
    }
}
