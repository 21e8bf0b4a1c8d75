//! Bringing a file: what it holds, and the file itself. With script it is sent in parts, of any size up to the limit; without it one form takes
//! up to 15 MB.
//!
//! Either way nothing here holds more than one part of a file that is larger than a form.

use askama::Template;
use axum::{
    Json,
    body::Bytes,
    extract::{
        Multipart, Query,
        multipart::{MultipartError, MultipartRejection},
        rejection::{BytesRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::{Capability, ObjectClass, RecordId};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;
use serde_json::json;

use super::{Inside, PATH, arrival, own};
use crate::{
    import::{Choices, object_name, parts::PART, uploads::State},
    pages::{
        path_id::PathId,
        settings::{Fields, Submitted},
    },
    store::PgStore,
};

/// Largest file in megabytes, of text and of workbooks.
const FILE_MAX_MB: u64 = 512;
const WORKBOOK_MAX_MB: u64 = 32;
/// Largest file of one form, and where there is no object store: below what a request may have.
const FORM_MAX_MB: u64 = 15;
/// Most characters of a label.
const LABEL_MAX: usize = 80;

#[derive(Template)]
#[template(path = "imports/new.html")]
struct Page<'a> {
    locale: &'a Locale,
    /// Objects: name, label, whether chosen.
    objects: Vec<(String, String, bool)>,
    may_make: bool,
    brought: &'a Brought,
    error: Option<&'a Refused>,
    /// Largest files in megabytes: of text and of workbooks.
    most: (u64, u64),
    help: String,
    help_form: String,
    too_large: String,
    workbook_too_large: String,
}

impl Page<'_> {
    /// What is wrong in a field.
    fn field_error(&self, field: &str) -> Option<&str> {
        self.error
            .filter(|refused| refused.field == field)
            .map(|refused| refused.text.as_str())
    }
}

/// What was sent along with a file.
#[derive(Debug, Default)]
struct Brought {
    object: String,
    label: String,
    plural: String,
    name: String,
    size: u64,
}

/// What is wrong, and in which field.
#[derive(Debug)]
pub(super) struct Refused {
    field: &'static str,
    text: String,
}

/// Why a file isn't taken.
pub(super) enum Refusal {
    /// Something that the page can say.
    Said(Refused),
    /// Something else.
    Page(PageError),
}

impl<E: Into<PageError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Page(error.into())
    }
}

/// A refusal in words.
pub(super) fn refused(locale: &Locale, field: &'static str, key: &str) -> Refusal {
    Refusal::Said(Refused {
        field,
        text: locale.t(key).into_owned(),
    })
}

/// What the address may say.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    object: String,
}

/// `GET /imports/new?object=…`.
pub(crate) async fn new(inside: Inside, Query(asked): Query<Asked>) -> PageResult {
    let brought = Brought {
        object: asked.object,
        ..Brought::default()
    };
    Ok(page(&inside, StatusCode::OK, &brought, None))
}

/// Megabytes of the largest text, workbook and form.
fn most(store: &PgStore) -> [u64; 3] {
    if store.keeps_large_files() {
        [FILE_MAX_MB, WORKBOOK_MAX_MB, FORM_MAX_MB]
    } else {
        [FORM_MAX_MB; 3]
    }
}

fn page(
    inside: &Inside,
    status: StatusCode,
    brought: &Brought,
    error: Option<&Refused>,
) -> Response {
    let locale = &inside.viewer.locale;
    let objects = inside
        .registry()
        .objects()
        .filter(|object| object.class == ObjectClass::Record);
    let [text, workbook, form] = most(&inside.store);
    let page = Page {
        locale,
        objects: objects
            .map(|object| {
                (
                    object.name.to_string(),
                    locale.objects(object),
                    object.name == brought.object.as_str(),
                )
            })
            .collect(),
        may_make: inside.can(Capability::SchemaManage),
        brought,
        error,
        most: (text, workbook),
        help: locale.t2("import-file-help", ("most", text), ("workbook", workbook)),
        help_form: locale.t1("import-file-help-form", "most", form),
        too_large: locale.t1("import-file-too-large", "most", text),
        workbook_too_large: locale.t1("import-workbook-too-large", "most", workbook),
    };
    inside.page_with(status, locale.t("import-new"), &page)
}

/// `POST /imports`: a whole file in one form.
pub(crate) async fn create(
    inside: Inside,
    parts: Result<Multipart, MultipartRejection>,
) -> PageResult {
    let (brought, bytes) = read(parts.map_err(|_| PageError::Invalid)?).await?;
    match whole(&inside, &brought, bytes).await {
        Ok(id) => Ok(Redirect::to(&format!("{PATH}/{id}")).into_response()),
        Err(Refusal::Said(refused)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(page(&inside, status, &brought, Some(&refused)))
        }
        Err(Refusal::Page(error)) => Err(error),
    }
}

async fn whole(inside: &Inside, brought: &Brought, bytes: Bytes) -> Result<RecordId, Refusal> {
    let id = announce(inside, brought).await?;
    let mut rest = bytes;
    for at in 0.. {
        if rest.is_empty() {
            break;
        }
        let part = rest.split_to(rest.len().min(PART));
        inside.store.keep_brought(id, at, part).await?;
    }
    arrival::take_in(inside, id).await?;
    Ok(id)
}

/// `POST /imports/files`: a file that is about to arrive in parts.
pub(crate) async fn expect(inside: Inside, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let text = |name: &str| fields.get(name).to_owned();
    let brought = Brought {
        object: text("object"),
        label: text("label"),
        plural: text("plural"),
        name: own_name(fields.get("name")),
        size: fields.get("size").parse().map_err(|_| PageError::Invalid)?,
    };
    let announced = announce(&inside, &brought).await.map(|id| {
        let answer = Json(json!({ "id": id, "part_size": PART }));
        (StatusCode::CREATED, answer).into_response()
    });
    said(&inside.viewer.locale, announced)
}

