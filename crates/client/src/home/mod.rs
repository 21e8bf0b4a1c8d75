//! The device's folder: who is logged in, the encrypted files, and that one process at a time uses them.
//!
//! Nothing in it can be read without the key, which is never in it: besides the encrypted files there are names of logins and the address of
//! the platform. Erasing takes the marker of a logout; a missing key alone never erases anything.

mod erase;
mod lease;
mod spare;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use fieldstone_model::RecordId;
use serde::{Deserialize, Serialize};

pub use erase::{Erasure, Step};
use lease::Lease;

use crate::keystore::{KeyName, KeystoreError};

/// Why the folder can't be used. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Another process has it.
    #[error("Another Fieldstone process{} is using this folder. Close it, or use another folder.", holder.map_or(String::new(), |pid| format!(" (number {pid})")))]
    InUse {
        /// The process.
        holder: Option<u32>,
    },
    /// It can't be read or written.
    #[error("The folder {} can't be {doing}: {}. Nothing was changed.", .path.display(), reason(.source))]
    Files {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file of ours isn't what we wrote.
    #[error("The file {} can't be read. It was changed or damaged; nothing was deleted.", .0.display())]
    Damaged(PathBuf),
    /// The key couldn't be removed.
    #[error("{0} What was to be erased will be erased at the next start.")]
    Keystore(#[source] KeystoreError),
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "this user has no access to it",
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        io::ErrorKind::NotFound => "it doesn't exist",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "something else is in its place"
        }
        _ => "the disk didn't do it",
    }
}

/// One login, as the folder names it. Who the user is by name stands only in the encrypted database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Names this login; a later one has another name.
    pub id: String,
    /// The user.
    pub user: RecordId,
    /// The platform's address, the only one that is ever connected to.
    pub origin: String,
    /// Certificates that the platform's is checked against besides the system's, as PEM.
    pub ca: Option<String>,
    /// Whether the key is in the keystore that forgets at a restart.
    pub ephemeral: bool,
}

/// What proves to the platform that its order to erase was carried out. All that is left of the login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's address.
    pub origin: String,
    /// Certificates that the platform's is checked against besides the system's, as PEM.
    pub ca: Option<String>,
    /// The device as it was registered.
    pub device: RecordId,
    /// The order's receipt.
    pub receipt: String,
}

/// The marker of a logout: whose, by whose order, and whether what is kept sealed goes as well.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Intent {
    #[serde(flatten)]
    login: Login,
    #[serde(default)]
    receipt: Option<Receipt>,
    #[serde(default)]
    discard: bool,
}

/// What the folder says about logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody is logged in.
    LoggedOut,
    /// Somebody is.
    LoggedIn(Login),
    /// A login was begun and not completed.
    LoggingIn(Login),
    /// A logout was begun and not completed.
    LoggingOut(Login),
}

/// A device's folder, held by this process.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    lease: Lease,
    installation: String,
}

const LOGIN: &str = "login.json";
const LOGIN_INTENT: &str = "login-intent.json";
const LOGOUT_INTENT: &str = "logout-intent.json";
const RECEIPT: &str = "erasure.json";
const INSTALLATION: &str = "installation";
const ATTACHMENTS: &str = "attachments";
const JOURNAL: &str = "journal";

