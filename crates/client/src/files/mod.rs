//! Files on this device: the content of attachments, sealed under keys that die with the login.
//!
//! A file lies under its attachment's id, as a stream of sealed segments (`fieldstone_vault::stream`). What was added here waits until its
//! record has been sent, and is sent after it; what was added elsewhere is fetched. Nothing of a file is ever written unsealed.

mod exchange;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use fieldstone_model::{RecordId, objects::attachment::SIZE_MAX};
use fieldstone_vault::{
    SecretKey, Stream, VaultError,
    stream::{HEAD_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN},
};
use serde::{Deserialize, Serialize};

use crate::keys::{LoginKey, Purpose};

pub(crate) use exchange::facts_of;
pub use exchange::{Exchange, FileReport, Waiting};

/// The version of the way keys are derived.
const VERSION: u16 = 1;

/// Why a file can't be kept, sent or had. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file given, or the folder.
    #[error("The file {} can't be {doing}: {source}.", .path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// More than the platform takes.
    #[error("This file is larger than 1 GiB, which is the most the platform takes.")]
    TooLarge,
    /// Damaged, or of another login.
    #[error(
        "The content of this file can't be opened: it was damaged. If the platform has it, “fieldstone-device sync” fetches it again."
    )]
    Sealed(#[source] VaultError),
    /// It isn't here.
    #[error("The content of this file isn't on this device yet. It comes with the next sync.")]
    NotHere,
    /// What was fetched isn't what the record says.
    #[error(
        "What the platform sent isn't the file that its record describes. Nothing was kept of it."
    )]
    Different,
}

impl From<VaultError> for FileError {
    fn from(error: VaultError) -> Self {
        Self::Sealed(error)
    }
}

fn failed<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Files {
        path: path.to_owned(),
        doing,
        source,
    }
}

/// What is known of a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its media type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The files of one login.
#[derive(Clone)]
pub struct Files {
    folder: PathBuf,
    key: LoginKey,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({})", self.folder.display())
    }
}

impl Files {
    /// The files in this folder, which is made when the first is kept.
    pub fn new(folder: PathBuf, key: LoginKey) -> Self {
        Self { folder, key }
    }

    /// Seals the file at `from` as the content of `attachment`. It is here whole or not at all.
    pub fn keep(&self, attachment: RecordId, from: &Path) -> Result<Facts, FileError> {
        let mut source = File::open(from).map_err(failed(from, "read"))?;
        let size = source.metadata().map_err(failed(from, "read"))?;
        if !size.is_file() {
            let error = io::Error::other("it is no file");
            return Err(failed(from, "read")(error));
        }
        if size.len() > SIZE_MAX {
            return Err(FileError::TooLarge);
        }
        let mut sealing = Sealing::begin(self, attachment)?;
        let mut context = digest::Context::new(&digest::SHA256);
        let mut buffer = vec![0; SEGMENT_LEN];
        let mut size = 0_u64;
        loop {
            let read = source.read(&mut buffer).map_err(failed(from, "read"))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            size += u64::try_from(read).unwrap_or(u64::MAX);
            if size > SIZE_MAX {
                return Err(FileError::TooLarge);
            }
            context.update(bytes);
            sealing.take(bytes)?;
        }
        sealing.finish()?;
        self.publish(attachment)?;
        Ok(Facts {
            content_type: media_type_of(from).to_owned(),
            size,
            sha256: hex::encode(context.finish().as_ref()),
        })
    }

    /// Opens the content of `attachment`.
    pub fn open(&self, attachment: RecordId) -> Result<Opened, FileError> {
        Opened::at(self, attachment, &self.path(attachment))
    }

    /// Whether the content of `attachment` is here.
    pub fn has(&self, attachment: RecordId) -> bool {
        self.path(attachment).is_file()
    }

    /// Whether the content of `attachment` is here, with as many bytes as it has.
    fn is_whole(&self, attachment: RecordId, size: u64) -> bool {
        self.open(attachment)
            .is_ok_and(|opened| opened.size() == size)
    }

