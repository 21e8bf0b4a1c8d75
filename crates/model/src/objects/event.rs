//! Events: meetings and appointments with a beginning and an end.

use jiff::ToSpan as _;

use crate::{
    Field, FieldError, FieldType, ObjectClass, Problem, Value, Values,
    object::{Facts, SeenBy},
    objects::{
        Draft,
        activity::{ABOUT, REMINDERS},
    },
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "event",
    plural: "events",
    prefix: b"00U",
    class: ObjectClass::Record,
    name_field: "subject",
    salesforce: Some("Event"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "subject", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Subject"),
        ABOUT,
        Field::new(12, "starts_at", FieldType::DateTime)
            .required()
            .indexed()
            .salesforce("StartDateTime"),
        Field::new(13, "ends_at", FieldType::DateTime)
            .required()
            .salesforce("EndDateTime"),
        Field::text(14, "location", 255).salesforce("Location"),
        Field::long_text(15, "description").salesforce("Description"),
        Field::choice(16, "reminder", REMINDERS),
    ],
};

/// An hour, when only the beginning is given.
pub(crate) fn defaults(draft: &Draft<'_>) -> Values {
    let Value::DateTime(starts_at) = draft.get("starts_at") else {
        return Values::new();
    };
    starts_at.checked_add(1.hour()).map_or_else(
        |_| Values::new(),
        |at| Values::new().with("ends_at", Value::DateTime(at)),
    )
}

pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    match (draft.get("starts_at"), draft.get("ends_at")) {
        (Value::DateTime(starts_at), Value::DateTime(ends_at)) if ends_at < starts_at => {
            vec![FieldError::new(
                "ends_at",
                Problem::Rule {
                    code: "ends_before_start",
                    advice: "Choose an end that is not before the start.",
                },
            )]
        }
        _ => Vec::new(),
    }
}
