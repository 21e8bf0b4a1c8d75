//! What a stretch of days holds: meetings, tasks, and the days on which tasks will come again.

use fieldstone_model::{
    Comparison, Filter, Path, Query, Record, Repeat, Rhythm, Value, query::LIMIT_MAX,
};
use fieldstone_store::Store;
use futures_util::try_join;
use jiff::civil::{Date, Time};

use crate::{error::PageError, home::Whose, list::table::name_of, request::Session};

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ahead,
    Late,
    Done,
    /// A day on which it will come again: there is no record of it yet.
    Planned,
}

/// Something in the calendar.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) day: Date,
    /// When it begins or is due; none for what lasts all day.
    pub(super) at: Option<Time>,
    pub(super) time: Option<String>,
    pub(super) icon: &'static str,
    pub(super) is_event: bool,
    pub(super) state: State,
    pub(super) version: i64,
    /// What was seen of its time, for the merge.
    pub(super) was: String,
}

/// The entries, and whether there are more than fit.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) is_cut: bool,
}

/// Meetings and tasks of the days from `from` until before `until`, earlier ones first.
pub(super) async fn found<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
    from: Date,
    until: Date,
) -> Result<Found, PageError> {
    let locale = &session.viewer.locale;
    let instant = |date: Date| {
        let zoned = date
            .to_zoned(locale.time_zone().clone())
            .map_err(|_| PageError::Invalid)?;
        Ok::<_, PageError>(Value::DateTime(zoned.timestamp()))
    };
    let between = |field: &str, from: Value, until: Value| {
        Filter::compare(field, Comparison::GreaterOrEqual, from).and(Filter::compare(
            field,
            Comparison::Less,
            until,
        ))
    };
    let tasks = || {
        Query::new("task")
            .columns([
                "subject",
                "due_date",
                "due_time",
                "status",
                "repeat",
                "repeat_every",
                "repeat_until",
                "repeat_from",
            ])
            .filter(whose.filter(session))
            .order("due_date", false)
            .limit(LIMIT_MAX)
    };
    let events = Query::new("event")
        .columns(["subject", "starts_at", "ends_at"])
        .filter(whose.filter(session))
        .filter(between("starts_at", instant(from)?, instant(until)?))
        .order("starts_at", false)
        .limit(LIMIT_MAX);
    let due = tasks().filter(between("due_date", Value::Date(from), Value::Date(until)));
    let rhythms = Rhythm::ALL.map(|rhythm| Value::Text(rhythm.name().to_owned()));
    let repeating = tasks()
        .filter(Filter::In {
            path: Path::from_text("repeat"),
            values: rhythms.to_vec(),
        })
        .filter(Filter::compare(
            "status",
            Comparison::NotEqual,
            Value::Text("done".to_owned()),
        ))
        .filter(Filter::compare(
            "due_date",
            Comparison::Less,
            Value::Date(until),
        ));
    let (events, due, repeating) = try_join!(
        session.store.list(&events),
        session.store.list(&due),
        session.store.list(&repeating)
    )?;
    let mut entries: Vec<Entry> = Vec::new();
    for task in &due.records {
        entries.extend(due_on(task).map(|day| entry(session, "task", task, day)));
    }
    for event in &events.records {
        entries.extend(starts(session, event).map(|at| entry(session, "event", event, at.date())));
    }
    for task in &repeating.records {
        let days = Repeat::of_task(|name| task.get(name))
            .zip(due_on(task))
            .map(|(repeat, due)| repeat.between(due.max(from.yesterday().unwrap_or(from)), until));
        entries.extend(days.into_iter().flatten().map(|day| Entry {
            state: State::Planned,
            icon: "restore",
            ..entry(session, "task", task, day)
        }));
    }
    entries.sort_by_key(|entry| (entry.day, entry.at));
    Ok(Found {
        entries,
        is_cut: events.next.is_some() || due.next.is_some() || repeating.next.is_some(),
    })
}

fn due_on(task: &Record) -> Option<Date> {
    match task.get("due_date") {
        Value::Date(due) => Some(*due),
        _ => None,
    }
}

fn starts<S: Store>(session: &Session<S>, event: &Record) -> Option<jiff::civil::DateTime> {
    match event.get("starts_at") {
        Value::DateTime(at) => Some(session.viewer.locale.local(*at)),
        _ => None,
    }
}

fn entry<S: Store>(session: &Session<S>, object: &str, record: &Record, day: Date) -> Entry {
    let locale = &session.viewer.locale;
    let is_event = object == "event";
    let at = match (starts(session, record), record.get("due_time")) {
        (Some(at), _) => Some(at.time()),
        (None, Value::Time(at)) => Some(*at),
        _ => None,
    };
    let known = session.registry().object(object);
    Entry {
        id: record.id.to_string(),
        href: format!(
            "/{}/{}",
            known.map_or(object, |object| object.plural.as_ref()),
            record.id
        ),
        name: known
            .map(|object| name_of(session, object, record))
            .unwrap_or_default(),
        day,
        at,
        time: at.map(|at| locale.time(at)),
        icon: if is_event { "event" } else { "task" },
        is_event,
        state: if record.get("status").as_text() == Some("done") {
            State::Done
        } else if !is_event && day < session.viewer.today() {
            State::Late
        } else {
            State::Ahead
        },
        version: record.version,
        was: seen(record, is_event),
    }
}

/// The fields that say when, as the page was made from them.
fn seen(record: &Record, is_event: bool) -> String {
    let names = if is_event {
        ["starts_at", "ends_at"]
    } else {
        ["due_date", "due_time"]
    };
    names
        .map(|name| match record.get(name) {
            Value::DateTime(at) => at.to_string(),
            Value::Date(day) => day.to_string(),
            Value::Time(at) => at.to_string(),
            _ => String::new(),
        })
        .join(" ")
}
