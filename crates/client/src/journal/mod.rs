//! The sealed journal: every change that waits to be sent lies here as well, sealed to the workspace, before it counts as made.
//!
//! Logging out, a wipe, a lost key or a damaged database therefore need no sealing step: what is here can be delivered at any later login,
//! and read by nobody on this device. One file a login, a line each: first whose it is, then entries, and the names of mutations that don't
//! wait any more. Of several entries for one mutation the last one counts.

mod file;
mod sealed;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_protocol::push::Mutation;
pub use fieldstone_protocol::sealed::SealedEntry as Entry;
use zeroize::Zeroizing;

use file::{Head, Line};
pub use file::{Left, all, let_go, read, set_aside};
pub use sealed::{LoginPair, Place, SealError, Sealed, fingerprint, open, seal};

/// A file with more than this many lines, and most of them worth nothing, is written anew.
const LINES_KEPT: usize = 256;

/// Why the journal can't be kept. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file can't be written.
    #[error(
        "The sealed journal {} can't be written ({}), so nothing was changed. Make room on the disk and try again.",
        .0.display(),
        .1.kind()
    )]
    Files(PathBuf, #[source] io::Error),
    /// The file can't be read.
    #[error(
        "The sealed journal {} can't be read ({}). It holds changes that weren't sent, so nothing was changed; let this user read it, then \
         try again.",
        .0.display(),
        .1.kind()
    )]
    Unreadable(PathBuf, #[source] io::Error),
    /// Sealing failed.
    #[error(
        "The change can't be sealed to the workspace's key, so nothing was changed. Sync, then try again."
    )]
    Seal(#[from] SealError),
}

/// The journal of one login.
pub struct Journal {
    file: PathBuf,
    head: Head,
    workspace: Vec<u8>,
    pair: LoginPair,
    /// Device, user, login, key and number of the entry that was made last.
    place: Place,
    /// The number and the key of the entry that counts, for each mutation that waits.
    live: BTreeMap<String, (u64, u32)>,
    /// How many lines the file has.
    lines: usize,
}

impl Journal {
    /// Opens the journal of a login to the platform at `origin`. `place.sequence` is the last number that was given out, as its keeper
    /// remembers it: the platform takes each number once for ever, and the file may have become empty since.
    pub fn open(
        folder: &Path,
        origin: &str,
        workspace: Vec<u8>,
        pair: LoginPair,
        mut place: Place,
    ) -> Result<Self, JournalError> {
        let file = folder.join(format!("{}.sealed", place.login));
        let (left, lines) = file::contents(&file)?;
        for entry in &left.entries {
            place.sequence = place.sequence.max(entry.place.sequence);
        }
        let live = left
            .entries
            .into_iter()
            .map(|entry| (entry.uuid, (entry.place.sequence, entry.place.kid)))
            .collect();
        Ok(Self {
            file,
            head: Head {
                origin: origin.to_owned(),
            },
            workspace,
            pair,
            place,
            live,
            lines,
        })
    }

    /// Whether the entry of that number is what counts of a mutation, and is sealed to the key of today.
    pub fn has(&self, uuid: &str, sequence: Option<u64>) -> bool {
        let found = self.live.get(uuid);
        found.is_some_and(|(found, kid)| Some(*found) == sequence && *kid == self.place.kid)
    }

    /// The mutations that have an entry.
    pub fn mutations(&self) -> impl Iterator<Item = &str> {
        self.live.keys().map(String::as_str)
    }

    /// The last number that was given out, to be remembered.
    pub fn sequence(&self) -> u64 {
        self.place.sequence
    }

    /// The mutations whose entries have later numbers than `known`: made by a process that was ended before the database could last.
    pub fn later_than(&self, known: u64) -> Vec<String> {
        let later = self.live.iter().filter(|(_, (number, _))| *number > known);
        later.map(|(uuid, _)| uuid.clone()).collect()
    }

