//! Keys in files that one user can read: the embedded default, outside the database and outside its backups.
//!
//! ```text
//! root.key            32 bytes: the first root key
//! root-N.key          the N-th; while there are two, a change is under way
//! tenants/ID.key      the tenant's keys, sealed under the root key whose number they say
//! tenants/ID.gone     left behind by destroyed keys, so that they are never made again
//! lock                held by whoever writes
//! ```
//!
//! A file system may keep old blocks of a file that was removed; the encryption below it is what makes them worthless.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::{
    KeyRing, KeySource, SecretKey, VaultError,
    key::{KEY_LEN, framed},
    seal,
    source::{Consent, Progress, check_tenant},
};

/// A folder of key files.
#[derive(Debug)]
pub struct FileKeys {
    folder: PathBuf,
    tenants: PathBuf,
    /// Root keys that have been used, by their numbers.
    roots: RwLock<BTreeMap<u16, SecretKey>>,
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
        if root_versions(folder)?.is_empty() {
            publish(&root_file(folder, 1), SecretKey::generate()?.bytes())?;
        }
        Self::shared(folder)
    }

    /// Opens a folder that somebody else made and keeps.
    pub fn shared(folder: &Path) -> Result<Self, VaultError> {
        let keys = Self {
            folder: folder.to_owned(),
            tenants: folder.join("tenants"),
            roots: RwLock::default(),
        };
        for version in keys.versions()? {
            keys.root(version)?;
        }
        Ok(keys)
    }

    fn file(&self, tenant: &str, end: &str) -> Result<PathBuf, VaultError> {
        check_tenant(tenant)?;
        Ok(self.tenants.join(format!("{tenant}.{end}")))
    }

    /// The numbers of the root keys there are; never empty.
    fn versions(&self) -> Result<Vec<u16>, VaultError> {
        let versions = root_versions(&self.folder)?;
        if versions.is_empty() {
            return Err(failed(
                &root_file(&self.folder, 1),
                ErrorKind::NotFound.into(),
            ));
        }
        Ok(versions)
    }

    /// A root key by its number, from memory or from its file.
    fn root(&self, version: u16) -> Result<SecretKey, VaultError> {
        let known = self.roots.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = known.get(&version) {
            return Ok(root.clone());
        }
        drop(known);
        let file = root_file(&self.folder, version);
        let bytes = read(&file)?.ok_or_else(|| failed(&file, ErrorKind::NotFound.into()))?;
        let root = SecretKey::from_bytes(&bytes).ok_or(VaultError::Damaged(file))?;
        let mut known = self.roots.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(version, root.clone());
        Ok(root)
    }

    fn newest(&self) -> Result<u16, VaultError> {
        self.versions()?.last().copied().ok_or(VaultError::NoKey)
    }

    /// Held while files are written: many may make tenants' keys, one may change what is there.
    fn lock(&self, alone: bool) -> Result<File, VaultError> {
        let path = self.folder.join("lock");
        let locked = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| {
                if alone {
                    file.lock()
                } else {
                    file.lock_shared()
                }?;
                Ok(file)
            });
        locked.map_err(|source| failed(&path, source))
    }

    /// A tenant's keys as they are kept, wrapped under this root key.
    fn wrap(&self, tenant: &str, root: u16, ring: &KeyRing) -> Result<Vec<u8>, VaultError> {
        seal::seal(&self.root(root)?, root, &place(tenant), &ring.to_bytes())
    }

    /// The wrapped keys of a tenant.
    fn wrapped(&self, tenant: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if self.file(tenant, "gone")?.exists() {
            return Err(VaultError::NoKey);
        }
        if let Some(wrapped) = read(&self.file(tenant, "key")?)? {
            return Ok(wrapped);
        }
        // Keys that were never made, or a folder that can't be reached?
        fs::metadata(&self.tenants).map_err(|source| failed(&self.tenants, source))?;
        Err(VaultError::NoKey)
    }

    fn unwrap(&self, tenant: &str, wrapped: &[u8]) -> Result<KeyRing, VaultError> {
        let root = self.root(seal::version(wrapped)?)?;
        let bytes = seal::open(&root, &place(tenant), wrapped)?;
        KeyRing::from_bytes(&bytes).ok_or(VaultError::Damaged(self.file(tenant, "key")?))
    }
}

