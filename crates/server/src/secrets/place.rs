//! Where one secret is, and how it is read: again and again, since somebody else may change it.

use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::settings::is_path;
use super::{Manager, SecretError};
use crate::data_dir::write_private;

/// What stands before a place in the secrets manager.
const SCHEME: &str = "secret:";

/// Where one secret is, as a configuration says it: a file, or `secret:PATH#FIELD`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// A file that this user alone can read.
    File(PathBuf),
    /// A field of a secret in the secrets manager.
    Managed {
        /// Which secret, below the installation's path.
        path: String,
        /// Which field of it.
        field: String,
    },
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Ok(Self::File(text.into()));
        };
        match rest.split_once('#') {
            Some((path, field)) if is_path(path) && is_path(field) && !field.contains('/') => {
                Ok(Self::Managed {
                    path: path.to_owned(),
                    field: field.to_owned(),
                })
            }
            _ => Err("a place in the secrets manager is written secret:PATH#FIELD"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Managed { path, field } => write!(f, "{SCHEME}{path}#{field}"),
        }
    }
}

/// A secret, by its place.
#[derive(Debug, Clone)]
pub struct Secret {
    place: Place,
    manager: Option<Manager>,
}

impl From<PathBuf> for Secret {
    fn from(file: PathBuf) -> Self {
        Self {
            place: Place::File(file),
            manager: None,
        }
    }
}

impl Secret {
    /// The secret at a place; one in a secrets manager needs one.
    pub fn at(place: Place, manager: Option<&Manager>) -> Result<Self, SecretError> {
        if matches!(place, Place::Managed { .. }) && manager.is_none() {
            return Err(SecretError::NoManager(place.to_string()));
        }
        Ok(Self {
            place,
            manager: manager.cloned(),
        })
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The secret; a file that others can read is refused.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        self.find()?
            .ok_or_else(|| SecretError::Missing(self.place.to_string()))
    }

    /// The secret, or nothing where there is none yet.
    pub fn find(&self) -> Result<Option<Zeroizing<String>>, SecretError> {
        match (&self.place, &self.manager) {
            (Place::File(file), _) => read_private(file),
            (Place::Managed { path, field }, Some(manager)) => manager.field(path, field),
            (Place::Managed { .. }, None) => Err(SecretError::NoManager(self.place.to_string())),
        }
    }

    /// Puts `new` in the place of `old` (nothing: there is none yet). Answers whether it did: not where somebody else has put another one
    /// there, which then is the one to use.
    pub fn replace(&self, old: Option<&str>, new: &str) -> Result<bool, SecretError> {
        match (&self.place, &self.manager) {
            (Place::File(file), _) => replace_private(file, old, new),
            (Place::Managed { path, field }, Some(manager)) => {
                manager.replace_field(path, field, old, new)
            }
            (Place::Managed { .. }, None) => Err(SecretError::NoManager(self.place.to_string())),
        }
    }
}

/// What is in a file that nobody else can read.
pub(super) fn read_private(file: &Path) -> Result<Option<Zeroizing<String>>, SecretError> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => Zeroizing::new(read.map_err(|source| SecretError::file(file, &source))?),
    };
    check_private(file)?;
    Ok(Some(text))
}

/// Refuses a file with a secret in it that other users can read.
pub(crate) fn check_private(file: &Path) -> Result<(), SecretError> {
    let facts = fs::metadata(file).map_err(|source| SecretError::file(file, &source))?;
    if facts.mode() & 0o077 != 0 {
        return Err(SecretError::Exposed(file.to_owned()));
    }
    Ok(())
}

/// Writes a private file where it still holds what was seen. Others who do the same wait for each other, at the folder.
fn replace_private(file: &Path, old: Option<&str>, new: &str) -> Result<bool, SecretError> {
    let failed = |source| SecretError::file(file, &source);
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let turn = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    turn.lock().map_err(failed)?;
    if read_private(file)?.as_deref().map(String::as_str) != old {
        return Ok(false);
    }
    write_private(file, new.as_bytes()).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_a_field() {
        let place = |text: &str| Place::try_from(text.to_owned());
        assert_eq!(
            place("/run/credentials/app-url").unwrap(),
            Place::File("/run/credentials/app-url".into())
        );
        let managed = place("secret:database#app_url").unwrap();
        assert_eq!(managed.to_string(), "secret:database#app_url");
        for bad in [
            "secret:",
            "secret:database",
            "secret:#x",
            "secret:../x#y",
            "secret:a//b#c",
            "secret:a#b/c",
            "secret:a?b#c",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
        assert!(matches!(
            Secret::at(managed, None),
            Err(SecretError::NoManager(_))
        ));
    }

    #[test]
    fn of_two_who_make_a_secret_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::from(folder.path().join("made"));
        assert!(secret.replace(None, "one").unwrap());
        assert!(!secret.replace(None, "two").unwrap());
        assert!(!secret.replace(Some("two"), "three").unwrap());
        assert_eq!(secret.read().unwrap().as_str(), "one");
        assert!(secret.replace(Some("one"), "three").unwrap());
        assert_eq!(secret.read().unwrap().as_str(), "three");
    }
}
