//! The command line of `fieldstone-device`: parses, calls, prints. Nothing secret is ever an argument or a variable of the environment.

mod arguments;
mod file;
mod login;
mod output;
mod page;
mod pending;
mod record;
mod sync;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser as _;
use fieldstone_model::SystemClock;

use crate::{
    device::{Device, DeviceError},
    home::HomeError,
    keystore::Keystore,
    sentry,
};
use arguments::{Arguments, Command};
use output::Output;

/// Everything went well.
const OK: u8 = 0;
/// Refused, or failed.
const FAILED: u8 = 1;
/// Nobody is logged in, or what is here is locked.
const LOCKED: u8 = 3;

/// How often a folder that another process has is tried again, and how long is waited in between: together a bit longer than a usual sync.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Why a command failed, with its exit code.
struct Failure {
    code: u8,
    text: String,
    /// Another process has the folder just now.
    in_use: bool,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            text: text.into(),
            in_use: false,
        }
    }

    fn locked(text: impl Into<String>) -> Self {
        Self {
            code: LOCKED,
            ..Self::new(text)
        }
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        tracing::debug!(?error, "the command failed");
        Self {
            code: if error.is_locked() { LOCKED } else { FAILED },
            text: error.to_string(),
            in_use: is_in_use(&error),
        }
    }
}

fn is_in_use(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Home(HomeError::InUse { .. }))
}

impl From<crate::store::DatabaseError> for Failure {
    fn from(error: crate::store::DatabaseError) -> Self {
        DeviceError::from(error).into()
    }
}

impl From<fieldstone_store::StoreError> for Failure {
    fn from(error: fieldstone_store::StoreError) -> Self {
        // What the database says is for people; what it is wrapped in isn't.
        if let fieldstone_store::StoreError::Internal(cause) = &error
            && let Some(cause) = cause.downcast_ref::<crate::store::DatabaseError>()
        {
            return Self::new(cause.to_string());
        }
        Self::new(error.to_string())
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Usage errors leave with 2, help and version with 0.
        Err(error) => error.exit(),
    };
    // Before anything else: this may be two processes from here on.
    sentry::stand(&arguments.home);
    fieldstone_guard::harden::harden();
    let output = Output::new(arguments.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(sentry::BLOCKING_THREADS)
        .enable_all()
        .build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments, &output)),
        Err(error) => Err(Failure::new(format!("The program can't start: {error}."))),
    };
    match answer {
        Ok(()) => ExitCode::from(OK),
        Err(failure) => {
            output.failure(&failure.text, failure.code);
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments {
        home,
        ca,
        ephemeral,
        command,
        ..
    } = arguments;
    match command {
        Command::Login(wanted) => {
            login::login(&home, ca.as_deref(), ephemeral, wanted, output).await
        }
        Command::Logout(how) => login::logout(&home, how, output).await,
        Command::Status => login::status(&home, output).await,
        Command::Sync => sync::sync(&home, output).await,
        Command::Watch(how) => sync::watch(&home, how, output).await,
        Command::List(what) => record::list(&home, what, output).await,
        Command::Show(what) => record::show(&home, what, output).await,
        Command::Create(what) => record::create(&home, what, output).await,
        Command::Edit(what) => record::edit(&home, what, output).await,
        Command::Delete(what) => record::delete(&home, what, output).await,
        Command::Attach(what) => file::attach(&home, what, output).await,
        Command::Content(what) => file::content(&home, what, output).await,
        Command::Pending(what) => pending::pending(&home, what, output).await,
        Command::Conflicts => pending::conflicts(&home, output).await,
        Command::Resolve(how) => pending::resolve(&home, how, output).await,
        Command::Page(what) => page::page(&home, what, output).await,
    }
}

/// Opens the device, and closes it again whatever the work comes to.
async fn with_device<T>(
    home: &Path,
    work: impl AsyncFnOnce(&mut Device) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut device = open(home).await?;
    let answer = work(&mut device).await;
    device.close()?;
    answer
}

/// The same for work on records, which a locked device doesn't show.
async fn with_records<T>(
    home: &Path,
    work: impl AsyncFnOnce(&mut Device) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_device(home, async |device| {
        device.check_lock()?;
        work(device).await
    })
    .await
}

/// Opens the device. Where another process is at work with it, waits for that a little.
async fn open(home: &Path) -> Result<Device, DeviceError> {
    let mut attempts = 1;
    loop {
        match Device::open(home, &Keystore::open, Arc::new(SystemClock)).await {
            Err(error) if is_in_use(&error) && attempts < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}
