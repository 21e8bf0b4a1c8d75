//! Keeps an image large enough for what is written into it.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::image::{available, grows_in_use, reserve};
use super::programs::run;
use super::{StorageError, mounts};

/// How often the room is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The room that there should always be: more than can be written between two looks.
const HEADROOM: u64 = 1 << 30;
/// What is left to everybody else on the disk below.
const RESERVE: u64 = 256 << 20;
/// Growing by less is not worth it.
const LEAST_STEP: u64 = 64 << 20;
/// How often a full disk is complained about.
const COMPLAIN_EVERY: u32 = 60;

/// How much room there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What can still be written.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Watches one image.
#[derive(Debug)]
pub struct Growth {
    mount: PathBuf,
    image: PathBuf,
}

impl Growth {
    pub(super) fn new(mount: PathBuf, image: PathBuf) -> Self {
        Self { mount, image }
    }

    /// Grows the image whenever room gets short. Never returns.
    pub async fn keep_room(self) {
        let growth = std::sync::Arc::new(self);
        let mut complaints = 0_u32;
        loop {
            let look = std::sync::Arc::clone(&growth);
            let looked = tokio::task::spawn_blocking(move || look.grow_if_needed()).await;
            match looked {
                Ok(Ok(_)) => complaints = 0,
                Ok(Err(error)) => {
                    if complaints.is_multiple_of(COMPLAIN_EVERY) {
                        tracing::error!("The room for the database can't be made larger. {error}");
                    }
                    complaints += 1;
                }
                Err(_) => return,
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Grows the image when there is less room in it than there should be; answers whether it did.
    ///
    /// An error when the disk below is nearly full: then writing will fail soon.
    pub fn grow_if_needed(&self) -> Result<bool, StorageError> {
        let below = available(&self.image)?;
        let short = || StorageError::NoRoom {
            folder: self.image.clone(),
            free_mib: below >> 20,
            needed_mib: (RESERVE + LEAST_STEP) >> 20,
        };
        if !grows_in_use() {
            return if below < RESERVE {
                Err(short())
            } else {
                Ok(false)
            };
        }
        let Some(step) = step(space(&self.mount)?, below) else {
            return Ok(false);
        };
        if step < LEAST_STEP {
            return Err(short());
        }
        self.grow(step)?;
        Ok(true)
    }

    /// Makes the file longer, tells the loop device, then the file system; each is safe to be interrupted after.
    pub fn grow(&self, step: u64) -> Result<(), StorageError> {
        let device = mounts::at(&self.mount)
            .ok_or_else(|| StorageError::Missing(self.mount.clone()))?
            .source;
        let file = OpenOptions::new()
            .write(true)
            .open(&self.image)
            .map_err(|source| StorageError::file(&self.image, source))?;
        let length = file
            .metadata()
            .map_err(|source| StorageError::file(&self.image, source))?
            .len();
        reserve(&file, length + step).map_err(|source| StorageError::file(&self.image, source))?;
        let device: &OsStr = device.as_ref();
        run(
            "losetup",
            "mount",
            ["--set-capacity".as_ref(), device],
            None,
        )?;
        run("resize2fs", "e2fsprogs", [device], None)?;
        tracing::info!(
            "The room for the database grew to {} MiB",
            (length + step) >> 20
        );
        Ok(())
    }
}

/// The room in a file system.
fn space(path: &std::path::Path) -> Result<Space, StorageError> {
    let facts = statvfs(path).map_err(|errno| StorageError::file(path, errno.into()))?;
    Ok(Space {
        free: facts.blocks_available() * facts.fragment_size(),
        total: facts.blocks() * facts.fragment_size(),
    })
}

/// By how much to grow, as far as the disk below has it; nothing while there is room.
fn step(inside: Space, below: u64) -> Option<u64> {
    if inside.free >= HEADROOM.min(inside.total / 2) {
        return None;
    }
    Some(
        (inside.total / 4)
            .max(HEADROOM)
            .min(below.saturating_sub(RESERVE)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn it_grows_in_time_and_by_enough() {
        let at = |free, total| step(Space { free, total }, 100 * GIB);
        assert_eq!(at(GIB, 2 * GIB), None);
        assert_eq!(at(GIB - 1, 2 * GIB), Some(GIB));
        assert_eq!(at(GIB - 1, 40 * GIB), Some(10 * GIB));
        // A small one isn't asked for more room than half of it.
        assert_eq!(at(300 << 20, 512 << 20), None);
    }

    #[test]
    fn it_leaves_others_some_room() {
        let full = Space {
            free: 0,
            total: 2 * GIB,
        };
        assert_eq!(step(full, RESERVE + 7), Some(7));
        assert_eq!(step(full, 0), Some(0));
    }
}