    /// Removes the content of `attachment`, and what was fetched of it.
    pub fn remove(&self, attachment: RecordId) -> Result<(), FileError> {
        for path in [self.path(attachment), self.draft(attachment)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&path, "removed")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The attachments whose content, or a part of it, is here.
    pub fn ids(&self) -> Vec<RecordId> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut ids: Vec<RecordId> = entries
            .filter_map(|entry| entry.file_name().to_str()?.get(..15)?.parse().ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn path(&self, attachment: RecordId) -> PathBuf {
        self.folder.join(attachment.as_str())
    }

    /// Where a content grows until it is whole.
    fn draft(&self, attachment: RecordId) -> PathBuf {
        self.folder.join(format!("{attachment}.new"))
    }

    /// The key of one attachment's content.
    fn key_of(&self, attachment: RecordId) -> Result<SecretKey, FileError> {
        let bytes = self
            .key
            .derive(Purpose::Attachments, attachment.as_str().as_bytes())
            .map_err(|_| VaultError::Crypto)?;
        SecretKey::from_bytes(bytes.as_slice()).ok_or_else(|| VaultError::Crypto.into())
    }

    /// Makes what has grown whole the content.
    fn publish(&self, attachment: RecordId) -> Result<(), FileError> {
        let (draft, path) = (self.draft(attachment), self.path(attachment));
        fs::rename(&draft, &path).map_err(failed(&path, "written"))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed(&self.folder, "written"))
    }

    fn make_folder(&self) -> Result<(), FileError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.folder)
            .map_err(failed(&self.folder, "made"))
    }
}

/// A content that grows, segment by segment.
struct Sealing {
    path: PathBuf,
    file: File,
    stream: Stream,
    number: u32,
    /// Content that isn't sealed yet; a whole segment stays until it is known whether it is the last.
    waiting: Vec<u8>,
}

