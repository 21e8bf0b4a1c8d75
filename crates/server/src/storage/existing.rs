//! Encrypts a data folder that wasn't: copies, compares, and only then lets go of what it copied.
//!
//! ```text
//! postgres.plain   what is being copied: without a record the data as it was, with one a left-over
//! ```

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::programs::run;
use super::record::Record;
use super::{Encryption, Layout, RECORD, Storage, StorageError, StorageKey, make};
use crate::data_dir::DataDir;

/// The cluster while it is copied.
const MOVED: &str = "postgres.plain";
/// What else lies beside it and goes along.
const ALONG: [&str; 2] = ["log", "outbox"];

/// Encrypts the data of a folder whose database is stopped. The caller holds the folder's lock.
///
/// Interrupted at any point, the data is either where it was or encrypted and complete.
pub fn encrypt_existing(
    data_dir: &DataDir,
    wanted: Encryption,
    key: &StorageKey,
) -> Result<&'static str, StorageError> {
    let root = data_dir.root();
    settle(root)?;
    if root.join(RECORD).exists() {
        return Err(StorageError::CannotEncrypt(
            "the data folder is encrypted already".to_owned(),
        ));
    }
    let cluster = root.join("postgres");
    if !cluster.exists() {
        return Err(StorageError::CannotEncrypt(
            "there is no data in it yet; `fieldstone up` encrypts what it makes".to_owned(),
        ));
    }
    if matches!(wanted, Encryption::None | Encryption::External) {
        return Err(StorageError::CannotEncrypt(
            "`none` and `external` encrypt nothing".to_owned(),
        ));
    }
    let moved = root.join(MOVED);
    rename(&cluster, &moved)?;
    match copy(data_dir, wanted, key) {
        Ok((storage, record)) => {
            record.write(&root.join(RECORD))?;
            let how = storage.describe();
            storage.close();
            settle(root)?;
            Ok(how)
        }
        Err(error) => {
            settle(root)?;
            Err(error)
        }
    }
}

/// Whether a move was interrupted.
pub(super) fn is_moving(root: &Path) -> bool {
    root.join(MOVED).exists()
}

/// Brings an interrupted move to an end: back without a record, forth with one.
pub(super) fn settle(root: &Path) -> Result<(), StorageError> {
    let moved = root.join(MOVED);
    if root.join(RECORD).exists() {
        for left in std::iter::once(moved).chain(ALONG.map(|name| root.join(name))) {
            super::remove(fs::remove_dir_all(&left), &left)?;
        }
    } else if moved.exists() {
        rename(&moved, &root.join("postgres"))?;
    }
    Ok(())
}

fn copy(
    data_dir: &DataDir,
    wanted: Encryption,
    key: &StorageKey,
) -> Result<(Storage, Record), StorageError> {
    let layout = Layout::new(data_dir);
    let root = layout.root.clone();
    let mut sources = vec![(root.join(MOVED), "postgres")];
    sources.extend(ALONG.map(|name| (root.join(name), name)));
    sources.retain(|(source, _)| source.exists());
    let bytes = sources.iter().try_fold(0, |sum, (source, _)| {
        Ok::<_, StorageError>(sum + size(source)?)
    })?;
    let (open, record) = make(&layout, wanted, key, bytes)?;
    let storage = Storage {
        layout: layout.clone(),
        open: Some(open),
    };
    let Some(record) = record else {
        return Err(StorageError::CannotEncrypt(
            "what is below the data folder encrypts it already".to_owned(),
        ));
    };
    for (source, name) in &sources {
        let target = layout.encrypted().join(name);
        let arguments: [&OsStr; 4] = [
            "-a".as_ref(),
            "--".as_ref(),
            source.as_os_str(),
            target.as_os_str(),
        ];
        run("cp", "coreutils", arguments, None)?;
        let arguments: [&OsStr; 4] = [
            "-rq".as_ref(),
            "--no-dereference".as_ref(),
            source.as_os_str(),
            target.as_os_str(),
        ];
        run("diff", "diffutils", arguments, None)?;
    }
    run(
        "sync",
        "coreutils",
        ["-f".as_ref(), layout.encrypted().as_os_str()],
        None,
    )?;
    Ok((storage, record))
}

/// Bytes of everything below a folder.
fn size(folder: &Path) -> Result<u64, StorageError> {
    let failed = |source| StorageError::file(folder, source);
    let mut sum = 0;
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let facts = entry.metadata().map_err(failed)?;
            if facts.is_dir() {
                folders.push(entry.path());
            } else {
                sum += facts.len();
            }
        }
    }
    Ok(sum)
}

fn rename(from: &Path, to: &Path) -> Result<(), StorageError> {
    fs::rename(from, to).map_err(|source| StorageError::file(from, source))
}
