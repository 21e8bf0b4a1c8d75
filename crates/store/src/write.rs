//! What a change writes: validation, defaults, derived fields, search tokens, keys. Shared by every implementation of `Store`.

use fieldstone_model::{
    Capability, Change, Field, FieldError, FieldType, Object, ObjectClass, Problem, RecordId,
    Registry, SeenBy, Value, Values, fold,
    objects::{self, Draft},
    validate,
    value::Key,
};
use jiff::Timestamp;

use crate::{Action, ChangeError, FieldChange, Scope, User};

/// Most search tokens kept for one record.
const TOKENS_MAX: usize = 60;

/// A record as a store has it, for a change to build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub version: i64,
    /// Whether it is deleted.
    pub deleted: bool,
    /// All its entered and derived fields.
    pub values: Values,
}

/// A change ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The record.
    pub id: RecordId,
    /// What is done to it.
    pub action: Action,
    /// The version it gets.
    pub version: i64,
    /// Entered and derived fields to write: all that have a value on creation, else those that change.
    pub values: Values,
    /// Fields changed, for the history. Empty for a creation.
    pub changes: Vec<FieldChange>,
    /// The record's search tokens after the change; `None` when they stay as they are.
    pub tokens: Option<Vec<String>>,
    /// Index entries of custom fields to replace.
    pub keys: Vec<FieldKeys>,
    /// Relations written that must lead to an existing record: field and id.
    pub references: Vec<(String, RecordId)>,
}

/// Index entries of one custom field of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldKeys {
    /// The field's number.
    pub field: u16,
    /// Whether no two records may share a key.
    pub unique: bool,
    /// Its keys: one, several for a multiple choice, none without a value.
    pub keys: Vec<Key>,
}

/// Whether `user` may write records of `object` at all.
pub fn may_write(user: User, object: &Object, change: &Change) -> bool {
    let needed = match (object.class, change) {
        (ObjectClass::Directory, _) => return false,
        (ObjectClass::Managed, _) => Capability::SchemaManage,
        (ObjectClass::Record, Change::Create { .. } | Change::Update { .. }) => {
            Capability::RecordsWrite
        }
        (ObjectClass::Record, Change::Delete { .. } | Change::Restore { .. }) => {
            Capability::RecordsDelete
        }
    };
    user.role.can(needed)
}

/// Refuses what somebody may not set in `change`. `seen` is the object as they see it: [`prepare`] works with all of it.
pub fn check_rights(seen: &Object, change: &Change) -> Result<(), ChangeError> {
    let (Change::Create { values, .. } | Change::Update { values, .. }) = change else {
        return Ok(());
    };
    let problem = |name: &str| match seen.field(name) {
        None => Some(Problem::UnknownField),
        Some(field) if field.locked => Some(Problem::ReadOnly),
        Some(_) => None,
    };
    let errors: Vec<FieldError> = values
        .iter()
        .filter_map(|(name, _)| problem(name).map(|problem| FieldError::new(name, problem)))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ChangeError::Invalid(errors))
    }
}

/// A refusal without the names of fields that somebody doesn't see.
pub fn without_hidden(seen: &Object, error: ChangeError) -> ChangeError {
    let ChangeError::Invalid(errors) = error else {
        return error;
    };
    let shown = |error: FieldError| {
        // What stands for no field (a rule of the whole record) names none.
        let is_hidden = !error.field.is_empty() && seen.field(&error.field).is_none();
        match error.problem {
            Problem::UnknownField => error,
            _ if is_hidden => FieldError::new(
                seen.name_field.clone(),
                Problem::Rule {
                    code: "hidden_rule",
                    advice: "A rule about something you don't see refuses this. Ask an administrator of your workspace.",
                },
            ),
            _ => error,
        }
    };
    ChangeError::Invalid(errors.into_iter().map(shown).collect())
}

/// Refuses to give a record to an owner whose records the writer doesn't see: it would be out of their own sight at once.
pub fn check_owner(object: &Object, scope: &Scope, write: &Write) -> Option<FieldError> {
    let owner = write.values.get("owner_id").and_then(Value::as_id)?;
    let is_in_sight = object.seen_by != SeenBy::Owner || scope.has(owner.as_str());
    (!is_in_sight).then(|| {
        FieldError::new(
            "owner_id",
            Problem::Rule {
                code: "owner_out_of_sight",
                advice: "Choose an owner whose records you see.",
            },
        )
    })
}

