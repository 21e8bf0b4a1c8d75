//! A device from a file in `devices/`: its files, properties and processes, as probes ask for them.

use std::collections::BTreeMap;

use fieldstone_guard::{Kind, Reading, Status, System, World};
use serde::Deserialize;

/// A device. What a file doesn't say is absent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// What it is, and where what is said here is from.
    pub(crate) about: String,
    system: Name,
    /// The families that are to be found, and no others.
    pub(crate) expect: Vec<String>,
    /// Words that must be in the evidence.
    #[serde(default)]
    pub(crate) evidence: Vec<String>,
    #[serde(default = "app")]
    user: u32,
    #[serde(default)]
    program: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    /// Files with their text.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Files below /proc/self.
    #[serde(default)]
    process: BTreeMap<String, String>,
    /// Paths that are there: "kind owner mode inode".
    #[serde(default)]
    places: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    writable: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Addresses of pages that were written to.
    #[serde(default)]
    written: Vec<String>,
    #[serde(default)]
    can_fork: bool,
    #[serde(default)]
    traced: bool,
    #[serde(default)]
    root_writable: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Linux,
    Android,
    Ios,
    MacOs,
}

fn app() -> u32 {
    10_123
}

impl Recorded {
    pub(crate) fn load(text: &str) -> Self {
        toml::from_str(text).expect("a device")
    }

    fn is_folder(&self, path: &str) -> bool {
        let beginning = format!("{}/", path.trim_end_matches('/'));
        self.places
            .keys()
            .chain(self.files.keys())
            .any(|place| place.starts_with(&beginning))
    }
}

impl World for Recorded {
    fn system(&self) -> System {
        match self.system {
            Name::Linux => System::Linux,
            Name::Android => System::Android,
            Name::Ios => System::Ios,
            Name::MacOs => System::MacOs,
        }
    }

    fn read(&self, path: &str) -> Reading {
        self.files.get(path).map_or(Reading::Missing, |text| {
            Reading::Found(text.clone().into_bytes())
        })
    }

    fn process(&self, file: &str) -> Reading {
        self.process.get(file).map_or(Reading::Missing, |text| {
            Reading::Found(text.clone().into_bytes())
        })
    }

    fn status(&self, path: &str) -> Option<Status> {
        if let Some(place) = self.places.get(path) {
            let words: Vec<&str> = place.split(' ').collect();
            return Some(Status {
                kind: match words[0] {
                    "file" => Kind::File,
                    "folder" => Kind::Folder,
                    _ => Kind::Other,
                },
                owner: words[1].parse().unwrap(),
                mode: u32::from_str_radix(words[2], 8).unwrap(),
                inode: words.get(3).map_or(0, |inode| inode.parse().unwrap()),
            });
        }
        let plain = |kind| {
            Some(Status {
                kind,
                owner: 0,
                mode: 0o755,
                inode: 1,
            })
        };
        if self.files.contains_key(path) {
            return plain(Kind::File);
        }
        self.is_folder(path).then(|| plain(Kind::Folder))?
    }

    fn list(&self, path: &str) -> Option<Vec<String>> {
        let beginning = format!("{}/", path.trim_end_matches('/'));
        let names = self
            .places
            .keys()
            .chain(self.files.keys())
            .filter_map(|place| {
                let rest = place.strip_prefix(&beginning)?;
                Some(rest.split('/').next()?.to_owned())
            });
        Some(names.collect())
    }

    fn threads(&self) -> Option<Vec<u32>> {
        let threads = self.process.keys().filter_map(|file| {
            let thread = file.strip_prefix("task/")?.strip_suffix("/status")?;
            thread.parse().ok()
        });
        Some(threads.collect())
    }

    fn program(&self) -> Option<String> {
        Some(self.program.clone())
    }

    fn memory(&self, _address: u64, _into: &mut [u8]) -> bool {
        false
    }

    fn file_part(&self, _path: &str, _offset: u64, _into: &mut [u8]) -> bool {
        false
    }

    fn program_part(&self, _offset: u64, _into: &mut [u8]) -> Option<usize> {
        None
    }

    fn pages(&self, address: u64, count: usize) -> Option<Vec<u64>> {
        let written: Vec<u64> = self
            .written
            .iter()
            .map(|address| u64::from_str_radix(address, 16).unwrap())
            .collect();
        let pages = (0..count).map(|page| {
            let address = address + u64::try_from(page).unwrap() * 4096;
            if written.contains(&address) {
                1 << 63
            } else {
                1 << 63 | 1 << 61
            }
        });
        Some(pages.collect())
    }

    fn user(&self) -> u32 {
        self.user
    }

    fn property(&self, name: &str) -> Option<String> {
        self.properties.get(name).cloned()
    }

    fn port_answers(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    fn can_write(&self, folder: &str) -> bool {
        self.writable.iter().any(|place| place == folder)
    }

    fn can_open(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    fn can_fork(&self) -> bool {
        self.can_fork
    }

    fn images(&self) -> Vec<String> {
        self.images.clone()
    }

    fn is_traced(&self) -> Option<bool> {
        Some(self.traced)
    }

    fn root_is_writable(&self) -> bool {
        self.root_writable
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }
}
