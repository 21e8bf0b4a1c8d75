//! The keys of the tenant context, as a file keeps them and as the server uses them: loaded, rotated, told to the database.
//!
//! They must never be written to the log or into a backup of the database.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use tokio_postgres::Config;
use zeroize::Zeroizing;

use crate::database::{Actor, Backend, ContextSigner, DatabaseError, connect};
use crate::secrets::{Secret, SecretError};

/// How often a running server looks whether its keys have to be, or have been, rotated.
const ROTATION: Duration = Duration::from_hours(6);

/// Why there are no keys. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextKeyError {
    /// There are none where they should be.
    #[error("There are no keys of the tenant context at {0}; `fieldstone migrate` makes them.")]
    Missing(String),
    /// They can't be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database does not take the keys, or the file does not hold any.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The keys in use, and where they come from.
#[derive(Debug)]
pub struct ContextKeys {
    place: Secret,
    /// Whether they are this server's to change; otherwise somebody else rotates.
    ours: bool,
    signer: RwLock<Arc<ContextSigner>>,
}

impl ContextKeys {
    /// Opens keys of this server's own: made when there are none, rotated when it is time.
    pub fn own(place: impl Into<Secret>, now: Timestamp) -> Result<Self, ContextKeyError> {
        let place = place.into();
        let signer = match read(&place)? {
            Some((signer, _)) => signer,
            None => put(&place, None, ContextSigner::generate(now)?)?,
        };
        let keys = Self {
            place,
            ours: true,
            signer: RwLock::new(Arc::new(signer)),
        };
        keys.refresh(now)?;
        Ok(keys)
    }

    /// Opens keys that somebody else keeps for all nodes.
    pub fn shared(place: impl Into<Secret>) -> Result<Self, ContextKeyError> {
        let place = place.into();
        let (signer, _) = read(&place)?.ok_or_else(|| missing(&place))?;
        Ok(Self {
            signer: RwLock::new(Arc::new(signer)),
            ours: false,
            place,
        })
    }

    /// The text that enters a transaction; see [`ContextSigner::sign`].
    pub fn sign(&self, actor: &Actor, backend: &Backend, now: Timestamp) -> String {
        self.signer().sign(actor, backend, now)
    }

    /// The signer in use just now.
    pub fn signer(&self) -> Arc<ContextSigner> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the database these keys, as its owner.
    pub async fn install(&self, owner: &Config) -> Result<(), ContextKeyError> {
        let mut client = connect(owner).await?;
        Ok(self.signer().install(&mut client).await?)
    }

    /// Keeps the keys fresh for as long as the server runs. Never returns.
    ///
    /// The database learns a new key before anything is signed with it.
    pub async fn keep_fresh(self: Arc<Self>, owner: Option<Config>, clock: Arc<dyn Clock>) {
        loop {
            tokio::time::sleep(ROTATION).await;
            let refreshed = async {
                if let Some(owner) = &owner {
                    let mut client = connect(owner).await?;
                    self.fresh(clock.now())?.install(&mut client).await?;
                }
                self.refresh(clock.now())
            };
            if let Err(error) = refreshed.await {
                tracing::error!(
                    "The keys of the tenant context were not refreshed; the present ones stay in use. {error}"
                );
            }
        }
    }

    fn refresh(&self, now: Timestamp) -> Result<(), ContextKeyError> {
        let fresh = Arc::new(self.fresh(now)?);
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What is there now, after a rotation if that is ours to do and due.
    fn fresh(&self, now: Timestamp) -> Result<ContextSigner, ContextKeyError> {
        let (mut signer, seen) = read(&self.place)?.ok_or_else(|| missing(&self.place))?;
        if self.ours && signer.should_rotate(now) {
            signer.rotate(now)?;
            signer = put(&self.place, Some(&seen), signer)?;
        }
        Ok(signer)
    }
}

fn missing(place: &Secret) -> ContextKeyError {
    ContextKeyError::Missing(place.place().to_string())
}

/// The keys at a place and their text; nothing when there are none yet.
fn read(place: &Secret) -> Result<Option<(ContextSigner, Zeroizing<String>)>, ContextKeyError> {
    let Some(text) = place.find()? else {
        return Ok(None);
    };
    Ok(Some((ContextSigner::from_text(&text)?, text)))
}

/// Keeps keys where `seen` was (nothing: none). Answers those that are there then: somebody else's, if they were faster, since keys that
/// nobody else can read would sign for a database that others are about to tell otherwise.
fn put(
    place: &Secret,
    seen: Option<&str>,
    signer: ContextSigner,
) -> Result<ContextSigner, ContextKeyError> {
    if place.replace(seen, &signer.to_text())? {
        return Ok(signer);
    }
    let (signer, _) = read(place)?.ok_or_else(|| missing(place))?;
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::SignedDuration;

    use super::*;

    const NOW: &str = "2026-05-01T12:00:00Z";

    #[test]
    fn keys_are_made_once_and_rotated_when_due() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("context.key");
        let now: Timestamp = NOW.parse().unwrap();
        let first = ContextKeys::own(file.clone(), now)
            .unwrap()
            .signer()
            .to_text();
        assert_eq!(
            ContextKeys::own(file.clone(), now)
                .unwrap()
                .signer()
                .to_text(),
            first
        );
        let keys =
            ContextKeys::own(file.clone(), now + SignedDuration::from_hours(24 * 80)).unwrap();
        assert_ne!(keys.signer().to_text(), first);
        assert_eq!(
            ContextKeys::shared(file).unwrap().signer().to_text(),
            keys.signer().to_text()
        );
    }

    #[test]
    fn of_two_who_make_or_rotate_keys_both_use_the_same_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("context.key");
        let place = Secret::from(file.clone());
        let now: Timestamp = NOW.parse().unwrap();
        let fresh = || ContextSigner::generate(now).unwrap();
        let first = put(&place, None, fresh()).unwrap().to_text();
        // Somebody who had found none either.
        let second = put(&place, None, fresh()).unwrap().to_text();
        assert_eq!(*second, *first);
        let later = now + SignedDuration::from_hours(24 * 80);
        let mut rotated = fresh();
        rotated.rotate(later).unwrap();
        let rotated = put(&place, Some(&first), rotated).unwrap().to_text();
        let mut late = fresh();
        late.rotate(later).unwrap();
        assert_eq!(
            *put(&place, Some(&first), late).unwrap().to_text(),
            *rotated
        );
        assert_eq!(
            *ContextKeys::shared(file).unwrap().signer().to_text(),
            *rotated
        );
    }

    #[test]
    fn keys_that_others_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("context.key");
        ContextKeys::own(file.clone(), NOW.parse().unwrap()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            ContextKeys::shared(file),
            Err(ContextKeyError::Secret(SecretError::Exposed(_)))
        ));
    }

    #[test]
    fn a_shared_file_has_to_be_there() {
        let message = ContextKeys::shared(std::path::PathBuf::from("/nowhere/context.key"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/context.key"), "{message}");
    }
}
