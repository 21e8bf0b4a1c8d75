//! P2 and P3: what lies on the disk is encrypted. Seen by the kernel's word, and by looking at the disk below for something just written.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_postgres::config::Host;

use super::{Miss, Seen, Subject, fail, pass, unseen};
use crate::identity::random;
use crate::storage::{self, observe};

/// Bytes of the canary: enough for blocks of its own.
const CANARY: usize = 64 * 1024;

/// Where the database keeps what: asked of itself.
const PLACES: &str = "SELECT 'data directory', pg_catalog.current_setting('data_directory')
    UNION ALL SELECT 'log', CASE WHEN pg_catalog.current_setting('log_directory') LIKE '/%' THEN pg_catalog.current_setting('log_directory')
        ELSE pg_catalog.current_setting('data_directory') || '/' || pg_catalog.current_setting('log_directory') END
    UNION ALL SELECT 'tablespace ' || spcname, pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) <> ''";

/// The database directory, its log of changes, temporary space, tablespaces and logs.
pub(super) async fn at_rest(subject: &Subject) -> Seen {
    let near = subject.owner.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => crate::config::is_loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    if !near {
        return unseen("the database is on another machine; run `fieldstone doctor` there");
    }
    let places = places(subject).await?;
    let Some((_, data)) = places.first() else {
        return fail("the database does not say where it keeps its data");
    };
    if !data.exists() {
        return unseen(format!("{} can't be looked at from here", data.display()));
    }
    let data = data.clone();
    let mut evidence = Vec::new();
    for (name, place) in &places {
        match observe(place) {
            storage::Seen::Encrypted {
                by, aes256: true, ..
            } => evidence.push(format!("{name}: {by}")),
            storage::Seen::Encrypted { by, .. } => return unseen(format!("{name}: {by}")),
            storage::Seen::Unknown(why) => return unseen(format!("{name}: {why}")),
            storage::Seen::Plain(why) => {
                return fail(format!(
                    "{name} ({}) is not encrypted: {why}",
                    place.display()
                ));
            }
        }
    }
    evidence.dedup_by_key(|line| line.split_once(": ").map(|(_, by)| by.to_owned()));
    let swap = storage::unencrypted_swap();
    if !swap.is_empty() {
        return fail(format!(
            "memory may be written to unencrypted swap: {}",
            swap.join(", ")
        ));
    }
    if let Some(data_dir) = &subject.data_dir {
        let below = tokio::task::spawn_blocking({
            let (scratch, root) = (data_dir.inside(), data_dir.root().to_owned());
            move || look_below(&scratch, &root)
        });
        evidence.push(below.await??);
    }
    let count = places.len();
    pass(format!(
        "{} ({count} places of {})",
        evidence.join("; "),
        data.display()
    ))
}

async fn places(subject: &Subject) -> Result<Vec<(String, PathBuf)>, Miss> {
    // The names of files are for superusers: asked as one where that is possible.
    let config = match &subject.data_dir {
        Some(data_dir) => {
            let mut admin = crate::cluster::admin_config(data_dir)?;
            admin.dbname(crate::database::DEFAULT_DATABASE);
            admin
        }
        None => subject.owner.clone(),
    };
    let client = crate::database::connect(&config).await?;
    let rows = match client.query(PLACES, &[]).await {
        Ok(rows) => rows,
        Err(error)
            if error.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) =>
        {
            return unseen("the database doesn't tell its owner's role where it keeps its data");
        }
        Err(error) => return Err(error.into()),
    };
    let mut places = Vec::new();
    for row in rows {
        places.push((
            row.try_get::<_, String>(0)?,
            PathBuf::from(row.try_get::<_, String>(1)?),
        ));
    }
    if let Some((_, data)) = places.first().cloned() {
        for (name, below) in [
            ("log of changes", "pg_wal"),
            ("temporary files", "base/pgsql_tmp"),
            ("tables", "base"),
        ] {
            let place = data.join(below);
            if let Ok(place) = fs::canonicalize(place) {
                places.push((name.to_owned(), place));
            }
        }
    }
    Ok(places)
}

