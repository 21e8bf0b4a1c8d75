//! The first instructions of functions that matter, compared with the files that they come from: a hook begins by changing them.
//!
//! Every hook on a library also makes the page its own, which `Memory` sees. This check stands where the kernel doesn't show pages.

use std::collections::BTreeMap;

use super::Probe;
use crate::{
    finding::{Family, Finding},
    parse::{
        elf,
        maps::{self, Mapping},
    },
    world::{Reading, World},
};

/// How much of a function is compared. A hook's jump takes 5 to 16 bytes.
const LENGTH: usize = 32;

/// What goes through these is what an attacker wants to see: files, connections, keys, and what finds him.
const FUNCTIONS: [&str; 44] = [
    "open",
    "open64",
    "openat",
    "openat64",
    "read",
    "write",
    "pread64",
    "pwrite64",
    "close",
    "fopen",
    "readlink",
    "stat",
    "access",
    "connect",
    "send",
    "sendto",
    "sendmsg",
    "recv",
    "recvfrom",
    "recvmsg",
    "getaddrinfo",
    "mmap",
    "mmap64",
    "mprotect",
    "dlopen",
    "dlsym",
    "ptrace",
    "prctl",
    "fork",
    "execve",
    "kill",
    "syscall",
    "SSL_read",
    "SSL_write",
    "SSL_CTX_set_verify",
    "SSL_get_verify_result",
    "EVP_EncryptUpdate",
    "EVP_DecryptUpdate",
    "EVP_CipherInit_ex",
    "EVP_CipherUpdate",
    "PKCS5_PBKDF2_HMAC",
    "HMAC_Update",
    "HMAC_Init_ex",
    "RAND_bytes",
];

/// A function in memory, and how it begins in its file.
#[derive(Debug)]
struct Beginning {
    library: String,
    name: String,
    address: u64,
    bytes: [u8; LENGTH],
}

/// Compares beginnings of functions with their files.
#[derive(Debug, Default)]
pub struct Prologues {
    /// What is known of the libraries seen so far, by where they begin in memory.
    known: BTreeMap<(u64, String), Vec<Beginning>>,
}

impl Prologues {
    fn learn(&mut self, mappings: &[Mapping], world: &dyn World) {
        for first in mappings
            .iter()
            .filter(|mapping| mapping.has_file() && mapping.offset == 0 && !mapping.is_deleted())
        {
            let code = mappings
                .iter()
                .any(|mapping| mapping.execute && mapping.name == first.name);
            let key = (first.start, first.name.clone());
            if code && !self.known.contains_key(&key) {
                let beginnings = beginnings(first, world).unwrap_or_default();
                self.known.insert(key, beginnings);
            }
        }
    }
}

impl Probe for Prologues {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        // That there is no map is what the look at memory says.
        let Reading::Found(text) = world.process("maps") else {
            return;
        };
        let Ok(mappings) = maps::parse(&text) else {
            return;
        };
        self.known.retain(|(start, name), _| {
            mappings.iter().any(|mapping| {
                mapping.start == *start
                    && mapping
                        .name
                        .strip_suffix(" (deleted)")
                        .unwrap_or(&mapping.name)
                        == name
            })
        });
        self.learn(&mappings, world);
        for beginning in self.known.values().flatten() {
            let mut now = [0; LENGTH];
            if world.memory(beginning.address, &mut now) && now != beginning.bytes {
                let evidence = format!(
                    "{} of {} begins with other instructions than in its file",
                    beginning.name, beginning.library
                );
                found.push(Finding::new(Family::Tools, "prologue", &evidence));
            }
        }
    }
}

fn beginnings(first: &Mapping, world: &dyn World) -> Option<Vec<Beginning>> {
    let read = |offset: u64, into: &mut [u8]| world.file_part(&first.name, offset, into);
    let segments = elf::segments(&read)?;
    // The file's first byte is at the first mapping's first.
    let origin = segments.iter().find(|segment| segment.offset < 4096)?;
    let moved = first
        .start
        .wrapping_sub(origin.address.wrapping_sub(origin.offset));
    let functions = elf::functions(&read, &FUNCTIONS)?;
    let beginnings = functions.into_iter().filter_map(|function| {
        let mut bytes = [0; LENGTH];
        read(function.offset, &mut bytes).then(|| Beginning {
            library: first.name.clone(),
            name: function.name,
            address: moved.wrapping_add(function.address),
            bytes,
        })
    });
    Some(beginnings.collect())
}