/// Which part it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    number: usize,
}

/// `POST /imports/{id}/parts?number=…`: one part of it, in any order, as often as it takes.
pub(crate) async fn part(
    inside: Inside,
    PathId(id): PathId,
    which: Result<Query<Which>, QueryRejection>,
    content: Result<Bytes, BytesRejection>,
) -> PageResult {
    let Query(Which { number }) = which.map_err(|_| PageError::Invalid)?;
    let content = content.map_err(|_| PageError::TooLarge)?;
    let upload = own(&inside, id).await?;
    let length = u64::try_from(number)
        .ok()
        .and_then(|number| number.checked_mul(PART as u64))
        .and_then(|start| upload.bytes.checked_sub(start))
        .map(|rest| rest.min(PART as u64))
        .filter(|length| *length > 0);
    if length != u64::try_from(content.len()).ok() {
        return Err(PageError::Invalid);
    }
    if upload.state != State::Arriving {
        return Err(PageError::Conflict);
    }
    let kept = match inside.store.keep_brought(id, number, content).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(PageError::Conflict.into()),
        Err(error) => Err(error.into()),
    };
    said(&inside.viewer.locale, kept)
}

/// `POST /imports/{id}/arrival`: all of it has been sent.
pub(crate) async fn arrive(inside: Inside, PathId(id): PathId) -> PageResult {
    let taken = arrival::take_in(&inside, id).await;
    let taken = taken.map(|()| Json(json!({ "location": format!("{PATH}/{id}") })).into_response());
    said(&inside.viewer.locale, taken)
}

/// An answer for the script of the page, which shows what is wrong beside the field.
fn said(locale: &Locale, answer: Result<Response, Refusal>) -> PageResult {
    let answer = answer.map_err(|refusal| match refusal {
        Refusal::Page(PageError::Full) => refused(locale, "file", "error-full"),
        other => other,
    });
    match answer {
        Ok(response) => Ok(response),
        Err(Refusal::Said(refused)) => {
            let answer = Json(json!({ "field": refused.field, "text": refused.text }));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, answer).into_response())
        }
        Err(Refusal::Page(error)) => Err(error),
    }
}

/// Checks what is known before the first byte, and makes room for the file.
async fn announce(inside: &Inside, brought: &Brought) -> Result<RecordId, Refusal> {
    let locale = &inside.viewer.locale;
    let mut choices = Choices::default();
    if brought.object == "new" {
        if !inside.can(Capability::SchemaManage) {
            return Err(PageError::Forbidden.into());
        }
        let label = |text: &str| {
            Some(text.trim().chars().take(LABEL_MAX).collect::<String>())
                .filter(|text| !text.is_empty())
        };
        let (Some(one), Some(several)) = (label(&brought.label), label(&brought.plural)) else {
            return Err(refused(locale, "label", "import-label-missing"));
        };
        choices.new_object = Some((one, several));
    }
    let imagined = choices.imagined();
    let registry = inside.registry();
    let object = imagined
        .as_ref()
        .or_else(|| registry.object(&brought.object).map(AsRef::as_ref))
        .filter(|object| object.class == ObjectClass::Record)
        .ok_or(PageError::Invalid)?;
    if brought.name.is_empty() {
        return Err(refused(locale, "file", "import-file-missing"));
    }
    if brought.size == 0 {
        return Err(refused(locale, "file", "import-file-empty"));
    }
    let [text, workbook, _] = most(&inside.store);
    let is_workbook = brought.name.to_lowercase().ends_with(".xlsx");
    check_size(
        locale,
        brought.size,
        if is_workbook { workbook } else { text },
        is_workbook,
    )?;
    let name = choices
        .new_object
        .as_ref()
        .map_or_else(|| object.name.to_string(), |(label, _)| object_name(label));
    Ok(inside
        .store
        .expect_upload(&name, &brought.name, brought.size, &choices)
        .await?)
}

/// Refuses what is larger than so many megabytes.
fn check_size(locale: &Locale, size: u64, most_mb: u64, is_workbook: bool) -> Result<(), Refusal> {
    if size <= most_mb << 20 {
        return Ok(());
    }
    let key = if is_workbook {
        "import-workbook-too-large"
    } else {
        "import-file-too-large"
    };
    Err(Refusal::Said(Refused {
        field: "file",
        text: locale.t1(key, "most", most_mb),
    }))
}

/// The same for a workbook by what it is, whatever it is called.
pub(super) fn check_workbook(inside: &Inside, size: u64) -> Result<(), Refusal> {
    let [_, workbook, _] = most(&inside.store);
    check_size(&inside.viewer.locale, size, workbook, true)
}

async fn read(mut parts: Multipart) -> Result<(Brought, Bytes), PageError> {
    let (mut brought, mut bytes) = (Brought::default(), Bytes::new());
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" => {
                brought.name = own_name(field.file_name().unwrap_or_default());
                bytes = field.bytes().await.map_err(broken)?;
            }
            "object" => brought.object = field.text().await.map_err(broken)?,
            "label" => brought.label = field.text().await.map_err(broken)?,
            "plural" => brought.plural = field.text().await.map_err(broken)?,
            _ => {}
        }
    }
    brought.size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok((brought, bytes))
}

/// A form that is too large, or one that ends in the middle.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn broken(error: MultipartError) -> PageError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        PageError::TooLarge
    } else {
        PageError::Invalid
    }
}

/// A file's name; a path that an old browser sends with it is nobody's business.
fn own_name(given: &str) -> String {
    given
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .to_owned()
}
