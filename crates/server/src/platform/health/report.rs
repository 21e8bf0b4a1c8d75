//! What was seen becomes a verdict: whether this server can serve, and what somebody should look at.
//!
//! Each reason is written for whoever runs the installation, and read by anybody: no addresses, no folders, no names of anybody's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::room::{NEEDED, Space};
use crate::secrets::Standing;

/// A signed context lives for a minute; this much of it may be lost to clocks that differ.
const MOST_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// A backup a day and a drill a week, with some hours for them to run.
const OLDEST_BACKUP: SignedDuration = SignedDuration::from_hours(26);
const OLDEST_DRILL: SignedDuration = SignedDuration::from_hours(24 * 8);
/// A finished piece of the database's log goes into the repository within a minute; this much later something is wrong with the way there.
const LATEST_ARCHIVE: SignedDuration = SignedDuration::from_mins(3);
/// For how long one transaction may keep devices from getting past it.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(5);
/// With less left than this, a login that can't be made longer is told of.
const SHORT_LOGIN: Duration = Duration::from_hours(24 * 3);
/// With less than this, and less than a twentieth, somebody should make room.
const LITTLE_ROOM: u64 = 2 << 30;

/// Everything that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What the database said; nothing when it didn't answer.
    pub(super) database: Option<Said>,
    /// Whether the object store answers; nothing where there is none.
    pub(super) objects: Option<bool>,
    /// Whether keys can be had.
    pub(super) secrets: bool,
    /// How the login at the secrets manager stands, where there is one.
    pub(super) login: Option<Login>,
    /// The least room of the folders that must not fill up; nothing where none is known.
    pub(super) room: Option<Space>,
}

/// What the secrets manager said.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// The login stands like this.
    Stands(Standing),
    /// It doesn't answer.
    Silent,
}

/// What the database said, between two looks at our own clock.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) before: Timestamp,
    pub(super) database: Timestamp,
    pub(super) after: Timestamp,
    pub(super) schema: Option<i32>,
    /// The last backup and the last drill: when, and whether it worked. Nothing where none was ever made.
    pub(super) backup: Option<(Timestamp, bool)>,
    pub(super) drill: Option<(Timestamp, bool)>,
    /// Whether the database's changes reach the repository of backups.
    pub(super) archive: Archive,
    /// For how long the oldest change that isn't finished has been the oldest.
    pub(super) held: SignedDuration,
}

/// How the database's changes fare on their way to the repository of backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archive {
    /// They arrive, or none is kept.
    Arrives,
    /// Some have been waiting since then.
    WaitsSince(Timestamp),
    /// The database doesn't say.
    Unknown,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    pub(super) ready: bool,
    /// Without each of these no request can be served as it should be.
    pub(super) checks: Vec<Check>,
    /// What somebody should look at, although requests can be served: taking a server away would not mend it.
    pub(super) warnings: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Report {
    pub(super) fn of(seen: &Seen, known: i32) -> Self {
        let said = seen.database.as_ref();
        let checks = vec![
            Check::new(
                "database",
                said.map(|_| ())
                    .ok_or_else(|| "the database does not answer".to_owned()),
            ),
            Check::new("migrations", migrations(said, known)),
            Check::new("clock", clock(said)),
            Check::new("disk", disk(seen.room)),
        ];
        Self {
            ready: checks.iter().all(|check| check.ok),
            checks,
            warnings: warnings(seen),
        }
    }
}

impl Report {
    /// Everything that was looked at.
    pub(super) fn all(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().chain(&self.warnings)
    }
}

impl Check {
    fn new(name: &'static str, outcome: Result<(), String>) -> Self {
        Self {
            name,
            ok: outcome.is_ok(),
            reason: outcome.err(),
        }
    }
}

/// A newer schema is no obstacle: migrations only ever add what the version before can live with.
fn migrations(said: Option<&Said>, known: i32) -> Result<(), String> {
    match said.map(|said| said.schema) {
        None => Err("unknown".to_owned()),
        Some(Some(found)) if found >= known => Ok(()),
        Some(found) => Err(format!(
            "the database has migration {}, this server needs {known}",
            found.unwrap_or_default()
        )),
    }
}

/// The database's clock has to lie between the two readings of ours, give or take the skew allowed.
fn clock(said: Option<&Said>) -> Result<(), String> {
    let Some(said) = said else {
        return Err("unknown".to_owned());
    };
    let behind = said.before.duration_since(said.database);
    let ahead = said.database.duration_since(said.after);
    let skew = behind.max(ahead);
    if skew <= MOST_SKEW {
        Ok(())
    } else {
        Err(format!(
            "the clocks of server and database differ by {} s",
            skew.as_secs()
        ))
    }
}

