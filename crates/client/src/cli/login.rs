//! Logging in and out, and who is.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    sync::Arc,
};

use fieldstone_model::SystemClock;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Failure,
    arguments::{Login, Logout},
    output::Output,
    sync, with_device,
};
use crate::{
    device::{self, Delivered, Device, DeviceError, LoginWish, Password, Unsent},
    drive::Ending,
    keystore::Keystore,
    store::DatabaseError,
    transport::Credentials,
};

/// Longest password that is read.
const PASSWORD_MAX: usize = 1024;

pub(super) async fn login(
    home: &Path,
    ca: Option<&Path>,
    ephemeral: bool,
    wanted: Login,
    output: &Output,
) -> Result<(), Failure> {
    let ca = ca.map(fs::read_to_string).transpose().map_err(|error| {
        Failure::new(format!("The file given with --ca can't be read: {error}."))
    })?;
    let password = read_password(wanted.password_stdin)?;
    let wish = LoginWish {
        url: &wanted.url,
        ca,
        ephemeral,
        credentials: Credentials {
            email: &wanted.email,
            password: password.as_str(),
            workspace: wanted.workspace.as_deref(),
            totp: wanted.totp.as_deref(),
        },
    };
    let clock = Arc::new(SystemClock);
    let mut device = Device::log_in(home, &Keystore::open, clock.clone(), wish.clone()).await;
    let unlocked = matches!(device, Err(DeviceError::LoggedIn));
    if unlocked {
        device = Device::unlock(home, &Keystore::open, clock, wish).await;
    }
    drop(password);
    let mut device = device.map_err(|error| match error {
        // There is nothing that could be locked.
        error if !unlocked || matches!(error, DeviceError::Keystore(_)) => {
            Failure::new(error.to_string())
        }
        error => error.into(),
    })?;
    match load(&mut device, wanted.no_sync, output).await {
        Ok(Loaded {
            ending: Some(Ending::Erase(order)),
            ..
        }) => {
            device.obey_wipe(order.as_deref()).await?;
            return Err(Failure::locked(sync::WIPED));
        }
        Ok(Loaded {
            ending,
            delivered,
            unsent,
        }) => {
            let profile = device.profile();
            let answer = json!({
                "user": profile.user, "device": profile.device(), "origin": device.login().origin,
                "ready": ending.is_some(), "unlocked": unlocked, "pending": unsent.changes, "files": unsent.files,
                "refused": unsent.refused, "delivered": sync::count(&delivered), "kept": delivered.kept,
            });
            let line = if ending.is_some() {
                "Logged in. Your records are on this device, ready for offline work."
            } else {
                "Logged in. Load your records with “fieldstone-device sync”."
            };
            let lines = std::iter::once(line.to_owned()).chain(sync::lines(&delivered));
            output.say(&answer, lines.chain(unsent.notice()))?;
        }
        Err(failure) => {
            device.close()?;
            return Err(Failure::new(format!(
                "You are logged in, but not everything could be loaded: {} Go on with “fieldstone-device sync”.",
                failure.text
            )));
        }
    }
    device.close()?;
    Ok(())
}

/// What a login has brought.
struct Loaded {
    /// How the sync ended; none when none was wanted.
    ending: Option<Ending>,
    delivered: Delivered,
    unsent: sync::Unsent,
}

/// Delivers what earlier logins left sealed, so that the records have it, and loads the records.
async fn load(device: &mut Device, no_sync: bool, output: &Output) -> Result<Loaded, Failure> {
    let delivered = device.deliver().await?;
    let ending = if no_sync {
        None
    } else {
        Some(sync::run(device, output).await?)
    };
    Ok(Loaded {
        ending,
        delivered,
        unsent: sync::Unsent::of(device).await?,
    })
}

/// The password, from standard input. On a terminal it isn't shown.
fn read_password(from_stdin: bool) -> Result<Password, Failure> {
    let stdin = io::stdin();
    if !from_stdin && !stdin.is_terminal() {
        return Err(Failure::new(
            "There is no terminal to ask for the password on. Give it on standard input with --password-stdin.",
        ));
    }
    let mut line = Zeroizing::new(String::with_capacity(PASSWORD_MAX));
    let hidden = if from_stdin {
        None
    } else {
        Some(Hidden::ask()?)
    };
    io::Read::take(&mut stdin.lock(), 1024)
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("The password can't be read: {error}.")))?;
    drop(hidden);
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::new("The password is empty."));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// While it exists, the terminal doesn't show what is typed.
struct Hidden {
    #[cfg(unix)]
    before: nix::sys::termios::Termios,
}

