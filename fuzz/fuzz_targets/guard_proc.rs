//! The guard's parsers of what the kernel writes below `/proc`. Nothing that somebody can have written there makes them panic, and no line that
//! tells of a threat disappears because of what stands beside it.
#![no_main]

use fieldstone_guard::parse::{elf, environ, maps, mounts, pagemap, status};
use libfuzzer_sys::fuzz_target;

/// A library that was put into the process, as the kernel writes it.
const INJECTED: &[u8] =
    b"7f0000000000-7f0000001000 r-xp 00000000 fd:01 4711                       /tmp/hook.so\n";
/// A mount that only a rooted device has.
const MOUNTED: &[u8] = b"77 21 0:40 / /debug_ramdisk rw,nosuid - tmpfs magisk rw\n";

fuzz_target!(|data: &[u8]| {
    beside_an_injected_library(data);
    beside_a_mount(data);
    of_a_thread_with_this_name(data);

    let _ = environ::variable(data, "LD_PRELOAD");
    let preloaded = [data, b"\0LD_PRELOAD=/tmp/hook.so\0"].concat();
    assert!(environ::variable(&preloaded, "LD_PRELOAD").is_some());

    for entry in data.chunks_exact(8) {
        let _ = pagemap::is_copy(u64::from_le_bytes(entry.try_into().expect("eight bytes")));
    }
    let read = |offset: u64, into: &mut [u8]| {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|from| data.get(from..from.checked_add(into.len())?));
        part.map(|part| into.copy_from_slice(part)).is_some()
    };
    let _ = elf::segments(&read);
    let _ = elf::functions(&read, &["open", "read", "connect"]);
});

/// Paths of other mappings are somebody's to choose, newlines in them are not: the kernel writes those as `\012`.
fn beside_an_injected_library(data: &[u8]) {
    let text = [data, b"\n", INJECTED].concat();
    // What can't be read is a finding by itself.
    let Ok(mappings) = maps::parse(&text) else {
        return;
    };
    let seen = mappings
        .iter()
        .any(|mapping| mapping.execute && mapping.name == "/tmp/hook.so" && mapping.size() == 4096);
    assert!(seen, "an injected library is overlooked");
}

fn beside_a_mount(data: &[u8]) {
    let text = [data, b"\n", MOUNTED].concat();
    let seen = mounts::parse(&text)
        .iter()
        .any(|mount| mount.point == "/debug_ramdisk" && mount.source == "magisk");
    assert!(seen, "a mount is overlooked");
}

/// A thread chooses its name, in which the kernel writes a newline as two characters.
fn of_a_thread_with_this_name(data: &[u8]) {
    let name: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\n').collect();
    let text = [
        b"Name:\t",
        &name[..],
        b"\nUmask:\t0022\nTracerPid:\t4711\nUid:\t0\n",
    ]
    .concat();
    if let Some(status) = status::parse(&text) {
        assert_eq!(status.tracer, 4711, "a tracer is overlooked");
    }
}
