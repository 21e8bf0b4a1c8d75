//! What a custom object or field may look like.

use std::collections::HashSet;

use fieldstone_model::{
    Choice, Field, FieldError, FieldType, Object, ObjectClass, Problem, RecordId, Registry, Role,
    roll_up::RollUpError,
};

use super::{FIELDS_MAX, NewField, NewObject, ROLL_UPS_MAX, SchemaError};

const NAME: Problem = Problem::Rule {
    code: "not_an_api_name",
    advice: "Begin with a small letter; go on with small letters, digits and underscores.",
};
pub(super) const TAKEN: Problem = Problem::Rule {
    code: "name_taken",
    advice: "This name is taken. Choose another one.",
};

pub(super) const ROLL_UPS: Problem = Problem::Rule {
    code: "roll_ups_full",
    advice: "An object has ten roll-ups at most, since each is worked out whenever its records are shown. Remove one first.",
};

/// Whether no other roll-up has room.
pub(super) fn has_all_roll_ups(object: &Object) -> bool {
    let roll_ups = object.fields.iter().filter(|field| field.roll_up.is_some());
    roll_ups.count() >= ROLL_UPS_MAX
}

/// Page addresses and API paths that an object's plural would hide.
const RESERVED: &[&str] = &[
    "api",
    "assets",
    "attachments",
    "search",
    "settings",
    "sign-in",
    "sign_in",
    "sign-out",
    "sign_out",
    "security",
    "healthz",
    "readyz",
    "services",
    "set-up",
    "new",
    "home",
    "live",
    "conflicts",
    "imports",
    "reports",
    "dashboards",
    "forecast",
    "exports",
    "calendar",
    "palette",
    "automations",
    "notifications",
    "forgotten-password",
    "password-reset",
    "invitation",
    "oauth",
    "confirm",
];

pub(super) fn object(registry: &Registry, new: &NewObject) -> Result<(), SchemaError> {
    let mut errors = Vec::new();
    for (pointer, name, max) in [("name", &new.name, 40), ("plural", &new.plural, 44)] {
        if !is_api_name(name, max) {
            errors.push(FieldError::new(pointer, NAME));
        }
    }
    let taken = |name: &str| {
        registry.object(name).is_some()
            || registry.by_plural(name).is_some()
            || RESERVED.contains(&name)
    };
    for (pointer, name) in [("name", &new.name), ("plural", &new.plural)] {
        if taken(name) {
            errors.push(FieldError::new(pointer, TAKEN));
        }
    }
    errors.extend(labels_errors(&[
        ("label", &new.label),
        ("plural_label", &new.plural_label),
    ]));
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Invalid(errors))
    }
}

/// Whether no object has had these names before: a removed one keeps them.
pub(super) fn unused(names: usize, plurals: usize) -> Result<(), SchemaError> {
    let errors: Vec<_> = [("name", names), ("plural", plurals)]
        .into_iter()
        .filter(|(_, uses)| *uses > 0)
        .map(|(pointer, _)| FieldError::new(pointer, TAKEN))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Invalid(errors))
    }
}

pub(super) fn field(
    registry: &Registry,
    object: &Object,
    new: &NewField,
    me: RecordId,
) -> Result<(), SchemaError> {
    if object.class != ObjectClass::Record {
        return Err(SchemaError::Missing);
    }
    if object.fields.iter().filter(|field| field.custom).count() >= FIELDS_MAX {
        return Err(SchemaError::Full);
    }
    let mut errors = labels_errors(&[("label", &new.label)]);
    if new.roll_up.is_some() && has_all_roll_ups(object) {
        errors.push(FieldError::new("roll_up.object", ROLL_UPS));
    }
    let is_relation = new.kind.is_relation();
    if !is_api_name(&new.name, 60) {
        errors.push(FieldError::new("name", NAME));
    } else if is_relation != new.name.ends_with("_id") {
        let advice = if is_relation {
            "End the name of a relation in _id."
        } else {
            "Only names of relations end in _id."
        };
        errors.push(FieldError::new(
            "name",
            Problem::Rule {
                code: "relation_name",
                advice,
            },
        ));
    }
    let relation = new.name.strip_suffix("_id").filter(|_| is_relation);
    if object.field(&new.name).is_some()
        || relation.is_some_and(|relation| {
            object.relation(relation).is_some() || object.field(relation).is_some()
        })
    {
        errors.push(FieldError::new("name", TAKEN));
    }
    if new
        .help
        .as_ref()
        .is_some_and(|help| help.chars().count() > 500)
    {
        errors.push(FieldError::new("help", Problem::TooLong { max: 500 }));
    }
    if let Some(problem) = kind_problem(registry, new) {
        errors.push(FieldError::new("type", problem));
    }
    let draft = super::field_of(1000, new);
    if let Err(SchemaError::Invalid(more)) = default(&draft, jiff::Timestamp::UNIX_EPOCH, me) {
        errors.extend(more);
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Invalid(errors))
    }
}

/// Whether new records may get what a field says. Not where it would be taken by the first, or where it isn't clear what it leads to.
pub(super) fn default(
    field: &Field,
    now: jiff::Timestamp,
    me: RecordId,
) -> Result<(), SchemaError> {
    let Some(text) = &field.default else {
        return Ok(());
    };
    let refuse = |problem| {
        Err(SchemaError::Invalid(vec![FieldError::new(
            "default", problem,
        )]))
    };
    let leads_anywhere = matches!(field.kind, FieldType::AnyRelation { .. });
    if field.unique || leads_anywhere || field.roll_up.is_some() {
        return refuse(Problem::Rule {
            code: "no_default",
            advice: "Relations to records of any kind, unique fields and roll-ups have no default.",
        });
    }
    let Some(value) = field.default_value(now, me) else {
        let problem = fieldstone_model::Value::parse(field, text).err();
        return refuse(problem.unwrap_or(Problem::Required));
    };
    match fieldstone_model::validate::check_value(field, &value) {
        Ok(()) => Ok(()),
        Err(problem) => refuse(problem),
    }
}

