//! The operating system account that the database runs as.
//!
//! PostgreSQL refuses to run as root, rightly; started by root, it gets an account that owns nothing else.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid};
use tokio::process::Command;

use super::ClusterError;

/// The account to step down to, or nothing to step down from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// The server runs as an ordinary user, and so does the database.
    Own,
    /// The server runs as root; the database as this account.
    Lesser { uid: Uid, gid: Gid },
}

impl Account {
    /// `postgres` where there is one, else `nobody`.
    pub(crate) fn choose() -> Result<Self, ClusterError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        let user = ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        let user = user
            .filter(|user| !user.uid.is_root())
            .ok_or(ClusterError::NoAccount)?;
        Ok(Self::Lesser {
            uid: user.uid,
            gid: user.gid,
        })
    }

    /// Makes the command run as this account. The standard library drops root's supplementary groups with it.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Lesser { uid, gid } = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    /// Gives a file or folder to this account; of a symbolic link the link itself, wherever it leads.
    pub(crate) fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Lesser { uid, gid } => lchown(path, Some(uid.as_raw()), Some(gid.as_raw())),
        }
    }

    /// Whether `path` belongs to this account.
    pub(crate) fn owns(self, path: &Path) -> io::Result<bool> {
        let uid = match self {
            Self::Own => geteuid(),
            Self::Lesser { uid, .. } => uid,
        };
        Ok(fs::symlink_metadata(path)?.uid() == uid.as_raw())
    }

    /// Makes sure that this account can reach `folder`: every folder on the way must let it pass.
    pub(crate) fn check_reach(self, folder: &Path) -> Result<(), ClusterError> {
        let Self::Lesser { uid, gid } = self else {
            return Ok(());
        };
        for ancestor in folder.ancestors() {
            let facts =
                fs::metadata(ancestor).map_err(|source| ClusterError::file(ancestor, source))?;
            let passes = if facts.uid() == uid.as_raw() {
                facts.mode() & 0o100
            } else if facts.gid() == gid.as_raw() {
                facts.mode() & 0o010
            } else {
                facts.mode() & 0o001
            };
            if passes == 0 {
                return Err(ClusterError::OutOfReach {
                    folder: folder.to_owned(),
                    barrier: ancestor.to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let account = Account::Lesser {
            uid: Uid::from_raw(54_321),
            gid: Gid::from_raw(54_321),
        };
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("data");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o711)).unwrap();
        account.check_reach(&inner).unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = account.check_reach(&inner).unwrap_err();
        assert!(
            matches!(&error, ClusterError::OutOfReach { barrier, .. } if barrier == outer.path()),
            "{error}"
        );
        Account::Own.check_reach(&inner).unwrap();
    }
}
