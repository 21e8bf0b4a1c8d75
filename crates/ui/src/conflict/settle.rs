//! The page of one conflict: both sides of every field, side by side, and room for a third.

use askama::Template;
use axum::http::StatusCode;
use fieldstone_model::{Object, RecordId, Value, Values};
use fieldstone_store::{
    ChangeError, StoreError,
    conflict::{ConflictKind, ConflictStore, OpenConflict, Settled, Settlement},
};

use super::{AtKey, PATH, in_words, name_of, settled};
use crate::{
    error::PageError,
    form::{control::Control, typed::Typed},
    locale::Locale,
    request::{PageResult, Session, Submitted},
    shown::Showing,
};

#[derive(Template)]
#[template(path = "conflict/conflict.html")]
struct Page<'a> {
    locale: &'a Locale,
    id: RecordId,
    name: String,
    /// Where the record is, if it is there.
    href: Option<String>,
    advice: String,
    origin: String,
    error: Option<String>,
    choice: Choice,
}

/// What there is to choose.
enum Choice {
    /// A side, or something else, for each field.
    Fields(Vec<FieldChoice>),
    /// One side for all of it; the fields are shown.
    Sides {
        mine: &'static str,
        theirs: &'static str,
        fields: Vec<FieldChoice>,
    },
}

/// One field.
struct FieldChoice {
    name: String,
    legend: String,
    seen: String,
    theirs: String,
    mine: String,
    control: Option<Control>,
    chosen: String,
    error: Option<String>,
}

/// What was chosen and typed, and what is wrong with it.
#[derive(Default)]
struct Sent {
    fields: Vec<(String, String, Typed, Option<String>)>,
    error: Option<String>,
}

/// `GET /conflicts/{id}`.
pub(crate) async fn show<S: ConflictStore + Clone + 'static>(at: AtKey<S>) -> PageResult {
    let conflict = find(&at).await?;
    respond(&at.session, &conflict, StatusCode::OK, &Sent::default()).await
}

async fn find<S: ConflictStore + Clone + 'static>(
    at: &AtKey<S>,
) -> Result<OpenConflict, PageError> {
    let id = at.key.parse().map_err(|_| PageError::NotFound)?;
    let found = at.session.store.conflict(id).await?;
    found.ok_or(PageError::NotFound)
}

/// `POST /conflicts/{id}`: settles it.
pub(crate) async fn submit<S: ConflictStore + Clone + 'static>(
    at: AtKey<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let conflict = find(&at).await?;
    let session = &at.session;
    let settlement = match (conflict.kind, pairs.get("side")) {
        (ConflictKind::Edit, None) => {
            let registry = session.registry();
            let object = registry.object(&conflict.object).cloned();
            let object = object.ok_or(PageError::NotFound)?;
            let mut sent = Sent::default();
            let mut values = Values::new();
            for field in &conflict.fields {
                let Some(known) = object.field(&field.field) else {
                    continue;
                };
                let chosen = pairs
                    .get(&format!("choose:{}", field.field))
                    .unwrap_or_default();
                let typed = Typed::of_pairs(known, &pairs);
                let error = match chosen {
                    "theirs" => None,
                    "mine" => {
                        values.set(field.field.clone(), field.wanted.clone());
                        None
                    }
                    "other" => match typed.read(session, known).await? {
                        Ok(value) => {
                            values.set(field.field.clone(), value);
                            None
                        }
                        Err(problem) => Some(problem),
                    },
                    _ => Some(session.viewer.locale.t("conflict-choose").into_owned()),
                };
                sent.fields
                    .push((field.field.clone(), chosen.to_owned(), typed, error));
            }
            if sent.fields.iter().any(|(.., error)| error.is_some()) {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return respond(session, &conflict, status, &sent).await;
            }
            if values.is_empty() {
                Settlement::Theirs
            } else {
                Settlement::Each(values)
            }
        }
        (ConflictKind::EditOfDeleted | ConflictKind::DeleteOfEdited, Some("mine")) => {
            Settlement::Mine
        }
        (_, Some("theirs")) => Settlement::Theirs,
        _ => return Err(PageError::Invalid),
    };
    match session.store.settle(conflict.id, settlement).await? {
        Settled::Done => Ok(settled("settled")),
        Settled::Gone => Ok(settled("gone")),
        Settled::Refused(error) => {
            let sent = Sent {
                error: Some(why(session, &conflict, &error)),
                ..Sent::default()
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            respond(session, &conflict, status, &sent).await
        }
    }
}

