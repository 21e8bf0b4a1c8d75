//! Notes: what somebody wants to remember about a record.

use crate::{
    Field, ObjectClass,
    object::{Facts, SeenBy},
    objects::activity::ABOUT,
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "note",
    plural: "notes",
    prefix: b"002",
    class: ObjectClass::Record,
    name_field: "title",
    salesforce: Some("Note"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "title", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Title"),
        ABOUT,
        Field::long_text(12, "body").searchable().salesforce("Body"),
    ],
};
