//! A program encrypts: gocryptfs, for whoever is neither root nor on a file system that can.
//!
//! It must never be trusted with what has to survive a loss of power: a torn write damages a block that was committed before.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::key::Keys;
use super::programs::{run, run_and_leave};
use super::{Layout, StorageError, make_passage, mounts};
use crate::data_dir::make_dir;

const KIND: &str = "fuse.gocryptfs";

/// A mounted file system. Its program ends when it is unmounted.
#[derive(Debug)]
pub(super) struct Gocryptfs {
    mount: PathBuf,
}

impl Gocryptfs {
    /// Makes the encrypted folder and mounts it.
    pub(super) fn make(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        let ciphertext = layout.ciphertext();
        make_dir(&ciphertext, 0o700).map_err(|source| StorageError::file(&ciphertext, source))?;
        // The password is 256 random bits: nothing is won by making it slow to try.
        let arguments: [&OsStr; 5] = [
            "-init".as_ref(),
            "-q".as_ref(),
            "-scryptn".as_ref(),
            "10".as_ref(),
            ciphertext.as_os_str(),
        ];
        run("gocryptfs", "gocryptfs", arguments, Some(&line(keys)))?;
        Self::mount(layout, keys)
    }

    /// Mounts an encrypted folder that is there, unless it still is.
    pub(super) fn open(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        let point = layout.encrypted();
        match mounts::at(&point) {
            Some(mounted)
                if mounted.kind == KIND && Path::new(&mounted.source) == layout.ciphertext() =>
            {
                if fs::read_dir(&point).is_ok() {
                    return Ok(Self { mount: point });
                }
                // Its program was killed; what is mounted answers nothing any more.
                mounts::detach(&point)?;
            }
            Some(_) => return Err(StorageError::Occupied(point)),
            None => {}
        }
        if !layout.ciphertext().join("gocryptfs.conf").exists() {
            return Err(StorageError::Missing(layout.ciphertext()));
        }
        Self::mount(layout, keys)
    }

    fn mount(layout: &Layout, keys: &Keys) -> Result<Self, StorageError> {
        make_passage(&layout.mount())?;
        let (ciphertext, point) = (layout.ciphertext(), layout.encrypted());
        make_passage(&point)?;
        let mut arguments: Vec<&OsStr> = vec!["-q".as_ref(), "-nosyslog".as_ref()];
        if geteuid().is_root() {
            // The database runs as a user of its own.
            arguments.push("-allow_other".as_ref());
        }
        arguments.extend([ciphertext.as_os_str(), point.as_os_str()]);
        let log = ciphertext.with_extension("log");
        run_and_leave("gocryptfs", "gocryptfs", arguments, &line(keys), &log)?;
        let mounted = Self { mount: point };
        make_private(&mounted.mount)?;
        Ok(mounted)
    }

    /// Unmounts it.
    pub(super) fn close(self) -> Result<(), StorageError> {
        mounts::unmount(&self.mount)
    }
}

/// The folder that is seen has rights of its own, kept in the encrypted one.
fn make_private(folder: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
        .map_err(|source| StorageError::file(folder, source))
}

fn line(keys: &Keys) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(format!("{}\n", *keys.password()))
}
