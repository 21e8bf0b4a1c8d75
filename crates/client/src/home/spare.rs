//! What a folder keeps for a bad day: second copies of the two files without which nothing else in it is of use, and a little room on the
//! disk, so that a full one can still be read and logged out of.

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;

use super::{HomeError, failed, write_durably};

/// Bytes that are given back when the disk is full: the index of a log, a marker, and some more.
const RESERVE_LEN: usize = 256 << 10;
pub(super) const RESERVE: &str = "reserve";

/// The name of a file's second copy.
pub(super) fn copy_of(name: &str) -> String {
    format!("{name}.copy")
}

/// Reads a file, or its copy where that is damaged. None when the file isn't there, whatever there is of a copy.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, HomeError> {
    match parsed(folder, name) {
        Err(HomeError::Damaged(file)) => match parsed(folder, &copy_of(name)) {
            Ok(Some(copy)) => Ok(Some(copy)),
            _ => Err(HomeError::Damaged(file)),
        },
        answer => answer,
    }
}

/// Reads a file of ours. None when it isn't there.
pub(super) fn parsed<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
) -> Result<Option<T>, HomeError> {
    let file = folder.join(name);
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&file, "read")(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|_| HomeError::Damaged(file))
}

/// Makes the copy of a file that is whole and has none. What can't be copied now is copied the next time.
pub(super) fn make_copy(folder: &Path, name: &str) {
    let copy = copy_of(name);
    if folder.join(&copy).exists() {
        return;
    }
    if let Ok(text) = fs::read(folder.join(name)) {
        let _ = write_durably(folder, &copy, &text);
    }
}

/// Takes the room that is kept, if there is so much.
pub(super) fn keep_room(folder: &Path) {
    let file = folder.join(RESERVE);
    if file.exists() {
        return;
    }
    // Written and not only made longer: a hole takes no room.
    if fs::write(&file, vec![b'.'; RESERVE_LEN]).is_err() {
        let _ = fs::remove_file(&file);
    }
}

/// Gives the room back that was kept; whether there was any.
pub(super) fn give_room(folder: &Path) -> bool {
    fs::remove_file(folder.join(RESERVE)).is_ok()
}
