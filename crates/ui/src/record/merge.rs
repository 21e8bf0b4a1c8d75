//! Two records that are one: each field is chosen from either, what referred to the other refers to the one that stays, the other is deleted.
//!
//! All of it is one step, or nothing is; the other record can be restored afterwards, and its history stays.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Change, Field, Filter, Object, Query, Record, RecordId, Value, Values};
use fieldstone_store::{ChangeError, Store, StoreError};
use http::StatusCode;

use crate::{
    error::PageError,
    form::{
        control::{Control, Kind},
        typed::Typed,
    },
    list::table::name_of,
    notice,
    request::{AtRecord, PageResult, Submitted},
    shown::{Showing, names_in},
};

/// Most records that are moved from one to the other at once.
const MOVED_MAX: usize = 1000;

/// One field on both sides.
struct Row {
    name: String,
    label: String,
    mine: String,
    theirs: String,
    /// Whether the other's value is proposed: where this one has none.
    takes_theirs: bool,
}

#[derive(Template)]
#[template(path = "record/merge.html")]
struct Page<'a, S: Store> {
    at: &'a AtRecord<S>,
    title: String,
    name: String,
    version: i64,
    /// Finds the other record.
    which: Control,
    other: Option<Other>,
    error: Option<String>,
}

struct Other {
    id: String,
    name: String,
    version: i64,
    rows: Vec<Row>,
}

/// `GET /{objects}/{id}/merge?with=…`.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    page(&at, StatusCode::OK, None).await
}

fn may<S: Store>(at: &AtRecord<S>) -> Result<(), PageError> {
    if at.may_write(&at.object) && at.may_delete(&at.object) {
        Ok(())
    } else {
        Err(PageError::Forbidden)
    }
}

async fn page<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    status: StatusCode,
    error: Option<String>,
) -> PageResult {
    may(at)?;
    let locale = &at.viewer.locale;
    let record = living(at, at.id).await?;
    let with: Option<RecordId> = at
        .parameters
        .get("with")
        .and_then(|id| id.parse().ok())
        .filter(|id: &RecordId| *id != at.id && id.prefix() == at.object.prefix_str());
    let other = match with {
        Some(id) => Some(living(at, id).await?),
        None => None,
    };
    let name = name_of(at, &at.object, &record);
    let title = locale.t1("merge-title", "name", name.as_str());
    let which = Control {
        id: "merge-with".to_owned(),
        name: "with".to_owned(),
        label: locale.t("merge-which").into_owned(),
        required: true,
        described_by: None,
        invalid: false,
        autofocus: other.is_none(),
        typed: Typed {
            id: other
                .as_ref()
                .map(|other| other.id.to_string())
                .unwrap_or_default(),
            text: other
                .as_ref()
                .map(|other| name_of(at, &at.object, other))
                .unwrap_or_default(),
            ..Typed::default()
        },
        kind: Kind::Combobox {
            options: format!("/{}/alike", at.object.plural),
        },
    };
    let page = Page {
        title: title.clone(),
        name,
        version: record.version,
        which,
        other: match &other {
            Some(other) => Some(compared(at, &record, other).await?),
            None => None,
        },
        error,
        at,
    };
    Ok(at.page_with(status, title, &page))
}

async fn living<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    id: RecordId,
) -> Result<Record, PageError> {
    let record = at.store.get(&at.object.name, id, &[]).await?;
    if record.deleted {
        Err(PageError::NotFound)
    } else {
        Ok(record)
    }
}

/// Fields in which two records differ.
fn differing<'a>(
    object: &'a Object,
    one: &'a Record,
    other: &'a Record,
) -> impl Iterator<Item = &'a Field> {
    object
        .writable_fields()
        .filter(|field| one.get(&field.name) != other.get(&field.name))
}