/// Works out what `change` writes, given the record as stored (`None` when it doesn't exist).
///
/// Answers `None` when an update changes nothing.
pub fn prepare(
    registry: &Registry,
    object: &Object,
    user: User,
    now: Timestamp,
    change: &Change,
    stored: Option<&Stored>,
) -> Result<Option<Write>, ChangeError> {
    if object.class == ObjectClass::Directory {
        return Err(ChangeError::ReadOnlyObject);
    }
    if change.id().prefix() != object.prefix_str() {
        return Err(ChangeError::WrongObject);
    }
    match change {
        Change::Create { id, values, .. } => match stored {
            Some(_) => Err(ChangeError::IdTaken),
            None => create(registry, object, user, now, *id, values).map(Some),
        },
        Change::Update {
            id,
            expected,
            values,
            ..
        } => {
            let stored = current(stored, *expected)?;
            if stored.deleted {
                return Err(ChangeError::Deleted);
            }
            update(registry, object, now, *id, values, stored)
        }
        Change::Delete { id, expected, .. } => {
            let stored = current(stored, *expected)?;
            if stored.deleted {
                return Ok(None);
            }
            Ok(Some(Write::bare(*id, Action::Deleted, stored.version + 1)))
        }
        Change::Restore { id, .. } => {
            let stored = current(stored, None)?;
            if !stored.deleted {
                return Ok(None);
            }
            Ok(Some(Write::bare(*id, Action::Restored, stored.version + 1)))
        }
    }
}

/// What follows from `write` besides: a record of its own, such as the next of a task that repeats.
///
/// For the platform only: a device that worked it out too would make it twice. What was entered before is copied, not checked again.
pub fn successor(
    registry: &Registry,
    object: &Object,
    now: Timestamp,
    stored: Option<&Stored>,
    write: &Write,
    new_id: impl FnOnce() -> Option<RecordId>,
) -> Option<Write> {
    let before = stored.map(|stored| &stored.values);
    let draft = Draft {
        before,
        written: &write.values,
        registry,
        now,
    };
    let mut after = before.cloned().unwrap_or_default();
    for (name, value) in write.values.iter() {
        after.set(name, value.clone());
    }
    let values = objects::successor(object, &draft, &after)?;
    Some(Write {
        id: new_id()?,
        action: Action::Created,
        version: 1,
        changes: Vec::new(),
        tokens: Some(tokens(object, &values)),
        keys: keys(object, &values),
        references: references(object, &values),
        values,
    })
}

/// The records that a new record refers to by default, with the fields that do, where `change` says nothing of them.
pub fn default_references<'a>(
    object: &'a Object,
    change: &'a Change,
) -> impl Iterator<Item = (&'a Field, RecordId)> {
    let given = match change {
        Change::Create { values, .. } => Some(values),
        _ => None,
    };
    let fields = object
        .fields
        .iter()
        .filter(|field| field.kind.is_relation());
    fields.filter_map(move |field| {
        let is_given = given?.get(&field.name).is_some();
        let id = field.default.as_deref()?.parse().ok()?;
        (!is_given).then_some((field, id))
    })
}

/// The change without defaults that lead to nothing any more, or to nothing in sight: those stay empty. `None` when it has none.
pub fn without_gone_defaults(
    object: &Object,
    change: &Change,
    mut is_there: impl FnMut(RecordId) -> bool,
) -> Option<Change> {
    let gone: Vec<String> = default_references(object, change)
        .filter(|(_, id)| !is_there(*id))
        .map(|(field, _)| field.name.to_string())
        .collect();
    if gone.is_empty() {
        return None;
    }
    let mut change = change.clone();
    if let Change::Create { values, .. } = &mut change {
        for name in gone {
            values.set(name, Value::Null);
        }
    }
    Some(change)
}

