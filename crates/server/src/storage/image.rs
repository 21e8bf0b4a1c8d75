//! The kernel encrypts a folder in a file system of its own, which lies in a file: for root, where the data folder's file system can't.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fieldstone_fscrypt::KeyName;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

use super::fscrypt::{lock, unlock, unlock_new};
use super::key::Keys;
use super::programs::run;
use super::{Layout, StorageError, make_passage, mounts};

/// The first size of an image that grows. Its room is taken from the disk at once, so that a full disk is noticed when the image grows and
/// not when a page is written.
const FIRST: u64 = 2 << 30;
/// The least that is worth a start.
const LEAST: u64 = 512 << 20;
/// The largest image that is made in one piece.
const LARGEST: u64 = 4 << 40;
/// The capability to resize a file system in use (`CAP_SYS_RESOURCE`), which containers often lack.
const RESIZES: u32 = 24;

/// A mounted image whose key the kernel holds.
#[derive(Debug)]
pub(super) struct Image {
    mount: PathBuf,
    encrypted: PathBuf,
    key: KeyName,
}

impl Image {
    /// Makes the file, the file system in it, and the encrypted folder in that.
    pub(super) fn make(layout: &Layout, keys: &Keys, bytes: u64) -> Result<Self, StorageError> {
        let free = available(&layout.root)?;
        let least = LEAST.max(bytes + bytes / 4);
        if free < least + LEAST / 2 {
            return Err(StorageError::NoRoom {
                folder: layout.root.clone(),
                free_mib: free >> 20,
                needed_mib: (least + LEAST / 2) >> 20,
            });
        }
        let image = layout.image();
        let draft = image.with_extension("img.new");
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&draft)
            .map_err(|source| StorageError::file(&draft, source))?;
        let reserved = if grows_in_use() {
            reserve(
                &file,
                (FIRST + bytes + bytes / 4).min((free / 2).max(least)),
            )
        } else {
            file.set_len(free.clamp(least, LARGEST))
        };
        reserved.map_err(|source| StorageError::file(&draft, source))?;
        drop(file);
        let options: [&OsStr; 11] = [
            "-q".as_ref(),
            "-i".as_ref(),
            "32768".as_ref(),
            "-F".as_ref(),
            "-m".as_ref(),
            "0".as_ref(),
            "-O".as_ref(),
            "encrypt".as_ref(),
            "-E".as_ref(),
            "lazy_itable_init=1,lazy_journal_init=1,nodiscard".as_ref(),
            draft.as_os_str(),
        ];
        run("mkfs.ext4", "e2fsprogs", options, None)?;
        fs::rename(&draft, &image).map_err(|source| StorageError::file(&image, source))?;
        mount(layout)?;
        let made = (|| {
            let encrypted = layout.encrypted();
            make_passage(&encrypted)?;
            let key = unlock_new(&encrypted, keys)?;
            Ok(Self {
                mount: layout.mount(),
                encrypted,
                key,
            })
        })();
        if made.is_err() {
            mounts::unmount(&layout.mount())?;
        }
        made
    }

    /// Mounts an image that is there, unless it still is, and gives the kernel its key.
    pub(super) fn open(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        let taken_over = match mounts::at(&layout.mount()) {
            Some(mounted) if backing_file(&mounted.source).as_deref() == Some(&layout.image()) => {
                true
            }
            Some(_) => return Err(StorageError::Occupied(layout.mount())),
            None => {
                if !grows_in_use() {
                    grow_unmounted(&layout.image())?;
                }
                mount(layout)?;
                false
            }
        };
        match unlock(&layout.encrypted(), keys) {
            Ok(key) => Ok(Self {
                mount: layout.mount(),
                encrypted: layout.encrypted(),
                key,
            }),
            Err(error) => {
                if !taken_over {
                    mounts::unmount(&layout.mount())?;
                }
                Err(error)
            }
        }
    }

    /// Takes the key from the kernel, then the file system out of sight.
    pub(super) fn close(self) -> Result<(), StorageError> {
        let locked = lock(&self.encrypted, self.key);
        mounts::unmount(&self.mount)?;
        locked
    }
}

