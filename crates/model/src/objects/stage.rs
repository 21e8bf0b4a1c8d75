//! Stages: the steps of a pipeline, in order.

use crate::{
    Choice, Field, FieldError, FieldType, ObjectClass, Problem,
    object::{Facts, SeenBy},
    objects::Draft,
};

const KINDS: &[Choice] = &[Choice::new("open"), Choice::new("won"), Choice::new("lost")];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "stage",
    plural: "stages",
    prefix: b"01J",
    class: ObjectClass::Managed,
    name_field: "name",
    salesforce: Some("OpportunityStage"),
    seen_by: SeenBy::Everybody,
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

/// A stage stays in its pipeline and keeps its meaning: deals that are in it have both from it.
pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    let problem = Problem::Rule {
        code: "stage_is_fixed",
        advice: "Make a new stage and move the deals there; a stage keeps its pipeline and its kind.",
    };
    ["pipeline_id", "kind"]
        .into_iter()
        .filter(|field| draft.before.is_some() && draft.changes(field))
        .map(|field| FieldError::new(field, problem.clone()))
        .collect()
}
