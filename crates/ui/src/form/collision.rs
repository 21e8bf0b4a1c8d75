//! Two people changed the same record: what fits is merged, what collides is shown field by field to the one who saves last.

use askama::Template;
use axum::http::StatusCode;
use fieldstone_model::{
    Change, Field, FieldType, Object, Record, RecordId, Value, Values,
    merge::{Conflict, merge},
};
use fieldstone_store::{ChangeError, FieldChange, HistoryEntry, Store, StoreError};

use super::{control::Choosable, stored, typed::Typed};
use crate::{
    list::table::name_of,
    request::{AtRecord, PageResult},
    shown::Showing,
};

/// Saves that find the record moved on are tried again this often before giving up.
const ATTEMPTS: usize = 3;
/// Most changes of others that are listed.
const ENTRIES_MAX: u32 = 50;

/// What became of a save.
pub(crate) enum Saved {
    /// Nobody else had changed the record.
    Plainly,
    /// Others had, elsewhere in the record.
    Merged,
    /// Others had, in the same fields: a person must choose.
    Not(Box<Collided>),
}

/// A save that collided.
pub(crate) struct Collided {
    current: Record,
    conflicts: Vec<Conflict>,
    /// The rest of what is wanted, which collides with nothing.
    rest: Values,
}

/// Writes `wanted`, which was made from `seen` at `version`.
pub(crate) async fn save<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    version: i64,
    seen: &Values,
    wanted: &Values,
) -> Result<Saved, StoreError> {
    let (mut expected, mut values) = (version, wanted.clone());
    for _ in 0..ATTEMPTS {
        let change = Change::Update {
            object: at.object.name.to_string(),
            id: at.id,
            expected: Some(expected),
            values: values.clone(),
        };
        match at.store.apply(&[change]).await {
            Err(StoreError::Change(_, ChangeError::Stale { .. })) => {}
            Ok(_) => {
                return Ok(if expected == version {
                    Saved::Plainly
                } else {
                    Saved::Merged
                });
            }
            Err(error) => return Err(error),
        }
        let current = at.store.get(&at.object.name, at.id, &[]).await?;
        let merged = merge(&at.object, seen, &stored(&at.object, &current), wanted);
        if !merged.conflicts.is_empty() {
            return Ok(Saved::Not(Box::new(Collided {
                current,
                conflicts: merged.conflicts,
                rest: merged.apply,
            })));
        }
        if merged.apply.is_empty() {
            return Ok(Saved::Merged);
        }
        (expected, values) = (current.version, merged.apply);
    }
    Err(StoreError::Busy)
}

#[derive(Template)]
#[template(path = "form/collision.html")]
struct Page<'a> {
    locale: &'a crate::locale::Locale,
    title: String,
    list: (String, String),
    record: (String, String),
    version: i64,
    advice: String,
    fields: Vec<Choice>,
    /// Sent along unchanged: name and value.
    hidden: Vec<(String, String)>,
    /// What others changed that collides with nothing: label, before, after.
    others: Vec<(String, String, String)>,
}

/// One field to settle: the other's value, and one's own.
struct Choice {
    name: String,
    legend: String,
    before: String,
    theirs: Choosable,
    mine: Choosable,
    /// Value of the hidden field that says what was seen; now it is theirs.
    was: String,
}

/// Shows both values of every field that collided.
pub(crate) async fn respond<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    collided: &Collided,
    version: i64,
) -> PageResult {
    let locale = &at.viewer.locale;
    let object = &at.object;
    let since = u32::try_from(collided.current.version - version)
        .unwrap_or(ENTRIES_MAX)
        .clamp(1, ENTRIES_MAX);
    let entries = at.store.history(at.id, None, since).await?;
    let names = at.store.names(&referred(collided, &entries)).await?;
    let showing = Showing {
        locale,
        registry: at.registry(),
        names: &names,
        today: at.viewer.today(),
    };
    let who = entries
        .first()
        .and_then(|entry| names.get(&entry.by))
        .cloned()
        .unwrap_or_else(|| locale.t("person-unknown").into_owned());
    let name = name_of(at, object, &collided.current);
    let title = locale.t1("collision-title", "name", name.as_str());
    let page = Page {
        title: title.clone(),
        list: (format!("/{}", object.plural), locale.objects(object)),
        record: (format!("/{}/{}", object.plural, at.id), name),
        version: collided.current.version,
        advice: locale.t1("collision-advice", "person", who),
        fields: collided
            .conflicts
            .iter()
            .filter_map(|conflict| choice(object, &showing, conflict))
            .collect(),
        hidden: hidden(object, &showing, collided),
        others: others(object, &showing, collided, &entries),
        locale,
    };
    Ok(at.page_with(StatusCode::CONFLICT, title, &page))
}

