//! The sealed journal: every change that waits to be sent lies here as well, sealed to the workspace, from the moment it is made.
//!
//! Logging out, a wipe, a lost key or a damaged database therefore need no sealing step: what is here can be delivered at any later login,
//! and read by nobody on this device. One file a login, a line an entry; entries go when the platform has what they say.

mod sealed;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_protocol::push::Mutation;
pub use fieldstone_protocol::sealed::SealedEntry as Entry;
use zeroize::Zeroizing;

pub use sealed::{LoginPair, Place, SealError, Sealed, fingerprint, open, seal};

/// Why the journal can't be kept. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file can't be read or written.
    #[error("The sealed journal {} can't be written. The change itself is saved on this device.", .0.display())]
    Files(PathBuf, #[source] io::Error),
    /// Sealing failed.
    #[error(
        "A change can't be sealed to the workspace's key. The change itself is saved on this device."
    )]
    Seal(#[from] SealError),
}

/// The journal of one login.
pub struct Journal {
    file: PathBuf,
    workspace: Vec<u8>,
    pair: LoginPair,
    /// Device, user, login and key of the next entry's place.
    place: Place,
    entries: Vec<Entry>,
    /// What the newest entry of each mutation says, so that only changes are sealed anew. In memory only.
    said: BTreeMap<String, Vec<u8>>,
}

impl Journal {
    /// Opens the journal of a login. `place.sequence` is the last number that was given out, as its keeper remembers it: the platform
    /// takes each number once for ever, and the file may have become empty since.
    pub fn open(
        folder: &Path,
        workspace: Vec<u8>,
        pair: LoginPair,
        place: Place,
    ) -> Result<Self, JournalError> {
        let file = folder.join(format!("{}.sealed", place.login));
        let entries = read(&file)?;
        Ok(Self {
            file,
            workspace,
            pair,
            place,
            entries,
            said: BTreeMap::new(),
        })
    }

