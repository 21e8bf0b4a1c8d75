//! Syncing: once, or again and again.

use std::{path::Path, time::Duration};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, arguments::Watch, output::Output, with_device};
use crate::{
    device::{self, Delivered, Device, DeviceError},
    drive::Ending,
    engine::{Failure as Network, Report},
    files::FileReport,
    keystore::Keystore,
    store::rejection,
};
use fieldstone_protocol::device::WipeOrder;

/// What is said after a remote wipe.
pub(super) const WIPED: &str = "The workspace has ordered this device to be erased. Everything on it is gone; changes that weren't sent are sealed for delivery.";

/// Most seconds that a failing platform is left alone for.
const PATIENCE_MAX: u64 = 3_600;
/// How often a watch looks whether something was changed here.
const TICK: Duration = Duration::from_secs(2);

/// Syncs once, with a bar on a terminal. Anything but success, or an order to erase, is a failure.
pub(super) async fn run(device: &mut Device, output: &Output) -> Result<Ending, Failure> {
    let bar = if output.is_watched() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    bar.enable_steady_tick(Duration::from_millis(120));
    let ending = device.sync(|report| show(&bar, report)).await;
    let exchanged = match ending {
        Ok(Ending::UpToDate { .. }) => {
            let report = |report: &FileReport| show_file(&bar, report);
            device.exchange_files(report).await
        }
        _ => Ok(()),
    };
    bar.finish_and_clear();
    let ending = ending?;
    exchanged.map_err(|error| {
        let Failure { code, text, .. } = error.into();
        Failure {
            code,
            ..Failure::new(format!(
                "The records are up to date, but not all files: {text}"
            ))
        }
    })?;
    match &ending {
        Ending::UpToDate { .. } | Ending::Erase(_) => Ok(ending),
        Ending::Interrupted(failure) => Err(interrupted(failure)),
        Ending::SignedOut { revoked: true } => {
            Err(Failure::locked(DeviceError::Revoked.to_string()))
        }
        Ending::SignedOut { revoked: false } => Err(Failure::locked(
            DeviceError::SignedOut(device.profile().email.clone()).to_string(),
        )),
        Ending::Differs(objects) => Err(Failure::new(format!(
            "What is on this device still differs from the platform, in: {}. Sync again in a while; everything entered is kept on this device.",
            objects.join(", ")
        ))),
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
        Network::Untrusted => {
            "The platform's certificate can't be trusted any more, or the connection isn't TLS 1.3. Nothing was sent; everything entered is \
             kept on this device. Ask whoever runs the platform; on a public network, try another one."
        }
        Network::Redirected => {
            "The platform sent this device to another address. That isn't followed; everything entered is kept on this device. On a public \
             network, sign in to the network first."
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

/// What a device has that the platform hasn't.
pub(super) struct Unsent {
    /// Changes, refused ones included.
    pub(super) changes: usize,
    /// Files, refused ones included.
    pub(super) files: usize,
    /// Changes and files that the platform refused. They wait for their author.
    pub(super) refused: usize,
}

impl Unsent {
    pub(super) async fn of(device: &Device) -> Result<Self, Failure> {
        let pending = device.local().pending().await?;
        let files = device.waiting_files().await?;
        let changes_refused = pending
            .iter()
            .filter(|change| rejection(&change.state).is_some());
        let files_refused = files.values().filter(|file| file.refused.is_some());
        Ok(Self {
            changes: pending.len(),
            files: files.len(),
            refused: changes_refused.count() + files_refused.count(),
        })
    }

    /// What to do about what was refused; nothing when nothing was.
    pub(super) fn notice(&self) -> Option<String> {
        let what = match self.refused {
            0 => return None,
            1 => "1 of your changes was refused by the platform and waits".to_owned(),
            count => format!("{count} of your changes were refused by the platform and wait"),
        };
        Some(format!(
            "{what} on this device. “fieldstone-device pending” says why, and what can be done."
        ))
    }
}

/// What a sync has come to.
enum Done {
    /// Everything is up to date.
    Synced {
        proven: bool,
        unsent: Unsent,
        delivered: Delivered,
    },
    /// Everything is to be erased, by this order.
    Wipe(Option<Box<WipeOrder>>),
}

async fn once(device: &mut Device, output: &Output) -> Result<Done, Failure> {
    let mut ending = run(device, output).await?;
    let mut delivered = Delivered::default();
    if !matches!(ending, Ending::Erase(_)) {
        delivered = device.deliver().await?;
        if delivered.taken > 0 {
            // What was delivered is news for this device too.
            ending = run(device, output).await?;
        }
    }
    match ending {
        Ending::Erase(order) => Ok(Done::Wipe(order)),
        ending => Ok(Done::Synced {
            proven: ending == Ending::UpToDate { proven: true },
            unsent: Unsent::of(device).await?,
            delivered,
        }),
    }
}

/// Says what a sync has come to, or erases everything because it was ordered. Answers what was refused, if something was.
async fn tell(done: Done, home: &Path, output: &Output) -> Result<Option<String>, Failure> {
    let (proven, unsent, delivered) = match done {
        Done::Wipe(order) => {
            let device = super::open(home).await?;
            device.obey_wipe(order.as_deref()).await?;
            return Err(Failure::locked(WIPED));
        }
        Done::Synced {
            proven,
            unsent,
            delivered,
        } => (proven, unsent, delivered),
    };
    let line = if proven {
        "Up to date, and proven so."
    } else {
        "Up to date."
    };
    let answer = json!({
        "up_to_date": true, "proven": proven, "pending": unsent.changes, "files": unsent.files, "refused": unsent.refused,
        "delivered": count(&delivered), "kept": delivered.kept,
    });
    let lines = std::iter::once(line.to_owned()).chain(lines(&delivered));
    output.say(&answer, lines)?;
    Ok(unsent.notice())
}

/// How many sealed changes the platform has now.
pub(super) fn count(delivered: &Delivered) -> usize {
    delivered.taken + delivered.quarantined
}

/// What became of sealed changes, for people; nothing when there were none.
pub(super) fn lines(delivered: &Delivered) -> Vec<String> {
    let Delivered {
        taken,
        quarantined,
        refused,
        kept,
        damaged,
    } = delivered;
    let mut lines = Vec::new();
    if *taken > 0 {
        lines.push(format!(
            "{taken} changes that were sealed on this device have been delivered."
        ));
    }
    if *quarantined > 0 {
        lines.push(format!(
            "{quarantined} sealed changes wait for an administrator: their authors may not change records any more."
        ));
    }
    let told = refused
        .iter()
        .map(|why| format!("A sealed change was refused: {why}"));
    lines.extend(told);
    if *kept > 0 {
        lines.push(format!(
            "{kept} sealed changes stay on this device until the workspace that they are for takes them."
        ));
    }
    lines.extend(damaged.iter().map(|file| {
        format!(
            "Some sealed changes can't be read any more, because their file was damaged. What is left of them is kept in {}.",
            file.display()
        )
    }));
    lines
}

pub(super) async fn sync(home: &Path, output: &Output) -> Result<(), Failure> {
    let synced = with_device(home, async |device| once(device, output).await).await;
    if let Err(failure) = &synced
        && failure.code == super::LOCKED
    {
        // Nobody is logged in, perhaps because the platform has ordered it: it may not know yet that this was done.
        device::acknowledge_erasure(home, &Keystore::open).await?;
    }
    match tell(synced?, home, output).await? {
        Some(refused) => Err(Failure::new(refused)),
        None => Ok(()),
    }
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
            Ok(Some((Ok(done), interval, database))) => {
                if let Some(refused) = tell(done, home, output).await? {
                    output.failure(&refused, super::FAILED);
                }
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
    [database, Path::new(&log)].map(|file| {
        std::fs::metadata(file)
            .and_then(|found| found.modified())
            .ok()
    })
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
