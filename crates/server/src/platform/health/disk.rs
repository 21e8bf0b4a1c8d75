//! How much room there is in the folders that must not fill up.

use std::path::PathBuf;

use nix::sys::statvfs::statvfs;

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// What can still be written.
    pub(super) free: u64,
    /// All of it.
    pub(super) total: u64,
}

/// The folder with the least room; one that can't be looked at has none.
pub(super) fn least_room(folders: &[PathBuf]) -> Option<Room> {
    let rooms = folders.iter().map(|folder| {
        statvfs(folder).map_or(Room { free: 0, total: 0 }, |facts| Room {
            free: facts.blocks_available() * facts.fragment_size(),
            total: facts.blocks() * facts.fragment_size(),
        })
    });
    rooms.min_by_key(|room| room.free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_room_counts_and_a_folder_that_is_gone_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_owned();
        assert!(least_room(&[]).is_none());
        assert!(least_room(std::slice::from_ref(&here)).unwrap().total > 0);
        let gone = here.join("gone");
        assert_eq!(least_room(&[here, gone]), Some(Room { free: 0, total: 0 }));
    }
}
