//! Why a device doesn't do what it was asked, in words for the person who holds it.

use fieldstone_store::StoreError;

use crate::{
    files::FileError,
    home::HomeError,
    journal::{JournalError, SealError},
    keys::NoRandomness,
    keystore::KeystoreError,
    store::DatabaseError,
    transport::TransportError,
};

/// Why a device doesn't do what it was asked. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Nobody is logged in.
    #[error(
        "Nobody is logged in on this device. Log in with “fieldstone-device login https://… --email …”."
    )]
    LoggedOut,
    /// Somebody is already.
    #[error(
        "Somebody is logged in on this device already. Log out first; “fieldstone-device status” says who."
    )]
    LoggedIn,
    /// The key isn't in the keystore.
    #[error(
        "The key of this login is lost: the system's keystore doesn't have it (after --ephemeral, a restart does that). What is on this \
         device can't be read without it, and nothing was deleted. If you can bring the keystore back, everything is there again. \
         Otherwise log out with --keep-sealed, which keeps changes that weren't sent for delivery, and log in anew."
    )]
    KeyLost,
    /// The session has ended, and the platform has said so.
    #[error(
        "Your session has ended, so this device is locked. Nothing was deleted. Log in again as {0} to go on."
    )]
    SignedOut(String),
    /// The platform has said that the device isn't welcome any more.
    #[error(
        "This device was taken off the workspace's list, so it is locked. Nothing was deleted. Ask an administrator, or log out with \
         --keep-sealed and in again."
    )]
    Revoked,
    /// Another person signs in than the one whose records are here.
    #[error(
        "The records on this device are another person's. They log in again, or log out first; “fieldstone-device status” says who."
    )]
    AnotherPerson,
    /// The workspace allows only so long without the platform.
    #[error(
        "This device has been without the platform for longer than the workspace allows ({0} hours). Sync to go on; what was entered is kept."
    )]
    TooLongOffline(u64),
    /// There are changes that weren't sent.
    #[error(
        "{0} of your changes haven't been sent. Choose: --send sends them first, --keep-sealed keeps them encrypted for the next login, \
         --discard gives them up."
    )]
    Unsent(u64),
    /// There are files that weren't sent.
    #[error(
        "{0} of your files haven't been sent, and files can't be kept for the next login. Choose: --send sends them first, --discard \
         gives them up."
    )]
    UnsentFiles(usize),
    /// The workspace forbids to keep changes sealed, or has no key for it.
    #[error(
        "This workspace doesn't let changes be kept sealed. Send them with --send, or give them up with --discard."
    )]
    MayNotSeal,
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The platform.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl From<SealError> for DeviceError {
    fn from(error: SealError) -> Self {
        Self::Journal(error.into())
    }
}

impl DeviceError {
    /// Whether it is a lock: somebody has to log in before anything goes on.
    pub fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::LoggedOut
                | Self::KeyLost
                | Self::TooLongOffline(_)
                | Self::SignedOut(_)
                | Self::Revoked
                | Self::Keystore(_)
                | Self::Transport(TransportError::SignedOut { .. })
        )
    }
}
