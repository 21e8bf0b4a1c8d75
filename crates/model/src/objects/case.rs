//! Cases: questions and problems that customers bring.

use crate::{
    Choice, Field, FieldType, ObjectClass, Value, Values,
    object::{Facts, SeenBy},
    objects::{Draft, task},
};

const STATUSES: &[Choice] = &[
    Choice::new("new"),
    Choice::new("working"),
    Choice::new("waiting"),
    Choice::new("closed"),
];
const ORIGINS: &[Choice] = &[
    Choice::new("phone"),
    Choice::new("email"),
    Choice::new("web"),
    Choice::new("visit"),
    Choice::new("other"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "case",
    plural: "cases",
    prefix: b"500",
    class: ObjectClass::Record,
    name_field: "subject",
    salesforce: Some("Case"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "subject", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Subject"),
        Field::relation(11, "account_id", "account").salesforce("AccountId"),
        Field::relation(12, "contact_id", "contact").salesforce("ContactId"),
        Field::choice(13, "status", STATUSES)
            .required()
            .indexed()
            .salesforce("Status"),
        Field::choice(14, "priority", task::PRIORITIES)
            .required()
            .indexed()
            .salesforce("Priority"),
        Field::choice(15, "origin", ORIGINS).salesforce("Origin"),
        Field::long_text(16, "description").salesforce("Description"),
        Field::text(17, "external_id", 255).unique().searchable(),
        Field::new(18, "closed_at", FieldType::DateTime)
            .derived()
            .salesforce("ClosedDate"),
    ],
};

pub(crate) fn defaults() -> Values {
    Values::new()
        .with("status", Value::Text("new".to_owned()))
        .with("priority", Value::Text("normal".to_owned()))
}

/// `closed_at` follows the status.
pub(crate) fn derived(draft: &Draft<'_>) -> Values {
    task::finished_at(draft, "closed_at", "closed")
}
