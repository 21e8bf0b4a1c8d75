//! The folder of the database's socket: private, and short enough for a socket's address.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use nix::unistd::geteuid;

use super::ClusterError;
use super::account::Account;
use crate::data_dir::make_dir;

/// The longest socket path that Linux takes: `sun_path` has 108 bytes and ends with a zero.
const LONGEST: usize = 107;

/// Where the socket of a data folder lives: inside it, or, when that path is too long, in the system's folder for such things.
pub(super) fn folder(data_dir: &Path) -> PathBuf {
    let inside = data_dir.join("run");
    if inside.as_os_str().len() + "/.s.PGSQL.5432".len() <= LONGEST {
        return inside;
    }
    let hash = digest(&SHA256, data_dir.as_os_str().as_encoded_bytes());
    let hash = hash
        .as_ref()
        .first_chunk()
        .copied()
        .map_or(0, u64::from_be_bytes);
    let name = format!("fieldstone-{hash:016x}");
    let outside = if geteuid().is_root() {
        Some(PathBuf::from("/run"))
    } else {
        env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    outside
        .filter(|outside| outside.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join(name)
}

/// Makes the folder, and refuses one that somebody else could have put there first.
pub(super) fn make(folder: &Path, account: Account) -> Result<(), ClusterError> {
    if fs::symlink_metadata(folder).is_err() {
        make_dir(folder, 0o700)
            .and_then(|()| account.give(folder))
            .map_err(|source| ClusterError::file(folder, source))?;
    }
    let facts =
        fs::symlink_metadata(folder).map_err(|source| ClusterError::file(folder, source))?;
    let private = facts.is_dir() && facts.mode() & 0o777 == 0o700;
    let owned = account
        .owns(folder)
        .map_err(|source| ClusterError::file(folder, source))?;
    if private && owned {
        Ok(())
    } else {
        Err(ClusterError::SocketFolder(folder.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_long_path_moves_the_socket_elsewhere() {
        assert_eq!(
            folder(Path::new("/var/lib/fieldstone")),
            Path::new("/var/lib/fieldstone/run")
        );
        let long = PathBuf::from("/").join("d".repeat(100));
        let moved = folder(&long);
        assert!(
            moved.as_os_str().len() + 14 <= LONGEST,
            "{}",
            moved.display()
        );
        assert_ne!(moved, folder(&long.join("other")));
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let run = parent.path().join("run");
        make(&run, Account::Own).unwrap();
        make(&run, Account::Own).unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            make(&run, Account::Own),
            Err(ClusterError::SocketFolder(_))
        ));
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(matches!(
            make(&link, Account::Own),
            Err(ClusterError::SocketFolder(_))
        ));
    }
}