/// Every record whose name the page needs.
fn referred(collided: &Collided, entries: &[HistoryEntry]) -> Vec<RecordId> {
    let conflicting = collided
        .conflicts
        .iter()
        .flat_map(|conflict| [&conflict.seen, &conflict.current, &conflict.wanted]);
    let changed = entries
        .iter()
        .flat_map(|entry| &entry.fields)
        .flat_map(|change| [&change.old, &change.new]);
    let people = entries.iter().map(|entry| entry.by);
    conflicting
        .chain(changed)
        .filter_map(Value::as_id)
        .chain(people)
        .collect()
}

fn choice(object: &Object, showing: &Showing<'_>, conflict: &Conflict) -> Option<Choice> {
    let field = object.field(&conflict.field)?;
    let choosable = |value| Choosable {
        value: sent(showing, field, value),
        label: in_words(object, showing, field, value),
        chosen: false,
    };
    Some(Choice {
        name: field.name.to_string(),
        legend: showing.locale.field(object, field),
        before: showing.locale.t1(
            "collision-before",
            "value",
            in_words(object, showing, field, &conflict.seen),
        ),
        theirs: choosable(&conflict.current),
        mine: choosable(&conflict.wanted),
        was: conflict.current.to_plain(&field.kind),
    })
}

/// What collides with nothing, as hidden fields.
fn hidden(object: &Object, showing: &Showing<'_>, collided: &Collided) -> Vec<(String, String)> {
    let mut hidden = vec![("choose".to_owned(), "1".to_owned())];
    for (name, value) in collided.rest.iter() {
        let Some(field) = object.field(name) else {
            continue;
        };
        hidden.push((
            format!("was:{name}"),
            collided.current.get(name).to_plain(&field.kind),
        ));
        hidden.push((name.to_owned(), sent(showing, field, value)));
    }
    hidden
}

/// What others changed in other fields: label, before, after.
fn others(
    object: &Object,
    showing: &Showing<'_>,
    collided: &Collided,
    entries: &[HistoryEntry],
) -> Vec<(String, String, String)> {
    let is_settled = |change: &FieldChange| {
        collided
            .conflicts
            .iter()
            .any(|conflict| conflict.field == change.field)
    };
    let changes = entries
        .iter()
        .rev()
        .flat_map(|entry| &entry.fields)
        .filter(|change| !is_settled(change));
    changes
        .filter_map(|change| {
            let field = object.field(&change.field)?;
            let words = |value| in_words(object, showing, field, value);
            Some((
                showing.locale.field(object, field),
                words(&change.old),
                words(&change.new),
            ))
        })
        .collect()
}

fn in_words(object: &Object, showing: &Showing<'_>, field: &Field, value: &Value) -> String {
    let shown = showing.value(object, field, value);
    if shown.is_blank() {
        showing.locale.t("value-none").into_owned()
    } else {
        shown.text
    }
}

/// A value as the form's own control would send it.
fn sent(showing: &Showing<'_>, field: &Field, value: &Value) -> String {
    let typed = Typed::of_value(showing.locale, field, value, showing.names);
    match &field.kind {
        FieldType::MultiChoice { .. } => typed.chosen.join(";"),
        // To the second, since both sides may differ by less than a control shows.
        FieldType::DateTime | FieldType::Time => value.to_plain(&field.kind),
        kind if kind.is_relation() => typed.id,
        _ => typed.text,
    }
}
