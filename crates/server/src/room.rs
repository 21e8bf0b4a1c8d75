//! Room on the disks of this machine. With too little left nothing new is taken: a database that can't write its log of changes stops for all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fieldstone_store::StoreError;
use nix::sys::statvfs::statvfs;

/// With less than this the next write may fail: what is left is for the database itself, and for removing things.
pub(crate) const NEEDED: u64 = 64 << 20;
/// For how long one look counts.
const FRESH: Duration = Duration::from_millis(500);

/// Bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// What can still be written.
    pub(crate) free: u64,
    /// All of it.
    pub(crate) total: u64,
}

impl Space {
    /// Of the disk that a folder lies on; nothing when it can't be looked at.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        let facts = statvfs(folder).ok()?;
        Some(Self {
            free: facts.blocks_available() * facts.fragment_size(),
            total: facts.blocks() * facts.fragment_size(),
        })
    }
}

/// Whether there is room for what people bring. Cheap to clone; without folders there always is.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<Watched>);

#[derive(Default)]
struct Watched {
    folders: Vec<PathBuf>,
    looked: Mutex<Option<(Instant, bool)>>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

impl Room {
    /// In these folders.
    pub(crate) fn of(folders: &[PathBuf]) -> Self {
        Self(Arc::new(Watched {
            folders: folders.to_vec(),
            looked: Mutex::default(),
        }))
    }

    /// Whether all of them have some. One that can't be looked at is no reason to refuse anybody: readiness tells of it.
    pub(crate) fn is_left(&self) -> bool {
        let mut looked = (self.0.looked.lock()).unwrap_or_else(PoisonError::into_inner);
        match *looked {
            Some((when, left)) if when.elapsed() < FRESH => left,
            _ => {
                let spaces = self.0.folders.iter().filter_map(|it| Space::around(it));
                let left = spaces.into_iter().all(|space| space.free >= NEEDED);
                *looked = Some((Instant::now(), left));
                left
            }
        }
    }

    /// Refuses what needs some where there is none.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.is_left() {
            Ok(())
        } else {
            Err(StoreError::NoRoom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_gone_refuses_nobody_and_has_no_space() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_owned();
        assert!(Space::around(&here).unwrap().total > 0);
        let gone = here.join("gone");
        assert_eq!(Space::around(&gone), None);
        assert!(Room::default().check().is_ok());
        assert!(Room::of(&[gone]).check().is_ok());
        // Nothing can be written to the kernel's own.
        let full = Room::of(&[here, "/proc".into()]);
        assert!(matches!(full.check(), Err(StoreError::NoRoom)));
    }
}
