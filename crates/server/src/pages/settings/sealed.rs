//! `/settings/sealed`: changes that came sealed from a device and that nobody may apply for their author.

use askama::Template;
use axum::{extract::FromRequestParts, http::StatusCode, http::request::Parts};
use fieldstone_model::RecordId;
use fieldstone_protocol::push::{Kind, Mutation, Outcome};
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::Settings;
use crate::sync::{SyncError, sealed::Waiting};

const PATH: &str = "/settings/sealed";

/// What went wrong with devices, as a page.
pub(super) fn sync_page_error(error: SyncError) -> PageError {
    match error {
        SyncError::Store(error) => error.into(),
        SyncError::UnknownDevice => PageError::NotFound,
        SyncError::BadRequest(_) | SyncError::Incompatible | SyncError::Unsignable => {
            PageError::Invalid
        }
    }
}

/// Which one: the device that sealed it and its number.
pub(crate) struct Key(RecordId, i64);

impl<T: Send + Sync> FromRequestParts<T> for Key {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let parameters = axum::extract::RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| PageError::NotFound)?;
        let found = parameters.iter().find(|(name, _)| *name == "id");
        let key = found.and_then(|(_, key)| {
            let (device, number) = key.split_once('.')?;
            Some(Self(device.parse().ok()?, number.parse().ok()?))
        });
        key.ok_or(PageError::NotFound)
    }
}

struct Row {
    key: String,
    what: String,
    person: String,
    device: String,
    why: String,
    at: (String, String),
    /// Label and value of what it sets.
    wanted: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "settings/sealed.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
    error: Option<String>,
}

/// `GET /settings/sealed`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    respond(&settings, StatusCode::OK, None).await
}

/// `POST /settings/sealed/{id}/release`: applies one in the name of whoever asks.
pub(crate) async fn release(settings: Settings, Key(device, number): Key) -> PageResult {
    let outcome = settings.store.release_sealed(device, number).await;
    match outcome.map_err(sync_page_error)? {
        None => Err(PageError::NotFound),
        Some(Outcome::Applied { .. } | Outcome::Merged { .. }) => {
            Ok(Settings::done_at(PATH, "sealed-released"))
        }
        Some(Outcome::Conflict { .. }) => Ok(Settings::done_at(PATH, "sealed-conflict")),
        Some(Outcome::Rejected { rejection }) => {
            let error = settings
                .locale()
                .t1("sealed-refused", "why", rejection.message);
            respond(&settings, StatusCode::UNPROCESSABLE_ENTITY, Some(error)).await
        }
        Some(Outcome::IdTaken) => {
            let error = settings.locale().t("sealed-id-taken").into_owned();
            respond(&settings, StatusCode::UNPROCESSABLE_ENTITY, Some(error)).await
        }
    }
}

/// `POST /settings/sealed/{id}/dismissal`.
pub(crate) async fn dismiss(settings: Settings, Key(device, number): Key) -> PageResult {
    let done = settings.store.dismiss_sealed(device, number).await;
    if done.map_err(sync_page_error)? {
        Ok(Settings::done_at(PATH, "sealed-dismissed"))
    } else {
        Err(PageError::NotFound)
    }
}

async fn respond(settings: &Settings, status: StatusCode, error: Option<String>) -> PageResult {
    let waiting = settings.store.waiting_sealed(true, None).await;
    let waiting = waiting.map_err(sync_page_error)?;
    let rows = waiting.iter().map(|waiting| row(settings, waiting));
    let page = Page {
        locale: settings.locale(),
        rows: rows.collect(),
        error,
    };
    settings.page_with(status, &page)
}

fn row(settings: &Settings, waiting: &Waiting) -> Row {
    let locale = settings.locale();
    let (what, wanted) = match &waiting.mutation {
        Some(mutation) => told(settings, mutation),
        None => (locale.t("sealed-unreadable").into_owned(), Vec::new()),
    };
    let person = waiting.person.clone().unwrap_or_default();
    let why = match waiting.code.as_str() {
        "inactive" => locale.t1("sealed-why-inactive", "person", person.as_str()),
        "revoked" => locale.t("sealed-why-revoked").into_owned(),
        "forbidden" => locale.t("sealed-why-forbidden").into_owned(),
        _ => waiting.message.clone(),
    };
    Row {
        key: format!("{}.{}", waiting.device, waiting.sequence),
        what,
        person,
        device: waiting.device_name.clone().unwrap_or_default(),
        why,
        at: (
            waiting.delivered_at.to_string(),
            locale.instant(waiting.delivered_at),
        ),
        wanted,
    }
}

/// What a change does, and the values that it wants by their fields' labels.
fn told(settings: &Settings, mutation: &Mutation) -> (String, Vec<(String, String)>) {
    let locale = settings.locale();
    let object = settings.store.registry().object(&mutation.object);
    let label = object.map_or_else(|| mutation.object.clone(), |object| locale.object(object));
    let key = match mutation.kind {
        Kind::Create => "sealed-create",
        Kind::Update => "sealed-update",
        Kind::Delete => "sealed-delete",
    };
    let wanted = mutation.fields.iter().filter_map(|(name, edit)| {
        let field = object?.field(name)?;
        let text = match &edit.wanted {
            serde_json::Value::Null => return None,
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        Some((locale.field(object?, field), text))
    });
    (locale.t1(key, "object", label), wanted.collect())
}