impl Sealing {
    fn begin(files: &Files, attachment: RecordId) -> Result<Self, FileError> {
        files.make_folder()?;
        let path = files.draft(attachment);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed(&path, "written"))?;
        let key = files.key_of(attachment)?;
        let stream = Stream::begin(&key, VERSION, attachment.as_str().as_bytes())?;
        file.write_all(stream.head())
            .map_err(failed(&path, "written"))?;
        Ok(Self {
            path,
            file,
            stream,
            number: 0,
            waiting: Vec::with_capacity(SEALED_SEGMENT_LEN),
        })
    }

    /// Goes on where an earlier process stopped; how many bytes of the content are there already. Begins anew when nothing is.
    ///
    /// A segment that was cut off is sealed again under its number. That is no second text under one nonce: the content of an attachment
    /// never changes, so it is the same text, and what isn't the record's content in the end is thrown away.
    fn resume(files: &Files, attachment: RecordId) -> Result<(Self, u64), FileError> {
        let path = files.draft(attachment);
        let mut head = [0; HEAD_LEN];
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let Ok(mut file) = opened else {
            return Ok((Self::begin(files, attachment)?, 0));
        };
        let key = files.key_of(attachment)?;
        let stream = file
            .read_exact(&mut head)
            .ok()
            .and_then(|()| Stream::resume(&key, attachment.as_str().as_bytes(), &head).ok());
        let Some(stream) = stream else {
            return Ok((Self::begin(files, attachment)?, 0));
        };
        let len = file.metadata().map_err(failed(&path, "read"))?.len();
        let whole = len.saturating_sub(length(HEAD_LEN)) / length(SEALED_SEGMENT_LEN);
        let end = length(HEAD_LEN) + whole * length(SEALED_SEGMENT_LEN);
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .map_err(failed(&path, "written"))?;
        let sealing = Self {
            path,
            file,
            stream,
            number: u32::try_from(whole).map_err(|_| VaultError::Crypto)?,
            waiting: Vec::with_capacity(SEALED_SEGMENT_LEN),
        };
        Ok((sealing, whole * length(SEGMENT_LEN)))
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), FileError> {
        while !bytes.is_empty() {
            if self.waiting.len() == SEGMENT_LEN {
                self.seal(false)?;
            }
            let room = (SEGMENT_LEN - self.waiting.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.waiting.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self, last: bool) -> Result<(), FileError> {
        self.stream.seal(self.number, last, &mut self.waiting)?;
        self.file
            .write_all(&self.waiting)
            .map_err(failed(&self.path, "written"))?;
        self.waiting.clear();
        self.number += 1;
        Ok(())
    }

    /// Seals the last segment and makes sure that all of it lasts.
    fn finish(mut self) -> Result<(), FileError> {
        self.seal(true)?;
        self.file.sync_all().map_err(failed(&self.path, "written"))
    }
}

/// A content that is read.
pub struct Opened {
    path: PathBuf,
    file: File,
    stream: Stream,
    segments: u64,
    size: u64,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

impl Opened {
    fn at(files: &Files, attachment: RecordId, path: &Path) -> Result<Self, FileError> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FileError::NotHere);
            }
            file => file.map_err(failed(path, "read"))?,
        };
        let mut head = [0; HEAD_LEN];
        match file.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(VaultError::NotSealed.into());
            }
            answer => answer.map_err(failed(path, "read"))?,
        }
        let key = files.key_of(attachment)?;
        let stream = Stream::resume(&key, attachment.as_str().as_bytes(), &head)?;
        let sealed = file.metadata().map_err(failed(path, "read"))?.len() - length(HEAD_LEN);
        let segments = sealed.div_ceil(length(SEALED_SEGMENT_LEN));
        let tags = segments * length(SEALED_SEGMENT_LEN - SEGMENT_LEN);
        Ok(Self {
            path: path.to_owned(),
            file,
            stream,
            segments,
            size: sealed.checked_sub(tags).ok_or(VaultError::NotSealed)?,
        })
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content from `start`, at most `most` bytes. `start` is a whole number of segments.
    pub fn read_at(&mut self, start: u64, most: usize) -> Result<Vec<u8>, FileError> {
        let mut content = Vec::with_capacity(most);
        let mut number = start / length(SEGMENT_LEN);
        while content.len() < most && number < self.segments {
            content.extend_from_slice(&self.segment(number)?);
            number += 1;
        }
        content.truncate(most);
        Ok(content)
    }

    /// Writes all of it.
    pub fn copy_to(&mut self, out: &mut impl Write) -> Result<(), FileError> {
        for number in 0..self.segments {
            let segment = self.segment(number)?;
            out.write_all(&segment)
                .map_err(failed(Path::new("that is written to"), "written"))?;
        }
        Ok(())
    }

    /// SHA-256 of all of it, hexadecimal.
    fn digest(&mut self) -> Result<String, FileError> {
        let mut context = digest::Context::new(&digest::SHA256);
        for number in 0..self.segments {
            context.update(&self.segment(number)?);
        }
        Ok(hex::encode(context.finish().as_ref()))
    }

    fn segment(&mut self, number: u64) -> Result<Vec<u8>, FileError> {
        let start = length(HEAD_LEN) + number * length(SEALED_SEGMENT_LEN);
        let mut sealed = Vec::with_capacity(SEALED_SEGMENT_LEN);
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| {
                let most = length(SEALED_SEGMENT_LEN);
                (&self.file).take(most).read_to_end(&mut sealed)
            })
            .map_err(failed(&self.path, "read"))?;
        let last = number + 1 == self.segments;
        let number = u32::try_from(number).map_err(|_| VaultError::Crypto)?;
        let opened = self.stream.open(number, last, &mut sealed)?.len();
        sealed.truncate(opened);
        Ok(sealed)
    }
}

