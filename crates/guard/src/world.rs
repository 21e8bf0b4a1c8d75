//! The world as probes see it. A trait, so that a recorded device can be put in its place.

/// The operating system that the app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// A desktop or server with Linux.
    Linux,
    /// Android.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// macOS.
    MacOs,
}

impl System {
    /// Whether it has /proc as Linux does.
    pub fn is_linux(self) -> bool {
        matches!(self, Self::Linux | Self::Android)
    }
}

/// What came of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Its bytes, up to [`READ_MAX`] of them.
    Found(Vec<u8>),
    /// There is no such file.
    Missing,
    /// It is there, or its folder may be, and can't be read.
    Refused,
}

impl Reading {
    /// The text, with what is no UTF-8 replaced.
    pub fn text(self) -> Option<String> {
        match self {
            Self::Found(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Self::Missing | Self::Refused => None,
        }
    }
}

/// Most bytes that are read of a file.
pub const READ_MAX: usize = 4 << 20;

/// What kind of thing a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Anything else: a device, a socket, a link that leads nowhere.
    Other,
}

/// What a path leads to, and who may write there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its kind.
    pub kind: Kind,
    /// The number of its owner.
    pub owner: u32,
    /// Its permissions, as in `chmod`.
    pub mode: u32,
    /// The number of the file in its file system.
    pub inode: u64,
}

/// What a probe can look at. An implementation never panics, whatever it is asked for.
pub trait World: Send {
    /// The operating system.
    fn system(&self) -> System;
    /// Reads a file.
    fn read(&self, path: &str) -> Reading;
    /// Reads a file of this process below `/proc/self`, such as `maps` or `task/12/status`.
    fn process(&self, file: &str) -> Reading;
    /// What a path leads to, links followed.
    fn status(&self, path: &str) -> Option<Status>;
    /// The names in a folder.
    fn list(&self, path: &str) -> Option<Vec<String>>;
    /// The threads of this process.
    fn threads(&self) -> Option<Vec<u32>>;
    /// The file that this process runs, as a path.
    fn program(&self) -> Option<String>;
    /// Copies memory of this process; `false` when it can't be read.
    fn memory(&self, address: u64, into: &mut [u8]) -> bool;
    /// Copies a part of a file; `false` when it doesn't have so much or can't be read.
    fn file_part(&self, path: &str, offset: u64, into: &mut [u8]) -> bool;
    /// Copies a part of the file that this process runs, even when another has taken its place; answers how much there was.
    fn program_part(&self, offset: u64, into: &mut [u8]) -> Option<usize>;
    /// The kernel's entry for each of `count` pages from `address` on (`/proc/self/pagemap`).
    fn pages(&self, address: u64, count: usize) -> Option<Vec<u64>>;
    /// The number of the user that this process acts as.
    fn user(&self) -> u32;
    /// A property of the system (Android).
    fn property(&self, _name: &str) -> Option<String> {
        None
    }
    /// Whether something on this device takes connections on a port of 127.0.0.1.
    fn port_answers(&self, _port: u16) -> bool {
        false
    }
    /// Whether this process could make a file in a folder. Leaves nothing behind.
    fn can_write(&self, _folder: &str) -> bool {
        false
    }
    /// Whether a file can be opened for reading, asked of `open` instead of `stat`.
    fn can_open(&self, path: &str) -> bool {
        matches!(self.read(path), Reading::Found(_))
    }
    /// Whether this process may start another (iOS forbids it to apps).
    fn can_fork(&self) -> bool {
        false
    }
    /// The libraries that the linker has loaded (Apple).
    fn images(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether the system says that this process is traced (Apple).
    fn is_traced(&self) -> Option<bool> {
        None
    }
    /// Whether the root file system can be written to (Apple).
    fn root_is_writable(&self) -> bool {
        false
    }
    /// A variable of the environment as this process was started with it.
    fn environment(&self, name: &str) -> Option<String> {
        crate::parse::environ::variable(&self.environment_block(), name)
    }
    /// The whole environment that this process was started with, separated by zeros.
    fn environment_block(&self) -> Vec<u8> {
        match self.process("environ") {
            Reading::Found(bytes) => bytes,
            Reading::Missing | Reading::Refused => Vec::new(),
        }
    }
}