fn current(stored: Option<&Stored>, expected: Option<i64>) -> Result<&Stored, ChangeError> {
    let stored = stored.ok_or(ChangeError::NotFound)?;
    match expected {
        Some(expected) if expected != stored.version => Err(ChangeError::Stale {
            current: stored.version,
        }),
        _ => Ok(stored),
    }
}

fn create(
    registry: &Registry,
    object: &Object,
    user: User,
    now: Timestamp,
    id: RecordId,
    given: &Values,
) -> Result<Write, ChangeError> {
    let given = &tidied(object, given);
    let mut values = objects::defaults(&object.name, given, registry, now, user.id);
    if object.field("owner_id").is_some() {
        values.set("owner_id", Value::Id(user.id));
    }
    for (name, value) in given.iter() {
        // An empty entry keeps the default only where a value is required.
        let keeps_default = value.is_null()
            && object.field(name).is_some_and(|field| field.required)
            && values.get(name).is_some();
        if !keeps_default {
            values.set(name, value.clone());
        }
    }
    let draft = Draft {
        before: None,
        written: &values,
        registry,
        now,
    };
    let mut errors = validate::check_new(object, &values);
    errors.extend(check_references(registry, object, &values));
    errors.extend(objects::check(&object.name, &draft));
    if !errors.is_empty() {
        return Err(ChangeError::Invalid(errors));
    }
    let derived = objects::derived(&object.name, &draft);
    for (name, value) in derived.iter() {
        values.set(name, value.clone());
    }
    let written: Values = values
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    Ok(Write {
        id,
        action: Action::Created,
        version: 1,
        changes: Vec::new(),
        tokens: Some(tokens(object, &written)),
        keys: keys(object, &written),
        references: references(object, &written),
        values: written,
    })
}

fn update(
    registry: &Registry,
    object: &Object,
    now: Timestamp,
    id: RecordId,
    given: &Values,
    stored: &Stored,
) -> Result<Option<Write>, ChangeError> {
    let given = &tidied(object, given);
    let draft = Draft {
        before: Some(&stored.values),
        written: given,
        registry,
        now,
    };
    let mut errors = validate::check_update(object, given);
    errors.extend(check_references(registry, object, given));
    errors.extend(objects::check(&object.name, &draft));
    if !errors.is_empty() {
        return Err(ChangeError::Invalid(errors));
    }
    let derived = objects::derived(&object.name, &draft);
    let before = |name: &str| stored.values.get(name).cloned().unwrap_or_default();
    let mut written = Values::new();
    let mut changes = Vec::new();
    for (name, value) in given
        .iter()
        .filter(|(name, _)| derived.get(name).is_none())
        .chain(derived.iter())
    {
        let old = before(name);
        if old != *value {
            changes.push(FieldChange {
                field: name.to_owned(),
                old,
                new: value.clone(),
            });
            written.set(name, value.clone());
        }
    }
    if written.is_empty() {
        return Ok(None);
    }
    let touches_search = object
        .searchable_fields()
        .any(|field| written.get(&field.name).is_some());
    let tokens = touches_search.then(|| {
        let mut after = stored.values.clone();
        written
            .iter()
            .for_each(|(name, value)| after.set(name, value.clone()));
        tokens(object, &after)
    });
    Ok(Some(Write {
        id,
        action: Action::Updated,
        version: stored.version + 1,
        changes,
        tokens,
        keys: object
            .fields
            .iter()
            .filter(|field| field.custom && field.indexed && written.get(&field.name).is_some())
            .map(|field| field_keys(field, &written))
            .collect(),
        references: references(object, &written),
        values: written,
    }))
}

/// Values in their one stored form: blank text and no options are no value, options stand in the field's order, each once.
fn tidied(object: &Object, given: &Values) -> Values {
    let tidy = |(name, value): (&str, &Value)| {
        let value = match value {
            Value::Text(text) if text.trim().is_empty() => Value::Null,
            Value::Choices(chosen) => tidy_choices(object.field(name), chosen),
            value => value.clone(),
        };
        (name.to_owned(), value)
    };
    given.iter().map(tidy).collect()
}

