//! Keys in files that one user can read: the embedded default, outside the database and outside its backups.
//!
//! ```text
//! root.key            32 bytes
//! tenants/ID.key      the tenant's key, sealed under the root key
//! tenants/ID.gone     left behind by a destroyed key, so that it is never made again
//! ```
//!
//! A file system may keep old blocks of a file that was removed; the encryption below it is what makes them worthless.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::{
    KeySource, SecretKey, VaultError, key::KEY_LEN, key::framed, seal, source::check_tenant,
};

/// A folder of key files.
#[derive(Debug)]
pub struct FileKeys {
    tenants: PathBuf,
    root: SecretKey,
}

impl FileKeys {
    /// Opens the folder; made with a fresh root key when it isn't there.
    pub fn own(folder: &Path) -> Result<Self, VaultError> {
        for folder in [folder.to_owned(), folder.join("tenants")] {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder);
            made.map_err(|source| failed(&folder, source))?;
        }
        let file = folder.join("root.key");
        if read(&file)?.is_none() {
            publish(&file, SecretKey::generate()?.bytes())?;
        }
        Self::shared(folder)
    }

    /// Opens a folder that somebody else made and keeps.
    pub fn shared(folder: &Path) -> Result<Self, VaultError> {
        let file = folder.join("root.key");
        let bytes = read(&file)?.ok_or_else(|| failed(&file, ErrorKind::NotFound.into()))?;
        let root = SecretKey::from_bytes(&bytes).ok_or(VaultError::Damaged(file))?;
        Ok(Self {
            tenants: folder.join("tenants"),
            root,
        })
    }

    fn file(&self, tenant: &str, end: &str) -> Result<PathBuf, VaultError> {
        check_tenant(tenant)?;
        Ok(self.tenants.join(format!("{tenant}.{end}")))
    }
}

impl KeySource for FileKeys {
    fn tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError> {
        let gone = self.file(tenant, "gone")?;
        if gone.exists() {
            return Err(VaultError::NoKey);
        }
        let file = self.file(tenant, "key")?;
        let sealed = read(&file)?.ok_or(VaultError::NoKey)?;
        let opened = seal::open(&self.root, &place(tenant), &sealed)?;
        SecretKey::from_bytes(&opened).ok_or(VaultError::Damaged(file))
    }

    fn make_tenant_key(&self, tenant: &str) -> Result<SecretKey, VaultError> {
        match self.tenant_key(tenant) {
            Err(VaultError::NoKey) => {}
            found => return found,
        }
        if self.file(tenant, "gone")?.exists() {
            return Err(VaultError::NoKey);
        }
        let fresh = SecretKey::generate()?;
        let sealed = seal::seal(&self.root, 1, &place(tenant), fresh.bytes())?;
        publish(&self.file(tenant, "key")?, &sealed)?;
        // Whoever came first has made it.
        self.tenant_key(tenant)
    }

    fn destroy_tenant_key(&self, tenant: &str) -> Result<(), VaultError> {
        publish(&self.file(tenant, "gone")?, b"")?;
        let file = self.file(tenant, "key")?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&file, error)),
            _ => sync_folder(&self.tenants),
        }
    }
}

fn place(tenant: &str) -> Vec<u8> {
    framed(&[b"fieldstone tenant key 1", tenant.as_bytes()])
}

fn failed(path: &Path, source: std::io::Error) -> VaultError {
    VaultError::Source {
        path: path.to_owned(),
        source,
    }
}

/// What is in a private file; nothing when it isn't there.
fn read(file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    let bytes = match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => Zeroizing::new(read.map_err(|source| failed(file, source))?),
    };
    let about = fs::metadata(file).map_err(|source| failed(file, source))?;
    if about.mode() & 0o077 != 0 {
        return Err(VaultError::Exposed(file.to_owned()));
    }
    Ok(Some(bytes))
}

/// Puts a private file in its place, whole and durable, unless there is one already.
fn publish(file: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let mut random = [0; KEY_LEN / 4];
    rand::fill(&mut random).map_err(|_| VaultError::Crypto)?;
    let draft = file.with_extension(format!("{:016x}", u64::from_ne_bytes(random)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut made| {
            made.write_all(bytes)?;
            made.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, file) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = fs::remove_file(&draft);
    written.map_err(|source| failed(file, source))?;
    sync_folder(file.parent().unwrap_or(Path::new("/")))
}

fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| failed(folder, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TENANT: &str = "00D000000000001";

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        assert!(matches!(keys.tenant_key(TENANT), Err(VaultError::NoKey)));
        let made = keys.make_tenant_key(TENANT).unwrap();
        let again = FileKeys::own(folder.path()).unwrap();
        assert_eq!(again.make_tenant_key(TENANT).unwrap().bytes(), made.bytes());
        let other = again.make_tenant_key("00D000000000002").unwrap();
        assert_ne!(other.bytes(), made.bytes());
        for entry in fs::read_dir(folder.path().join("tenants")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(32).any(|part| part == made.bytes()));
        }
    }

    #[test]
    fn all_who_make_a_key_at_once_get_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| keys.make_tenant_key(TENANT).unwrap()))
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert!(made.iter().all(|key| key.bytes() == made[0].bytes()));
        let left = fs::read_dir(folder.path().join("tenants")).unwrap().count();
        assert_eq!(left, 1, "no drafts are left");
    }

    #[test]
    fn a_destroyed_key_never_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        keys.make_tenant_key(TENANT).unwrap();
        let copy = fs::read(folder.path().join("tenants/00D000000000001.key")).unwrap();
        keys.destroy_tenant_key(TENANT).unwrap();
        keys.destroy_tenant_key(TENANT).unwrap();
        assert!(matches!(keys.tenant_key(TENANT), Err(VaultError::NoKey)));
        assert!(matches!(
            keys.make_tenant_key(TENANT),
            Err(VaultError::NoKey)
        ));
        // Not even from a copy of its file that somebody puts back.
        publish(&folder.path().join("tenants/00D000000000001.key"), &copy).unwrap();
        assert!(matches!(keys.tenant_key(TENANT), Err(VaultError::NoKey)));
    }

    #[test]
    fn files_that_others_read_or_that_were_swapped_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        keys.make_tenant_key(TENANT).unwrap();
        keys.make_tenant_key("00D000000000002").unwrap();
        let tenants = folder.path().join("tenants");
        fs::copy(
            tenants.join("00D000000000002.key"),
            tenants.join("00D000000000001.key"),
        )
        .unwrap();
        assert!(matches!(
            keys.tenant_key(TENANT),
            Err(VaultError::DoesNotOpen)
        ));
        for name in ["../root", "", "a/b", "00D.", "00D\0"] {
            assert!(
                matches!(keys.tenant_key(name), Err(VaultError::BadTenant)),
                "{name:?}"
            );
        }
        let root = folder.path().join("root.key");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            FileKeys::own(folder.path()),
            Err(VaultError::Exposed(_))
        ));
        fs::set_permissions(&root, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&root, b"short").unwrap();
        assert!(matches!(
            FileKeys::own(folder.path()),
            Err(VaultError::Damaged(_))
        ));
    }
}
