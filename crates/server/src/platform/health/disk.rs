//! How much room there is in the folders that must not fill up.

use std::path::PathBuf;

use crate::room::Space;

/// What the folder with the least room has; one that can't be looked at has none.
pub(super) fn least_room(folders: &[PathBuf]) -> Option<Space> {
    let rooms = folders
        .iter()
        .map(|folder| Space::around(folder).unwrap_or(Space { free: 0, total: 0 }));
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
        assert_eq!(least_room(&[here, gone]), Some(Space { free: 0, total: 0 }));
    }
}
