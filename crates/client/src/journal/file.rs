//! The file of a journal: lines that are added at the end, and read with whatever a crash has cut off passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, JournalError, Path, PathBuf, fs, io, io::Write as _};

/// Whose journal it is. Without it, another platform could be handed what isn't its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The platform's address.
    pub(super) origin: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Head(Head),
    Entry(Entry),
    /// This mutation doesn't wait any more.
    Gone(String),
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Left {
    /// The platform that it is for, by its address; none when the file doesn't say.
    pub origin: Option<String>,
    /// The last entry of each mutation that waits, in the order in which the mutations were made.
    pub entries: Vec<Entry>,
    /// Lines that aren't what was written. One that a crash has cut off isn't counted: nobody was told that it is saved.
    pub damaged: usize,
}

/// Adds lines at the end; with `durably` they last when it answers. A failure leaves the file as it was.
pub(super) fn append(file: &Path, lines: &[Line], durably: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let is_new = !file.exists();
    let mut out = options.open(file)?;
    let before = out.metadata()?.len();
    let written = out
        .write_all(&bytes(lines)?)
        .and_then(|()| if durably { out.sync_data() } else { Ok(()) });
    if let Err(error) = written {
        // What stands half-written would be passed over, but may take the room that the next try needs.
        let _ = out.set_len(before);
        return Err(error);
    }
    if is_new && durably {
        sync_folder(file)?;
    }
    Ok(())
}

/// Each line stands between two ends, so that one which was cut off spoils no other.
fn bytes(lines: &[Line]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = file.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the file anew with what counts; answers how many lines it has now.
pub(super) fn rewrite(file: &Path) -> io::Result<usize> {
    let (left, _) = parse(&fs::read(file)?);
    let head = left.origin.map(|origin| Line::Head(Head { origin }));
    let lines: Vec<Line> = head
        .into_iter()
        .chain(left.entries.into_iter().map(Line::Entry))
        .collect();
    let draft = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&draft)?;
    out.write_all(&bytes(&lines)?)?;
    out.sync_all()?;
    fs::rename(&draft, file)?;
    sync_folder(file)?;
    Ok(lines.len())
}

/// What a file holds, and how many lines it has.
pub(super) fn contents(file: &Path) -> Result<(Left, usize), JournalError> {
    match fs::read(file) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Left::default(), 0)),
        Err(error) => Err(JournalError::Unreadable(file.to_owned(), error)),
    }
}

fn parse(bytes: &[u8]) -> (Left, usize) {
    let mut origin = None;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let (mut lines, mut damaged) = (0, 0);
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(error) => {
                damaged += usize::from(!error.is_eof());
                continue;
            }
        };
        lines += 1;
        match line {
            Line::Head(head) => origin = Some(head.origin),
            Line::Entry(entry) => drop(entries.insert(entry.uuid.clone(), entry)),
            Line::Gone(uuid) => drop(entries.remove(&uuid)),
        }
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by_key(|entry| entry.order);
    let left = Left {
        origin,
        entries,
        damaged,
    };
    (left, lines)
}

/// What a journal holds: what can be delivered.
pub fn read(file: &Path) -> Result<Left, JournalError> {
    contents(file).map(|(left, _)| left)
}

/// Lets go of mutations of an earlier login's journal that the platform has; removes the file when nothing is left.
pub fn let_go(file: &Path, gone: &[String]) -> Result<(), JournalError> {
    let failed = |error| JournalError::Files(file.to_owned(), error);
    let lines: Vec<Line> = gone.iter().cloned().map(Line::Gone).collect();
    append(file, &lines, true).map_err(failed)?;
    let left = read(file)?;
    if left.entries.is_empty() && left.damaged == 0 {
        remove(file).map_err(failed)?;
    }
    Ok(())
}

/// Puts a journal with damaged lines, whose others the platform has, out of the way; answers where it is now. Nothing of it is deleted:
/// what is left of such a line may still be of use to whoever can open it.
pub fn set_aside(file: &Path) -> Result<PathBuf, JournalError> {
    let aside = file.with_extension("damaged");
    fs::rename(file, &aside)
        .and_then(|()| sync_folder(&aside))
        .map_err(|error| JournalError::Files(file.to_owned(), error))?;
    Ok(aside)
}

/// The journals that a folder holds, of whichever login.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "sealed"))
        .collect();
    files.sort();
    files
}
