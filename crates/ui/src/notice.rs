//! A passing message at the top of the next page: what was done, and the way to undo it.
//!
//! It travels in the address (`?notice=deleted&about=…`), so it needs no session and no cookie; it names a record, never a text.

use askama::Template;
use fieldstone_model::{Record, RecordId, Value, query::Path};
use fieldstone_store::{Store, StoreError};

use crate::{layout, list::table::name_of, locale::Locale, request::Session};

/// What can be announced, with the key of its text.
const KINDS: [(&str, &str); 11] = [
    ("created", "notice-created"),
    ("saved", "notice-saved"),
    ("merged", "notice-merged"),
    ("unchanged", "notice-unchanged"),
    ("deleted", "notice-deleted"),
    ("restored", "notice-restored"),
    ("converted", "notice-converted"),
    ("moved", "notice-moved"),
    ("rescheduled", "notice-rescheduled"),
    ("reverted", "notice-reverted"),
    ("merged_records", "notice-merged_records"),
];

/// Fields that say when something is.
const WHEN: [&str; 3] = ["starts_at", "due_date", "due_time"];

/// A message with what can be done about it.
#[derive(Debug, Template)]
#[template(path = "parts/notice.html")]
pub(crate) struct Notice {
    text: String,
    dismiss: String,
    /// Where the record is, when the page isn't its own.
    open: Option<(String, String)>,
    /// Where a POST takes it back.
    undo: Option<(String, String)>,
    /// What the POST says besides: of a record, the version that undoing takes back.
    says: Vec<(String, String)>,
    back: String,
}

impl askama::filters::HtmlSafe for Notice {}

impl Notice {
    /// A message about something that a POST with these fields takes back.
    pub(crate) fn undoable(
        locale: &Locale,
        text: String,
        action: String,
        says: Vec<(String, String)>,
        back: String,
    ) -> Self {
        Self {
            text,
            dismiss: locale.t("dismiss").into_owned(),
            open: None,
            undo: Some((action, locale.t("notice-undo").into_owned())),
            says,
            back,
        }
    }

    /// The message that the request's address asks for.
    pub(crate) async fn of_request<S: Store>(
        session: &Session<S>,
    ) -> Result<Option<Self>, StoreError> {
        let locale = &session.viewer.locale;
        let Some((kind, key)) = session
            .parameters
            .get("notice")
            .and_then(|kind| KINDS.iter().find(|(known, _)| *known == kind))
        else {
            return Ok(None);
        };
        let about: Option<RecordId> = session
            .parameters
            .get("about")
            .and_then(|id| id.parse().ok());
        let object = about
            .and_then(|id| session.registry().object_of(id))
            .filter(|object| layout::has_pages(object));
        let (Some(id), Some(object)) = (about, object) else {
            return Ok(None);
        };
        let mut columns = vec![Path::from_text(&object.name_field)];
        let known = WHEN.iter().filter(|name| object.field(name).is_some());
        columns.extend(known.map(|name| Path::from_text(name)));
        let record = match session.store.get(&object.name, id, &columns).await {
            Ok(record) => record,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        // An old or made-up address announces nothing that isn't so.
        if record.deleted != (*kind == "deleted") {
            return Ok(None);
        }
        let name = name_of(session, object, &record);
        let page = format!("/{}/{id}", object.plural);
        let here = session.path == page;
        // What was deleted is restored; what was changed is set back, as long as nobody has changed it since.
        let undo = match *kind {
            "deleted" if session.may_delete(object) => Some("restoration"),
            "saved" | "moved" | "rescheduled" if session.may_write(object) => Some("reversal"),
            _ => None,
        };
        Ok(Some(Self {
            text: locale.t_with(
                key,
                &[
                    ("object", locale.object(object)),
                    ("name", name),
                    ("when", when(locale, &record)),
                ],
            ),
            dismiss: locale.t("dismiss").into_owned(),
            open: (!here && *kind != "deleted")
                .then(|| (page.clone(), locale.t("notice-open").into_owned())),
            undo: undo.map(|action| {
                (
                    format!("{page}/{action}"),
                    locale.t("notice-undo").into_owned(),
                )
            }),
            says: vec![("version".to_owned(), record.version.to_string())],
            back: format!(
                "{}{}",
                session.path,
                ["notice", "about", "moved"]
                    .iter()
                    .fold(session.parameters.clone(), |pairs, name| pairs
                        .without(name))
                    .to_query()
            ),
        }))
    }
}

/// When a task is due or an event begins.
fn when(locale: &Locale, record: &Record) -> String {
    match (
        record.get("starts_at"),
        record.get("due_date"),
        record.get("due_time"),
    ) {
        (Value::DateTime(at), ..) => locale.instant(*at),
        (_, Value::Date(day), Value::Time(at)) => {
            format!("{}, {}", locale.date(*day), locale.time(*at))
        }
        (_, Value::Date(day), _) => locale.date(*day),
        _ => String::new(),
    }
}

/// The address of `path` with a message about a record.
pub(crate) fn address(path: &str, kind: &str, about: RecordId) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}notice={kind}&about={about}")
}