fn length(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// The media type that a file's name speaks of.
fn media_type_of(path: &Path) -> &'static str {
    const KNOWN: [(&str, &str); 24] = [
        ("csv", "text/csv"),
        ("doc", "application/msword"),
        (
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("html", "text/html"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("json", "application/json"),
        ("m4a", "audio/mp4"),
        ("mov", "video/quicktime"),
        ("mp3", "audio/mpeg"),
        ("mp4", "video/mp4"),
        ("odt", "application/vnd.oasis.opendocument.text"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        (
            "pptx",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        ("svg", "image/svg+xml"),
        ("tiff", "image/tiff"),
        ("txt", "text/plain"),
        ("webp", "image/webp"),
        ("xls", "application/vnd.ms-excel"),
        (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        ("zip", "application/zip"),
    ];
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let known = ending.and_then(|ending| KNOWN.iter().find(|(known, _)| *known == ending));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RecordId {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_is_sealed_for_its_login_and_its_attachment() {
        let folder = tempfile::tempdir().unwrap();
        let key = LoginKey::generate().unwrap();
        let files = Files::new(folder.path().join("files"), key);
        let (one, other) = (id("00P000000000001"), id("00P000000000002"));
        for size in [0, 1, SEGMENT_LEN, SEGMENT_LEN + 1, 3 * SEGMENT_LEN] {
            let content: Vec<u8> = b"canary-".iter().copied().cycle().take(size).collect();
            let source = folder.path().join("Photo.JPG");
            fs::write(&source, &content).unwrap();
            let facts = files.keep(one, &source).unwrap();
            assert_eq!(
                (facts.size, facts.content_type.as_str()),
                (length(size), "image/jpeg")
            );
            let mut read = Vec::new();
            let mut opened = files.open(one).unwrap();
            opened.copy_to(&mut read).unwrap();
            assert!(read == content, "{size}");
            assert_eq!(opened.size(), length(size));
            assert_eq!(opened.digest().unwrap(), facts.sha256);
            let lying = fs::read(files.path(one)).unwrap();
            assert!(!lying.windows(7).any(|window| window == b"canary-"));
            // Another attachment's, or another login's.
            fs::copy(files.path(one), files.path(other)).unwrap();
            assert!(files.open(other).is_err());
            let stranger = Files::new(files.folder.clone(), LoginKey::generate().unwrap());
            assert!(stranger.open(one).is_err());
        }
        assert_eq!(files.ids(), [one, other]);
        files.remove(one).unwrap();
        files.remove(one).unwrap();
        assert!(matches!(files.open(one), Err(FileError::NotHere)));
        assert!(files.keep(one, &folder.path().join("missing")).is_err());
        assert!(files.keep(one, folder.path()).is_err());
    }

    #[test]
    fn what_was_fetched_before_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LoginKey::generate().unwrap());
        let id = id("00P000000000001");
        let content: Vec<u8> = (0..=255).cycle().take(3 * SEGMENT_LEN + 10).collect();
        let mut first = Sealing::begin(&files, id).unwrap();
        first.take(&content[..2 * SEGMENT_LEN + 7]).unwrap();
        drop(first);
        // The process ended in the middle of a segment.
        let draft = files.draft(id);
        let len = fs::metadata(&draft).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&draft)
            .unwrap()
            .set_len(len - 9)
            .unwrap();
        let (mut second, there) = Sealing::resume(&files, id).unwrap();
        assert_eq!(there, length(SEGMENT_LEN));
        second.take(&content[SEGMENT_LEN..]).unwrap();
        second.finish().unwrap();
        files.publish(id).unwrap();
        let mut read = Vec::new();
        files.open(id).unwrap().copy_to(&mut read).unwrap();
        assert!(read == content);
        // Nothing there, or nothing of ours: from the beginning.
        fs::write(&draft, b"short").unwrap();
        assert_eq!(Sealing::resume(&files, id).unwrap().1, 0);
    }
}