impl Home {
    /// Takes the folder, making it if it isn't there. Fails when another process has it.
    pub fn open(path: &Path, new_id: impl FnOnce() -> String) -> Result<Self, HomeError> {
        make_private_folder(path)?;
        let lease = Lease::take(path)?;
        let installation = installation(path, new_id)?;
        spare::make_copy(path, INSTALLATION);
        if path.join(LOGIN).exists() {
            spare::make_copy(path, LOGIN);
            spare::keep_room(path);
        }
        Ok(Self {
            path: path.to_owned(),
            lease,
            installation,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names this installation; stays the same from login to login.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// Whether the process before this one ended without closing its database.
    pub fn was_left_open(&self) -> bool {
        self.lease.was_left_open()
    }

    /// Notes that the database is open, or is closed.
    pub fn note_open(&mut self, open: bool) -> Result<(), HomeError> {
        self.lease.note(open)
    }

    /// Takes the room that is kept for a full disk, if it isn't kept yet and there is so much.
    pub fn keep_room(&self) {
        spare::keep_room(&self.path);
    }

    /// Gives back the room that is kept for a full disk; whether there was any.
    pub fn give_room(&self) -> bool {
        spare::give_room(&self.path)
    }

    /// Who is logged in.
    pub fn state(&self) -> Result<State, HomeError> {
        if let Some(intent) = self.logout_intent()? {
            return Ok(State::LoggingOut(intent.login));
        }
        if let Some(login) = spare::read(&self.path, LOGIN)? {
            return Ok(State::LoggedIn(login));
        }
        Ok(match spare::parsed(&self.path, LOGIN_INTENT)? {
            Some(login) => State::LoggingIn(login),
            None => State::LoggedOut,
        })
    }

    /// The marker of a logout. One that is damaged still means whoever is logged in.
    fn logout_intent(&self) -> Result<Option<Intent>, HomeError> {
        match spare::parsed(&self.path, LOGOUT_INTENT) {
            Err(damaged @ HomeError::Damaged(_)) => match spare::read(&self.path, LOGIN)? {
                Some(login) => Ok(Some(Intent {
                    login,
                    receipt: None,
                    discard: false,
                })),
                None => Err(damaged),
            },
            answer => answer,
        }
    }

    /// Notes that a login begins: what it makes from now on is removed again if it isn't completed.
    pub fn begin_login(&self, login: &Login) -> Result<(), HomeError> {
        self.write(LOGIN_INTENT, login)
    }

    /// Notes that the login is complete. From here on it is there, whatever happens.
    pub fn complete_login(&self) -> Result<(), HomeError> {
        let (from, to) = (self.path.join(LOGIN_INTENT), self.path.join(LOGIN));
        fs::rename(&from, &to).map_err(failed(&to, "written"))?;
        sync_folder(&self.path)?;
        spare::make_copy(&self.path, LOGIN);
        spare::keep_room(&self.path);
        Ok(())
    }

    /// The name of a login's key in the keystore.
    pub fn key_name(&self, login: &Login) -> KeyName {
        KeyName {
            installation: self.installation.clone(),
            user: login.user.to_string(),
            login: login.id.clone(),
        }
    }

    /// What is still to be told to the platform that ordered to erase.
    pub fn receipt(&self) -> Result<Option<Receipt>, HomeError> {
        spare::parsed(&self.path, RECEIPT)
    }

    /// The platform knows.
    pub fn forget_receipt(&self) -> Result<(), HomeError> {
        let file = self.path.join(RECEIPT);
        fs::remove_file(&file).map_err(failed(&file, "erased"))
    }

    /// Where a login's database is. Key and file have the login in common, so that no key ever meets another login's file.
    pub fn database(&self, login: &Login) -> PathBuf {
        self.path.join(format!("data-{}.db", login.id))
    }

    /// Where attachments are.
    pub fn attachments(&self) -> PathBuf {
        self.path.join(ATTACHMENTS)
    }

    /// The folder of sealed journals.
    pub fn journals(&self) -> Result<PathBuf, HomeError> {
        let path = self.path.join(JOURNAL);
        make_private_folder(&path)?;
        Ok(path)
    }

    /// Bytes that everything in the folder takes.
    pub fn size(&self) -> u64 {
        size_of(&self.path)
    }

    /// Writes a file whole or not at all, and makes sure that it lasts.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), HomeError> {
        let text =
            serde_json::to_vec(value).map_err(|_| HomeError::Damaged(self.path.join(name)))?;
        write_durably(&self.path, name, &text)
    }
}

/// Writes the marker of a logout for whoever is logged in, so that the next start erases everything of that login. For a process that is
/// about to end because of a threat: it takes no lease, since this process or the one that it watches has it.
pub fn mark_for_erasure(path: &Path) -> Result<(), HomeError> {
    let Some(login) = spare::read::<Login>(path, LOGIN)? else {
        // Nobody is logged in.
        return Ok(());
    };
    let text = serde_json::to_vec(&login).map_err(|_| HomeError::Damaged(path.join(LOGIN)))?;
    spare::give_room(path);
    write_durably(path, LOGOUT_INTENT, &text)
}

/// The name of this installation: as it was written, as its copy has it, or a new one.
fn installation(path: &Path, new_id: impl FnOnce() -> String) -> Result<String, HomeError> {
    let copy = spare::copy_of(INSTALLATION);
    for name in [INSTALLATION, &copy] {
        let file = path.join(name);
        match fs::read(&file) {
            Ok(text) => {
                let text = String::from_utf8(text).unwrap_or_default();
                if is_installation(text.trim()) {
                    return Ok(text.trim().to_owned());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&file, "read")(error)),
        }
    }
    let id = new_id();
    write_durably(path, INSTALLATION, id.as_bytes())?;
    Ok(id)
}

/// Whether a text can be the name of an installation.
fn is_installation(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let file = folder.join(name);
    let draft = folder.join(format!("{name}.new"));
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(&draft)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&draft, &file)
    })();
    written.map_err(failed(&file, "written"))?;
    sync_folder(folder)
}

/// Makes renames and removals in a folder last.
fn sync_folder(folder: &Path) -> Result<(), HomeError> {
    #[cfg(unix)]
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(folder, "written"))?;
    Ok(())
}

/// A folder that nobody else can look into.
fn make_private_folder(path: &Path) -> Result<(), HomeError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed(path, "made"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(path).map_err(failed(path, "read"))?;
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(failed(path, "closed to others"))?;
        }
    }
    Ok(())
}

fn failed<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> HomeError + 'a {
    move |source| HomeError::Files {
        path: path.to_owned(),
        doing,
        source,
    }
}

fn size_of(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