    /// Copies entries into a journal of their own, to be delivered like those of an earlier login.
    pub fn set_apart(&self, lost: &[String]) -> Result<(), JournalError> {
        if lost.is_empty() {
            return Ok(());
        }
        let apart = self
            .file
            .with_file_name(format!("{}-apart.sealed", self.place.login));
        let entries = read(&self.file)?.entries.into_iter();
        let entries = entries.filter(|entry| lost.contains(&entry.uuid));
        let lines: Vec<Line> = std::iter::once(Line::Head(self.head.clone()))
            .chain(entries.map(Line::Entry))
            .collect();
        file::append(&apart, &lines, true).map_err(|error| JournalError::Files(apart, error))
    }

    /// Seals mutations, and lets others go that don't wait any more. Answers the numbers of the new entries, in their order.
    ///
    /// When it answers, the entries last. When it fails, the file is as it was.
    pub fn write(&mut self, fresh: &[Mutation], gone: &[String]) -> Result<Vec<u64>, JournalError> {
        let mut lines = Vec::with_capacity(fresh.len() + gone.len());
        let mut numbers = Vec::with_capacity(fresh.len());
        let mut sequence = self.place.sequence;
        for mutation in fresh {
            sequence += 1;
            numbers.push(sequence);
            lines.push(Line::Entry(self.sealed(mutation, sequence)?));
        }
        lines.extend(gone.iter().cloned().map(Line::Gone));
        if lines.is_empty() {
            return Ok(numbers);
        }
        let is_new = self.lines == 0;
        if is_new {
            lines.insert(0, Line::Head(self.head.clone()));
        }
        file::append(&self.file, &lines, !fresh.is_empty())
            .map_err(|error| JournalError::Files(self.file.clone(), error))?;
        self.lines += lines.len();
        self.place.sequence = sequence;
        for (mutation, number) in fresh.iter().zip(&numbers) {
            let entry = (*number, self.place.kid);
            self.live.insert(mutation.uuid.clone(), entry);
        }
        for uuid in gone {
            self.live.remove(uuid);
        }
        self.tidy()?;
        Ok(numbers)
    }

    fn sealed(&self, mutation: &Mutation, sequence: u64) -> Result<Entry, SealError> {
        let text = Zeroizing::new(serde_json::to_vec(mutation).map_err(|_| SealError)?);
        let place = Place {
            sequence,
            ..self.place.clone()
        };
        let sealed = seal(&self.workspace, &self.pair, &place, &text)?;
        Ok(Entry {
            place,
            order: mutation.sequence,
            uuid: mutation.uuid.clone(),
            key: STANDARD.encode(&sealed.key),
            text: STANDARD.encode(&sealed.text),
        })
    }

    /// Removes a file that says nothing, and writes one anew that mostly says what doesn't count any more.
    fn tidy(&mut self) -> Result<(), JournalError> {
        let kept = if self.live.is_empty() {
            file::remove(&self.file).map(|()| 0)
        } else if self.lines > LINES_KEPT.max(4 * self.live.len()) {
            file::rewrite(&self.file)
        } else {
            return Ok(());
        };
        self.lines = kept.map_err(|error| JournalError::Files(self.file.clone(), error))?;
        Ok(())
    }

