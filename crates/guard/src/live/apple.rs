//! iOS and macOS through libc. Compiled only there and reviewed line by line; it has never run on a device.
#![expect(
    unsafe_code,
    reason = "the interfaces of the C library; each call says why it is sound"
)]

use std::{
    ffi::{CStr, CString},
    fs, io,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    time::Duration,
};

use crate::world::{Kind, READ_MAX, Reading, Status, System, World};

unsafe extern "C" {
    fn _dyld_image_count() -> u32;
    fn _dyld_get_image_name(index: u32) -> *const libc::c_char;
}

/// `P_TRACED` of <sys/proc.h>
const TRACED: libc::c_int = 0x0000_0800;

/// The world of this process.
#[derive(Debug)]
pub struct Live {
    program: Option<String>,
}

impl Live {
    /// Looks once for what doesn't change.
    pub fn open() -> io::Result<Self> {
        let program = std::env::current_exe()?.to_str().map(str::to_owned);
        Ok(Self { program })
    }
}

impl World for Live {
    fn system(&self) -> System {
        if cfg!(target_os = "ios") {
            System::Ios
        } else {
            System::MacOs
        }
    }

    fn read(&self, path: &str) -> Reading {
        use io::Read as _;
        let mut bytes = Vec::new();
        match fs::File::open(path)
            .and_then(|file| file.take(READ_MAX as u64).read_to_end(&mut bytes))
        {
            Ok(_) => Reading::Found(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Reading::Missing,
            Err(_) => Reading::Refused,
        }
    }

    fn process(&self, _file: &str) -> Reading {
        Reading::Missing
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn status(&self, path: &str) -> Option<Status> {
        let found = fs::metadata(path).ok()?;
        let kind = if found.is_file() {
            Kind::File
        } else if found.is_dir() {
            Kind::Folder
        } else {
            Kind::Other
        };
        Some(Status {
            kind,
            owner: found.uid(),
            mode: found.mode() & 0o7777,
            inode: found.ino(),
        })
    }

    fn list(&self, path: &str) -> Option<Vec<String>> {
        let entries = fs::read_dir(path).ok()?;
        Some(
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
        )
    }

    fn threads(&self) -> Option<Vec<u32>> {
        None
    }

    fn program(&self) -> Option<String> {
        self.program.clone()
    }

    fn memory(&self, _address: u64, _into: &mut [u8]) -> bool {
        false
    }

    fn file_part(&self, path: &str, offset: u64, into: &mut [u8]) -> bool {
        fs::File::open(path).is_ok_and(|file| file.read_exact_at(into, offset).is_ok())
    }

    fn program_part(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        fs::File::open(self.program.as_ref()?)
            .ok()?
            .read_at(into, offset)
            .ok()
    }

    fn pages(&self, _address: u64, _count: usize) -> Option<Vec<u64>> {
        None
    }

    fn user(&self) -> u32 {
        // SAFETY: takes nothing and always succeeds.
        unsafe { libc::geteuid() }
    }

    fn port_answers(&self, port: u16) -> bool {
        TcpStream::connect_timeout(
            &(Ipv4Addr::LOCALHOST, port).into(),
            Duration::from_millis(50),
        )
        .is_ok()
    }

    fn can_write(&self, folder: &str) -> bool {
        let path = format!("{folder}.fs-{}", std::process::id());
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .is_ok();
        if made {
            // A file that can be made there can be removed.
            let _ = fs::remove_file(&path);
        }
        made
    }

    fn can_open(&self, path: &str) -> bool {
        let Ok(path) = CString::new(path) else {
            return false;
        };
        // SAFETY: the path ends with a zero.
        let file = unsafe {
            libc::open(
                path.as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK,
            )
        };
        if file < 0 {
            return false;
        }
        // SAFETY: the file was just opened, and nobody else has its number.
        unsafe { libc::close(file) };
        true
    }

    #[cfg(target_os = "ios")]
    fn can_fork(&self) -> bool {
        // SAFETY: the child does nothing but end, without running anything of this process's.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) };
        }
        if child > 0 {
            // SAFETY: waits for the child that was just made; its status isn't wanted.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
        child > 0
    }

    fn images(&self) -> Vec<String> {
        // SAFETY: takes nothing.
        let count = unsafe { _dyld_image_count() };
        (0..count)
            .filter_map(|index| {
                // SAFETY: an index that is no longer valid gives null.
                let name = unsafe { _dyld_get_image_name(index) };
                // SAFETY: not null, it is a text that lives as long as the image.
                (!name.is_null()).then(|| {
                    unsafe { CStr::from_ptr(name) }
                        .to_string_lossy()
                        .into_owned()
                })
            })
            .collect()
    }

    fn is_traced(&self) -> Option<bool> {
        let mut name = [
            libc::CTL_KERN,
            libc::KERN_PROC,
            libc::KERN_PROC_PID,
            i32::try_from(std::process::id()).ok()?,
        ];
        // struct kinfo_proc of <sys/sysctl.h>: 648 bytes on 64 bits, its p_flag at byte 32.
        let mut info = [0_u8; 648];
        let mut size = info.len();
        // SAFETY: the name has four numbers, and `size` says how much room the answer has.
        let failed = unsafe {
            libc::sysctl(
                name.as_mut_ptr(),
                4,
                info.as_mut_ptr().cast(),
                &raw mut size,
                std::ptr::null_mut(),
                0,
            )
        };
        if failed != 0 || size < 36 {
            return None;
        }
        let flags = i32::from_ne_bytes(info.get(32..36)?.try_into().ok()?);
        Some(flags & TRACED != 0)
    }

    fn root_is_writable(&self) -> bool {
        // SAFETY: all zeros is a value of this plain structure.
        let mut found: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the path ends with a zero, and the answer has its room.
        let failed = unsafe { libc::statfs(c"/".as_ptr(), &raw mut found) };
        failed == 0 && found.f_flags & libc::MNT_RDONLY as u32 == 0
    }
}
