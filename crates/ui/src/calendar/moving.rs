//! Moving a task or a meeting to another day or time. Whoever moved it meanwhile is not overwritten: the collision is shown.

use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{RecordId, Value, Values};
use fieldstone_store::{ChangeError, Store, StoreError};
use jiff::civil::{Date, Time};

use super::{Reach, address, bounds};
use crate::{
    error::PageError,
    form::collision,
    home::Whose,
    notice, refused,
    request::{AtObject, AtRecord, PageResult, Session, Submitted},
};

/// `POST /calendar` with `record`, its `version` and what was seen of its time, the `day` and `time` it goes to, and what the page shows.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    session: Session<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let id: RecordId = pairs
        .get("record")
        .and_then(|id| id.parse().ok())
        .ok_or(PageError::Invalid)?;
    let object = session
        .registry()
        .object_of(id)
        .filter(|object| matches!(&*object.name, "task" | "event"))
        .cloned()
        .ok_or(PageError::NotFound)?;
    if !session.may_write(&object) {
        return Err(PageError::Forbidden);
    }
    let version: i64 = pairs
        .get("version")
        .and_then(|version| version.parse().ok())
        .ok_or(PageError::Invalid)?;
    let day: Date = pairs
        .get("day")
        .and_then(|day| day.parse().ok())
        .filter(|day: &Date| (1900..=2200).contains(&day.year()))
        .ok_or(PageError::Invalid)?;
    let time: Option<Time> = match pairs.get("time").unwrap_or_default() {
        "" => None,
        time => Some(time.parse().map_err(|_| PageError::Invalid)?),
    };
    let (reach, whose) = (
        Reach::of(pairs.get("reach")),
        match pairs.get("whose") {
            Some("all") => Whose::All,
            _ => Whose::Mine,
        },
    );
    let date: Date = pairs
        .get("date")
        .and_then(|date| date.parse().ok())
        .unwrap_or(day);
    let was = pairs.get("was").unwrap_or_default().to_owned();
    let at = AtRecord::new(AtObject::new(session, object), id);
    let (seen, wanted) = if &*at.object.name == "event" {
        event(&at, &was, day, time)
    } else {
        task(&was, day, time)
    }
    .ok_or(PageError::Invalid)?;
    if wanted == seen {
        return Ok(Redirect::to(&address(reach, date, whose)).into_response());
    }
    match collision::save(&at, version, &seen, &wanted).await {
        Ok(collision::Saved::Not(collided)) => collision::respond(&at, &collided, version).await,
        Ok(_) => {
            // What went out of sight is followed.
            let shown =
                bounds(reach, date).is_some_and(|(from, until)| (from..until).contains(&day));
            let back = address(reach, if shown { date } else { day }, whose);
            let back = format!("{back}&moved={id}");
            Ok(Redirect::to(&notice::address(&back, "rescheduled", id)).into_response())
        }
        Err(StoreError::Change(_, ChangeError::Invalid(errors))) => {
            Ok(refused::page(&at, &errors, &address(reach, date, whose)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What was seen of a task's time, and what it becomes.
fn task(was: &str, day: Date, time: Option<Time>) -> Option<(Values, Values)> {
    let (due, at) = was.split_once(' ')?;
    let value = |time: Option<Time>| time.map_or(Value::Null, Value::Time);
    let at = match at {
        "" => None,
        at => Some(at.parse().ok()?),
    };
    let values = |day: Date, time| {
        Values::new()
            .with("due_date", Value::Date(day))
            .with("due_time", value(time))
    };
    Some((values(due.parse().ok()?, at), values(day, time)))
}

/// What was seen of an event's time, and what it becomes: as long as before, at the same time unless another is given.
fn event<S: Store>(
    at: &AtRecord<S>,
    was: &str,
    day: Date,
    time: Option<Time>,
) -> Option<(Values, Values)> {
    let (starts, ends) = was.split_once(' ')?;
    let starts: jiff::Timestamp = starts.parse().ok()?;
    let ends: jiff::Timestamp = ends.parse().ok()?;
    let locale = &at.viewer.locale;
    let time = time.unwrap_or_else(|| locale.local(starts).time());
    let begins = day
        .to_datetime(time)
        .to_zoned(locale.time_zone().clone())
        .ok()?
        .timestamp();
    let values = |starts, ends| {
        Values::new()
            .with("starts_at", Value::DateTime(starts))
            .with("ends_at", Value::DateTime(ends))
    };
    let over = begins.checked_add(ends.duration_since(starts)).ok()?;
    Some((values(starts, ends), values(begins, over)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    #[test]
    fn a_task_goes_to_a_day_and_loses_or_gets_a_time() {
        let (seen, wanted) =
            task("2026-03-01 ", date(2026, 3, 2), Some(time(14, 0, 0, 0))).unwrap();
        assert_eq!(seen.get("due_time"), Some(&Value::Null));
        assert_eq!(wanted.get("due_date"), Some(&Value::Date(date(2026, 3, 2))));
        assert_eq!(
            wanted.get("due_time"),
            Some(&Value::Time(time(14, 0, 0, 0)))
        );
        let (seen, wanted) = task("2026-03-01 09:30:00", date(2026, 3, 1), None).unwrap();
        assert_eq!(seen.get("due_time"), Some(&Value::Time(time(9, 30, 0, 0))));
        assert_eq!(wanted.get("due_time"), Some(&Value::Null));
        assert_eq!(task("", date(2026, 3, 1), None), None);
        assert_eq!(task("today ", date(2026, 3, 1), None), None);
    }
}