fn disk(room: Option<Space>) -> Result<(), String> {
    match room {
        Some(room) if room.free < NEEDED => Err(format!(
            "{} MiB are free, so that nothing new is taken; make room before anything else",
            room.free >> 20
        )),
        _ => Ok(()),
    }
}

/// What to look at. What is unknown because the database doesn't answer isn't told twice.
fn warnings(seen: &Seen) -> Vec<Check> {
    let mut warnings = Vec::new();
    if let Some(answers) = seen.objects {
        let outcome = answers.then_some(()).ok_or_else(|| {
            "the object store does not answer; files can't be added or opened, everything else works".to_owned()
        });
        warnings.push(Check::new("objects", outcome));
    }
    let secrets = seen.secrets.then_some(()).ok_or_else(|| {
        "the source of keys does not answer; what is running goes on with the keys it holds, and no server can start".to_owned()
    });
    warnings.push(Check::new("secrets", secrets));
    if let Some(seen) = &seen.login {
        warnings.push(Check::new("secrets manager", login(seen)));
    }
    warnings.push(Check::new("room", little_room(seen.room)));
    if let Some(said) = &seen.database {
        let judge = |run: Option<(Timestamp, bool)>, oldest| match run {
            None => Err("never made".to_owned()),
            Some((_, false)) => Err("the last one failed".to_owned()),
            Some((ended, true)) if said.after.duration_since(ended) > oldest => Err(format!(
                "the last one is {} hours old",
                said.after.duration_since(ended).as_hours()
            )),
            Some((_, true)) => Ok(()),
        };
        warnings.push(Check::new("backup", judge(said.backup, OLDEST_BACKUP)));
        warnings.push(Check::new("restore drill", judge(said.drill, OLDEST_DRILL)));
        warnings.push(Check::new("archive", archive(said)));
        warnings.push(Check::new("sync horizon", horizon(said.held)));
    }
    warnings
}

/// A login that ends by itself ends when nobody looks.
fn login(login: &Login) -> Result<(), String> {
    match login {
        Login::Silent => Err(
            "the secrets manager does not answer; what is running goes on with what it has read, and no server can start".to_owned(),
        ),
        Login::Stands(Standing { ends_in: Some(rest), lasts: false }) if *rest < SHORT_LOGIN => Err(format!(
            "the login at the secrets manager ends in {} minutes and can't be made longer; give it another one",
            rest.as_secs() / 60
        )),
        Login::Stands(_) => Ok(()),
    }
}

fn little_room(room: Option<Space>) -> Result<(), String> {
    match room {
        Some(room) if room.free < LITTLE_ROOM && room.free < room.total / 20 => Err(format!(
            "{} MiB are free, of {}",
            room.free >> 20,
            room.total >> 20
        )),
        _ => Ok(()),
    }
}

/// What isn't in the repository can't be restored, and the database keeps it on its own disk until it is.
fn archive(said: &Said) -> Result<(), String> {
    let late = match said.archive {
        Archive::Arrives => return Ok(()),
        Archive::WaitsSince(since) => said.after.duration_since(since),
        Archive::Unknown => {
            return Err(
                "the database doesn't say whether its changes reach the repository of backups"
                    .to_owned(),
            );
        }
    };
    if late <= LATEST_ARCHIVE {
        return Ok(());
    }
    Err(format!(
        "the changes of the last {} minutes have not reached the repository of backups, and fill the database's disk until they do",
        late.as_mins()
    ))
}