impl KeySource for FileKeys {
    fn tenant_keys(&self, tenant: &str) -> Result<KeyRing, VaultError> {
        self.unwrap(tenant, &self.wrapped(tenant)?)
    }

    fn make_tenant_keys(&self, tenant: &str, may_make: Consent<'_>) -> Result<KeyRing, VaultError> {
        match self.tenant_keys(tenant) {
            Err(VaultError::NoKey) => {}
            found => return found,
        }
        let _lock = self.lock(false)?;
        if self.file(tenant, "gone")?.exists() {
            return Err(VaultError::NoKey);
        }
        may_make()?;
        let wrapped = self.wrap(tenant, self.newest()?, &KeyRing::generate()?)?;
        publish(&self.file(tenant, "key")?, &wrapped)?;
        // Whoever came first has made them.
        self.tenant_keys(tenant)
    }

    fn change_tenant_keys(
        &self,
        tenant: &str,
        change: &mut dyn FnMut(&KeyRing) -> Result<KeyRing, VaultError>,
    ) -> Result<KeyRing, VaultError> {
        let _lock = self.lock(true)?;
        let changed = change(&self.tenant_keys(tenant)?)?;
        let wrapped = self.wrap(tenant, self.newest()?, &changed)?;
        replace(&self.file(tenant, "key")?, &wrapped)?;
        Ok(changed)
    }

    fn tenants(&self) -> Result<Vec<String>, VaultError> {
        let mut tenants: Vec<String> = names(&self.tenants)?
            .iter()
            .filter_map(|name| name.strip_suffix(".key"))
            .filter(|tenant| {
                check_tenant(tenant).is_ok()
                    && !self.tenants.join(format!("{tenant}.gone")).exists()
            })
            .map(str::to_owned)
            .collect();
        tenants.sort();
        Ok(tenants)
    }

    fn rotate_root(&self, progress: Progress<'_>) -> Result<u16, VaultError> {
        let _lock = self.lock(true)?;
        let mut versions = self.versions()?;
        // Two root keys: an earlier change was interrupted, and goes on.
        let newest = match versions.as_slice() {
            [only] => {
                let next = only.checked_add(1).ok_or(VaultError::WornOut)?;
                publish(
                    &root_file(&self.folder, next),
                    SecretKey::generate()?.bytes(),
                )?;
                versions.push(next);
                next
            }
            more => more.last().copied().ok_or(VaultError::NoKey)?,
        };
        let tenants = self.tenants()?;
        for (done, tenant) in tenants.iter().enumerate() {
            progress(done, tenants.len());
            let wrapped = self.wrapped(tenant)?;
            if seal::version(&wrapped)? != newest {
                let anew = self.wrap(tenant, newest, &self.unwrap(tenant, &wrapped)?)?;
                replace(&self.file(tenant, "key")?, &anew)?;
            }
        }
        progress(tenants.len(), tenants.len());
        for version in versions.into_iter().filter(|version| *version != newest) {
            remove(&root_file(&self.folder, version))?;
            let mut known = self.roots.write().unwrap_or_else(PoisonError::into_inner);
            known.remove(&version);
        }
        sync_folder(&self.folder)?;
        Ok(newest)
    }

    fn check(&self) -> Result<(), VaultError> {
        let newest = root_file(&self.folder, self.newest()?);
        read(&newest)?.ok_or_else(|| failed(&newest, ErrorKind::NotFound.into()))?;
        fs::read_dir(&self.tenants).map_err(|source| failed(&self.tenants, source))?;
        Ok(())
    }

