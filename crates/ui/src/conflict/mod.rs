//! Conflicts: what was changed on two sides and waits for a person, one page for all of them and one for each.
//!
//! Nothing is written here that its author, or whoever settles it, could not write by hand.

mod settle;

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::{Capability, Object, RecordId, Value};
use fieldstone_store::conflict::{ConflictKind, ConflictStore, OpenConflict, PAGE, RefusedChange};

pub(crate) use settle::{show, submit};

use crate::{
    error::PageError,
    frame::html_response,
    locale::Locale,
    request::{PageResult, Session},
    shown::Showing,
};

/// Where they are.
pub(crate) const PATH: &str = "/conflicts";

#[derive(Template)]
#[template(path = "conflict/list.html")]
struct List<'a> {
    locale: &'a Locale,
    conflicts: Vec<Row>,
    refused: Vec<RefusedRow>,
    everybodys: bool,
    /// Whether there are others' to be looked at.
    manages: bool,
    next: Option<String>,
    done: Option<String>,
}

/// A conflict as the list shows it.
struct Row {
    id: RecordId,
    name: String,
    object: String,
    what: String,
    /// Whose, when it is somebody else's.
    person: Option<String>,
    device: Option<String>,
    at: (String, String),
}

/// A change that could not be applied.
struct RefusedRow {
    key: String,
    name: String,
    /// Where its record is, if it can be seen.
    href: Option<String>,
    message: String,
    device: Option<String>,
    at: (String, String),
    /// What was wanted: label and value.
    wanted: Vec<(String, String)>,
}

/// `GET /conflicts`: one's own, or everybody's.
pub(crate) async fn list<S: ConflictStore + Clone + 'static>(session: Session<S>) -> PageResult {
    let manages = session.can(Capability::UsersManage);
    let everybodys = manages && session.parameters.get("of") == Some("everybody");
    let before = session.parameters.get("before").map(str::parse);
    let before = before.transpose().map_err(|_| PageError::Invalid)?;
    let conflicts = session.store.conflicts(everybodys, before).await?;
    let refused = if everybodys || before.is_some() {
        Vec::new()
    } else {
        session.store.refused_changes().await?
    };
    let mut ids: Vec<RecordId> = conflicts.iter().map(|conflict| conflict.record).collect();
    ids.extend(refused.iter().map(|refused| refused.record));
    let wanted = refused.iter().flat_map(|refused| refused.wanted.iter());
    ids.extend(wanted.filter_map(|(_, value)| value.as_id()));
    let names = session.store.names(&ids).await?;
    let locale = &session.viewer.locale;
    let showing = Showing {
        locale,
        registry: session.registry(),
        names: &names,
        today: session.viewer.today(),
    };
    let scope = if everybodys { "of=everybody&" } else { "" };
    let last = conflicts.last().filter(|_| conflicts.len() >= PAGE);
    let next = last.map(|last| format!("{PATH}?{scope}before={}", last.id));
    let rows = conflicts
        .iter()
        .map(|conflict| row(&session, &showing, conflict));
    let page = List {
        locale,
        conflicts: rows.collect(),
        refused: refused
            .iter()
            .map(|refused| refused_row(&session, &showing, refused))
            .collect(),
        everybodys,
        manages,
        next,
        done: done(&session),
    };
    Ok(session.page(locale.t("conflicts"), &page))
}

/// What was done a moment ago.
fn done<S>(session: &Session<S>) -> Option<String> {
    let notice = session.parameters.get("notice")?;
    let text = session
        .viewer
        .locale
        .find(&format!("conflicts-done-{notice}"))?;
    Some(text.into_owned())
}