/// Devices ask for what changed since a snapshot: while a change stays unfinished, everything after it is sent again with each pull.
fn horizon(held: SignedDuration) -> Result<(), String> {
    if held <= LONGEST_HOLD {
        Ok(())
    } else {
        Err(format!(
            "a transaction has been open for more than {} minutes; devices get everything since then with each pull",
            held.as_mins()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(database: &str, schema: Option<i32>) -> Said {
        let at = |text: &str| text.parse().unwrap();
        Said {
            before: at("2026-05-01T12:00:00Z"),
            database: at(database),
            after: at("2026-05-01T12:00:01Z"),
            schema,
            backup: Some((at("2026-05-01T03:00:00Z"), true)),
            drill: Some((at("2026-05-01T03:00:00Z"), true)),
            archive: Archive::Arrives,
            held: SignedDuration::ZERO,
        }
    }

    fn seen(database: &str, schema: Option<i32>) -> Seen {
        Seen {
            database: Some(said(database, schema)),
            objects: Some(true),
            secrets: true,
            login: None,
            room: Some(Space {
                free: 100 << 30,
                total: 200 << 30,
            }),
        }
    }

    fn good() -> Seen {
        seen("2026-05-01T12:00:00Z", Some(7))
    }

    fn not_ok(checks: &[Check]) -> Vec<&'static str> {
        checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| check.name)
            .collect()
    }

    fn failing(seen: &Seen) -> Vec<&'static str> {
        let report = Report::of(seen, 7);
        let failing = not_ok(&report.checks);
        assert_eq!(report.ready, failing.is_empty());
        failing
    }

    /// What is warned of, while the server stays ready.
    fn warned(change: impl FnOnce(&mut Seen)) -> Vec<&'static str> {
        let mut seen = good();
        change(&mut seen);
        let report = Report::of(&seen, 7);
        assert!(report.ready);
        not_ok(&report.warnings)
    }

    #[test]
    fn an_old_or_failed_backup_is_a_warning_and_no_reason_to_go() {
        let backup = |backup: Option<(&str, bool)>| {
            warned(|seen| {
                seen.database.as_mut().unwrap().backup =
                    backup.map(|(at, ok)| (at.parse().unwrap(), ok));
            })
        };
        assert!(backup(Some(("2026-04-30T12:00:00Z", true))).is_empty());
        assert_eq!(backup(Some(("2026-04-30T09:00:00Z", true))), ["backup"]);
        assert_eq!(backup(Some(("2026-05-01T11:00:00Z", false))), ["backup"]);
        assert_eq!(backup(None), ["backup"]);
        assert_eq!(
            warned(|seen| seen.database.as_mut().unwrap().drill = None),
            ["restore drill"]
        );
    }

    #[test]
    fn what_others_provide_is_a_warning_too() {
        assert!(warned(|_| ()).is_empty());
        assert_eq!(warned(|seen| seen.objects = Some(false)), ["objects"]);
        assert!(warned(|seen| seen.objects = None).is_empty());
        assert_eq!(warned(|seen| seen.secrets = false), ["secrets"]);
        let login = |standing: Option<(u64, bool)>| {
            warned(|seen| {
                seen.login = Some(standing.map_or(Login::Silent, |(hours, lasts)| {
                    Login::Stands(Standing {
                        ends_in: Some(Duration::from_hours(hours)),
                        lasts,
                    })
                }));
            })
        };
        assert!(login(Some((1, true))).is_empty());
        assert!(login(Some((100, false))).is_empty());
        assert_eq!(login(Some((71, false))), ["secrets manager"]);
        assert_eq!(login(None), ["secrets manager"]);
        let unarchived = |since: &str| {
            warned(|seen| {
                seen.database.as_mut().unwrap().archive =
                    Archive::WaitsSince(since.parse().unwrap());
            })
        };
        assert!(unarchived("2026-05-01T11:58:00Z").is_empty());
        assert_eq!(unarchived("2026-05-01T11:56:00Z"), ["archive"]);
        let unknown = |seen: &mut Seen| {
            seen.database.as_mut().unwrap().archive = Archive::Unknown;
        };
        assert_eq!(warned(unknown), ["archive"]);
        let held = |minutes| {
            warned(|seen| seen.database.as_mut().unwrap().held = SignedDuration::from_mins(minutes))
        };
        assert!(held(5).is_empty());
        assert_eq!(held(6), ["sync horizon"]);
    }

    #[test]
    fn a_disk_is_told_of_before_it_is_full() {
        let room = |free: u64, total: u64| {
            let mut seen = good();
            seen.room = Some(Space { free, total });
            let report = Report::of(&seen, 7);
            (not_ok(&report.checks), not_ok(&report.warnings))
        };
        assert_eq!(room(63 << 20, 100 << 30), (vec!["disk"], vec!["room"]));
        assert_eq!(room(1 << 30, 100 << 30), (vec![], vec!["room"]));
        assert_eq!(room(3 << 30, 100 << 30), (vec![], vec![]));
        assert_eq!(room(1 << 30, 4 << 30), (vec![], vec![]));
    }

    #[test]
    fn ready_means_reachable_migrated_and_in_time() {
        assert!(failing(&seen("2026-05-01T12:00:00.5Z", Some(7))).is_empty());
        assert!(failing(&seen("2026-05-01T12:00:31Z", Some(8))).is_empty());
        assert_eq!(failing(&seen("2026-05-01T12:00:32Z", Some(7))), ["clock"]);
        assert_eq!(failing(&seen("2026-05-01T11:59:29Z", Some(7))), ["clock"]);
        assert_eq!(
            failing(&seen("2026-05-01T12:00:00Z", Some(6))),
            ["migrations"]
        );
        assert_eq!(failing(&seen("2026-05-01T12:00:00Z", None)), ["migrations"]);
        let silent = Seen {
            database: None,
            ..good()
        };
        assert_eq!(failing(&silent), ["database", "migrations", "clock"]);
    }
}