    /// Makes the journal hold what waits, and nothing else.
    pub fn keep<'a>(
        &mut self,
        waiting: impl IntoIterator<Item = &'a Mutation>,
    ) -> Result<(), JournalError> {
        let mut kept = Vec::new();
        let mut fresh = Vec::new();
        let mut said = BTreeMap::new();
        let mut sequence = self
            .entries
            .iter()
            .map(|entry| entry.place.sequence)
            .max()
            .unwrap_or(0)
            .max(self.place.sequence);
        for mutation in waiting {
            let text = Zeroizing::new(
                serde_json::to_vec(mutation).map_err(|_| JournalError::Seal(SealError))?,
            );
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
            let hash = hash.as_ref().to_vec();
            let known = self.said.get(&mutation.uuid) == Some(&hash);
            let entry = self
                .entries
                .iter()
                .rev()
                .find(|entry| entry.uuid == mutation.uuid && entry.place.kid == self.place.kid);
            if let Some(entry) = entry.filter(|_| known) {
                kept.push(entry.clone());
            } else {
                sequence += 1;
                let place = Place {
                    sequence,
                    ..self.place.clone()
                };
                let sealed = seal(&self.workspace, &self.pair, &place, &text)?;
                fresh.push(Entry {
                    place,
                    order: mutation.sequence,
                    uuid: mutation.uuid.clone(),
                    key: STANDARD.encode(&sealed.key),
                    text: STANDARD.encode(&sealed.text),
                });
            }
            said.insert(mutation.uuid.clone(), hash);
        }
        let only_adds = kept.len() == self.entries.len();
        if only_adds && fresh.is_empty() {
            self.said = said;
            return Ok(());
        }
        if only_adds {
            self.append(&fresh)?;
        }
        kept.extend(fresh);
        self.place.sequence = sequence;
        self.entries = kept;
        if !only_adds {
            self.rewrite()?;
        }
        self.said = said;
        Ok(())
    }

    fn append(&self, entries: &[Entry]) -> Result<(), JournalError> {
        let written = (|| {
            let mut options = fs::OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&self.file)?;
            // A line that was cut off by a crash is ended first; it is of nothing that was confirmed.
            file.write_all(&lines(entries)?)?;
            file.sync_data()
        })();
        written.map_err(|error| JournalError::Files(self.file.clone(), error))
    }

    fn rewrite(&self) -> Result<(), JournalError> {
        let draft = self.file.with_extension("new");
        let written = (|| {
            if self.entries.is_empty() {
                return match fs::remove_file(&self.file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                };
            }
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&draft)?;
            file.write_all(&lines(&self.entries)?)?;
            file.sync_all()?;
            fs::rename(&draft, &self.file)
        })();
        written.map_err(|error| JournalError::Files(self.file.clone(), error))
    }

    /// The last number that was given out, to be remembered.
    pub fn sequence(&self) -> u64 {
        self.place.sequence
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn lines(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, entry)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The entries of a file. Lines that a crash cut off are passed over.
pub fn read(file: &Path) -> Result<Vec<Entry>, JournalError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::Files(file.to_owned(), error)),
    };
    Ok(bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// The journals that a folder holds, of whichever login: what can be delivered.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "sealed"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::LoginKey;
    use fieldstone_protocol::push::{Edit, Kind};
    use hpke::{Kem as _, Serializable as _};

    type Kem = hpke::kem::X25519HkdfSha256;

    fn mutation(uuid: &str, wanted: &str) -> Mutation {
        let edit = Edit {
            base: serde_json::Value::Null,
            wanted: wanted.into(),
        };
        Mutation {
            uuid: uuid.to_owned(),
            sequence: 1,
            object: "deal".to_owned(),
            record: "0061kQh2S0a8Xbd".parse().unwrap(),
            kind: Kind::Update,
            fields: BTreeMap::from([("name".to_owned(), edit)]),
        }
    }

    struct World {
        folder: tempfile::TempDir,
        private: Vec<u8>,
        public: Vec<u8>,
        key: LoginKey,
    }

    impl World {
        fn new() -> Self {
            let (private, public) = Kem::derive_keypair(&[5; 32]);
            Self {
                folder: tempfile::tempdir().unwrap(),
                private: private.to_bytes().to_vec(),
                public: public.to_bytes().to_vec(),
                key: LoginKey::generate().unwrap(),
            }
        }

        fn journal(&self) -> Journal {
            let place = Place {
                device: "d".to_owned(),
                user: "u".to_owned(),
                login: "l".to_owned(),
                sequence: 0,
                kid: 1,
            };
            let pair = LoginPair::of(&self.key).unwrap();
            Journal::open(self.folder.path(), self.public.clone(), pair, place).unwrap()
        }

        /// What the platform reads: the last entry of each mutation.
        fn delivered(&self) -> BTreeMap<String, Mutation> {
            let public = LoginPair::of(&self.key).unwrap().public();
            let mut found = BTreeMap::new();
            for file in all(self.folder.path()) {
                for entry in read(&file).unwrap() {
                    let sealed = Sealed {
                        key: STANDARD.decode(&entry.key).unwrap(),
                        text: STANDARD.decode(&entry.text).unwrap(),
                    };
                    let text = open(&self.private, &public, &entry.place, &sealed).unwrap();
                    found.insert(entry.uuid, serde_json::from_slice(&text).unwrap());
                }
            }
            found
        }
    }

    #[test]
    fn it_holds_what_waits_and_nothing_else() {
        let world = World::new();
        let mut journal = world.journal();
        let (one, two) = (mutation("1", "canary"), mutation("2", "b"));
        journal.keep([&one]).unwrap();
        journal.keep([&one, &two]).unwrap();
        assert_eq!(world.delivered().len(), 2);
        let file = &all(world.folder.path())[0];
        assert!(!fs::read_to_string(file).unwrap().contains("canary"));
        // Joined by a later change: the later entry counts.
        let joined = mutation("1", "c");
        journal.keep([&joined, &two]).unwrap();
        assert_eq!(world.delivered()["1"], joined);
        // Arrived: it goes.
        journal.keep([&two]).unwrap();
        assert_eq!(world.delivered().into_keys().collect::<Vec<_>>(), ["2"]);
        journal.keep([]).unwrap();
        assert!(all(world.folder.path()).is_empty());
    }

    #[test]
    fn sequence_numbers_never_come_twice() {
        let world = World::new();
        let mut journal = world.journal();
        journal.keep([&mutation("1", "a")]).unwrap();
        journal.keep([&mutation("1", "b")]).unwrap();
        let first = journal.entries()[0].place.sequence;
        drop(journal);
        let mut journal = world.journal();
        journal
            .keep([&mutation("1", "b"), &mutation("2", "c")])
            .unwrap();
        let sequences: Vec<u64> = journal
            .entries()
            .iter()
            .map(|entry| entry.place.sequence)
            .collect();
        assert!(
            sequences.iter().all(|sequence| *sequence > first),
            "{sequences:?} after {first}"
        );
    }

    #[test]
    fn a_line_cut_off_by_a_crash_harms_no_other() {
        let world = World::new();
        let mut journal = world.journal();
        journal.keep([&mutation("1", "a")]).unwrap();
        let file = all(world.folder.path())[0].clone();
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend_from_slice(b"\n{\"device\":\"d\",\"user");
        fs::write(&file, bytes).unwrap();
        let mut journal = world.journal();
        journal
            .keep([&mutation("1", "a"), &mutation("2", "b")])
            .unwrap();
        assert_eq!(world.delivered().len(), 2);
    }
}
