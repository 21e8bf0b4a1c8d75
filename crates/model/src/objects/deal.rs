//! Deals: one chance to win one piece of business.
//!
//! The table below is facts. A rule that needs an `if` is a function in this file.
//! A published field id is never reused: devices in the field still hold it.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    Choice, Field, FieldError, FieldType, ObjectClass, Problem, StageKind, Value, Values,
    object::{Facts, SeenBy},
    objects::{Draft, lead::SOURCES},
};

const STATUSES: &[Choice] = &[Choice::new("open"), Choice::new("won"), Choice::new("lost")];

pub(crate) const FACTS: Facts = Facts {
    name: "deal",
    plural: "deals",
    prefix: b"006",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Opportunity"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::relation(11, "account_id", "account").salesforce("AccountId"),
        Field::relation(12, "contact_id", "contact").salesforce("ContactId"),
        Field::relation(13, "stage_id", "stage")
            .required()
            .salesforce("StageName"),
        Field::relation(14, "pipeline_id", "pipeline").derived(),
        Field::choice(15, "status", STATUSES).derived().indexed(),
        Field::new(16, "amount", FieldType::Money)
            .indexed()
            .salesforce("Amount"),
        Field::new(17, "probability", FieldType::Percent).salesforce("Probability"),
        Field::new(18, "open_date", FieldType::Date),
        Field::new(19, "close_date", FieldType::Date)
            .indexed()
            .salesforce("CloseDate"),
        Field::choice(20, "source", SOURCES).salesforce("LeadSource"),
        Field::text(21, "next_step", 255).salesforce("NextStep"),
        Field::text(22, "lost_reason", 255),
        Field::long_text(23, "description").salesforce("Description"),
        Field::text(24, "external_id", 255).unique().searchable(),
        Field::new(25, "closed_at", FieldType::DateTime).derived(),
    ],
};

/// A new deal starts in the first open stage.
pub(crate) fn defaults(draft: &Draft<'_>) -> Values {
    draft
        .registry
        .first_stage()
        .map_or_else(Values::new, |stage| {
            Values::new().with("stage_id", Value::Id(stage.id))
        })
}

/// Pipeline and status follow the stage; so does the probability unless it is written in the same step.
pub(crate) fn derived(draft: &Draft<'_>) -> Values {
    let Some(stage) = draft
        .get("stage_id")
        .as_id()
        .and_then(|id| draft.registry.stage(id))
    else {
        return Values::new();
    };
    let mut values = Values::new()
        .with("pipeline_id", Value::Id(stage.pipeline_id))
        .with("status", Value::Text(stage.kind.name().to_owned()));
    if draft.changes("stage_id") && draft.written.get("probability").is_none() {
        values.set("probability", Value::Int(stage.probability));
    }
    let closed = stage.kind != StageKind::Open;
    let closed_at = draft
        .before
        .and_then(|before| before.get("closed_at"))
        .filter(|at| !at.is_null());
    match (closed, closed_at) {
        (true, None) => values.set("closed_at", Value::DateTime(closing(draft))),
        (false, Some(_)) => values.set("closed_at", Value::Null),
        _ => {}
    }
    values
}

/// When a deal was closed that is closed by now. One that arrives so, as from another product, was closed on its close date: at noon, which is
/// that day almost everywhere.
fn closing(draft: &Draft<'_>) -> Timestamp {
    let (None, Value::Date(day)) = (draft.before, draft.get("close_date")) else {
        return draft.now;
    };
    day.at(12, 0, 0, 0)
        .to_zoned(TimeZone::UTC)
        .map_or(draft.now, |noon| noon.timestamp().min(draft.now))
}

pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let known = draft
        .get("stage_id")
        .as_id()
        .is_none_or(|id| draft.registry.stage(id).is_some());
    if !known {
        errors.push(FieldError::new("stage_id", Problem::MissingReference));
    }
    let percent_ok = draft
        .written
        .get("probability")
        .and_then(Value::as_int)
        .is_none_or(|chance| (0..=10_000).contains(&chance));
    if !percent_ok {
        errors.push(FieldError::new(
            "probability",
            Problem::OutOfRange {
                min: "0".to_owned(),
                max: "100".to_owned(),
            },
        ));
    }
    errors
}
