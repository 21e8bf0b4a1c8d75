//! Stages: the steps of a pipeline, in order.

use crate::{Choice, Field, FieldType, ObjectClass, object::Facts};

const KINDS: &[Choice] = &[Choice::new("open"), Choice::new("won"), Choice::new("lost")];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "stage",
    plural: "stages",
    prefix: b"01J",
    class: ObjectClass::Managed,
    name_field: "name",
    salesforce: Some("OpportunityStage"),
    fields: &[
        Field::text(10, "name", 120)
            .required()
            .indexed()
            .salesforce("MasterLabel"),
        Field::relation(11, "pipeline_id", "pipeline").required(),
        Field::new(12, "position", FieldType::Integer)
            .required()
            .indexed()
            .salesforce("SortOrder"),
        Field::choice(13, "kind", KINDS).required(),
        Field::new(14, "probability", FieldType::Percent)
            .required()
            .salesforce("DefaultProbability"),
    ],
};