/// Writes something into the encrypted folder, and looks for it in the blocks below.
fn look_below(folder: &Path, root: &Path) -> Result<String, Miss> {
    let canary = random::secret()?;
    let path = folder.join(".verify");
    let text = canary.repeat(CANARY / canary.len() + 1);
    let mut file = File::create(&path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let looked = (|| {
        let image = root.join("storage.img");
        if image.exists() {
            let extents = extents(&path)?;
            let raw = File::open(&image)?;
            let mut blocks = 0;
            for (offset, length) in &extents {
                let mut bytes = vec![0; usize::try_from(*length)?];
                raw.read_exact_at(&mut bytes, *offset)?;
                if contains(&bytes, canary.as_bytes()) {
                    return fail(format!(
                        "what was written just now stands at {offset} of {}",
                        image.display()
                    ));
                }
                if bytes.iter().all(|byte| *byte == 0) {
                    return fail(format!(
                        "nothing was found at {offset} of {}, where it should be",
                        image.display()
                    ));
                }
                blocks += length / 4096;
            }
            return if extents.is_empty() {
                fail("no block of what was written just now was found")
            } else {
                Ok(format!(
                    "what was written just now is in {blocks} blocks of {}, and none of them holds it",
                    image.display()
                ))
            };
        }
        let ciphertext = root.join("storage.gocryptfs");
        if ciphertext.exists() {
            let mut files = 0;
            return if found(
                &ciphertext,
                canary.as_bytes(),
                u64::try_from(text.len())?,
                &mut files,
            )? {
                fail(format!(
                    "what was written just now stands below {}",
                    ciphertext.display()
                ))
            } else {
                Ok(format!(
                    "what was written just now stands in none of {files} files of {}",
                    ciphertext.display()
                ))
            };
        }
        Ok("the disk below is not looked at".to_owned())
    })();
    fs::remove_file(&path)?;
    looked
}

/// Where a file lies on its device: offsets and lengths in bytes.
fn extents(path: &Path) -> Result<Vec<(u64, u64)>, Miss> {
    let answer = Command::new("/usr/sbin/filefrag")
        .args(["-e", "-b4096"])
        .arg(path)
        .env_clear()
        .output()?;
    if !answer.status.success() {
        return fail(format!("filefrag ended with {}", answer.status));
    }
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    Ok(text.lines().filter_map(extent).collect())
}

/// `   0:        0..      15:      34304..     34319:     16:             last,encrypted,eof`
fn extent(line: &str) -> Option<(u64, u64)> {
    let mut parts = line.split(':');
    parts.next()?.trim().parse::<u32>().ok()?;
    let physical = parts
        .nth(1)?
        .split("..")
        .next()?
        .trim()
        .parse::<u64>()
        .ok()?;
    let length = parts.next()?.trim().parse::<u64>().ok()?;
    Some((physical * 4096, length * 4096))
}

/// Whether any file of about this size or more that was changed last holds these bytes.
fn found(folder: &Path, bytes: &[u8], least: u64, files: &mut u32) -> Result<bool, Miss> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.is_dir() {
            if found(&entry.path(), bytes, least, files)? {
                return Ok(true);
            }
        } else if facts.len() >= least && facts.len() < least * 2 {
            *files += 1;
            if contains(&fs::read(entry.path())?, bytes) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Files of records and exports: each is a stream of the vault, and reads as nothing else.
pub(super) async fn objects(subject: &Subject) -> Seen {
    let Some(data_dir) = &subject.data_dir else {
        return unseen("the object store is not on this machine");
    };
    let folder = data_dir.root().join("objects");
    let looked = tokio::task::spawn_blocking(move || {
        let mut seen = (0_u64, 0_u64);
        if folder.is_dir() {
            streams(&folder, &mut seen)?;
        }
        Ok::<_, Miss>((folder, seen))
    });
    let (folder, (files, bytes)) = looked.await??;
    if files == 0 {
        return unseen(format!("there is no file in {} yet", folder.display()));
    }
    pass(format!(
        "all {files} files ({bytes} bytes) in {} are sealed streams (AES-256-GCM under their workspace's key), and their bytes are spread as random ones are",
        folder.display()
    ))
}

/// Every file has to be one that the vault wrote, and to look random behind its head.
fn streams(folder: &Path, seen: &mut (u64, u64)) -> Result<(), Miss> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.is_dir() {
            streams(&entry.path(), seen)?;
            continue;
        }
        let mut file = File::open(entry.path())?;
        let mut sample = vec![0; 64 * 1024];
        file.seek(SeekFrom::Start(0))?;
        let length = file.read(&mut sample)?;
        sample.truncate(length);
        if !looks_random(&sample) {
            return fail(format!(
                "{} does not look encrypted",
                entry.path().display()
            ));
        }
        seen.0 += 1;
        seen.1 += facts.len();
    }
    Ok(())
}

/// Whether these bytes are spread evenly: in text, images and archives some are far more frequent. Small samples say little and pass only
/// when they hold bytes that no text has.
fn looks_random(sample: &[u8]) -> bool {
    if sample.len() < 1024 {
        return sample.is_empty() || sample.iter().any(|byte| *byte >= 0x80);
    }
    let mut counts = [0_u64; 256];
    for byte in sample {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    // Chi-squared with 255 degrees of freedom: beyond 500 once in 10^17 for random bytes.
    let length = sample.len() as u64;
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    (256 * squares) / length - length < 500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_file_lies_is_read() {
        let line = "   0:        0..      15:      34304..     34319:     16:             last,encrypted,eof";
        assert_eq!(extent(line), Some((34304 * 4096, 16 * 4096)));
        assert_eq!(
            extent(" ext:     logical_offset:        physical_offset: length:   expected: flags:"),
            None
        );
    }

    #[test]
    fn random_bytes_are_told_from_others() {
        let random: Vec<u8> = (0..2048)
            .flat_map(|_| random::bytes::<32>().unwrap())
            .collect();
        assert!(looks_random(&random));
        assert!(looks_random(&random[..2000]));
        assert!(!looks_random(
            "A letter to a customer, which anybody can read. "
                .repeat(100)
                .as_bytes()
        ));
        assert!(!looks_random(b"short text"));
        assert!(!looks_random(&[0; 4096]));
    }
}
