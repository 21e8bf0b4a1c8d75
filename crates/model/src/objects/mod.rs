//! The standard objects: one file each, a table of facts and the rules that need an `if`.

mod account;
pub mod activity;
pub mod attachment;
mod call;
mod case;
mod contact;
pub mod deal;
mod deal_line;
mod event;
pub mod lead;
mod note;
mod pipeline;
mod product;
mod stage;
mod task;
mod user;

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{FieldError, Object, RecordId, Registry, Value, Values, field::Origin, object::Facts};

/// Every standard object.
pub const STANDARD: &[&Facts] = &[
    &lead::FACTS,
    &account::FACTS,
    &contact::FACTS,
    &deal::FACTS,
    &deal_line::FACTS,
    &product::FACTS,
    &task::FACTS,
    &event::FACTS,
    &call::FACTS,
    &note::FACTS,
    &attachment::FACTS,
    &case::FACTS,
    &pipeline::FACTS,
    &stage::FACTS,
    &user::FACTS,
];

/// What activities (tasks, events, calls, notes) may be about.
pub(crate) const SUBJECTS: &[Cow<'static, str>] = &[
    Cow::Borrowed("account"),
    Cow::Borrowed("contact"),
    Cow::Borrowed("deal"),
    Cow::Borrowed("lead"),
    Cow::Borrowed("case"),
];

/// A record as its rules see it: what is being written over what is there.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The values as stored; `None` for a new record.
    pub before: Option<&'a Values>,
    /// What is being written.
    pub written: &'a Values,
    /// The tenant's registry.
    pub registry: &'a Registry,
    /// When.
    pub now: Timestamp,
}

impl Draft<'_> {
    /// The value a field will have.
    pub fn get(&self, field: &str) -> &Value {
        self.written
            .get(field)
            .or_else(|| self.before.and_then(|before| before.get(field)))
            .unwrap_or(&Value::Null)
    }

    /// Whether the write changes a field (everything changes on a new record).
    pub fn changes(&self, field: &str) -> bool {
        let before = self
            .before
            .and_then(|before| before.get(field))
            .unwrap_or(&Value::Null);
        self.before.is_none() || self.written.get(field).is_some_and(|value| value != before)
    }

    fn text(&self, field: &str) -> &str {
        self.get(field).as_text().unwrap_or_default()
    }
}

/// Values a new record gets where nothing was entered, made by `me`.
pub fn defaults(
    object: &str,
    written: &Values,
    registry: &Registry,
    now: Timestamp,
    me: RecordId,
) -> Values {
    let draft = Draft {
        before: None,
        written,
        registry,
        now,
    };
    let mut values = match object {
        "deal" => deal::defaults(&draft),
        "lead" => lead::defaults(),
        "task" => task::defaults(),
        "case" => case::defaults(),
        "event" => event::defaults(&draft),
        "call" => call::defaults(&draft),
        "product" => product::defaults(),
        "deal_line" => deal_line::defaults(&draft),
        _ => Values::new(),
    };
    let known = registry.object(object);
    for field in known.iter().flat_map(|object| &object.fields) {
        if let Some(value) = field.default_value(now, me) {
            values.set(field.name.clone(), value);
        }
    }
    values
}

/// The derived fields of a record as they must be after the write.
pub fn derived(object: &str, draft: &Draft<'_>) -> Values {
    match object {
        "deal" => deal::derived(draft),
        "contact" | "lead" => person_name(draft),
        "task" => task::derived(draft),
        "case" => case::derived(draft),
        "deal_line" => deal_line::derived(draft),
        _ => Values::new(),
    }
}

/// The object's own rules. Also run during sync: an edit made offline may arrive late.
pub fn check(object: &str, draft: &Draft<'_>) -> Vec<FieldError> {
    match object {
        "deal" => deal::check(draft),
        "deal_line" => deal_line::check(draft),
        "event" => event::check(draft),
        "lead" => lead::check(draft),
        "stage" => stage::check(draft),
        "task" => task::check(draft),
        _ => Vec::new(),
    }
}

/// What follows from a record that was just written: the values of another one of the same object.
///
/// A task that repeats is followed by the next one when it is done, once; `after` is the record as it is now, and `draft` what was written
/// over what was there.
pub fn successor(object: &Object, draft: &Draft<'_>, after: &Values) -> Option<Values> {
    let is_repeated = object.name == "task"
        && draft.get("repeated_at") == &Value::DateTime(draft.now)
        && draft.changes("repeated_at");
    let due = is_repeated.then(|| task::next_date(draft)).flatten()?;
    let mut values: Values = after
        .iter()
        .filter(|(name, value)| {
            let field = object.field(name);
            !value.is_null()
                && field.is_some_and(|field| {
                    field.origin == Origin::Entered && !field.unique || *name == "owner_id"
                })
        })
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    values.set("status", Value::Text("open".to_owned()));
    values.set("due_date", Value::Date(due));
    let from = after.get("repeat_from").cloned().unwrap_or_default();
    values.set("repeat_from", from);
    Some(values)
}

/// `name` of a person, from first and last name.
fn person_name(draft: &Draft<'_>) -> Values {
    let name = [draft.text("first_name"), draft.text("last_name")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    Values::new().with("name", Value::Text(name))
}