/// Whether this process may resize a file system while it is mounted. Where it may not, an image is made as large as the disk below, and takes
/// from it what is written: then it is the disk's room that has to be watched.
pub(super) fn grows_in_use() -> bool {
    let facts = fs::read_to_string("/proc/self/status").unwrap_or_default();
    facts
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << RESIZES) != 0)
}

/// Makes an image that was made for a smaller disk as large as the disk now has room for.
fn grow_unmounted(image: &Path) -> Result<(), StorageError> {
    let failed = |source| StorageError::file(image, source);
    let Ok(facts) = fs::metadata(image) else {
        return Err(StorageError::Missing(image.to_owned()));
    };
    let taken = facts.blocks() * 512;
    let wanted = (taken + available(image)?).min(LARGEST);
    if wanted < facts.len().saturating_mul(2) {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(image).map_err(failed)?;
    file.set_len(wanted).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // Status 1 says that something was put right.
    let checked = run(
        "e2fsck",
        "e2fsprogs",
        ["-f".as_ref(), "-p".as_ref(), image.as_os_str()],
        None,
    );
    if let Err(error) = checked {
        tracing::debug!(%error, "e2fsck");
    }
    run("resize2fs", "e2fsprogs", [image], None)?;
    Ok(())
}

/// Bytes that this process may still write beside `path`.
pub(super) fn available(path: &Path) -> Result<u64, StorageError> {
    let facts = statvfs(path).map_err(|errno| StorageError::file(path, errno.into()))?;
    Ok(facts.blocks_available() * facts.fragment_size())
}

/// Makes the file this long, with room taken from the disk where the file system can do that.
pub(super) fn reserve(file: &File, size: u64) -> io::Result<()> {
    let length = i64::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => {}
        Err(Errno::EOPNOTSUPP) => file.set_len(size)?,
        Err(errno) => return Err(errno.into()),
    }
    file.sync_all()
}

/// The file behind a loop device.
pub(super) fn backing_file(device: &str) -> Option<PathBuf> {
    let name = device.strip_prefix("/dev/")?;
    let text = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}

/// The loop device goes with the mount.
fn mount(layout: &Layout) -> Result<(), StorageError> {
    let image = layout.image();
    if !image.exists() {
        return Err(StorageError::Missing(image));
    }
    make_passage(&layout.mount())?;
    let point = layout.mount();
    // What is deleted is given back to the disk, unless its room was taken in advance.
    let options = if grows_in_use() {
        "loop,noatime,nosuid,nodev,noexec,noinit_itable,nodiscard"
    } else {
        "loop,noatime,nosuid,nodev,noexec,noinit_itable,discard"
    };
    let arguments: [&OsStr; 6] = [
        "-t".as_ref(),
        "ext4".as_ref(),
        "-o".as_ref(),
        options.as_ref(),
        image.as_os_str(),
        point.as_os_str(),
    ];
    run("mount", "mount", arguments, None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_is_not_mounted_grows_to_what_the_disk_has() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("storage.img");
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run(
            "mkfs.ext4",
            "e2fsprogs",
            [
                "-q".as_ref(),
                "-O".as_ref(),
                "encrypt".as_ref(),
                image.as_os_str(),
            ],
            None,
        )
        .unwrap();
        grow_unmounted(&image).unwrap();
        let length = fs::metadata(&image).unwrap().len();
        assert!(length > 32 << 20, "{length}");
        let about = run(
            "dumpe2fs",
            "e2fsprogs",
            ["-h".as_ref(), image.as_os_str()],
            None,
        )
        .unwrap();
        let number = |name: &str| -> u64 {
            let line = about
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.trim().parse().unwrap()
        };
        let filled = number("Block count:") * number("Block size:");
        assert!(filled > length / 2, "{filled} of {length}");
        grow_unmounted(&image).unwrap();
        assert_eq!(fs::metadata(&image).unwrap().len(), length, "once");
    }
}