    /// Removes the file: the workspace doesn't let changes be kept sealed any more.
    pub fn give_up(self) -> Result<(), JournalError> {
        file::remove(&self.file).map_err(|error| JournalError::Files(self.file, error))
    }
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
            let folder = self.folder.path();
            Journal::open(folder, "https://a", self.public.clone(), pair, place).unwrap()
        }

        /// What the platform reads: the last entry of each mutation.
        fn delivered(&self) -> BTreeMap<String, Mutation> {
            let public = LoginPair::of(&self.key).unwrap().public();
            let mut found = BTreeMap::new();
            for file in all(self.folder.path()) {
                let left = read(&file).unwrap();
                assert_eq!(left.origin.as_deref(), Some("https://a"));
                for entry in left.entries {
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

    fn gone(uuid: &str) -> [String; 1] {
        [uuid.to_owned()]
    }

    #[test]
    fn it_holds_what_waits_and_nothing_else() {
        let world = World::new();
        let mut journal = world.journal();
        journal.write(&[mutation("1", "canary")], &[]).unwrap();
        journal.write(&[mutation("2", "b")], &[]).unwrap();
        assert_eq!(world.delivered().len(), 2);
        let file = &all(world.folder.path())[0];
        assert!(!fs::read_to_string(file).unwrap().contains("canary"));
        // Joined by a later change: the later entry counts.
        let joined = mutation("1", "c");
        let numbers = journal.write(std::slice::from_ref(&joined), &[]).unwrap();
        assert_eq!(world.delivered()["1"], joined);
        assert!(journal.has("1", Some(numbers[0])) && !journal.has("1", Some(1)));
        // Arrived: it goes.
        journal.write(&[], &gone("1")).unwrap();
        assert_eq!(world.delivered().into_keys().collect::<Vec<_>>(), ["2"]);
        journal.write(&[], &gone("2")).unwrap();
        assert!(all(world.folder.path()).is_empty());
    }

    #[test]
    fn sequence_numbers_never_come_twice() {
        let world = World::new();
        let mut journal = world.journal();
        assert_eq!(journal.write(&[mutation("1", "a")], &[]).unwrap(), [1]);
        assert_eq!(journal.write(&[mutation("1", "b")], &[]).unwrap(), [2]);
        drop(journal);
        let mut journal = world.journal();
        assert!(journal.has("1", Some(2)));
        assert_eq!(journal.write(&[mutation("2", "c")], &[]).unwrap(), [3]);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_harms_no_other() {
        let world = World::new();
        world.journal().write(&[mutation("1", "a")], &[]).unwrap();
        let file = all(world.folder.path())[0].clone();
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend_from_slice(b"\n{\"entry\":{\"device\":\"d\",\"user");
        fs::write(&file, bytes).unwrap();
        world.journal().write(&[mutation("2", "b")], &[]).unwrap();
        assert_eq!(world.delivered().len(), 2);
    }

    #[test]
    fn a_damaged_line_is_counted_and_kept() {
        let world = World::new();
        let both = [mutation("1", "a"), mutation("2", "b")];
        world.journal().write(&both, &[]).unwrap();
        let file = all(world.folder.path())[0].clone();
        let text = fs::read_to_string(&file).unwrap();
        let damaged = text.replacen("\"entry\":", "\"entrY\":", 1);
        fs::write(&file, damaged).unwrap();
        let left = read(&file).unwrap();
        assert_eq!((left.entries.len(), left.damaged), (1, 1));
        let_go(&file, &gone("2")).unwrap();
        let aside = set_aside(&file).unwrap();
        assert!(fs::read_to_string(aside).unwrap().contains("entrY"));
        assert!(all(world.folder.path()).is_empty());
    }

    #[test]
    fn a_file_doesnt_grow_with_what_no_longer_counts() {
        let world = World::new();
        let mut journal = world.journal();
        for at in 0..600 {
            journal
                .write(&[mutation("1", &at.to_string())], &[])
                .unwrap();
        }
        let size = fs::metadata(&all(world.folder.path())[0]).unwrap().len();
        assert!(size < 300_000, "{size}");
        assert_eq!(world.delivered()["1"], mutation("1", "599"));
        drop(journal);
        assert!(world.journal().has("1", Some(600)));
    }

    #[test]
    fn what_an_earlier_login_left_goes_when_it_has_been_delivered() {
        let world = World::new();
        let both = [mutation("1", "a"), mutation("2", "b")];
        world.journal().write(&both, &[]).unwrap();
        let file = all(world.folder.path())[0].clone();
        let_go(&file, &gone("1")).unwrap();
        assert_eq!(world.delivered().into_keys().collect::<Vec<_>>(), ["2"]);
        let_go(&file, &gone("2")).unwrap();
        assert!(!file.exists());
    }
}
