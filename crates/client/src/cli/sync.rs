//! Syncing: once, or again and again.

use std::{path::Path, time::Duration};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, arguments::Watch, output::Output, with_device};
use crate::{
    device::Device,
    drive::Ending,
    engine::{Failure as Network, Report},
    files::FileReport,
};

/// What is said after a remote wipe.
pub(super) const WIPED: &str = "The workspace has ordered this device to be erased. Everything on it is gone; changes that weren't sent are sealed for delivery.";

/// Most that a failing platform is left alone for.
const PATIENCE_MAX: u64 = 3_600;

/// Whether everything is to be erased.
pub(super) fn is_wipe(ending: &Ending) -> bool {
    *ending == Ending::Erase
}

/// Syncs once, with a bar on a terminal. Anything but success, or an order to erase, is a failure.
pub(super) async fn run(device: &mut Device, output: &Output) -> Result<Ending, Failure> {
    let bar = if output.is_watched() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut refused = 0;
    let ending = device
        .sync(|report| {
            show(&bar, report);
            if let Report::Sent { set_aside, .. } = report {
                refused += set_aside;
            }
        })
        .await;
    if let Ok(Ending::UpToDate { .. }) = ending {
        device
            .exchange_files(|report| show_file(&bar, report))
            .await?;
    }
    bar.finish_and_clear();
    let ending = ending?;
    match &ending {
        Ending::UpToDate { .. } if refused > 0 => Err(Failure::new(format!(
            "Up to date, but the platform refused {refused} of your changes. “fieldstone-device pending” says why."
        ))),
        Ending::UpToDate { .. } | Ending::Erase => Ok(ending),
        Ending::Interrupted(failure) => Err(interrupted(failure)),
        Ending::SignedOut { revoked: true } => Err(Failure::locked(
            "This device was taken off the workspace's list. It is locked; nothing on it was deleted. Ask an administrator.",
        )),
        Ending::SignedOut { revoked: false } => Err(Failure::locked(
            "Your session has ended. Nothing was deleted. Log out with --keep-sealed and in again to go on.",
        )),
        Ending::Incompatible => Err(Failure::new(
            "This version of the app and the platform don't understand each other. Update the app; you can go on working offline.",
        )),
        Ending::Storage(error) => Err(Failure::new(format!("Not synced: {error}."))),
    }
}

fn interrupted(failure: &Network) -> Failure {
    let text = match failure {
        Network::Unreachable => {
            "The platform can't be reached. Check the network; everything entered is kept on this device."
        }
        Network::Busy { .. } => {
            "The platform is busy or has a fault. Try again in a while; everything entered is kept on this device."
        }
        Network::Garbled => {
            "What answered isn't a Fieldstone platform, or its answer was cut off. On a public network, sign in to the network first."
        }
        _ => {
            "The platform didn't accept the request. Try again in a while; everything entered is kept on this device."
        }
    };
    Failure::new(text)
}

fn show(bar: &ProgressBar, report: &Report) {
    match report {
        Report::Progress {
            priming,
            rows,
            totals,
        } => {
            if let Some(totals) = totals {
                bar.set_length(totals.values().sum());
                // A template of ours always parses.
                if let Ok(style) =
                    ProgressStyle::with_template("{bar:30} {pos}/{len} records, {eta} left")
                {
                    bar.set_style(style);
                }
            }
            bar.inc(u64::try_from(*rows).unwrap_or(0));
            if !priming && bar.length().is_none() {
                bar.set_message("fetching changes");
            }
        }
        Report::Sent { accepted, .. } => bar.set_message(format!("{accepted} changes sent")),
        Report::Mismatch { .. } => bar.set_message("comparing with the platform"),
        _ => {}
    }
}

fn show_file(bar: &ProgressBar, report: &FileReport) {
    let (doing, bytes, size) = match report {
        FileReport::Sent { bytes, size, .. } => ("sending", bytes, size),
        FileReport::Fetched { bytes, size, .. } => ("fetching", bytes, size),
    };
    let (bytes, size) = (HumanBytes(*bytes), HumanBytes(*size));
    bar.set_message(format!("{doing} files: {bytes} of {size}"));
}

pub(super) async fn sync(home: &Path, output: &Output) -> Result<(), Failure> {
    let answer = with_device(home, async |device| {
        let ending = run(device, output).await?;
        let waiting = device.local().pending_count().await?;
        Ok((ending, waiting))
    })
    .await?;
    match answer {
        (Ending::UpToDate { proven }, waiting) => {
            let line = if proven {
                "Up to date, and proven so."
            } else {
                "Up to date."
            };
            output.say(
                &json!({ "up_to_date": true, "proven": proven, "pending": waiting }),
                [line],
            )
        }
        _ => wipe(home).await,
    }
}

/// Carries out an order to erase.
async fn wipe(home: &Path) -> Result<(), Failure> {
    let device = Device::open(
        home,
        &crate::keystore::Keystore::open,
        std::sync::Arc::new(fieldstone_model::SystemClock),
    )
    .await?;
    device.obey_wipe()?;
    Err(Failure::locked(WIPED))
}

pub(super) async fn watch(home: &Path, how: Watch, output: &Output) -> Result<(), Failure> {
    let mut failures = 0_u32;
    loop {
        // The folder is given back in between, so that records can be read and changed meanwhile.
        let interval = match sync(home, output).await {
            Ok(()) => {
                failures = 0;
                let told = with_device(home, async |device| Ok(device.profile().policy.interval_s));
                how.interval.unwrap_or(told.await?).max(5)
            }
            Err(failure) if failure.code != super::FAILED => return Err(failure),
            Err(failure) => {
                output.failure(&failure.text, failure.code);
                failures = (failures + 1).min(10);
                (how.interval.unwrap_or(30) << failures.min(7)).min(PATIENCE_MAX)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(interval)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}