/// What is wrong with a roll-up, beside the field of the form that says it.
pub(super) fn roll_up_error(error: &RollUpError) -> SchemaError {
    let (field, code, advice) = match error {
        RollUpError::Number => (
            "roll_up.sum",
            "roll_up_number",
            "Choose a number of that object; a field of your own must be one that can be filtered.",
        ),
        RollUpError::Filter(_) => (
            "roll_up.filter",
            "roll_up_filter",
            "This filter can't be read. Write it as in a list's address, such as: status = \"open\".",
        ),
        _ => (
            "roll_up.object",
            "roll_up_relation",
            "Choose an object with a relation that leads here.",
        ),
    };
    SchemaError::Invalid(vec![FieldError::new(field, Problem::Rule { code, advice })])
}

fn kind_problem(registry: &Registry, new: &NewField) -> Option<Problem> {
    let rule = |code, advice| Some(Problem::Rule { code, advice });
    let limit = |max: u32, most: u32| {
        (!(1..=most).contains(&max)).then(|| Problem::OutOfRange {
            min: "1".to_owned(),
            max: most.to_string(),
        })
    };
    let unique_fits = !new.unique
        || !matches!(
            new.kind,
            FieldType::LongText { .. } | FieldType::Boolean | FieldType::MultiChoice { .. }
        );
    if !unique_fits {
        return rule("cannot_be_unique", "Fields of this type can't be unique.");
    }
    match &new.kind {
        FieldType::Text { max } => limit(*max, 255),
        FieldType::LongText { max } => limit(*max, 32_000),
        FieldType::Decimal { scale } if *scale > 9 => Some(Problem::OutOfRange {
            min: "0".to_owned(),
            max: "9".to_owned(),
        }),
        FieldType::Choice { options } | FieldType::MultiChoice { options } => {
            let values: HashSet<_> = options.iter().map(|option| option.value.as_ref()).collect();
            let plain = |value: &str| {
                !value.is_empty()
                    && value.len() <= 80
                    && value.trim() == value
                    && !value.contains([';', ','])
                    && !value.chars().any(char::is_control)
            };
            let has_long_label = |option: &Choice| {
                let label = option.label.as_ref();
                label.is_some_and(|label| label.chars().count() > 80)
            };
            if options.is_empty()
                || options.len() > 500
                || values.len() != options.len()
                || !values.iter().all(|value| plain(value))
                || options.iter().any(has_long_label)
            {
                return rule(
                    "bad_options",
                    "List one to 500 different options of at most 80 characters, without commas and semicolons.",
                );
            }
            None
        }
        FieldType::Relation { to } => registry
            .object(to)
            .is_none()
            .then_some(Problem::NotAReference),
        FieldType::AnyRelation { to } => (to.is_empty()
            || to.iter().any(|to| registry.object(to).is_none()))
        .then_some(Problem::NotAReference),
        FieldType::Id => rule("unknown_type", "Choose one of the listed types."),
        _ => None,
    }
}

/// Whether a field can be kept from weaker roles than these. Admins define fields, so nothing is kept from them.
pub(super) fn restriction(
    object: &Object,
    field: &Field,
    read_role: Role,
    write_role: Role,
) -> Result<(), SchemaError> {
    let rule = |pointer, code, advice| {
        let error = FieldError::new(pointer, Problem::Rule { code, advice });
        Err(SchemaError::Invalid(vec![error]))
    };
    if read_role.max(write_role) > Role::Admin {
        let advice = "Choose viewer, member or admin: nothing is kept from whoever defines fields.";
        return rule("read_role", "role_too_strong", advice);
    }
    if object.class != ObjectClass::Record || !field.is_restrictable() {
        let advice = "Everybody reads this field: it names a record, is required, unique or searched, or is kept by the system.";
        return rule("read_role", "not_restrictable", advice);
    }
    Ok(())
}

pub(super) fn labels(given: &[(&str, &str)]) -> Result<(), SchemaError> {
    let errors = labels_errors(given);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Invalid(errors))
    }
}

fn labels_errors(given: &[(&str, &str)]) -> Vec<FieldError> {
    let problem = |label: &str| {
        if label.trim().is_empty() {
            Some(Problem::Required)
        } else if label.chars().any(char::is_control) {
            Some(Problem::ControlCharacter)
        } else {
            (label.chars().count() > 80).then_some(Problem::TooLong { max: 80 })
        }
    };
    given
        .iter()
        .filter_map(|(pointer, label)| {
            problem(label).map(|problem| FieldError::new(*pointer, problem))
        })
        .collect()
}

fn is_api_name(name: &str, max: usize) -> bool {
    name.len() <= max
        && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PgStore;

    #[test]
    fn no_object_hides_a_page_or_is_hidden_by_one() {
        let pages: Vec<&str> = (fieldstone_ui::pages::<PgStore>().iter())
            .map(|page| page.path)
            .chain(crate::platform::pages().iter().map(|page| page.path))
            .collect();
        assert!(pages.len() > 100, "{}", pages.len());
        for path in pages {
            let first = path.split('/').nth(1).unwrap_or_default();
            // A name with a point or a dash is none that an object can have.
            if is_api_name(first, usize::MAX) {
                assert!(RESERVED.contains(&first), "{path}");
            }
        }
        let once: HashSet<&str> = RESERVED.iter().copied().collect();
        assert_eq!(once.len(), RESERVED.len());
    }
}
