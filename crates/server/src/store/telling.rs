//! What the person a store acts for is told, what they don't want to be told, and which records they follow.

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{PgStore, store_error};
use crate::database::pool::Step;

/// Notifications shown.
const SHOWN: i64 = 100;
/// Records one person can follow.
const FOLLOWED_MAX: i64 = 2000;

const UNREAD: &str = "SELECT count(*) FROM app.notification n WHERE n.read_at IS NULL";
const NEWEST: &str = "SELECT n.kind, n.record_id, n.by_id, n.times, n.marker, n.made_at, n.read_at IS NULL FROM app.notification n \
    ORDER BY n.made_at DESC, n.id LIMIT $1";
const READ: &str = "UPDATE app.notification n SET read_at = transaction_timestamp() WHERE n.read_at IS NULL AND n.made_at <= $1";
const SETTING: &str = "SELECT s.muted, s.digest FROM app.notification_setting s";
const SET: &str = "INSERT INTO app.notification_setting AS s (tenant_id, user_id, muted, digest) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2 \
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET muted = excluded.muted, digest = excluded.digest";
const FOLLOWS: &str = "SELECT 1 FROM app.follow f WHERE f.record_id = $1";
const FOLLOW: &str = "INSERT INTO app.follow (tenant_id, user_id, record_id, since) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, transaction_timestamp() WHERE (SELECT count(*) FROM app.follow) < $2 \
    ON CONFLICT (tenant_id, user_id, record_id) DO NOTHING";
const UNFOLLOW: &str = "DELETE FROM app.follow f WHERE f.record_id = $1";
const TELL_IMPORT: &str =
    "SELECT app.tell_me('import', u.id, u.file) FROM app.import_upload u WHERE u.id = $1";

/// What people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotificationKind {
    /// Somebody named the reader in a note.
    Mention,
    /// Somebody gave the reader a record.
    Assigned,
    /// A task is due.
    Due,
    /// The reader wanted to be reminded of a task or an event; `marker` says when it is due.
    Reminder,
    /// An import has ended.
    Import,
    /// A rule says so.
    Automation,
    /// A record was changed that the reader follows.
    Follow,
}

impl NotificationKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Mention,
        Self::Assigned,
        Self::Due,
        Self::Reminder,
        Self::Follow,
        Self::Import,
        Self::Automation,
    ];

    /// As the database and keys of texts spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Assigned => "assigned",
            Self::Due => "due",
            Self::Reminder => "reminder",
            Self::Import => "import",
            Self::Automation => "automation",
            Self::Follow => "follow",
        }
    }
}

/// One notification.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) kind: NotificationKind,
    /// What it is about; nothing for many records at once.
    pub(crate) record: Option<RecordId>,
    /// Who did it.
    pub(crate) by: Option<RecordId>,
    pub(crate) times: i32,
    pub(crate) marker: String,
    pub(crate) at: Timestamp,
    pub(crate) unread: bool,
}

/// What somebody wants to be told, and how.
#[derive(Debug, Clone)]
pub(crate) struct NotificationSetting {
    /// Names of kinds they don't want.
    pub(crate) muted: Vec<String>,
    /// Whether what was left unread comes by mail once a day.
    pub(crate) daily: bool,
}

impl PgStore {
    /// How many notifications wait to be read.
    pub(crate) async fn unread_notifications(&self) -> Result<i64, StoreError> {
        let rows = self.run_step(UNREAD, &[]).await?;
        let row = rows.first().ok_or(StoreError::SessionEnded)?;
        row.try_get(0).map_err(StoreError::internal)
    }

    /// The newest notifications. They count as read from now on.
    pub(crate) async fn read_notifications(&self) -> Result<Vec<Told>, StoreError> {
        let now = self.now();
        let steps = [
            Step {
                sql: NEWEST,
                params: &[&SHOWN],
            },
            Step {
                sql: READ,
                params: &[&now],
            },
        ];
        // Not noted as written: the request may be run again all the same.
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        let answers = self.note_outcome(flight.map_err(store_error))?;
        let rows = answers.first().map(Vec::as_slice).unwrap_or_default();
        rows.iter()
            .map(|row| told(row).map_err(StoreError::internal))
            .collect()
    }

