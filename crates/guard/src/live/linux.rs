//! Linux and Android, seen through system calls of our own and not through the C library, whose functions a hook can change.
//!
//! Files of this process are opened below a folder that is checked to be the kernel's, and nothing mounted over them is followed.

use std::{ffi::CString, io};

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags},
    io::Errno,
    net,
};

use crate::world::{Kind, READ_MAX, Reading, Status, System, World};

/// `PROC_SUPER_MAGIC`
const PROC: u64 = 0x9fa0;

/// The world of this process.
#[derive(Debug)]
pub struct Live {
    /// `/proc/self`, as it was when this was made: a process that was forked needs one of its own.
    process: OwnedFd,
    memory: Option<OwnedFd>,
    pages: Option<OwnedFd>,
    program: Option<OwnedFd>,
}

impl Live {
    /// Opens what the kernel shows of this process. To be called before [`harden`](crate::harden::harden): later the kernel shows an ordinary
    /// user less.
    pub fn open() -> io::Result<Self> {
        let process = fs::open(
            "/proc/self",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let kind = u64::try_from(fs::fstatfs(&process)?.f_type).unwrap_or(0);
        if kind != PROC {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "/proc is not the kernel's",
            ));
        }
        let own = |name: &str| open_below(&process, name).ok();
        // The program is a link to a file, which may be anywhere.
        let program = fs::openat(
            &process,
            "exe",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        Ok(Self {
            memory: own("mem"),
            pages: own("pagemap"),
            program: program.ok(),
            process,
        })
    }
}

fn open_below(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let safe = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match fs::openat2(folder, name, flags, Mode::empty(), safe) {
        // Kernels before 5.6, and filters of system calls that don't know it.
        Err(Errno::NOSYS | Errno::PERM) => {
            fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty())
        }
        answer => answer,
    }
}

fn read_all(file: Result<OwnedFd, Errno>) -> Reading {
    let file = match file {
        Ok(file) => file,
        // A thread that has ended is no longer there, at any of several moments.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => return Reading::Missing,
        Err(_) => return Reading::Refused,
    };
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rustix::io::read(&file, buffer.as_mut_slice()) {
            Ok(0) => return Reading::Found(bytes),
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(Errno::SRCH) => return Reading::Missing,
            Err(_) => return Reading::Refused,
        }
        if bytes.len() > READ_MAX {
            bytes.truncate(READ_MAX);
            return Reading::Found(bytes);
        }
    }
}

/// Fills `into` from a place in a file; answers how much there was.
fn read_at(file: impl AsFd, offset: u64, into: &mut [u8]) -> Option<usize> {
    let mut done = 0;
    while done < into.len() {
        let at = offset.checked_add(u64::try_from(done).ok()?)?;
        match rustix::io::pread(&file, into.get_mut(done..)?, at) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(done)
}

fn names(folder: Result<OwnedFd, Errno>) -> Option<Vec<String>> {
    let folder = fs::Dir::new(folder.ok()?).ok()?;
    let mut names = Vec::new();
    for entry in folder {
        let entry = entry.ok()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Some(names)
}

impl World for Live {
    fn system(&self) -> System {
        if cfg!(target_os = "android") {
            System::Android
        } else {
            System::Linux
        }
    }

    fn read(&self, path: &str) -> Reading {
        read_all(fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        ))
    }

    fn process(&self, file: &str) -> Reading {
        read_all(open_below(&self.process, file))
    }

    fn status(&self, path: &str) -> Option<Status> {
        let found = fs::statat(CWD, path, AtFlags::empty()).ok()?;
        let kind = match fs::FileType::from_raw_mode(found.st_mode) {
            fs::FileType::RegularFile => Kind::File,
            fs::FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        };
        Some(Status {
            kind,
            owner: found.st_uid,
            mode: found.st_mode & 0o7777,
            inode: found.st_ino,
        })
    }

    fn list(&self, path: &str) -> Option<Vec<String>> {
        names(fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ))
    }

    fn threads(&self) -> Option<Vec<u32>> {
        let found = names(open_below(&self.process, "task"))?;
        found.into_iter().map(|name| name.parse().ok()).collect()
    }

    fn program(&self) -> Option<String> {
        let path: CString = fs::readlinkat(&self.process, "exe", Vec::new()).ok()?;
        let path = path.to_string_lossy().into_owned();
        Some(
            path.strip_suffix(" (deleted)")
                .map(str::to_owned)
                .unwrap_or(path),
        )
    }

    fn memory(&self, address: u64, into: &mut [u8]) -> bool {
        let Some(memory) = &self.memory else {
            return false;
        };
        read_at(memory, address, into) == Some(into.len())
    }

    fn file_part(&self, path: &str, offset: u64, into: &mut [u8]) -> bool {
        let file = fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        );
        file.is_ok_and(|file| read_at(&file, offset, into) == Some(into.len()))
    }

    fn program_part(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        read_at(self.program.as_ref()?, offset, into)
    }

    fn pages(&self, address: u64, count: usize) -> Option<Vec<u64>> {
        let mut bytes = vec![0; count.checked_mul(8)?];
        let size = u64::try_from(rustix::param::page_size()).ok()?;
        let offset = (address / size).checked_mul(8)?;
        let found = read_at(self.pages.as_ref()?, offset, &mut bytes)?;
        (found == bytes.len()).then_some(())?;
        let entries = bytes
            .chunks_exact(8)
            .filter_map(|entry| Some(u64::from_le_bytes(entry.try_into().ok()?)));
        Some(entries.collect())
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[cfg(target_os = "android")]
    fn property(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // `PROP_VALUE_MAX`
        let mut value = [0_u8; 92];
        #[expect(unsafe_code, reason = "Android's properties have no other interface")]
        // SAFETY: the name ends with a zero, and the value has the room that the interface asks for.
        let length =
            unsafe { libc::__system_property_get(name.as_ptr(), value.as_mut_ptr().cast()) };
        let value = value.get(..usize::try_from(length).ok()?)?;
        (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
    }

    fn port_answers(&self, port: u16) -> bool {
        let address = net::SocketAddrV4::new(net::Ipv4Addr::LOCALHOST, port);
        net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None)
            .is_ok_and(|socket| net::connect(&socket, &address).is_ok())
    }
}
