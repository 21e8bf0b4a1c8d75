//! `/calendar.ics`: what a person has to do, for calendar programs, under an address with a secret in it (RFC 5545).
//!
//! The secret stands in the query, since paths are logged. It opens this reading and nothing else, and ends with its person's access.

use std::sync::Arc;

use axum::{
    extract::{Query as Parameters, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldstone_model::{
    Clock, Comparison, Filter, Query, Record, RecordId, Repeat, Rhythm, Role, Value,
    objects::activity, query::LIMIT_MAX,
};
use fieldstone_store::{Store as _, StoreError};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::Deserialize;

use crate::{
    database::Actor,
    identity::{AuthPool, IdentityError, random},
    store::{PgStore, Stores},
};

/// How far back it reaches, and how far ahead, in days.
const BACK: i64 = 60;
const AHEAD: i64 = 400;
/// Characters of a line, in bytes, before it is folded.
const LINE: usize = 73;

const FIND: &str =
    "SELECT tenant_id, user_id, role, member_version FROM app.find_calendar_feed($1)";

/// What feeds are read from.
#[derive(Clone)]
pub(crate) struct Feeds {
    auth: AuthPool,
    stores: Stores,
    clock: Arc<dyn Clock>,
    url: String,
}

impl Feeds {
    /// Looks people up through `auth` and reads as them.
    pub(crate) fn new(auth: AuthPool, stores: Stores, clock: Arc<dyn Clock>, url: String) -> Self {
        Self {
            auth,
            stores,
            clock,
            url,
        }
    }

    /// Whose address it is.
    async fn find(&self, secret: &str) -> Result<Option<Actor>, IdentityError> {
        if !random::is_secret(secret) {
            return Ok(None);
        }
        let client = self.auth.get().await?;
        let statement = client.prepare_cached(FIND).await?;
        let hash = random::hash(secret);
        let row = client.query_opt(&statement, &[&hash.as_slice()]).await?;
        let Some(row) = row else { return Ok(None) };
        let id = |at: usize| -> Option<RecordId> { row.try_get::<_, &str>(at).ok()?.parse().ok() };
        let (Some(tenant), Some(user)) = (id(0), id(1)) else {
            return Ok(None);
        };
        let Some(role) = row.try_get::<_, &str>(2)?.parse::<Role>().ok() else {
            return Ok(None);
        };
        Ok(Some(Actor {
            tenant,
            user,
            role,
            member_version: row.try_get(3)?,
            credential: None,
        }))
    }
}

/// What stands in the address.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    feed: String,
}

/// `GET /calendar.ics?feed=…`.
pub(crate) async fn show(
    State(feeds): State<Feeds>,
    Parameters(wanted): Parameters<Wanted>,
) -> Response {
    let outcome = async {
        let Some(actor) = feeds
            .find(&wanted.feed)
            .await
            .map_err(StoreError::internal)?
        else {
            return Ok(None);
        };
        let store = feeds.stores.open(actor).await?;
        Box::pin(calendar(&store, &feeds)).await.map(Some)
    };
    match outcome.await {
        Ok(Some(text)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
                (header::CACHE_CONTROL, "private, no-store"),
            ];
            (headers, text).into_response()
        }
        Ok(None) | Err(StoreError::SessionEnded) => (
            StatusCode::NOT_FOUND,
            "There is no calendar at this address.\n",
        )
            .into_response(),
        Err(error) => {
            tracing::warn!(%error, "a calendar could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn calendar(store: &PgStore, feeds: &Feeds) -> Result<String, StoreError> {
    let now = feeds.clock.now();
    let zone = TimeZone::get(&store.own_profile().await?.time_zone).unwrap_or(TimeZone::UTC);
    let today = now.to_zoned(zone).date();
    let day = |days: i64| today.checked_add(days.days()).unwrap_or(today);
    let hours = |days: i64| {
        let shift = SignedDuration::from_hours(24 * days);
        Value::DateTime(now.saturating_add(shift).unwrap_or(now))
    };
    let mine = Filter::equal("owner_id", Value::Id(store.user().id));
    let between = |field: &str, from: Value, until: Value| {
        Filter::compare(field, Comparison::GreaterOrEqual, from).and(Filter::compare(
            field,
            Comparison::Less,
            until,
        ))
    };
    let events = Query::new("event")
        .columns([
            "subject",
            "starts_at",
            "ends_at",
            "location",
            "reminder",
            "updated_at",
        ])
        .filter(
            mine.clone()
                .and(between("starts_at", hours(-BACK), hours(AHEAD))),
        )
        .order("starts_at", false)
        .limit(LIMIT_MAX);
    let tasks = Query::new("task")
        .columns([
            "subject",
            "due_date",
            "due_time",
            "status",
            "repeat",
            "repeat_every",
            "repeat_until",
            "repeat_from",
            "reminder",
            "updated_at",
        ])
        .filter(mine.and(between(
            "due_date",
            Value::Date(day(-BACK)),
            Value::Date(day(AHEAD)),
        )))
        .order("due_date", false)
        .limit(LIMIT_MAX);
    let (events, tasks) = futures_util::try_join!(store.list(&events), store.list(&tasks))?;
    let mut text = String::new();
    line(&mut text, "BEGIN:VCALENDAR");
    line(&mut text, "VERSION:2.0");
    line(&mut text, "PRODID:-//Fieldstone//Calendar//EN");
    line(&mut text, "X-WR-CALNAME:Fieldstone");
    for event in &events.records {
        entry(&mut text, event, "events", &feeds.url, now);
    }
    for task in &tasks.records {
        if task.get("status").as_text() != Some("done") {
            entry(&mut text, task, "tasks", &feeds.url, now);
        }
    }
    line(&mut text, "END:VCALENDAR");
    Ok(text)
}

fn entry(text: &mut String, record: &Record, plural: &str, url: &str, now: Timestamp) {
    line(text, "BEGIN:VEVENT");
    line(text, &format!("UID:{}@fieldstone", record.id));
    let stamp = match record.get("updated_at") {
        Value::DateTime(at) => *at,
        _ => now,
    };
    line(text, &format!("DTSTAMP:{}", instant(stamp)));
    match (record.get("starts_at"), record.get("ends_at")) {
        (Value::DateTime(from), until) => {
            line(text, &format!("DTSTART:{}", instant(*from)));
            if let Value::DateTime(until) = until {
                line(text, &format!("DTEND:{}", instant(*until)));
            }
        }
        _ => {
            if let Value::Date(due) = record.get("due_date") {
                due_lines(text, record, *due);
            }
        }
    }
    let said = |name: &str| record.get(name).as_text().map(escaped);
    line(
        text,
        &format!("SUMMARY:{}", said("subject").unwrap_or_default()),
    );
    if let Some(location) = said("location") {
        line(text, &format!("LOCATION:{location}"));
    }
    line(text, &format!("URL:{}/{plural}/{}", url, record.id));
    alarm(text, record);
    line(text, "END:VEVENT");
}

/// A task's day, its time where its person is (a time without a zone, 3.3.5), and how it comes again.
fn due_lines(text: &mut String, record: &Record, due: Date) {
    let time = match record.get("due_time") {
        Value::Time(time) => Some(time.strftime("T%H%M%S").to_string()),
        _ => None,
    };
    let day = |day: Date| {
        let day = day.strftime("%Y%m%d");
        time.as_ref()
            .map_or_else(|| day.to_string(), |time| format!("{day}{time}"))
    };
    match &time {
        Some(_) => line(text, &format!("DTSTART:{}", day(due))),
        None => line(text, &format!("DTSTART;VALUE=DATE:{}", day(due))),
    }
    let Some(repeat) = Repeat::of_task(|name| record.get(name)) else {
        return;
    };
    let mut rule = vec![format!(
        "RRULE:FREQ={}",
        repeat.rhythm.name().to_uppercase()
    )];
    if repeat.every > 1 {
        rule.push(format!("INTERVAL={}", repeat.every));
    }
    // The last of these days that the month has: calendar programs leave out a month without the day itself.
    let (month, last) = (repeat.from.month(), repeat.from.day());
    let is_late = match repeat.rhythm {
        Rhythm::Monthly => last > 28,
        Rhythm::Yearly => month == 2 && last == 29,
        Rhythm::Daily | Rhythm::Weekly => false,
    };
    if is_late {
        let days: Vec<String> = (28..=last).map(|day| day.to_string()).collect();
        if repeat.rhythm == Rhythm::Yearly {
            rule.push("BYMONTH=2".to_owned());
        }
        rule.push(format!("BYMONTHDAY={};BYSETPOS=-1", days.join(",")));
    }
    if let Some(until) = repeat.until {
        rule.push(format!("UNTIL={}", day(until)));
    }
    line(text, &rule.join(";"));
}

/// The reminder, so many minutes from the beginning; a day's begins at midnight.
fn alarm(text: &mut String, record: &Record) {
    let wanted = record.get("reminder").as_text();
    let Some(before) = wanted.and_then(activity::reminder_minutes) else {
        return;
    };
    let is_whole_day = record.get("starts_at").is_null() && record.get("due_time").is_null();
    let from_start = if is_whole_day {
        i64::from(activity::DUE_HOUR) * 60 - before
    } else {
        -before
    };
    let sign = if from_start < 0 { "-" } else { "" };
    line(text, "BEGIN:VALARM");
    line(text, "ACTION:DISPLAY");
    let subject = record.get("subject").as_text().map(escaped);
    line(
        text,
        &format!("DESCRIPTION:{}", subject.unwrap_or_default()),
    );
    line(text, &format!("TRIGGER:{sign}PT{}M", from_start.abs()));
    line(text, "END:VALARM");
}

fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// As a value of the type TEXT (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// One line, folded (RFC 5545, 3.1).
fn line(text: &mut String, content: &str) {
    let mut length = 0;
    for c in content.chars() {
        if length + c.len_utf8() > LINE {
            text.push_str("\r\n ");
            length = 1;
        }
        text.push(c);
        length += c.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::{Columns, FieldType, record::Column};
    use jiff::civil::date;

    #[test]
    fn lines_are_folded_and_nothing_in_them_begins_another() {
        let mut text = String::new();
        line(&mut text, &format!("SUMMARY:{}", escaped(&"ä".repeat(100))));
        for folded in text.trim_end().split("\r\n") {
            assert!(folded.len() <= 75, "{folded}");
        }
        assert_eq!(
            text.replace("\r\n ", "").trim_end(),
            format!("SUMMARY:{}", "ä".repeat(100))
        );
        assert_eq!(
            escaped("a\r\nEND:VEVENT; b, c\\"),
            "a\\nEND:VEVENT\\; b\\, c\\\\"
        );
    }
    fn task(values: &[(&str, FieldType, Value)]) -> Record {
        let column = |(name, kind): (&str, &FieldType)| Column {
            path: fieldstone_model::Path::from_text(name),
            name: name.to_owned(),
            kind: kind.clone(),
        };
        Record {
            id: "00T000000000001".parse().unwrap(),
            version: 1,
            deleted: false,
            columns: Arc::new(Columns::new(
                values
                    .iter()
                    .map(|(name, kind, _)| column((name, kind)))
                    .collect(),
            )),
            values: values.iter().map(|(.., value)| value.clone()).collect(),
        }
    }

    #[test]
    fn a_task_that_repeats_says_how_and_rings_in_time() {
        let text = |text: &str| Value::Text(text.to_owned());
        let of = |due: Date, repeat: &str, reminder: &str| {
            let record = task(&[
                ("subject", FieldType::Text { max: 255 }, text("Call; now")),
                ("due_date", FieldType::Date, Value::Date(due)),
                ("repeat", FieldType::Text { max: 255 }, text(repeat)),
                ("repeat_every", FieldType::Integer, Value::Int(2)),
                (
                    "repeat_until",
                    FieldType::Date,
                    Value::Date(date(2027, 1, 1)),
                ),
                ("reminder", FieldType::Text { max: 255 }, text(reminder)),
            ]);
            let mut out = String::new();
            entry(
                &mut out,
                &record,
                "tasks",
                "https://example.test",
                Timestamp::UNIX_EPOCH,
            );
            out
        };
        let weekly = of(date(2026, 3, 2), "weekly", "days_1");
        assert!(
            weekly.contains("DTSTART;VALUE=DATE:20260302\r\n"),
            "{weekly}"
        );
        assert!(
            weekly.contains("RRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20270101\r\n"),
            "{weekly}"
        );
        // Nine in the morning of the day before, from midnight of the day.
        assert!(weekly.contains("TRIGGER:-PT900M\r\n"), "{weekly}");
        let last = of(date(2026, 1, 31), "monthly", "at_time");
        assert!(
            last.contains(";BYMONTHDAY=28,29,30,31;BYSETPOS=-1;"),
            "{last}"
        );
        assert!(last.contains("TRIGGER:PT540M\r\n"), "{last}");
    }
}
