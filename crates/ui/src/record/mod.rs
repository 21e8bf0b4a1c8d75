//! The page of one record: its facts, what refers to it, what happened to it; deleting and restoring.

mod following;
mod inline;
mod merge;
mod related;
mod reversal;
mod timeline;

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Change, Field, Object, Record};
use fieldstone_store::{Coverage, Store, StoreError, conflict::ConflictStore};
use futures_util::try_join;

pub(crate) use following::submit as follow;
pub(crate) use inline::show as field;
pub(crate) use merge::{show as show_merge, submit as merge};
pub(crate) use reversal::{old_values, reverse};
pub(crate) use timeline::show as show_history;

use crate::{
    error::PageError,
    form::local_path,
    list::table::name_of,
    notice::{self, Notice},
    record::{related::RelatedList, timeline::Timeline},
    request::{AtRecord, PageResult, Pairs, Submitted},
    shown::{Showing, Shown, names_in},
};

#[derive(Template)]
#[template(path = "record/record.html")]
struct Page<'a, S: Store> {
    at: &'a AtRecord<S>,
    name: String,
    record: &'a Record,
    notice: Option<Notice>,
    deleted_at: Option<String>,
    highlights: Vec<Fact>,
    sections: Vec<(String, Vec<Fact>)>,
    related: Vec<RelatedList>,
    addable: Vec<(String, String)>,
    timeline: Timeline,
    /// What the timeline is narrowed to: parameter, label, whether chosen.
    shows: Vec<(String, String, bool)>,
    /// What can be added to it: address of the form, label, icon.
    composers: Vec<(String, String, &'static str)>,
    convertible: bool,
    /// Where a change of it waits for a decision.
    conflict: Option<String>,
    file: Option<File>,
    /// Whether the person is told of changes; nothing where nobody can be.
    following: Option<bool>,
}

/// What a page of a file offers besides the record.
struct File {
    /// Where the content is; `None` while it hasn't arrived.
    content: Option<String>,
    /// Whether browsers show it as an image, and it is small enough to be shown at once.
    is_image: bool,
}

impl File {
    /// Most bytes of an image that is shown on the page.
    const IMAGE_MAX: i64 = 8 << 20;

