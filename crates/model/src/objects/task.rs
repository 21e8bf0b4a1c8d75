//! Tasks: something to do, by a day.

use crate::{
    Choice, Field, FieldType, ObjectClass, Value, Values,
    object::{Facts, SeenBy},
    objects::{Draft, activity::ABOUT},
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
    ],
};

pub(crate) fn defaults() -> Values {
    Values::new()
        .with("status", Value::Text("open".to_owned()))
        .with("priority", Value::Text("normal".to_owned()))
}

/// `done_at` follows the status.
pub(crate) fn derived(draft: &Draft<'_>) -> Values {
    finished_at(draft, "done_at", "done")
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
