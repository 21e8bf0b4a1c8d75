//! What is mounted where, as the kernel says it.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::unistd::geteuid;

use super::StorageError;
use super::programs::run;

/// How often a busy file system is tried again, and the pause between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Major and minor number of the device: `7:0`.
    pub(super) device: String,
    pub(super) point: PathBuf,
    pub(super) kind: String,
    pub(super) source: String,
}

/// Everything that is mounted, in the order in which it was.
pub(super) fn all() -> Vec<Mount> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(parse).collect()
}

/// What is mounted on exactly this folder.
pub(super) fn at(folder: &Path) -> Option<Mount> {
    all().into_iter().rfind(|mount| mount.point == folder)
}

/// The file system that this path lies on.
pub(super) fn over(path: &Path) -> Option<Mount> {
    let longest = |mount: &Mount| mount.point.as_os_str().len();
    // Of two on the same folder the later one is seen.
    all()
        .into_iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(longest)
}

fn parse(line: &str) -> Option<Mount> {
    let (about, origin) = line.split_once(" - ")?;
    let mut about = about.split(' ');
    let device = about.nth(2)?.to_owned();
    let point = unescape(about.nth(1)?);
    let mut origin = origin.split(' ');
    Some(Mount {
        device,
        point,
        kind: origin.next()?.to_owned(),
        source: unescape(origin.next()?).to_string_lossy().into_owned(),
    })
}

/// Space, tab, newline and backslash stand there as octal numbers.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = octal {
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Unmounts whatever is mounted on the folder, if anything; waits a while for who still has a file open there.
pub(super) fn unmount(folder: &Path) -> Result<(), StorageError> {
    for _ in 0..TRIES {
        if at(folder).is_none() {
            return Ok(());
        }
        match take_off(folder, MntFlags::empty()) {
            Ok(()) => {}
            Err(Errno::EBUSY) => sleep(PAUSE),
            Err(errno) => return Err(StorageError::file(folder, errno.into())),
        }
    }
    // Out of sight at once, and gone when the last file in it is closed.
    let _ = take_off(folder, MntFlags::MNT_DETACH);
    Err(StorageError::file(folder, Errno::EBUSY.into()))
}

/// Takes a mount out of sight at once, whoever uses it.
pub(super) fn detach(folder: &Path) -> Result<(), StorageError> {
    take_off(folder, MntFlags::MNT_DETACH).map_err(|errno| StorageError::file(folder, errno.into()))
}

/// Only root may unmount; what another user has mounted by FUSE, its helper takes off.
fn take_off(folder: &Path, flags: MntFlags) -> Result<(), Errno> {
    if geteuid().is_root() {
        return umount2(folder, flags);
    }
    let quiet = if flags.contains(MntFlags::MNT_DETACH) {
        "-uqz"
    } else {
        "-uq"
    };
    let arguments = || [quiet.as_ref(), folder.as_os_str()];
    run("fusermount3", "fuse3", arguments(), None)
        .or_else(|_| run("fusermount", "fuse3", arguments(), None))
        .map(drop)
        .map_err(|_| Errno::EBUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = r"36 35 7:0 / /data\040folder/storage rw,noatime master:1 - ext4 /dev/loop0 rw,errors=continue";
        assert_eq!(
            parse(line).unwrap(),
            Mount {
                device: "7:0".to_owned(),
                point: PathBuf::from("/data folder/storage"),
                kind: "ext4".to_owned(),
                source: "/dev/loop0".to_owned(),
            }
        );
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn every_path_lies_on_something() {
        assert!(over(Path::new("/proc/self")).is_some_and(|mount| mount.kind == "proc"));
        assert!(at(Path::new("/nowhere")).is_none());
    }
}