    /// What they want to be told.
    pub(crate) async fn notification_setting(&self) -> Result<NotificationSetting, StoreError> {
        let rows = self.run_step(SETTING, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(NotificationSetting {
                muted: Vec::new(),
                daily: true,
            });
        };
        Ok(NotificationSetting {
            muted: row.try_get(0).map_err(StoreError::internal)?,
            daily: row.try_get::<_, &str>(1).map_err(StoreError::internal)? == "daily",
        })
    }

    /// Changes it.
    pub(crate) async fn set_notifications(
        &self,
        setting: &NotificationSetting,
    ) -> Result<(), StoreError> {
        let digest = if setting.daily { "daily" } else { "off" };
        self.run_step(SET, &[&setting.muted, &digest]).await?;
        self.note_written();
        Ok(())
    }

    pub(super) async fn follows_record(&self, id: RecordId) -> Result<bool, StoreError> {
        let rows = self.run_step(FOLLOWS, &[&id.as_str()]).await?;
        Ok(!rows.is_empty())
    }

    pub(super) async fn follow_record(&self, id: RecordId, on: bool) -> Result<(), StoreError> {
        if on {
            self.run_step(FOLLOW, &[&id.as_str(), &FOLLOWED_MAX])
                .await?;
        } else {
            self.run_step(UNFOLLOW, &[&id.as_str()]).await?;
        }
        self.note_written();
        Ok(())
    }

    /// Tells whoever brought a file that its import has ended.
    pub(crate) async fn tell_import(&self, upload: RecordId) -> Result<(), StoreError> {
        self.run_step(TELL_IMPORT, &[&upload.as_str()])
            .await
            .map(drop)
    }
}

fn told(row: &Row) -> Result<Told, Box<dyn std::error::Error + Send + Sync>> {
    let kind: &str = row.try_get(0)?;
    let kind = NotificationKind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or("an unknown kind of notification")?;
    Ok(Told {
        kind,
        record: row.try_get::<_, &str>(1)?.parse().ok(),
        by: row.try_get::<_, &str>(2)?.parse().ok(),
        times: row.try_get(3)?,
        marker: row.try_get(4)?,
        at: row.try_get(5)?,
        unread: row.try_get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use fieldstone_model::{FieldType, Registry, objects::activity::reminder_minutes};

    /// The names of a choice among the standard objects.
    fn names(object: &str, field: &str) -> Vec<String> {
        let registry = Registry::standard();
        let object = registry.object(object).unwrap();
        match &object.field(field).unwrap().kind {
            FieldType::Choice { options } => options
                .iter()
                .map(|option| option.value.to_string())
                .collect(),
            kind => panic!("{kind:?}"),
        }
    }

    /// `app.tell_reminders` as the last migration has it that makes it: each name with the minutes that it stands for.
    fn told() -> Vec<(String, i64)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let makes = files.iter().rev().find_map(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            let (_, body) = text.rsplit_once("FUNCTION app.tell_reminders()")?;
            body.contains("WITH ahead").then(|| body.to_owned())
        });
        let body = makes.expect("a migration that makes it");
        let (_, values) = body.split_once("VALUES").unwrap();
        let (values, _) = values.split_once(", wanted AS").unwrap();
        let entry = |entry: &str| {
            let mut parts = entry.trim_matches(|c| "(), \n".contains(c)).split(", ");
            let name = parts.next()?.trim_matches('\'').to_owned();
            let days: i64 = parts.next()?.parse().ok()?;
            let clock = parts
                .next()?
                .strip_prefix("interval '")?
                .trim_end_matches('\'');
            let minutes = match clock.split_once(' ') {
                None => 0,
                Some((number, unit)) => {
                    let number: i64 = number.parse().ok()?;
                    let unit = if unit.starts_with("hour") { 60 } else { 1 };
                    number * unit
                }
            };
            Some((name, days * 24 * 60 + minutes))
        };
        values.split("),").filter_map(entry).collect()
    }

    #[test]
    fn the_database_reminds_of_what_can_be_chosen_and_when_it_says() {
        let told = told();
        for object in ["task", "event"] {
            let known: Vec<_> = told.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(names(object, "reminder"), known, "{object}");
        }
        for (name, minutes) in told {
            assert_eq!(reminder_minutes(&name), Some(minutes), "{name}");
        }
    }

    #[test]
    fn what_repeats_can_be_chosen_and_worked_out() {
        let rhythms = fieldstone_model::repeat::Rhythm::ALL.map(|rhythm| rhythm.name().to_owned());
        assert_eq!(names("task", "repeat"), rhythms);
    }
}
