//! Where a file's bytes come from, and where those of its failed rows go: the disk, or for what a browser has brought, parts that lie apart.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf as _, Bytes};

use super::parts::KeptFile;

/// A file to import.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file on disk.
    File(PathBuf),
    /// A few bytes, and the file's name.
    Memory(String, Bytes),
    /// A file that lies in parts.
    Kept(KeptFile),
}

impl Input {
    /// Opens it at its beginning. Reading may wait for a disk or a network: it belongs on a thread that may.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Memory(_, bytes) => Box::new(bytes.clone().reader()),
            Self::Kept(file) => Box::new(file.reader()),
        })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(match self {
            Self::File(path) => File::open(path)?.metadata()?.len(),
            Self::Memory(_, bytes) => bytes.len() as u64,
            Self::Kept(file) => file.size(),
        })
    }

    /// Its name, without a folder.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            Self::Memory(name, _) => name.clone(),
            Self::Kept(file) => file.name().to_owned(),
        }
    }

    /// Its path, for what is said about it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(name, _) => Path::new(name),
            Self::Kept(file) => Path::new(file.name()),
        }
    }
}

/// Bytes that are written in one place and read in another.
#[derive(Debug, Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// What was written.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink {
    /// Bytes of it.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Puts back, before anything else, what could not be kept.
    pub(super) fn put_back(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.splice(..0, bytes.iter().copied());
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where failed rows go.
#[derive(Debug, Clone)]
pub(super) enum Output {
    File(PathBuf),
    Memory(Sink),
}

impl Output {
    pub(super) fn create(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(BufWriter::new(File::create(path)?)),
            Self::Memory(sink) => Box::new(sink.clone()),
        })
    }
}