    fn of<S: Store>(at: &AtRecord<S>, record: &Record) -> Option<Self> {
        if at.object.name != "attachment" || record.deleted {
            return None;
        }
        let is_there = !record.get("stored_at").is_null();
        let is_image = record
            .get("content_type")
            .as_text()
            .is_some_and(|it| ["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&it));
        let size = record.get("size").as_int().unwrap_or(i64::MAX);
        Some(Self {
            content: is_there.then(|| format!("/attachments/{}/content", at.id)),
            is_image: is_there && is_image && size <= Self::IMAGE_MAX,
        })
    }
}

/// A field and its value.
struct Fact {
    name: String,
    label: String,
    /// Whether the person can change it here.
    changeable: bool,
    value: Shown,
}

/// `GET /{objects}/{id}`: the record, deleted or not.
pub(crate) async fn show<S: ConflictStore + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    let wanted = timeline::Wanted::read(&at.parameters);
    let shown = [&record];
    let ((names, notice, conflict, following), (related, addable), timeline) = try_join!(
        async {
            let found = try_join!(
                names_in(&at.store, &shown),
                Notice::of_request(&at),
                at.store.conflict_of(at.id),
                visited(&at),
            )?;
            Ok::<_, PageError>(found)
        },
        async {
            if record.deleted {
                return Ok((Vec::new(), Vec::new()));
            }
            related::of(&at).await
        },
        Timeline::of(&at, &wanted),
    )?;
    let locale = &at.viewer.locale;
    let showing = Showing {
        locale,
        registry: at.registry(),
        names: &names,
        today: at.viewer.today(),
    };
    let object: &Object = &at.object;
    let fact = |name: &String| {
        let field = object.field(name)?;
        Some(Fact {
            name: name.clone(),
            changeable: at.may_write(object) && field.is_writable() && !record.deleted,
            label: label_of(&at, field),
            value: showing.field_of(object, field, &record),
        })
    };
    let sections = at.layout.sections.iter().map(|section| {
        (
            section.heading(locale),
            section
                .fields
                .iter()
                .filter(|name| **name != object.name_field)
                .filter_map(fact)
                .collect::<Vec<_>>(),
        )
    });
    let name = name_of(&at, object, &record);
    let page = Page {
        notice,
        deleted_at: record.deleted.then(|| {
            showing
                .value(
                    object,
                    &fieldstone_model::object::SYSTEM_FIELDS[6],
                    record.get("deleted_at"),
                )
                .text
        }),
        highlights: at
            .layout
            .highlights
            .iter()
            .filter_map(fact)
            .filter(|fact| !fact.value.is_blank())
            .collect(),
        sections: sections
            .filter(|(_, facts)| facts.iter().any(|fact| !fact.value.is_blank()))
            .collect(),
        related,
        addable,
        timeline,
        shows: shows(&at, &wanted),
        composers: composers(&at, &record),
        convertible: object.name == "lead"
            && !record.deleted
            && record.get("status").as_text() != Some("converted")
            && at.may_write(object),
        conflict: conflict.map(|id| format!("{}/{id}", crate::conflict::PATH)),
        file: File::of(&at, &record),
        following,
        name: name.clone(),
        record: &record,
        at: &at,
    };
    Ok(at.page(name, &page))
}

/// Remembers that the person has been here; answers whether they follow the record, where that can be done.
async fn visited<S: Store>(at: &AtRecord<S>) -> Result<Option<bool>, StoreError> {
    let Some(shelf) = &at.shelf else {
        return Ok(None);
    };
    let ((), follows) = try_join!(shelf.0.visited(at.id), shelf.0.follows(at.id))?;
    Ok(Some(follows))
}

/// A field's label. A figure over the records of a store that hasn't got all of them says so.
fn label_of<S: Store>(at: &AtRecord<S>, field: &Field) -> String {
    let locale = &at.viewer.locale;
    let label = locale.field(&at.object, field);
    match at.store.coverage() {
        Coverage::Scope if field.roll_up.is_some() => {
            locale.t_with("record-figure-here", &[("label", label)])
        }
        _ => label,
    }
}

/// What the timeline can be narrowed to.
fn shows<S: Store>(at: &AtRecord<S>, wanted: &timeline::Wanted) -> Vec<(String, String, bool)> {
    let locale = &at.viewer.locale;
    let chosen = wanted.kind.as_deref();
    let mut shows = vec![(
        String::new(),
        locale.t("timeline-all").into_owned(),
        chosen.is_none(),
    )];
    for (object, _, _) in timeline::activities(at) {
        shows.push((
            object.name.to_string(),
            locale.objects(object),
            chosen == Some(object.name.as_ref()),
        ));
    }
    shows.push((
        "changes".to_owned(),
        locale.t("timeline-changes").into_owned(),
        chosen == Some("changes"),
    ));
    shows
}

/// Forms for what can be added to the timeline.
fn composers<S: Store>(at: &AtRecord<S>, record: &Record) -> Vec<(String, String, &'static str)> {
    if record.deleted {
        return Vec::new();
    }
    let here = format!("/{}/{}", at.object.plural, at.id);
    timeline::activities(at)
        .filter(|(object, _, _)| at.may_write(object))
        .map(|(object, prose, details)| {
            let pairs = Pairs::default()
                .with("about_id", at.id.to_string())
                .with("back", &here)
                .with("with", prose);
            let shown = details
                .iter()
                .filter(|name| **name != "owner_id" && **name != "status");
            let pairs = shown.fold(pairs, |pairs, name| pairs.with("with", *name));
            (
                format!("/{}/quick{}", object.plural, pairs.to_query()),
                at.viewer.locale.object(object),
                crate::layout::icon(object),
            )
        })
        .collect()
}

/// `POST /{objects}/{id}/deletion`: deletes the record; the next page offers to undo it.
pub(crate) async fn delete<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if !at.may_delete(&at.object) {
        return Err(PageError::Forbidden);
    }
    let expected = pairs
        .get("version")
        .and_then(|version| version.parse().ok());
    at.store
        .apply(&[Change::Delete {
            object: at.object.name.to_string(),
            id: at.id,
            expected,
        }])
        .await?;
    Ok(Redirect::to(&notice::address(
        &format!("/{}", at.object.plural),
        "deleted",
        at.id,
    ))
    .into_response())
}

/// `POST /{objects}/{id}/restoration`: brings a deleted record back.
pub(crate) async fn restore<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if !at.may_delete(&at.object) {
        return Err(PageError::Forbidden);
    }
    at.store
        .apply(&[Change::Restore {
            object: at.object.name.to_string(),
            id: at.id,
        }])
        .await?;
    let back = pairs
        .get("back")
        .and_then(local_path)
        .unwrap_or_else(|| format!("/{}/{}", at.object.plural, at.id));
    Ok(Redirect::to(&notice::address(&back, "restored", at.id)).into_response())
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }

    fn objects(&self) -> String {
        self.at.viewer.locale.objects(&self.at.object)
    }

    fn address(&self) -> String {
        format!("/{}/{}", self.at.object.plural, self.at.id)
    }

    fn may_write(&self) -> bool {
        self.at.may_write(&self.at.object)
    }

    /// Whether the timeline shows entries of one kind alone. Of all kinds, a device doesn't know what has happened elsewhere.
    fn is_narrowed(&self) -> bool {
        let kind = |(kind, _, chosen): &(String, String, bool)| *chosen && !kind.is_empty();
        self.shows.iter().any(kind)
    }

    fn may_delete(&self) -> bool {
        self.at.may_delete(&self.at.object)
    }
}