fn row<S: ConflictStore>(
    session: &Session<S>,
    showing: &Showing<'_>,
    conflict: &OpenConflict,
) -> Row {
    let locale = showing.locale;
    let object = session.registry().object(&conflict.object);
    let fields = || {
        let label = |name: &str| {
            let object: &Object = object?;
            Some(locale.field(object, object.field(name)?))
        };
        let fields = conflict.fields.iter();
        let labels: Vec<String> = fields.filter_map(|field| label(&field.field)).collect();
        labels.join(", ")
    };
    let what = match conflict.kind {
        ConflictKind::Edit => fields(),
        ConflictKind::EditOfDeleted => locale.t("conflict-edit-of-deleted").into_owned(),
        ConflictKind::DeleteOfEdited => locale.t("conflict-delete-of-edited").into_owned(),
    };
    Row {
        id: conflict.id,
        name: name_of(showing, conflict.record),
        object: object.map_or_else(String::new, |object| locale.object(object)),
        what,
        person: (conflict.user != session.viewer.user_id)
            .then(|| conflict.person.clone())
            .flatten(),
        device: conflict.device.clone(),
        at: (
            conflict.created_at.to_string(),
            locale.instant(conflict.created_at),
        ),
    }
}

/// What a record is called, or that it isn't there to be seen.
fn name_of(showing: &Showing<'_>, record: RecordId) -> String {
    let known = showing.names.get(&record).cloned();
    known.unwrap_or_else(|| showing.locale.t("conflict-record-unknown").into_owned())
}

fn refused_row<S: ConflictStore>(
    session: &Session<S>,
    showing: &Showing<'_>,
    refused: &RefusedChange,
) -> RefusedRow {
    let locale = showing.locale;
    let object = session.registry().object(&refused.object);
    let wanted = refused.wanted.iter().filter_map(|(name, value)| {
        let object: &Object = object?;
        let field = object.field(name)?;
        Some((
            locale.field(object, field),
            in_words(showing, object, field, value),
        ))
    });
    let known = showing.names.contains_key(&refused.record);
    RefusedRow {
        key: refused.key.clone(),
        name: name_of(showing, refused.record),
        href: object
            .filter(|_| known)
            .map(|object| format!("/{}/{}", object.plural, refused.record)),
        message: refused.message.clone(),
        device: refused.device.clone(),
        at: (refused.at.to_string(), locale.instant(refused.at)),
        wanted: wanted.collect(),
    }
}

/// A value in words; that there is none, in words too.
fn in_words(
    showing: &Showing<'_>,
    object: &Object,
    field: &fieldstone_model::Field,
    value: &Value,
) -> String {
    let shown = showing.value(object, field, value);
    if shown.is_blank() {
        showing.locale.t("value-none").into_owned()
    } else {
        shown.text
    }
}

#[derive(Template)]
#[template(path = "conflict/count.html")]
struct Count {
    label: String,
    count: String,
}

/// `GET /conflicts/count`: the entry of the navigation, when there is something to be settled.
pub(crate) async fn count<S: ConflictStore + Clone + 'static>(session: Session<S>) -> PageResult {
    let count = session.store.conflict_count().await?;
    let html = if count == 0 {
        String::new()
    } else {
        let locale = &session.viewer.locale;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Count {
            label: locale.t("conflicts").into_owned(),
            count: locale.number(count, 0),
        }
        .render()?
    };
    Ok(html_response(http::StatusCode::OK, html))
}

/// A request about one thing that waits.
pub(crate) struct AtKey<S> {
    pub(crate) session: Session<S>,
    pub(crate) key: String,
}

impl<S, T> FromRequestParts<T> for AtKey<S>
where
    S: ConflictStore + Clone + Send + Sync + 'static,
    T: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let session = Session::from_request_parts(parts, state).await?;
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| PageError::NotFound)?;
        let key = parameters.iter().find(|(name, _)| *name == "id");
        let key = key.ok_or(PageError::NotFound)?.1.to_owned();
        Ok(Self { session, key })
    }
}

/// `POST /conflicts/{id}/dismissal`: gives up a change that could not be applied.
pub(crate) async fn dismiss<S: ConflictStore + Clone + 'static>(at: AtKey<S>) -> PageResult {
    if at.session.store.give_up(&at.key).await? {
        Ok(settled("given-up"))
    } else {
        Err(PageError::NotFound)
    }
}

/// Back to the list, which says what was done; the navigation counts anew.
fn settled(notice: &str) -> Response {
    let to = Redirect::to(&format!("{PATH}?notice={notice}"));
    ([("hx-trigger-after-settle", "conflicts-changed")], to).into_response()
}
