//! Several records at once: one field set in all of them, or all of them deleted; and the way back.
//!
//! Each record is changed on its own: what can't be changed is listed, the rest is done. What was done can be undone from the page that says so.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use fieldstone_model::{Change, Field, Filter, Query, RecordId, Value, Values, query::Path};
use fieldstone_store::{ChangeError, Store, StoreError};
use http::StatusCode;

use crate::{
    error::PageError,
    form::{control::FormField, local_path, typed::Typed},
    list::{fragment, table::name_of},
    record::old_values,
    request::{AtObject, PageResult, Pairs, Submitted},
};

/// Most records at once.
const MOST: usize = 200;

#[derive(Template)]
#[template(path = "list/bulk_edit.html")]
struct Edit<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    back: String,
    ids: Vec<String>,
    fields: Vec<(String, String, bool)>,
    chosen: Option<FormField>,
}

#[derive(Template)]
#[template(path = "list/bulk_done.html")]
struct Done<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    back: String,
    /// What can be undone: id and version.
    undoable: Vec<(String, i64)>,
    /// `deletion` or `change`.
    what: &'static str,
    failed: Vec<(String, String, String)>,
}

/// The records that are ticked, each once.
fn ids(pairs: &Pairs, prefix: &str) -> Result<Vec<RecordId>, PageError> {
    let mut ids: Vec<RecordId> = pairs
        .all("id")
        .filter_map(|id| id.parse().ok())
        .filter(|id: &RecordId| id.prefix() == prefix)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > MOST {
        return Err(PageError::TooLarge);
    }
    Ok(ids)
}

fn back<S: Store>(at: &AtObject<S>, pairs: &Pairs) -> String {
    pairs
        .get("back")
        .and_then(local_path)
        .unwrap_or_else(|| format!("/{}", at.object.plural))
}

/// Fields that can be set in many records at once.
fn settable<S>(at: &AtObject<S>) -> impl Iterator<Item = &Field> {
    at.layout
        .sections
        .iter()
        .flat_map(|section| &section.fields)
        .filter_map(|name| at.object.field(name))
        .filter(|field| field.is_writable() && !field.unique && field.name != at.object.name_field)
}

/// `POST /{objects}/bulk` with `do=edit` or `do=delete` and the ticked ids.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let ids = ids(&pairs, at.object.prefix_str())?;
    let back = back(&at, &pairs);
    if ids.is_empty() {
        return Ok(Redirect::to(&back).into_response());
    }
    match pairs.get("do") {
        Some("edit") if at.may_write(&at.object) => ask(&at, &ids, back, &pairs).await,
        Some("set") if at.may_write(&at.object) => set(&at, &ids, back, &pairs).await,
        Some("delete") if at.may_delete(&at.object) => delete(&at, &ids, back).await,
        Some("edit" | "set" | "delete") => Err(PageError::Forbidden),
        _ => Err(PageError::Invalid),
    }
}

async fn ask<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    ids: &[RecordId],
    back: String,
    pairs: &Pairs,
) -> PageResult {
    let chosen = pairs
        .get("field")
        .and_then(|name| settable(at).find(|field| field.name == name));
    let field = match chosen {
        Some(field) => {
            Some(FormField::of(at, &at.object, field, Typed::of_pairs(field, pairs), None).await?)
        }
        None => None,
    };
    Ok(edit_page(
        at,
        StatusCode::OK,
        ids,
        back,
        chosen.map(|field| field.name.as_ref()),
        field,
    ))
}

fn edit_page<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    status: StatusCode,
    ids: &[RecordId],
    back: String,
    chosen: Option<&str>,
    field: Option<FormField>,
) -> Response {
    let locale = &at.viewer.locale;
    let title = locale.t2(
        "bulk-edit-title",
        ("count", ids.len()),
        ("objects", locale.objects_in_text(&at.object)),
    );
    let page = Edit {
        title: title.clone(),
        back,
        ids: ids.iter().map(ToString::to_string).collect(),
        fields: settable(at)
            .map(|field| {
                (
                    field.name.to_string(),
                    locale.field(&at.object, field),
                    chosen == Some(field.name.as_ref()),
                )
            })
            .collect(),
        chosen: field,
        at,
    };
    let mut response = at.page_with(status, title, &page);
    response
        .headers_mut()
        .insert("hx-push-url", http::HeaderValue::from_static("false"));
    response
}

/// `GET /{objects}/bulk/field?field=…`: the control that suits a field.
pub(crate) async fn field<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    let name = at.parameters.get("field").unwrap_or_default();
    let field = settable(&at)
        .find(|field| field.name == name)
        .ok_or(PageError::NotFound)?;
    let mut made = FormField::of(&at, &at.object, field, Typed::default(), None).await?;
    made.optional = None;
    Ok(fragment(&made))
}

