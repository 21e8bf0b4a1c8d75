//! Attachments: files that hang on a record.
//!
//! The record says what the file is; its content lies elsewhere, sealed, and is sent in parts. What is said of the content (`content_type`,
//! `size`, `sha256`, `stored_at`) is set by whoever keeps it, once all of it has arrived and been checked, and stays as it is: another
//! content is another attachment.

use std::borrow::Cow;

use crate::{
    Field, FieldType, ObjectClass,
    object::{Facts, SeenBy},
};

/// Most bytes of one file: 1 GiB.
pub const SIZE_MAX: u64 = 1 << 30;

/// What files can hang on.
const HOLDERS: &[Cow<'static, str>] = &[
    Cow::Borrowed("account"),
    Cow::Borrowed("contact"),
    Cow::Borrowed("deal"),
    Cow::Borrowed("lead"),
    Cow::Borrowed("case"),
    Cow::Borrowed("task"),
    Cow::Borrowed("event"),
    Cow::Borrowed("call"),
    Cow::Borrowed("note"),
    Cow::Borrowed("product"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "attachment",
    plural: "attachments",
    prefix: b"00P",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Attachment"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::any_relation(11, "about_id", HOLDERS)
            .required()
            .salesforce("ParentId"),
        Field::long_text(12, "description")
            .searchable()
            .salesforce("Description"),
        Field::text(13, "content_type", 127)
            .derived()
            .salesforce("ContentType"),
        Field::new(14, "size", FieldType::Integer)
            .derived()
            .salesforce("BodyLength"),
        Field::text(15, "sha256", 64).derived(),
        Field::new(16, "stored_at", FieldType::DateTime).derived(),
    ],
};
