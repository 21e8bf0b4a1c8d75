//! Logging out, killed after every step; and that nothing else erases.

use std::sync::Arc;

use fieldstone_model::{Change, RecordId, Role, SystemClock, Value, Values};
use fieldstone_store::{Store as _, User};

use super::*;
use crate::{keys::LoginKey, keystore::Keystore, store::Local};

const CANARY: &str = "canary-in-a-coal-mine";

fn keystore() -> Keystore {
    Keystore::of(keyring_core::mock::Store::new().unwrap())
}

fn login(id: &str) -> Login {
    Login {
        id: id.to_owned(),
        user: "0050000000000Aa".parse().unwrap(),
        origin: "https://localhost:8443".to_owned(),
        ca: None,
        ephemeral: false,
    }
}

fn open(path: &Path) -> Home {
    Home::open(path, || "installation-1".to_owned()).unwrap()
}

/// Logs in and makes a record with the canary in it.
async fn log_in(home: &Home, keystore: &Keystore, login: &Login) -> Local {
    let key = LoginKey::generate().unwrap();
    home.begin_login(login).unwrap();
    keystore.keep(&home.key_name(login), &key).unwrap();
    let local = Local::open(&home.database(login), &key, Arc::new(SystemClock), false)
        .await
        .unwrap();
    home.complete_login().unwrap();
    let user: RecordId = login.user;
    let store = local.store(User {
        id: user,
        role: Role::Owner,
    });
    let id = store.new_id("account").unwrap();
    let values = Values::new().with("name", Value::Text(CANARY.to_owned()));
    let create = Change::Create {
        object: "account".to_owned(),
        id,
        values,
    };
    store.apply(&[create]).await.unwrap();
    local
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn assert_no_canary(folder: &Path) {
    for file in files(folder) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!found, "the canary is in {}", file.display());
        // Also not as words of an index or in another case.
        let parts = ["canary-in", "CANARY", "coal-mine"];
        for part in parts {
            let found = bytes
                .windows(part.len())
                .any(|window| window == part.as_bytes());
            assert!(!found, "“{part}” is in {}", file.display());
        }
    }
}

#[tokio::test]
async fn killed_after_any_step_a_logout_is_finished_at_the_next_start() {
    // More steps than there are: the last rounds are whole logouts.
    for killed_after in 0..18 {
        let folder = tempfile::tempdir().unwrap();
        let keystore = keystore();
        let login = login("login-1");
        let home = open(folder.path());
        let local = log_in(&home, &keystore, &login).await;
        fs::create_dir(home.attachments()).unwrap();
        fs::write(home.attachments().join("a"), b"sealed").unwrap();
        assert_no_canary(folder.path());
        drop(local);
        let erasure = home.erase(&login, false, None);
        let whole = killed_after >= erasure.steps().len();
        for step in erasure.steps().iter().take(killed_after) {
            erasure.perform(step, &keystore).unwrap();
        }
        drop(erasure);
        drop(home);
        assert_no_canary(folder.path());

        let home = open(folder.path());
        if killed_after <= 1 {
            assert_eq!(home.state().unwrap(), State::LoggedIn(login.clone()));
            let key = keystore.find(&home.key_name(&login)).unwrap().unwrap();
            Local::open(&home.database(&login), &key, Arc::new(SystemClock), true)
                .await
                .unwrap();
            continue;
        }
        match home.unfinished().unwrap() {
            Some(unfinished) => unfinished.run(&keystore).unwrap(),
            None => assert!(whole, "nothing to finish after step {killed_after}"),
        }
        assert_eq!(home.state().unwrap(), State::LoggedOut);
        assert!(keystore.find(&home.key_name(&login)).unwrap().is_none());
        let left: Vec<String> = files(folder.path())
            .iter()
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let kept = ["lease", "installation", "installation.copy"];
        assert!(
            left.iter().all(|name| kept.contains(&name.as_str())),
            "{left:?} is left after a kill at step {killed_after}"
        );
    }
}