async fn set<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    ids: &[RecordId],
    back: String,
    pairs: &Pairs,
) -> PageResult {
    let field = pairs
        .get("field")
        .and_then(|name| settable(at).find(|field| field.name == name))
        .ok_or(PageError::Invalid)?;
    let typed = Typed::of_pairs(field, pairs);
    let value = match typed.read(at, field).await? {
        Ok(value) => value,
        Err(problem) => {
            let made = FormField::of(at, &at.object, field, typed, Some(problem)).await?;
            return Ok(edit_page(
                at,
                StatusCode::UNPROCESSABLE_ENTITY,
                ids,
                back,
                Some(&field.name),
                Some(made),
            ));
        }
    };
    let before = read(at, ids, &[&field.name]).await?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for record in before
        .iter()
        .filter(|record| *record.get(&field.name) != value)
    {
        let values = Values::new().with(field.name.to_string(), value.clone());
        let change = Change::Update {
            object: at.object.name.to_string(),
            id: record.id,
            expected: None,
            values,
        };
        match at.store.apply(&[change]).await {
            Ok(applied) => done.extend(
                applied
                    .first()
                    .map(|applied| (applied.id.to_string(), applied.version)),
            ),
            Err(StoreError::Change(_, error)) => {
                failed.push((record.id, name_of(at, &at.object, record), error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(told(at, "change", "bulk-changed", back, done, failed))
}

async fn delete<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    ids: &[RecordId],
    back: String,
) -> PageResult {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for record in read(at, ids, &[]).await? {
        let change = Change::Delete {
            object: at.object.name.to_string(),
            id: record.id,
            expected: None,
        };
        match at.store.apply(&[change]).await {
            Ok(applied) => done.extend(
                applied
                    .first()
                    .map(|applied| (applied.id.to_string(), applied.version)),
            ),
            Err(StoreError::Change(_, error)) => {
                failed.push((record.id, name_of(at, &at.object, &record), error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(told(at, "deletion", "bulk-deleted", back, done, failed))
}

/// The living ones of these records, with their names and these columns.
async fn read<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    ids: &[RecordId],
    columns: &[&str],
) -> Result<Vec<fieldstone_model::Record>, PageError> {
    let mut found = Vec::new();
    // A filter has at most a hundred values.
    for ids in ids.chunks(100) {
        let filter = Filter::In {
            path: Path::from_text("id"),
            values: ids.iter().copied().map(Value::Id).collect(),
        };
        let query = Query::new(at.object.name.clone())
            .column(&at.object.name_field)
            .columns(columns.iter().copied())
            .filter(filter)
            .limit(200);
        found.extend(at.store.list(&query).await?.records);
    }
    Ok(found)
}

fn told<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    what: &'static str,
    key: &str,
    back: String,
    done: Vec<(String, i64)>,
    failed: Vec<(RecordId, String, ChangeError)>,
) -> Response {
    let locale = &at.viewer.locale;
    let title = locale.t2(
        key,
        ("count", done.len()),
        ("objects", locale.objects_in_text(&at.object)),
    );
    let why = |error: ChangeError| match error {
        ChangeError::Invalid(errors) => errors
            .iter()
            .map(|error| {
                let label = at.object.field(&error.field).map_or_else(
                    || error.field.clone(),
                    |field| locale.field(&at.object, field),
                );
                format!("{label}: {}", locale.problem(&error.problem))
            })
            .collect::<Vec<_>>()
            .join(" "),
        _ => locale.t("bulk-not-possible").into_owned(),
    };
    let page = Done {
        title: title.clone(),
        back,
        undoable: done,
        what,
        failed: failed
            .into_iter()
            .map(|(id, name, error)| (format!("/{}/{id}", at.object.plural), name, why(error)))
            .collect(),
        at,
    };
    let mut response = at.page_with(StatusCode::OK, title, &page);
    response
        .headers_mut()
        .insert("hx-push-url", http::HeaderValue::from_static("false"));
    response
}

/// `POST /{objects}/bulk/reversal` with what was done: takes it back, where nobody has changed the record since.
pub(crate) async fn reverse<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let back = back(&at, &pairs);
    let what = pairs.get("what").unwrap_or_default();
    let allowed = if what == "deletion" {
        at.may_delete(&at.object)
    } else {
        at.may_write(&at.object)
    };
    if !allowed {
        return Err(PageError::Forbidden);
    }
    let done: Vec<(RecordId, i64)> = pairs
        .all("done")
        .filter_map(|pair| pair.split_once(':'))
        .filter_map(|(id, version)| Some((id.parse().ok()?, version.parse().ok()?)))
        .filter(|(id, _): &(RecordId, i64)| id.prefix() == at.object.prefix_str())
        .collect();
    if done.len() > MOST {
        return Err(PageError::TooLarge);
    }
    for (id, version) in done {
        let object = at.object.name.to_string();
        let change = if what == "deletion" {
            Some(Change::Restore { object, id })
        } else {
            let before =
                u64::try_from(version.saturating_add(1)).map_err(|_| PageError::Invalid)?;
            let record = at.store.get(&object, id, &[]).await?;
            let history = at.store.history(id, Some(before), 1).await?;
            let entry = history.first().filter(|entry| {
                i64::try_from(entry.sequence) == Ok(version) && entry.by == at.viewer.user_id
            });
            let values = entry
                .map(|entry| old_values(&at.object, &record, entry))
                .filter(|values| !values.is_empty());
            values.map(|values| Change::Update {
                object,
                id,
                expected: Some(record.version),
                values,
            })
        };
        match at.store.apply(change.as_slice()).await {
            // What somebody has changed since stays as it is.
            Ok(_) | Err(StoreError::Change(..)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Redirect::to(&back).into_response())
}

impl<S: Store> Edit<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }
}

impl<S: Store> Done<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }
}
