//! Syncing: once, or again and again.

use std::{path::Path, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, arguments::Watch, output::Output, with_device};
use crate::{
    device::Device,
    drive::Ending,
    engine::{Failure as Network, Report},
};

/// What is said after a remote wipe.
pub(super) const WIPED: &str = "The workspace has ordered this device to be erased. Everything on it is gone; changes that weren't sent are sealed for delivery.";

/// Most seconds that a failing platform is left alone for.
const PATIENCE_MAX: u64 = 3_600;
/// How often a watch looks whether something was changed here.
const TICK: Duration = Duration::from_secs(2);

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

/// Up to date, with so many changes that still wait; or to be erased.
async fn once(device: &mut Device, output: &Output) -> Result<Option<(bool, u64)>, Failure> {
    match run(device, output).await? {
        Ending::UpToDate { proven } => {
            Ok(Some((proven, device.local().pending_count().await?)))
        }
        _ => Ok(None),
    }
}

fn tell((proven, waiting): (bool, u64), output: &Output) -> Result<(), Failure> {
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

pub(super) async fn sync(home: &Path, output: &Output) -> Result<(), Failure> {
    match with_device(home, async |device| once(device, output).await).await? {
        Some(done) => tell(done, output),
        None => wipe(home).await,
    }
}

/// Carries out an order to erase.
async fn wipe(home: &Path) -> Result<(), Failure> {
    super::open(home).await?.obey_wipe()?;
    Err(Failure::locked(WIPED))
}

pub(super) async fn watch(home: &Path, how: Watch, output: &Output) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let mut failures = 0_u32;
    loop {
        // The folder is given back in between, so that records can be read and changed meanwhile.
        let turn = with_device(home, async |device| {
            let done = tokio::select! {
                done = once(device, output) => done,
                () = stop.asked() => return Ok(None),
            };
            let interval = how.interval.unwrap_or(device.profile().policy.interval_s);
            let database = device.local().database().path().to_owned();
            Ok(Some((done, interval, database)))
        });
        let (interval, database) = match turn.await {
            Ok(None) => return Ok(()),
            Ok(Some((Ok(None), ..))) => return wipe(home).await,
            Ok(Some((Ok(Some(done)), interval, database))) => {
                tell(done, output)?;
                failures = 0;
                (interval.max(5), Some(database))
            }
            Ok(Some((Err(failure), interval, database))) if failure.code == super::FAILED => {
                output.failure(&failure.text, failure.code);
                failures += 1;
                (patience(failures).min(interval.max(30)), Some(database))
            }
            Err(failure) if failure.in_use => (TICK.as_secs(), None),
            Ok(Some((Err(failure), ..))) | Err(failure) => return Err(failure),
        };
        let before = database.as_deref().map(stamp);
        let mut waited = 0;
        while waited < interval {
            tokio::select! {
                () = tokio::time::sleep(TICK) => waited += TICK.as_secs(),
                () = stop.asked() => return Ok(()),
            }
            if database.as_deref().map(stamp) != before {
                break;
            }
        }
    }
}

/// Seconds to leave a failing platform alone after so many failures in a row.
fn patience(failures: u32) -> u64 {
    (30 << failures.min(7)).min(PATIENCE_MAX)
}

/// When the files of a database were last written. Another process that changes a record is noticed by it.
fn stamp(database: &Path) -> [Option<std::time::SystemTime>; 2] {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database, Path::new(&log)].map(|file| std::fs::metadata(file).and_then(|found| found.modified()).ok())
}

/// The signals that end a watch.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(|error| Failure::new(format!("Signals can't be waited for: {error}.")))?,
        })
    }

    async fn asked(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_platform_is_left_alone_for_longer_and_longer() {
        assert_eq!(patience(1), 60);
        assert_eq!(patience(3), 240);
        assert_eq!(patience(40), PATIENCE_MAX);
    }
}
