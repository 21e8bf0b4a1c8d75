//! Memory for keys: never swapped out, left out of dumps, not given to forked processes, wiped when it goes and when a threat is found.

use std::{
    ptr::NonNull,
    sync::{Mutex, PoisonError},
};

use zeroize::Zeroize as _;

/// Where secrets are, so that all of them can be wiped at once.
static ALL: Mutex<Vec<Place>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    address: usize,
    length: usize,
}

/// `N` secret bytes on a page of their own.
pub struct Secret<const N: usize> {
    page: NonNull<[u8; N]>,
    mapped: bool,
}

#[expect(unsafe_code, reason = "the pointer is the value's own, as a box's is")]
// SAFETY: nobody else has the pointer but `wipe_all`, after which the process ends.
unsafe impl<const N: usize> Send for Secret<N> {}
#[expect(unsafe_code, reason = "shared, it is only read")]
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Secret<N> {}

impl<const N: usize> Secret<N> {
    /// Room for a secret, all zeros. Where the system gives no locked memory, ordinary memory is used, which is still wiped.
    pub fn new() -> Self {
        let (page, mapped) = match map(N) {
            Some(page) => (page.cast(), true),
            None => (NonNull::from(Box::leak(Box::new([0; N]))), false),
        };
        let place = Place {
            address: page.as_ptr().addr(),
            length: N,
        };
        ALL.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place);
        Self { page, mapped }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; N] {
        #[expect(unsafe_code, reason = "as a box reads what it owns")]
        // SAFETY: the page is valid and initialised for as long as the value lives.
        unsafe {
            self.page.as_ref()
        }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8; N] {
        #[expect(unsafe_code, reason = "as a box writes what it owns")]
        // SAFETY: as above, and nobody else has the value.
        unsafe {
            self.page.as_mut()
        }
    }
}

impl<const N: usize> Default for Secret<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        let address = self.page.as_ptr().addr();
        ALL.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|place| place.address != address);
        if self.mapped {
            unmap(self.page.cast(), N);
        } else {
            #[expect(unsafe_code, reason = "the box that `new` leaked")]
            // SAFETY: it was made by a box of this type, and this is the last that is seen of it.
            drop(unsafe { Box::from_raw(self.page.as_ptr()) });
        }
    }
}

impl<const N: usize> std::fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Wipes every secret there is. For the moment before the process ends: whoever uses one after this finds zeros.
pub(crate) fn wipe_all() {
    // A thread may hold the lock, and may be stopped by whoever is attached: then the secrets are wiped when the process goes.
    for _ in 0..100 {
        if let Ok(all) = ALL.try_lock() {
            for place in &*all {
                for offset in 0..place.length {
                    let byte = std::ptr::with_exposed_provenance_mut::<u8>(place.address + offset);
                    #[expect(unsafe_code, reason = "wipes memory that its owners share")]
                    // SAFETY: a place is in the list from when its memory is mapped until before it is unmapped, and the list is locked. A
                    // reader on another thread may see the change, which is the purpose; the process ends next.
                    unsafe {
                        std::ptr::write_volatile(byte, 0);
                    }
                }
            }
            return;
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn map(length: usize) -> Option<NonNull<u8>> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous};
    #[expect(unsafe_code, reason = "maps fresh memory")]
    // SAFETY: asks for new memory anywhere; nothing of this process is there.
    let page = unsafe {
        mmap_anonymous(
            std::ptr::null_mut(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    };
    let page = NonNull::new(page.ok()?.cast::<u8>())?;
    #[expect(
        unsafe_code,
        reason = "says how the kernel is to treat the fresh memory"
    )]
    // SAFETY: the range is the one that was just mapped. A refusal leaves it as usable as it was.
    unsafe {
        // A user's limit of locked memory may be used up: then it could be swapped, and is still not dumped.
        let _ = mlock(page.as_ptr().cast(), length);
        let _ = madvise(page.as_ptr().cast(), length, Advice::LinuxDontDump);
        let _ = madvise(page.as_ptr().cast(), length, Advice::LinuxWipeOnFork);
    }
    Some(page)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn unmap(page: NonNull<u8>, length: usize) {
    #[expect(unsafe_code, reason = "gives back what `map` gave")]
    // SAFETY: the owner is going, and nobody else has the memory.
    let _ = unsafe { rustix::mm::munmap(page.as_ptr().cast(), length) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn map(_length: usize) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unmap(_page: NonNull<u8>, _length: usize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_locked_and_left_out_of_dumps() {
        let mut secret: Secret<32> = Secret::new();
        secret.bytes_mut().copy_from_slice(&[7; 32]);
        assert_eq!(secret.bytes(), &[7; 32]);
        let start = format!("{:x}-", secret.page.as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = maps
            .lines()
            .skip_while(|line| !line.starts_with(&start))
            .find_map(|line| line.strip_prefix("VmFlags:"));
        let flags: Vec<&str> = flags.unwrap().split_whitespace().collect();
        for flag in ["lo", "dd", "wf"] {
            assert!(flags.contains(&flag), "{flag} of {flags:?}");
        }
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
