//! P10 and P11: there is a fresh backup, every change arrives, a restore was practised, and the repository can't be read without its key.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use jiff::SignedDuration;

use super::{Miss, Seen, Subject, fail, pass, unseen};
use crate::backup::{Backups, RepositoryOptions, latest};
use crate::database::{DEFAULT_DATABASE, connect};

/// A daily backup, with some hours for it to run and for a machine that was off.
const OLDEST_BACKUP: SignedDuration = SignedDuration::from_hours(26);
/// A weekly drill, likewise.
const OLDEST_DRILL: SignedDuration = SignedDuration::from_hours(24 * 8);
/// How files of the repository begin: the form of OpenSSL's `enc`, which pgBackRest writes.
const ENCRYPTED: &[u8] = b"Salted__";

const ARCHIVER: &str = "SELECT pg_catalog.current_setting('archive_mode'),
    coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_archived_wal FROM pg_catalog.pg_stat_archiver";

fn backups(subject: &Subject) -> Result<Backups, Miss> {
    let Some(data_dir) = &subject.data_dir else {
        return unseen(
            "the database's backups are made on another machine; run `pgbackrest check` there",
        );
    };
    if RepositoryOptions::of(data_dir)?.is_none() {
        return fail("no backups are made");
    }
    Ok(Backups::of(data_dir)?)
}

/// The last backup is of today, nothing waits to be archived, and the last drill worked.
pub(super) async fn made(subject: &Subject) -> Seen {
    let backups = backups(subject)?;
    let now = subject.clock.now();
    let inventory = backups.inventory().await?;
    let (Some(last), Some(oldest)) = (inventory.latest(), inventory.oldest()) else {
        return fail("there is no backup yet");
    };
    if last.damaged_pages {
        return fail(format!(
            "the last backup, of {}, found damaged pages",
            last.ended
        ));
    }
    if now.duration_since(last.ended) > OLDEST_BACKUP {
        return fail(format!("the last backup is of {}", last.ended));
    }
    let data_dir = subject.data_dir.as_ref();
    if let Some(data_dir) = data_dir {
        let mut admin = crate::cluster::admin_config(data_dir)?;
        admin.dbname(DEFAULT_DATABASE);
        let row = connect(&admin).await?.query_one(ARCHIVER, &[]).await?;
        if row.try_get::<_, String>(0)? != "on" {
            return fail("the database does not archive its changes");
        }
        if row.try_get(1)? {
            return fail("the database's changes don't arrive in the repository");
        }
    }
    let drills = latest(&connect(&subject.app).await?, "drill", 1).await?;
    let Some(drill) = drills.first() else {
        return fail("a restore was never practised");
    };
    if !drill.ok || now.duration_since(drill.ended) > OLDEST_DRILL {
        return fail(format!(
            "the last drill, of {}, {}",
            drill.ended,
            if drill.ok { "is too old" } else { "failed" }
        ));
    }
    let number = |name: &str| {
        drill
            .detail
            .get(name)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default()
    };
    pass(format!(
        "{} backups, the last of {}; any moment since {} can be restored; changes arrive; the drill of {} restored to a second in {} ms and would have lost at most {} s",
        inventory.backups.len(),
        last.ended,
        oldest.ended,
        drill.ended,
        number("rto_ms"),
        number("rpo_seconds")
    ))
}

/// Every file of the repository is encrypted.
pub(super) async fn encrypted(subject: &Subject) -> Seen {
    let backups = backups(subject)?;
    let folder = backups.repository().folder().to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let mut seen = (0_u64, 0_u64);
        look(&folder, &mut seen)?;
        Ok::<_, Miss>((folder, seen))
    });
    let (folder, (files, bytes)) = looked.await??;
    if files == 0 {
        return fail(format!("there is nothing in {}", folder.display()));
    }
    pass(format!(
        "all {files} files ({bytes} bytes) in {} are encrypted (AES-256-CBC, salted)",
        folder.display()
    ))
}

fn look(folder: &Path, seen: &mut (u64, u64)) -> Result<(), Miss> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            look(&entry.path(), seen)?;
        } else if kind.is_file() {
            let mut head = [0; 8];
            let mut file = File::open(entry.path())?;
            let length = entry.metadata()?.len();
            // A file that is being written, or an empty one, tells nothing.
            if length == 0
                || entry
                    .file_name()
                    .to_string_lossy()
                    .ends_with(".pgbackrest.tmp")
            {
                continue;
            }
            if file.read_exact(&mut head).is_err() || head != ENCRYPTED {
                return fail(format!("{} is not encrypted", entry.path().display()));
            }
            seen.0 += 1;
            seen.1 += length;
        }
    }
    Ok(())
}