async fn compared<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    record: &Record,
    other: &Record,
) -> Result<Other, PageError> {
    let locale = &at.viewer.locale;
    let names = names_in(&at.store, &[record, other]).await?;
    let showing = Showing {
        locale,
        registry: at.registry(),
        names: &names,
        today: at.viewer.today(),
    };
    let words = |field: &Field, record: &Record| {
        let shown = showing.value(&at.object, field, record.get(&field.name));
        if shown.is_blank() {
            locale.t("value-none").into_owned()
        } else {
            shown.text
        }
    };
    let rows = differing(&at.object, record, other).map(|field| Row {
        name: field.name.to_string(),
        label: locale.field(&at.object, field),
        mine: words(field, record),
        theirs: words(field, other),
        takes_theirs: record.get(&field.name).is_null(),
    });
    Ok(Other {
        id: other.id.to_string(),
        name: name_of(at, &at.object, other),
        version: other.version,
        rows: rows.collect(),
    })
}

/// `POST /{objects}/{id}/merge` with `with`, both versions, and for each field `theirs` or `mine`.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    may(&at)?;
    let record = living(&at, at.id).await?;
    let number = |name: &str| {
        pairs
            .get(name)
            .and_then(|version| version.parse::<i64>().ok())
            .ok_or(PageError::Invalid)
    };
    let with: RecordId = pairs
        .get("with")
        .and_then(|id| id.parse().ok())
        .ok_or(PageError::Invalid)?;
    if with == at.id || with.prefix() != at.object.prefix_str() {
        return Err(PageError::Invalid);
    }
    let (version, other_version) = (number("version")?, number("other_version")?);
    let other = living(&at, with).await?;
    let values: Values = differing(&at.object, &record, &other)
        .filter(|field| pairs.get(&format!("take:{}", field.name)) == Some("theirs"))
        // What led from one of the two to the other would lead to itself.
        .filter(|field| other.get(&field.name).as_id() != Some(at.id))
        .map(|field| (field.name.to_string(), other.get(&field.name).clone()))
        .collect();
    let object = at.object.name.to_string();
    let mut changes = moved(&at, with).await?;
    if changes.len() > MOVED_MAX {
        return Err(PageError::TooLarge);
    }
    // The other goes first: a value that no two may have is free then.
    changes.push(Change::Delete {
        object: object.clone(),
        id: with,
        expected: Some(other_version),
    });
    if !values.is_empty() {
        changes.push(Change::Update {
            object,
            id: at.id,
            expected: Some(version),
            values,
        });
    }
    match at.store.apply(&changes).await {
        Ok(_) => {
            let page = format!("/{}/{}", at.object.plural, at.id);
            Ok(Redirect::to(&notice::address(&page, "merged_records", at.id)).into_response())
        }
        Err(StoreError::Change(_, ChangeError::Invalid(errors))) => {
            let locale = &at.viewer.locale;
            let told = errors.iter().map(|error| {
                let label = at.object.field(&error.field).map_or_else(
                    || error.field.clone(),
                    |field| locale.field(&at.object, field),
                );
                format!("{label}: {}", locale.problem(&error.problem))
            });
            let told = told.collect::<Vec<_>>().join(" ");
            page(&at, StatusCode::UNPROCESSABLE_ENTITY, Some(told)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What refers to the record that goes, led to the one that stays.
async fn moved<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    from: RecordId,
) -> Result<Vec<Change>, PageError> {
    let mut changes = Vec::new();
    for (object, field) in at.registry().relations_to(&at.object.name) {
        if !field.is_filterable() || !field.is_writable() {
            continue;
        }
        let mut query = Query::new(object.name.clone())
            .filter(Filter::equal(&field.name, Value::Id(from)))
            .limit(200);
        loop {
            let page = at.store.list(&query).await?;
            changes.extend(
                page.records
                    .iter()
                    .filter(|record| record.id != at.id)
                    .map(|record| Change::Update {
                        object: object.name.to_string(),
                        id: record.id,
                        expected: Some(record.version),
                        values: Values::new().with(field.name.to_string(), Value::Id(at.id)),
                    }),
            );
            query.cursor = page.next;
            if query.cursor.is_none() || changes.len() > MOVED_MAX {
                break;
            }
        }
    }
    Ok(changes)
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }

    fn address(&self) -> String {
        format!("/{}/{}", self.at.object.plural, self.at.id)
    }
}