    fn destroy_tenant_keys(&self, tenant: &str) -> Result<(), VaultError> {
        let _lock = self.lock(true)?;
        publish(&self.file(tenant, "gone")?, b"")?;
        remove(&self.file(tenant, "key")?)?;
        sync_folder(&self.tenants)
    }
}

fn root_file(folder: &Path, version: u16) -> PathBuf {
    if version == 1 {
        folder.join("root.key")
    } else {
        folder.join(format!("root-{version}.key"))
    }
}

/// The numbers of the root keys in a folder, in order.
fn root_versions(folder: &Path) -> Result<Vec<u16>, VaultError> {
    let mut versions: Vec<u16> = names(folder)?
        .iter()
        .filter_map(|name| match name.as_str() {
            "root.key" => Some(1),
            name => name
                .strip_prefix("root-")?
                .strip_suffix(".key")?
                .parse()
                .ok(),
        })
        .collect();
    versions.sort_unstable();
    Ok(versions)
}

fn names(folder: &Path) -> Result<Vec<String>, VaultError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let entry = entry.map_err(|source| failed(folder, source))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// That it isn't there is as good.
fn remove(file: &Path) -> Result<(), VaultError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(file, error)),
        _ => Ok(()),
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
    let draft = draft(file, bytes)?;
    let linked = match fs::hard_link(&draft, file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    let _ = fs::remove_file(&draft);
    linked.map_err(|source| failed(file, source))?;
    sync_folder(file.parent().unwrap_or(Path::new("/")))
}

/// Puts a private file in the place of another one, whole and durable.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let draft = draft(file, bytes)?;
    fs::rename(&draft, file).map_err(|source| failed(file, source))?;
    sync_folder(file.parent().unwrap_or(Path::new("/")))
}

/// A private file beside another one, whole and durable.
fn draft(file: &Path, bytes: &[u8]) -> Result<PathBuf, VaultError> {
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
        });
    written.map_err(|source| failed(file, source))?;
    Ok(draft)
}

fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| failed(folder, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FREELY: Consent<'_> = &|| Ok(());

    const TENANT: &str = "00D000000000001";

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
        let made = keys.make_tenant_keys(TENANT, FREELY).unwrap();
        let again = FileKeys::own(folder.path()).unwrap();
        assert_eq!(
            again.make_tenant_keys(TENANT, FREELY).unwrap().to_bytes(),
            made.to_bytes()
        );
        let other = again.make_tenant_keys("00D000000000002", FREELY).unwrap();
        assert_ne!(other.to_bytes(), made.to_bytes());
        for entry in fs::read_dir(folder.path().join("tenants")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(32).any(|part| *part == **made.to_bytes()));
        }
    }

    #[test]
    fn all_who_make_a_key_at_once_get_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| keys.make_tenant_keys(TENANT, FREELY).unwrap()))
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert!(made.iter().all(|key| key.to_bytes() == made[0].to_bytes()));
        let left = fs::read_dir(folder.path().join("tenants")).unwrap().count();
        assert_eq!(left, 1, "no drafts are left");
    }

    #[test]
    fn a_destroyed_key_never_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        keys.make_tenant_keys(TENANT, FREELY).unwrap();
        let copy = fs::read(folder.path().join("tenants/00D000000000001.key")).unwrap();
        keys.destroy_tenant_keys(TENANT).unwrap();
        keys.destroy_tenant_keys(TENANT).unwrap();
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
        assert!(matches!(
            keys.make_tenant_keys(TENANT, FREELY),
            Err(VaultError::NoKey)
        ));
        // Not even from a copy of its file that somebody puts back.
        publish(&folder.path().join("tenants/00D000000000001.key"), &copy).unwrap();
        assert!(matches!(keys.tenant_keys(TENANT), Err(VaultError::NoKey)));
    }

    #[test]
    fn files_that_others_read_or_that_were_swapped_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        keys.make_tenant_keys(TENANT, FREELY).unwrap();
        keys.make_tenant_keys("00D000000000002", FREELY).unwrap();
        let tenants = folder.path().join("tenants");
        fs::copy(
            tenants.join("00D000000000002.key"),
            tenants.join("00D000000000001.key"),
        )
        .unwrap();
        assert!(matches!(
            keys.tenant_keys(TENANT),
            Err(VaultError::DoesNotOpen)
        ));
        for name in ["../root", "", "a/b", "00D.", "00D\0"] {
            assert!(
                matches!(keys.tenant_keys(name), Err(VaultError::BadTenant)),
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

    #[test]
    fn a_new_root_key_opens_what_the_old_one_did_and_the_old_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        let serving = FileKeys::own(folder.path()).unwrap();
        let tenants: Vec<String> = (0..5)
            .map(|number| format!("00D00000000000{number}"))
            .collect();
        let before: Vec<_> = tenants
            .iter()
            .map(|tenant| serving.make_tenant_keys(tenant, FREELY).unwrap().to_bytes())
            .collect();
        let old = fs::read(folder.path().join("root.key")).unwrap();
        keys.destroy_tenant_keys(&tenants[4]).unwrap();

        let mut told = Vec::new();
        assert_eq!(
            keys.rotate_root(&mut |done, of| told.push((done, of)))
                .unwrap(),
            2
        );
        assert_eq!(told.last(), Some(&(4, 4)));
        assert!(!folder.path().join("root.key").exists());
        // Also for those who opened the folder before.
        for (tenant, before) in tenants.iter().zip(&before).take(4) {
            assert_eq!(serving.tenant_keys(tenant).unwrap().to_bytes(), *before);
        }
        let later = serving.make_tenant_keys("00D00000000000Z", FREELY).unwrap();
        let fresh = FileKeys::own(folder.path()).unwrap();
        assert_eq!(
            fresh.tenant_keys("00D00000000000Z").unwrap().to_bytes(),
            later.to_bytes()
        );
        assert!(matches!(
            fresh.tenant_keys(&tenants[4]),
            Err(VaultError::NoKey)
        ));
        // The old root key opens none of them.
        let old = SecretKey::from_bytes(&old).unwrap();
        let wrapped = fs::read(
            folder
                .path()
                .join("tenants")
                .join(format!("{}.key", tenants[0])),
        )
        .unwrap();
        assert!(seal::open(&old, &place(&tenants[0]), &wrapped).is_err());
    }

    #[test]
    fn an_interrupted_change_of_the_root_key_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(folder.path()).unwrap();
        let (one, two) = ("00D000000000001", "00D000000000002");
        let before =
            [one, two].map(|tenant| keys.make_tenant_keys(tenant, FREELY).unwrap().to_bytes());
        // As a process leaves it that is killed after the first tenant.
        publish(
            &root_file(folder.path(), 2),
            SecretKey::generate().unwrap().bytes(),
        )
        .unwrap();
        let anew = keys.wrap(one, 2, &keys.tenant_keys(one).unwrap()).unwrap();
        replace(&keys.file(one, "key").unwrap(), &anew).unwrap();

        let serving = FileKeys::own(folder.path()).unwrap();
        assert_eq!(serving.tenant_keys(one).unwrap().to_bytes(), before[0]);
        assert_eq!(serving.tenant_keys(two).unwrap().to_bytes(), before[1]);
        assert_eq!(
            keys.rotate_root(&mut |_, _| ()).unwrap(),
            2,
            "no third one is begun"
        );
        assert_eq!(root_versions(folder.path()).unwrap(), [2]);
        assert_eq!(serving.tenant_keys(two).unwrap().to_bytes(), before[1]);
    }

    #[test]
    fn a_folder_that_is_out_of_reach_is_no_tenant_without_keys() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::own(&folder.path().join("vault")).unwrap();
        keys.make_tenant_keys(TENANT, FREELY).unwrap();
        keys.check().unwrap();
        fs::rename(folder.path().join("vault"), folder.path().join("away")).unwrap();
        assert!(matches!(
            keys.tenant_keys(TENANT),
            Err(VaultError::Source { .. })
        ));
        assert!(keys.check().is_err());
    }
}
