//! Calls: telephone conversations, had or planned.

use crate::{
    Choice, Field, FieldType, ObjectClass, Value, Values,
    object::{Facts, SeenBy},
    objects::{Draft, activity::ABOUT},
};

const DIRECTIONS: &[Choice] = &[Choice::new("outgoing"), Choice::new("incoming")];
const OUTCOMES: &[Choice] = &[
    Choice::new("reached"),
    Choice::new("no_answer"),
    Choice::new("busy"),
    Choice::new("voicemail"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "call",
    plural: "calls",
    prefix: b"fC0",
    class: ObjectClass::Record,
    name_field: "subject",
    salesforce: None,
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "subject", 255)
            .required()
            .indexed()
            .searchable(),
        ABOUT,
        Field::choice(12, "direction", DIRECTIONS).required(),
        Field::choice(13, "outcome", OUTCOMES),
        Field::new(14, "at", FieldType::DateTime)
            .required()
            .indexed(),
        Field::new(15, "minutes", FieldType::Integer),
        Field::new(16, "phone", FieldType::Phone).personal(),
        Field::long_text(17, "description"),
    ],
};

pub(crate) fn defaults(draft: &Draft<'_>) -> Values {
    Values::new()
        .with("direction", Value::Text("outgoing".to_owned()))
        .with("at", Value::DateTime(draft.now))
}