/// Why the record can't be written, as far as it can be said in the person's language.
fn why<S: ConflictStore>(
    session: &Session<S>,
    conflict: &OpenConflict,
    error: &ChangeError,
) -> String {
    let locale = &session.viewer.locale;
    let ChangeError::Invalid(errors) = error else {
        let key = match error {
            ChangeError::NotFound => "conflict-record-gone",
            ChangeError::Deleted => "conflict-record-deleted",
            _ => "conflict-refused",
        };
        return locale.t(key).into_owned();
    };
    let object = session.registry().object(&conflict.object);
    let texts: Vec<String> = errors
        .iter()
        .map(|error| {
            let label = object.and_then(|object| {
                let object: &Object = object;
                Some(locale.field(object, object.field(&error.field)?))
            });
            let problem = locale.problem(&error.problem);
            label.map_or_else(|| problem.clone(), |label| format!("{label}: {problem}"))
        })
        .collect();
    texts.join(" ")
}

async fn respond<S: ConflictStore + Clone + 'static>(
    session: &Session<S>,
    conflict: &OpenConflict,
    status: StatusCode,
    sent: &Sent,
) -> PageResult {
    let registry = session.registry();
    let object = registry.object(&conflict.object).cloned();
    let object = object.ok_or(PageError::NotFound)?;
    // What the record says now counts, not what it said when the two met.
    let record = match session.store.get(&object.name, conflict.record, &[]).await {
        Ok(record) => Some(record),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let current = |name: &str, met: &Value| {
        let record = record.as_ref()?;
        Some(
            object
                .field(name)
                .map_or_else(|| met.clone(), |_| record.get(name).clone()),
        )
    };
    let mut ids = vec![conflict.record];
    for field in &conflict.fields {
        ids.extend(
            [&field.seen, &field.current, &field.wanted]
                .map(Value::as_id)
                .into_iter()
                .flatten(),
        );
        ids.extend(current(&field.field, &field.current).and_then(|value| value.as_id()));
    }
    let names = session.store.names(&ids).await?;
    let locale = &session.viewer.locale;
    let showing = Showing {
        locale,
        registry,
        names: &names,
        today: session.viewer.today(),
    };
    let mut fields = Vec::new();
    for field in &conflict.fields {
        let Some(known) = object.field(&field.field) else {
            continue;
        };
        let earlier = sent.fields.iter().find(|(name, ..)| *name == field.field);
        let now = current(&field.field, &field.current).unwrap_or_else(|| field.current.clone());
        let typed = earlier.map_or_else(
            || Typed::of_value(locale, known, &field.wanted, &names),
            |(_, _, typed, _)| typed.clone(),
        );
        let control = if conflict.kind == ConflictKind::Edit {
            let mut control = Control::of(session, &object, known, &field.field, typed).await?;
            control.required = false;
            control.label = locale.t1(
                "conflict-other-value",
                "field",
                locale.field(&object, known),
            );
            control.invalid = earlier.is_some_and(|(.., error)| error.is_some());
            if control.invalid {
                control.described_by = Some(format!("{}-error", field.field));
            }
            Some(control)
        } else {
            None
        };
        fields.push(FieldChoice {
            name: field.field.clone(),
            legend: locale.field(&object, known),
            seen: in_words(&showing, &object, known, &field.seen),
            theirs: in_words(&showing, &object, known, &now),
            mine: in_words(&showing, &object, known, &field.wanted),
            control,
            chosen: earlier.map_or_else(String::new, |(_, chosen, ..)| chosen.clone()),
            error: earlier.and_then(|(.., error)| error.clone()),
        });
    }
    let (advice, choice) = choice_of(conflict.kind, fields);
    let name = name_of(&showing, conflict.record);
    let title = locale.t1("conflict-title", "name", name.as_str());
    let page = Page {
        locale,
        id: conflict.id,
        name,
        href: record.map(|_| format!("/{}/{}", object.plural, conflict.record)),
        advice: locale.t(advice).into_owned(),
        origin: origin(session, conflict),
        error: sent.error.clone(),
        choice,
    };
    Ok(session.page_with(status, title, &page))
}

/// What is advised, and what there is to choose.
fn choice_of(kind: ConflictKind, fields: Vec<FieldChoice>) -> (&'static str, Choice) {
    match kind {
        ConflictKind::Edit => ("conflict-advice-edit", Choice::Fields(fields)),
        ConflictKind::EditOfDeleted => (
            "conflict-advice-edit-of-deleted",
            Choice::Sides {
                mine: "conflict-restore",
                theirs: "conflict-stay-deleted",
                fields,
            },
        ),
        ConflictKind::DeleteOfEdited => (
            "conflict-advice-delete-of-edited",
            Choice::Sides {
                mine: "conflict-delete",
                theirs: "conflict-keep",
                fields,
            },
        ),
    }
}

/// Who changed it where, and when.
fn origin<S: ConflictStore>(session: &Session<S>, conflict: &OpenConflict) -> String {
    let locale = &session.viewer.locale;
    let when = locale.instant(conflict.created_at);
    let mut parts = Vec::new();
    if conflict.user != session.viewer.user_id {
        parts.extend(conflict.person.clone());
    }
    parts.extend(conflict.device.clone());
    parts.push(when);
    parts.join(" · ")
}

impl Page<'_> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.locale.t(key)
    }

    fn address(&self) -> String {
        format!("{PATH}/{}", self.id)
    }
}
