//! Tasks: something to do, by a day.

use jiff::tz::TimeZone;

use crate::{
    Choice, Field, FieldError, FieldType, ObjectClass, Problem, Repeat, Value, Values,
    object::{Facts, SeenBy},
    objects::{
        Draft,
        activity::{ABOUT, REMINDERS},
    },
    repeat::EVERY_MAX,
};

const STATUSES: &[Choice] = &[
    Choice::new("open"),
    Choice::new("in_progress"),
    Choice::new("waiting"),
    Choice::new("done"),
];
/// How urgent a task or case is.
pub(crate) const PRIORITIES: &[Choice] = &[
    Choice::new("low"),
    Choice::new("normal"),
    Choice::new("high"),
];

const REPEATS: &[Choice] = &[
    Choice::new("daily"),
    Choice::new("weekly"),
    Choice::new("monthly"),
    Choice::new("yearly"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "task",
    plural: "tasks",
    prefix: b"00T",
    class: ObjectClass::Record,
    name_field: "subject",
    salesforce: Some("Task"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "subject", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Subject"),
        ABOUT,
        Field::choice(12, "status", STATUSES)
            .required()
            .indexed()
            .salesforce("Status"),
        Field::choice(13, "priority", PRIORITIES)
            .required()
            .salesforce("Priority"),
        Field::new(14, "due_date", FieldType::Date)
            .indexed()
            .salesforce("ActivityDate"),
        Field::long_text(15, "description").salesforce("Description"),
        Field::new(16, "done_at", FieldType::DateTime)
            .derived()
            .salesforce("CompletedDateTime"),
        Field::new(17, "due_time", FieldType::Time),
        Field::choice(18, "repeat", REPEATS).indexed(),
        Field::new(19, "repeat_every", FieldType::Integer),
        Field::new(20, "repeat_until", FieldType::Date),
        // The date that repetitions are counted from.
        Field::new(21, "repeat_from", FieldType::Date).derived(),
        // When the next one was made: there is never a second.
        Field::new(22, "repeated_at", FieldType::DateTime).derived(),
        Field::choice(23, "reminder", REMINDERS),
    ],
};

pub(crate) fn defaults() -> Values {
    Values::new()
        .with("status", Value::Text("open".to_owned()))
        .with("priority", Value::Text("normal".to_owned()))
}

/// `done_at` follows the status, and repetitions the date.
pub(crate) fn derived(draft: &Draft<'_>) -> Values {
    finished_at(draft, "done_at", "done")
        .with("repeat_from", repeat_from(draft))
        .with("repeated_at", repeated_at(draft))
}

/// A date that somebody chooses is what the next ones are counted from; one that follows from counting changes nothing.
fn repeat_from(draft: &Draft<'_>) -> Value {
    let repeats = !draft.get("repeat").is_null();
    match draft.get("repeat_from") {
        _ if !repeats => Value::Null,
        known if known.is_null() || draft.changes("due_date") || draft.changes("repeat") => {
            draft.get("due_date").clone()
        }
        known => known.clone(),
    }
}

/// The instant at which the task was first done, if another one follows it.
fn repeated_at(draft: &Draft<'_>) -> Value {
    let known = draft.get("repeated_at");
    let is_done = draft.get("status").as_text() == Some("done");
    let becomes_done = draft.before.is_some() && draft.changes("status") && is_done;
    if known.is_null() && becomes_done && next_date(draft).is_some() {
        Value::DateTime(draft.now)
    } else {
        known.clone()
    }
}

/// When the task is due again.
pub(crate) fn next_date(draft: &Draft<'_>) -> Option<jiff::civil::Date> {
    let Value::Date(due) = draft.get("due_date") else {
        return None;
    };
    let today = draft.now.to_zoned(TimeZone::UTC).date();
    Repeat::of_task(|name| draft.get(name))?.after(*due, today)
}

pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let given = |field: &str| !draft.get(field).is_null();
    let needs_date = ["due_time", "repeat", "reminder"]
        .into_iter()
        .any(|field| given(field) && (draft.changes(field) || draft.changes("due_date")));
    if needs_date && !given("due_date") {
        let advice = "Enter the day: a time, a repetition or a reminder needs one.";
        errors.push(FieldError::new(
            "due_date",
            Problem::Rule {
                code: "due_date_needed",
                advice,
            },
        ));
    }
    if let Some(every) = draft.get("repeat_every").as_int()
        && !(1..=EVERY_MAX).contains(&every)
    {
        errors.push(FieldError::new(
            "repeat_every",
            Problem::OutOfRange {
                min: "1".to_owned(),
                max: EVERY_MAX.to_string(),
            },
        ));
    }
    if let (Value::Date(due), Value::Date(until)) =
        (draft.get("due_date"), draft.get("repeat_until"))
        && until < due
        && draft.changes("repeat_until")
    {
        let advice = "Choose a day that is not before the task is due.";
        errors.push(FieldError::new(
            "repeat_until",
            Problem::Rule {
                code: "repeat_ends_before",
                advice,
            },
        ));
    }
    errors
}

/// The instant at which `status` became `finished`; null while it isn't.
pub(crate) fn finished_at(draft: &Draft<'_>, field: &str, finished: &str) -> Values {
    let is_finished = draft.get("status").as_text() == Some(finished);
    let at = match draft.get(field) {
        _ if !is_finished => Value::Null,
        Value::Null => Value::DateTime(draft.now),
        at => at.clone(),
    };
    Values::new().with(field, at)
}