fn tidy_choices(field: Option<&Field>, chosen: &[String]) -> Value {
    let options = field.map_or(&[][..], |field| field.kind.options());
    let known = |text: &String| options.iter().any(|option| option.value == text.as_str());
    if chosen.is_empty() {
        Value::Null
    } else if chosen.iter().all(known) {
        let in_order = options.iter().map(|option| option.value.to_string());
        Value::Choices(in_order.filter(|option| chosen.contains(option)).collect())
    } else {
        // Left as it is for validation to refuse.
        Value::Choices(chosen.to_vec())
    }
}

impl Write {
    fn bare(id: RecordId, action: Action, version: i64) -> Self {
        Self {
            id,
            action,
            version,
            values: Values::new(),
            changes: Vec::new(),
            tokens: None,
            keys: Vec::new(),
            references: Vec::new(),
        }
    }
}

/// Ids that lead to an object their field doesn't allow.
fn check_references(registry: &Registry, object: &Object, values: &Values) -> Vec<FieldError> {
    values
        .iter()
        .filter_map(|(name, value)| {
            let field = object.field(name)?;
            let target = registry
                .object_of(value.as_id()?)
                .map(|object| object.name.as_ref());
            let fits = match &field.kind {
                FieldType::Relation { to } => target == Some(to),
                FieldType::AnyRelation { to } => {
                    target.is_some_and(|target| to.iter().any(|to| to == target))
                }
                _ => true,
            };
            (!fits).then(|| FieldError::new(name, Problem::NotAReference))
        })
        .collect()
}

fn references(object: &Object, written: &Values) -> Vec<(String, RecordId)> {
    written
        .iter()
        .filter(|(name, _)| {
            object
                .field(name)
                .is_some_and(|field| field.kind.is_relation())
        })
        .filter_map(|(name, value)| value.as_id().map(|id| (name.to_owned(), id)))
        .collect()
}

/// The words by which a record with these values is found.
pub fn tokens(object: &Object, values: &Values) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for field in object.searchable_fields() {
        let Some(text) = values.get(&field.name).and_then(Value::as_text) else {
            continue;
        };
        let mut add = |token: String| {
            if !token.is_empty() && tokens.len() < TOKENS_MAX && !tokens.contains(&token) {
                tokens.push(token);
            }
        };
        match field.kind {
            FieldType::Phone => add(fold::fold_phone(text)),
            FieldType::Email => {
                add(fold::fold(text));
                fold::words(text, TOKENS_MAX).into_iter().for_each(add);
            }
            _ => fold::words(text, TOKENS_MAX)
                .into_iter()
                .chain(numbers(text))
                .for_each(add),
        }
    }
    tokens
}

/// Numbers written with punctuation inside, as one word each: what [`search_words`] makes of `12345-678`.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !is_phone_character(c))
        .filter(|run| looks_like_phone(run))
        .map(fold::fold_phone)
}

fn is_phone_character(c: char) -> bool {
    c.is_ascii_digit() || " +-./()".contains(c)
}

fn looks_like_phone(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 5 && text.chars().all(is_phone_character)
}

/// The words to look for, each by its beginning; a phone number in any format is one word of its digits.
pub fn search_words(text: &str) -> Vec<String> {
    if looks_like_phone(text) {
        return vec![fold::fold_phone(text)];
    }
    if text.contains('@') && !text.trim().contains(char::is_whitespace) {
        return vec![fold::fold(text)];
    }
    fold::words(text, 8)
}

/// The index entries of all indexed custom fields of a record with these values; those without a value have none.
pub fn keys(object: &Object, values: &Values) -> Vec<FieldKeys> {
    object
        .fields
        .iter()
        .filter(|field| field.custom && field.indexed)
        .map(|field| field_keys(field, values))
        .filter(|keys| !keys.keys.is_empty())
        .collect()
}

fn field_keys(field: &Field, values: &Values) -> FieldKeys {
    let keys = match values.get(&field.name) {
        Some(Value::Choices(options)) => options.iter().cloned().map(Key::Text).collect(),
        Some(value) => value.key(&field.kind).into_iter().collect(),
        None => Vec::new(),
    };
    FieldKeys {
        field: field.id,
        unique: field.unique,
        keys,
    }
}
