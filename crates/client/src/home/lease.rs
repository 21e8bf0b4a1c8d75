//! The lease: one process at a time has a device's folder. The kernel gives it back when the process ends, however it ends.

use std::{
    fs,
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use super::{HomeError, failed};

const FILE: &str = "lease";
/// What the file says while a database is open.
const OPEN: &str = "open";

#[derive(Debug)]
pub(super) struct Lease {
    #[cfg(unix)]
    file: nix::fcntl::Flock<fs::File>,
    #[cfg(not(unix))]
    file: fs::File,
    path: std::path::PathBuf,
    was_left_open: bool,
}

impl Lease {
    pub(super) fn take(folder: &Path) -> Result<Self, HomeError> {
        let path = folder.join(FILE);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed(&path, "written"))?;
        let mut file = lock(file, &path)?;
        let mut text = String::new();
        // What can't be read was left by no process of ours.
        let _ = file.read_to_string(&mut text);
        let was_left_open = text.starts_with(OPEN);
        let mut lease = Self {
            file,
            path,
            was_left_open,
        };
        lease.note(was_left_open)?;
        Ok(lease)
    }

    pub(super) fn was_left_open(&self) -> bool {
        self.was_left_open
    }

    pub(super) fn note(&mut self, open: bool) -> Result<(), HomeError> {
        let word = if open { OPEN } else { "closed" };
        // Always as long, and never cut: what is written over what is there takes no room on a full disk.
        let text = format!("{word:<6} {:<10}\n", std::process::id());
        let file = &mut *self.file;
        let written = file
            .rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data());
        written.map_err(failed(&self.path, "written"))
    }
}

#[cfg(unix)]
fn lock(file: fs::File, path: &Path) -> Result<nix::fcntl::Flock<fs::File>, HomeError> {
    use nix::fcntl::{Flock, FlockArg};
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, error)| {
        if error != nix::errno::Errno::EWOULDBLOCK {
            return failed(path, "locked")(error.into());
        }
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        let holder = text.split_whitespace().nth(1);
        HomeError::InUse {
            holder: holder.and_then(|pid| pid.parse().ok()),
        }
    })
}

#[cfg(not(unix))]
fn lock(file: fs::File, path: &Path) -> Result<fs::File, HomeError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(HomeError::InUse { holder: None }),
        Err(fs::TryLockError::Error(error)) => Err(failed(path, "locked")(error)),
    }
}
