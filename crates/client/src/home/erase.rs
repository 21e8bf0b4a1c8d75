//! Erasing a login, step by step. Killed after any step, the next start does the rest.
//!
//! The marker comes first and goes last: it alone permits to erase. The key goes before the files, since without it they are noise.

use std::{fs, io, path::PathBuf};

use super::{
    Home, HomeError, Intent, JOURNAL, LOGIN, LOGIN_INTENT, LOGOUT_INTENT, Login, RECEIPT, Receipt,
    State, failed, spare, sync_folder,
};
use crate::keystore::Keystore;

/// One step; each is one thing that is done or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Give back the room that is kept for a full disk: the marker takes some.
    GiveRoom,
    /// Write the marker.
    Mark,
    /// Remove the key from the keystore.
    ForgetKey,
    /// Remove a file.
    RemoveFile(PathBuf),
    /// Remove a folder with whatever is in it.
    RemoveFolder(PathBuf),
    /// Keep what proves that an order was carried out.
    KeepReceipt,
    /// Remove the marker.
    Unmark,
}

/// The erasing of one login.
#[derive(Debug)]
pub struct Erasure<'a> {
    home: &'a Home,
    intent: Intent,
    steps: Vec<Step>,
}

impl Home {
    /// Begins to erase a login, because its user logs out or the platform has ordered it. `keep_sealed` leaves its sealed journal.
    ///
    /// The database must be closed.
    pub fn erase(&self, login: &Login, keep_sealed: bool, receipt: Option<Receipt>) -> Erasure<'_> {
        let intent = Intent {
            login: login.clone(),
            receipt,
            discard: !keep_sealed,
        };
        let mut steps = vec![Step::GiveRoom, Step::Mark];
        steps.extend(self.remaining(&intent));
        Erasure {
            home: self,
            intent,
            steps,
        }
    }

    /// What is left to erase of a login or logout that wasn't completed; nothing when there is none.
    pub fn unfinished(&self) -> Result<Option<Erasure<'_>>, HomeError> {
        let intent = match self.state()? {
            State::LoggingOut(_) => self.logout_intent()?,
            State::LoggingIn(login) => Some(Intent {
                login,
                receipt: None,
                discard: false,
            }),
            State::LoggedIn(_) | State::LoggedOut => None,
        };
        Ok(intent.map(|intent| Erasure {
            home: self,
            steps: self.remaining(&intent),
            intent,
        }))
    }

    /// Everything that comes after the marker.
    fn remaining(&self, intent: &Intent) -> Vec<Step> {
        let database = self.database(&intent.login);
        let beside = |end: &str| {
            let mut name = database.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let mut steps = vec![Step::ForgetKey];
        if intent.discard {
            let journal = format!("{}.sealed", intent.login.id);
            steps.push(Step::RemoveFile(self.path.join(JOURNAL).join(journal)));
        }
        let database = [
            database.clone(),
            beside("-wal"),
            beside("-shm"),
            beside("-journal"),
        ];
        steps.extend(database.map(Step::RemoveFile));
        let attachments = self.attachments();
        if let Ok(entries) = fs::read_dir(&attachments) {
            steps.extend(entries.flatten().map(|entry| {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder {
                    Step::RemoveFolder(entry.path())
                } else {
                    Step::RemoveFile(entry.path())
                }
            }));
            steps.push(Step::RemoveFolder(attachments));
        }
        let copy = spare::copy_of(LOGIN);
        for file in [&copy, LOGIN, LOGIN_INTENT, spare::RESERVE] {
            steps.push(Step::RemoveFile(self.path.join(file)));
        }
        steps.extend([Step::KeepReceipt, Step::Unmark]);
        steps
    }
}

impl Erasure<'_> {
    /// The login that is erased.
    pub fn login(&self) -> &Login {
        &self.intent.login
    }

    /// The steps in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Does one step. It may have been done before.
    pub fn perform(&self, step: &Step, keystore: &Keystore) -> Result<(), HomeError> {
        match step {
            Step::GiveRoom => {
                self.home.give_room();
                Ok(())
            }
            Step::Mark => self.home.write(LOGOUT_INTENT, &self.intent),
            Step::ForgetKey => keystore
                .forget(&self.home.key_name(&self.intent.login))
                .map_err(HomeError::Keystore),
            Step::RemoveFile(file) => gone(fs::remove_file(file)).map_err(failed(file, "erased")),
            Step::RemoveFolder(folder) => {
                gone(fs::remove_dir_all(folder)).map_err(failed(folder, "erased"))
            }
            Step::KeepReceipt => match &self.intent.receipt {
                Some(receipt) => self.home.write(RECEIPT, receipt),
                None => Ok(()),
            },
            Step::Unmark => {
                // What was removed stays removed before the permission to remove goes.
                sync_folder(&self.home.path)?;
                let marker = self.home.path.join(LOGOUT_INTENT);
                gone(fs::remove_file(&marker)).map_err(failed(&marker, "erased"))?;
                sync_folder(&self.home.path)
            }
        }
    }

    /// Does all steps. When one fails (the keystore can't be reached, a file can't be removed), everything else goes all the same, and the
    /// marker stays for the next start. Without a marker nothing is done.
    pub fn run(&self, keystore: &Keystore) -> Result<(), HomeError> {
        let mut failure = None;
        for step in &self.steps {
            if *step == Step::Unmark && failure.is_some() {
                break;
            }
            match self.perform(step, keystore) {
                Err(error) if *step != Step::Mark => failure = failure.or(Some(error)),
                answer => answer?,
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

fn gone(answer: io::Result<()>) -> io::Result<()> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer,
    }
}
