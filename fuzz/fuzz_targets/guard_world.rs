//! All probes of the guard, on a device whose every file and answer is somebody's invention: they always come to an end, and never panic.
#![no_main]

use std::cell::Cell;

use fieldstone_guard::{
    Allowances, Kind, Libraries, Probes, Reading, Status, System, Tracer, World,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for system in [System::Linux, System::Android, System::Ios, System::MacOs] {
        let world = Invented {
            system,
            data: data.to_vec(),
            at: Cell::new(0),
        };
        let allowances = Allowances {
            libraries: Libraries::Listed(&["libc.so", "ld-linux-x86-64.so"]),
            jit: None,
            folders: Vec::new(),
            threads_max: 8,
            tracer: Tracer::default(),
        };
        let mut probes = Probes::of(Box::new(world), &allowances);
        for _ in 0..2 {
            for finding in probes.look() {
                assert!(!finding.to_string().is_empty());
            }
        }
    }
});

/// Answers every question with the next bytes of the input, and with nothing when they are used up.
struct Invented {
    system: System,
    data: Vec<u8>,
    at: Cell<usize>,
}

impl Invented {
    fn take(&self, count: usize) -> &[u8] {
        let from = self.at.get();
        let to = self.data.len().min(from.saturating_add(count));
        self.at.set(to);
        self.data.get(from..to).unwrap_or_default()
    }

    fn byte(&self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.take(8)
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn bytes(&self) -> Vec<u8> {
        let count = usize::from(self.byte()) * 4;
        self.take(count).to_vec()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn yes(&self) -> bool {
        self.byte() % 2 == 1
    }

    fn maybe<T>(&self, made: impl FnOnce() -> T) -> Option<T> {
        self.yes().then(made)
    }

    fn reading(&self) -> Reading {
        match self.byte() % 3 {
            0 => Reading::Missing,
            1 => Reading::Refused,
            _ => Reading::Found(self.bytes()),
        }
    }

    fn fill(&self, into: &mut [u8]) -> usize {
        let bytes = self.take(into.len());
        into.iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        bytes.len()
    }
}

impl World for Invented {
    fn system(&self) -> System {
        self.system
    }

    fn read(&self, _: &str) -> Reading {
        self.reading()
    }

    fn process(&self, _: &str) -> Reading {
        self.reading()
    }

    fn status(&self, _: &str) -> Option<Status> {
        self.maybe(|| Status {
            kind: [Kind::File, Kind::Folder, Kind::Other][usize::from(self.byte() % 3)],
            owner: u32::from(self.byte()),
            mode: u32::from(self.byte()),
            inode: self.number(),
        })
    }

    fn list(&self, _: &str) -> Option<Vec<String>> {
        self.maybe(|| (0..self.byte() % 8).map(|_| self.text()).collect())
    }

    fn threads(&self) -> Option<Vec<u32>> {
        self.maybe(|| (0..self.byte() % 16).map(u32::from).collect())
    }

    fn program(&self) -> Option<String> {
        self.maybe(|| self.text())
    }

    fn memory(&self, _: u64, into: &mut [u8]) -> bool {
        self.fill(into) == into.len()
    }

    fn file_part(&self, _: &str, _: u64, into: &mut [u8]) -> bool {
        self.fill(into) == into.len()
    }

    fn program_part(&self, _: u64, into: &mut [u8]) -> Option<usize> {
        self.maybe(|| self.fill(into))
    }

    fn pages(&self, _: u64, count: usize) -> Option<Vec<u64>> {
        self.maybe(|| (0..count.min(64)).map(|_| self.number()).collect())
    }

    fn user(&self) -> u32 {
        u32::from(self.byte())
    }

    fn property(&self, _: &str) -> Option<String> {
        self.maybe(|| self.text())
    }

    fn port_answers(&self, _: u16) -> bool {
        self.yes()
    }

    fn can_write(&self, _: &str) -> bool {
        self.yes()
    }

    fn can_fork(&self) -> bool {
        self.yes()
    }

    fn images(&self) -> Vec<String> {
        (0..self.byte() % 8).map(|_| self.text()).collect()
    }

    fn is_traced(&self) -> Option<bool> {
        self.maybe(|| self.yes())
    }

    fn root_is_writable(&self) -> bool {
        self.yes()
    }
}
