//! Pipelines: the ways deals go. Each has stages.

use crate::{
    Field, FieldType, ObjectClass,
    object::{Facts, SeenBy},
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "pipeline",
    plural: "pipelines",
    prefix: b"fP0",
    class: ObjectClass::Managed,
    name_field: "name",
    salesforce: None,
    seen_by: SeenBy::Everybody,
    fields: &[
        Field::text(10, "name", 120).required().unique(),
        Field::new(11, "position", FieldType::Integer)
            .required()
            .indexed(),
    ],
};