impl Hidden {
    #[cfg(unix)]
    fn ask() -> Result<Self, Failure> {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let refused =
            |_| Failure::new("The terminal can't hide the password. Use --password-stdin.");
        let before = tcgetattr(io::stdin()).map_err(refused)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &hidden).map_err(refused)?;
        let _ = io::Write::write_all(&mut io::stderr(), b"Password: ");
        Ok(Self { before })
    }

    #[cfg(not(unix))]
    fn ask() -> Result<Self, Failure> {
        Err(Failure::new(
            "Give the password on standard input with --password-stdin.",
        ))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            use nix::sys::termios::{SetArg, tcsetattr};
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
            let _ = io::Write::write_all(&mut io::stderr(), b"\n");
        }
    }
}

pub(super) async fn logout(home: &Path, how: Logout, output: &Output) -> Result<(), Failure> {
    let unsent = match how {
        Logout {
            keep_sealed: true, ..
        } => Unsent::KeepSealed,
        Logout { discard: true, .. } => Unsent::Discard,
        _ => Unsent::Ask,
    };
    match super::open(home).await {
        Ok(device) if how.send => send_and_log_out(device, output).await?,
        Ok(device) => device.log_out(unsent).await?,
        Err(error) if may_be_given_up(&error, unsent) => {
            device::erase_unopened(home, &Keystore::open, unsent == Unsent::KeepSealed)?;
        }
        Err(error) => return Err(error.into()),
    }
    let answer = json!({ "logged_out": true });
    output.say(
        &answer,
        ["Logged out. The key and everything it protected are erased."],
    )
}

/// Whether a login that can't be opened can be given up, when that is asked for by name.
fn may_be_given_up(error: &DeviceError, unsent: Unsent) -> bool {
    match unsent {
        Unsent::Ask => false,
        Unsent::Discard => matches!(error, DeviceError::KeyLost | DeviceError::Database(_)),
        // What opens another time may hold changes that are sealed nowhere.
        Unsent::KeepSealed => matches!(
            error,
            DeviceError::KeyLost
                | DeviceError::Database(DatabaseError::Unreadable | DatabaseError::Damaged)
        ),
    }
}

/// Sends what waits and logs out; an order to erase that the platform gives meanwhile is obeyed.
async fn send_and_log_out(mut device: Device, output: &Output) -> Result<(), Failure> {
    match sync::run(&mut device, output).await {
        Ok(Ending::Erase(order)) => {
            device.obey_wipe(order.as_deref()).await?;
            return Err(Failure::locked(sync::WIPED));
        }
        Ok(_) => {
            if let Some(refused) = sync::Unsent::of(&device).await?.notice() {
                device.close()?;
                return Err(Failure::new(format!(
                    "Still logged in: {refused} To log out all the same, choose --keep-sealed or --discard."
                )));
            }
        }
        // Without anything to send, nobody has to be reached.
        Err(_) if device.is_all_sent().await? => {}
        Err(failure) => {
            device.close()?;
            return Err(failure);
        }
    }
    Ok(device.log_out(Unsent::Ask).await?)
}

pub(super) async fn status(home: &Path, output: &Output) -> Result<(), Failure> {
    with_device(home, async |device| {
        let local = device.local();
        let profile = device.profile();
        let unsent = sync::Unsent::of(device).await?;
        let conflicts = local.other_rows(fieldstone_protocol::conflict::OBJECT).await?;
        let counts = local.counts().await?;
        let age = device.age_s();
        let bytes = device.home().size();
        let answer = json!({
            "user": profile.user, "email": profile.email, "role": profile.role, "device": profile.device(),
            "origin": device.login().origin, "ephemeral": device.login().ephemeral,
            "synced_at": profile.synced_at.map(|at| at.to_string()), "age_s": age, "proven": profile.proven,
            "ready": local.published().await?.is_some(),
            "pending": unsent.changes, "files": unsent.files, "set_aside": unsent.refused, "conflicts": conflicts.len(),
            "records": counts, "bytes": bytes, "bytes_max": profile.policy.storage_max,
            "locked": device.check_lock().is_err(),
        });
        let records: u64 = counts.values().sum();
        let synced = match age {
            None => "never synced".to_owned(),
            Some(age) if age < 120 => "up to date a moment ago".to_owned(),
            Some(age) if age < 7_200 => format!("up to date {} minutes ago", age / 60),
            Some(age) => format!("up to date {} hours ago", age / 3_600),
        };
        let proof = if profile.proven { ", proven" } else { "" };
        let lines = [
            format!("{} ({}) at {}", profile.email, profile.role, device.login().origin),
            format!("{records} records, {} MB, {synced}{proof}", bytes.div_ceil(1_000_000)),
            format!(
                "{} changes and {} files wait to be sent, {} of them refused; {} conflicts",
                unsent.changes, unsent.files, unsent.refused, conflicts.len()
            ),
        ];
        let over = profile.policy.storage_max.is_some_and(|most| bytes > most);
        let notes = [
            device.check_lock().err().map(|error| error.to_string()),
            over.then(|| "This device holds more than the workspace wants it to. Ask an administrator for smaller record sets.".to_owned()),
        ];
        output.say(&answer, lines.into_iter().chain(notes.into_iter().flatten()))
    })
    .await
}
