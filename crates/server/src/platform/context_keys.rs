//! The keys of the tenant context, as a file keeps them and as the server uses them: loaded, rotated, told to the database.
//!
//! They must never be written to the log or into a backup of the database.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fieldstone_model::clock::Clock;
use jiff::Timestamp;
use tokio_postgres::Config;

use crate::data_dir::write_private;
use crate::database::{Actor, Backend, ContextSigner, DatabaseError, connect};

/// How often a running server looks whether its keys have to be, or have been, rotated.
const ROTATION: Duration = Duration::from_hours(6);

/// Why there are no keys. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextKeyError {
    /// The file can't be read or written.
    #[error("The key file of the tenant context {path} can't be used: {source}.")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Others can read the file.
    #[error(
        "The key file of the tenant context {0} can be read by other users; make it private (chmod 600)."
    )]
    Exposed(PathBuf),
    /// The database does not take the keys, or the file does not hold any.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The keys in use, and the file they come from.
#[derive(Debug)]
pub struct ContextKeys {
    file: PathBuf,
    /// Whether the file is this server's to write; otherwise somebody else rotates.
    ours: bool,
    signer: RwLock<Arc<ContextSigner>>,
}

impl ContextKeys {
    /// Opens a file of this server's own: made when it isn't there, rotated when it is time.
    pub fn own(file: PathBuf, now: Timestamp) -> Result<Self, ContextKeyError> {
        let signer = match read(&file)? {
            Some(signer) => signer,
            None => write(&file, ContextSigner::generate(now)?)?,
        };
        let keys = Self {
            file,
            ours: true,
            signer: RwLock::new(Arc::new(signer)),
        };
        keys.refresh(now)?;
        Ok(keys)
    }

    /// Opens a file that a secrets manager keeps for all nodes.
    pub fn shared(file: PathBuf) -> Result<Self, ContextKeyError> {
        let missing = || ContextKeyError::File {
            path: file.clone(),
            source: ErrorKind::NotFound.into(),
        };
        let signer = read(&file)?.ok_or_else(missing)?;
        Ok(Self {
            signer: RwLock::new(Arc::new(signer)),
            ours: false,
            file,
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

    /// What the file says now, after a rotation if that is ours to do and due.
    fn fresh(&self, now: Timestamp) -> Result<ContextSigner, ContextKeyError> {
        let missing = || ContextKeyError::File {
            path: self.file.clone(),
            source: ErrorKind::NotFound.into(),
        };
        let mut signer = read(&self.file)?.ok_or_else(missing)?;
        if self.ours && signer.should_rotate(now) {
            signer.rotate(now)?;
            signer = write(&self.file, signer)?;
        }
        Ok(signer)
    }
}

/// The keys in the file; nothing when there is no file.
fn read(file: &Path) -> Result<Option<ContextSigner>, ContextKeyError> {
    let failed = |source| ContextKeyError::File {
        path: file.to_owned(),
        source,
    };
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => zeroize::Zeroizing::new(read.map_err(failed)?),
    };
    if fs::metadata(file).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(ContextKeyError::Exposed(file.to_owned()));
    }
    Ok(Some(ContextSigner::from_text(&text)?))
}

fn write(file: &Path, signer: ContextSigner) -> Result<ContextSigner, ContextKeyError> {
    write_private(file, signer.to_text().as_bytes()).map_err(|source| ContextKeyError::File {
        path: file.to_owned(),
        source,
    })?;
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
    fn keys_that_others_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("context.key");
        ContextKeys::own(file.clone(), NOW.parse().unwrap()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            ContextKeys::shared(file),
            Err(ContextKeyError::Exposed(_))
        ));
    }

    #[test]
    fn a_shared_file_has_to_be_there() {
        let message = ContextKeys::shared("/nowhere/context.key".into())
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/context.key"), "{message}");
    }
}