#[tokio::test]
async fn a_login_that_was_not_completed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keystore = keystore();
    let home = open(folder.path());
    let login = login("login-1");
    home.begin_login(&login).unwrap();
    let key = LoginKey::generate().unwrap();
    keystore.keep(&home.key_name(&login), &key).unwrap();
    fs::write(home.database(&login), b"half").unwrap();
    assert_eq!(home.state().unwrap(), State::LoggingIn(login.clone()));
    home.unfinished().unwrap().unwrap().run(&keystore).unwrap();
    assert_eq!(home.state().unwrap(), State::LoggedOut);
    assert!(!home.database(&login).exists());
    assert!(keystore.find(&home.key_name(&login)).unwrap().is_none());
}

#[tokio::test]
async fn a_lost_key_erases_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keystore = keystore();
    let home = open(folder.path());
    let login = login("login-1");
    drop(log_in(&home, &keystore, &login).await);
    keystore.forget(&home.key_name(&login)).unwrap();
    assert_eq!(home.state().unwrap(), State::LoggedIn(login.clone()));
    assert!(home.unfinished().unwrap().is_none());
    assert!(home.database(&login).exists());
    let another = LoginKey::generate().unwrap();
    let opened = Local::open(
        &home.database(&login),
        &another,
        Arc::new(SystemClock),
        false,
    )
    .await;
    assert!(matches!(
        opened.err(),
        Some(crate::store::DatabaseError::Unreadable)
    ));
    assert!(home.database(&login).exists());
}

#[test]
fn one_process_at_a_time_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let home = open(folder.path());
    let second = Home::open(folder.path(), || unreachable!());
    let Err(HomeError::InUse { holder }) = second else {
        panic!("a second process got the folder");
    };
    assert_eq!(holder, Some(std::process::id()));
    drop(home);
    assert_eq!(open(folder.path()).installation(), "installation-1");
}

#[test]
fn a_database_left_open_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut home = open(folder.path());
    assert!(!home.was_left_open());
    home.note_open(true).unwrap();
    drop(home);
    let mut home = open(folder.path());
    assert!(home.was_left_open());
    home.note_open(false).unwrap();
    drop(home);
    assert!(!open(folder.path()).was_left_open());
}

#[test]
fn a_damaged_file_is_read_from_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let home = open(folder.path());
    let login = login("login-1");
    home.begin_login(&login).unwrap();
    home.complete_login().unwrap();
    drop(home);
    for name in [INSTALLATION, LOGIN] {
        for damage in [&b""[..], b"\0\0\0\0", b"{\"id\":\"lo"] {
            fs::write(folder.path().join(name), damage).unwrap();
            let home = Home::open(folder.path(), || unreachable!()).unwrap();
            assert_eq!(home.installation(), "installation-1");
            assert_eq!(home.state().unwrap(), State::LoggedIn(login.clone()));
        }
    }
    // The order to erase counts, whatever has become of the marker's content.
    mark_for_erasure(folder.path()).unwrap();
    fs::write(folder.path().join(LOGOUT_INTENT), b"").unwrap();
    let home = open(folder.path());
    assert_eq!(home.state().unwrap(), State::LoggingOut(login));
    home.unfinished()
        .unwrap()
        .unwrap()
        .run(&keystore())
        .unwrap();
    assert_eq!(home.state().unwrap(), State::LoggedOut);
}

#[test]
fn what_was_to_be_given_up_is_gone_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = open(folder.path());
    let login = login("login-1");
    home.begin_login(&login).unwrap();
    home.complete_login().unwrap();
    let journal = home.journals().unwrap().join("login-1.sealed");
    // A folder in its place can't be removed as a file can.
    fs::create_dir(&journal).unwrap();
    assert!(home.erase(&login, false, None).run(&keystore()).is_err());
    fs::remove_dir(&journal).unwrap();
    fs::write(&journal, b"sealed").unwrap();
    home.unfinished()
        .unwrap()
        .unwrap()
        .run(&keystore())
        .unwrap();
    assert!(!journal.exists());
    assert_eq!(home.state().unwrap(), State::LoggedOut);
}

#[cfg(unix)]
#[test]
fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let home = open(&path);
    assert_eq!(
        fs::metadata(home.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
}
