//! Files: the page that takes them, and their content.
//!
//! With script the page sends files in parts, of any size; without it one form takes up to 15 MiB.

use askama::Template;
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use axum::extract::{Query, rejection::QueryRejection};
use axum::response::{IntoResponse as _, Redirect};
use bytes::Bytes;
use fieldstone_model::{Change, RecordId, Value, Values, query::Path};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::{PageError, PageResult, Session, local_path, locale::Locale};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::path_id::PathId;
use crate::attachments::{
    Announcement, AttachmentError, AttachmentStore as _, PART_SIZE, StorageError, media_type,
};
use crate::store::PgStore;

/// Most files of one form.
const FILES_MAX: usize = 20;

impl From<AttachmentError> for PageError {
    fn from(error: AttachmentError) -> Self {
        match error {
            AttachmentError::Store(error) => error.into(),
            AttachmentError::NotThere => Self::NotFound,
            AttachmentError::Storage(StorageError::Sealed(cause)) => {
                tracing::error!(
                    cause = format!("{cause:?}"),
                    "an object could not be opened"
                );
                Self::Failed
            }
            AttachmentError::Storage(error) => {
                tracing::error!(cause = format!("{error:?}"), "the object store failed");
                Self::Busy
            }
            AttachmentError::Complete => Self::Conflict,
            _ => Self::Invalid,
        }
    }
}

#[derive(Template)]
#[template(path = "attachments/new.html")]
struct New<'a> {
    locale: &'a Locale,
    about: RecordId,
    /// The record's name and address.
    name: String,
    back: String,
    error: Option<&'static str>,
}

/// Where the files go.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    about_id: Option<String>,
    back: Option<String>,
}

/// `GET /attachments/new?about_id=…`.
pub(crate) async fn new(
    session: Session<PgStore>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> PageResult {
    let Query(asked) = asked.map_err(|_| PageError::Invalid)?;
    let about = asked.about_id.as_deref().unwrap_or_default();
    show(&session, about, asked.back.as_deref(), StatusCode::OK, None).await
}

async fn show(
    session: &Session<PgStore>,
    about: &str,
    back: Option<&str>,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let about: RecordId = about.parse().map_err(|_| PageError::NotFound)?;
    let object = session
        .registry()
        .object_of(about)
        .filter(|object| holds_files(session, &object.name))
        .ok_or(PageError::NotFound)?;
    let column = Path::from_text(&object.name_field);
    let record = session.store.get(&object.name, about, &[column]).await?;
    let locale = &session.viewer.locale;
    let page = New {
        locale,
        about,
        name: record
            .get(&object.name_field)
            .as_text()
            .unwrap_or_default()
            .to_owned(),
        back: back
            .and_then(local_path)
            .unwrap_or_else(|| format!("/{}/{about}", object.plural)),
        error,
    };
    Ok(session.page_with(status, locale.t("attachment-add"), &page))
}

/// Whether files can hang on records of this object.
fn holds_files(session: &Session<PgStore>, object: &str) -> bool {
    use fieldstone_model::FieldType::AnyRelation;
    let attachment = session.registry().object("attachment");
    let about = attachment.and_then(|attachment| attachment.field("about_id"));
    about.is_some_and(
        |field| matches!(&field.kind, AnyRelation { to } if to.iter().any(|to| to == object)),
    )
}

/// One file of a form.
struct Sent {
    name: String,
    content_type: String,
    content: Bytes,
}

/// `POST /attachments/new`: the files of a form, without script.
pub(crate) async fn create(
    session: Session<PgStore>,
    form: Result<Multipart, MultipartRejection>,
) -> PageResult {
    let mut form = form.map_err(|_| PageError::Invalid)?;
    let (mut about, mut back) = (String::new(), String::new());
    let mut files = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| refused(&error))? {
        match field.name().unwrap_or_default() {
            "about_id" => about = field.text().await.map_err(|error| refused(&error))?,
            "back" => back = field.text().await.map_err(|error| refused(&error))?,
            "file" => {
                let name = file_name(field.file_name().unwrap_or_default());
                let content_type = field.content_type().and_then(media_type);
                let content = field.bytes().await.map_err(|error| refused(&error))?;
                // A form without a chosen file has one without a name.
                if let Some(name) = name {
                    files.push(Sent {
                        name,
                        content_type: content_type
                            .unwrap_or_else(|| "application/octet-stream".to_owned()),
                        content,
                    });
                }
            }
            _ => return Err(PageError::Invalid),
        }
    }
    if files.is_empty() || files.len() > FILES_MAX {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let key = Some("attachment-choose");
        return show(&session, &about, Some(&back), status, key).await;
    }
    let about: RecordId = about.parse().map_err(|_| PageError::NotFound)?;
    let mut last = None;
    for file in files {
        last = Some(keep(&session.store, about, file).await?);
    }
    let back = local_path(&back).unwrap_or_else(|| "/attachments".to_owned());
    let joint = if back.contains('?') { '&' } else { '?' };
    let about = last.map(|id| id.to_string()).unwrap_or_default();
    Ok(Redirect::to(&format!("{back}{joint}notice=created&about={about}")).into_response())
}

fn refused(error: &MultipartError) -> PageError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        PageError::TooLarge
    } else {
        PageError::Invalid
    }
}

/// A file's own name without the folders some browsers put before it; `None` when there is none.
fn file_name(given: &str) -> Option<String> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(255).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Makes an attachment with its content; one whose content can't be kept is deleted again.
async fn keep(store: &PgStore, about: RecordId, file: Sent) -> Result<RecordId, AttachmentError> {
    let unknown = || StoreError::UnknownObject("attachment".to_owned());
    let id = store.new_id("attachment").ok_or_else(unknown)?;
    let size = u64::try_from(file.content.len()).unwrap_or(u64::MAX);
    let announcement = Announcement::new(&file.content_type, size, None)?;
    let values = Values::new()
        .with("name", Value::Text(file.name))
        .with("about_id", Value::Id(about));
    let object = "attachment".to_owned();
    let create = Change::Create { object, id, values };
    store.apply(&[create]).await?;
    let kept = fill(store, id, &announcement, &file.content).await;
    if kept.is_err() {
        let delete = Change::Delete {
            object: "attachment".to_owned(),
            id,
            expected: None,
        };
        store.apply(&[delete]).await?;
    }
    kept.map(|()| id)
}

async fn fill(
    store: &PgStore,
    id: RecordId,
    announcement: &Announcement,
    content: &Bytes,
) -> Result<(), AttachmentError> {
    let upload = store.announce(id, announcement).await?;
    let part_size = usize::try_from(PART_SIZE).unwrap_or(usize::MAX);
    for number in 0..upload.parts {
        let start = usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_mul(part_size)
            .min(content.len());
        let end = start.saturating_add(part_size).min(content.len());
        store
            .put_part(id, number, content.slice(start..end))
            .await?;
    }
    store.complete(id).await.map(drop)
}

/// `GET /attachments/{id}/content`: the content, to be saved.
pub(crate) async fn content(
    session: Session<PgStore>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> PageResult {
    let record = session.store.get("attachment", id, &[]).await?;
    let download = session.store.download(id).await?;
    let name = record.get("name").as_text().unwrap_or("file");
    let answer = download.answer(&headers, name).await;
    Ok(answer.map_err(AttachmentError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_and_nothing_before_it() {
        for (given, kept) in [
            ("plan.pdf", Some("plan.pdf")),
            ("C:\\Users\\me\\plan.pdf", Some("plan.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("a\u{0}b\n.txt", Some("ab.txt")),
            ("  ", None),
            ("folder/", None),
            ("", None),
        ] {
            assert_eq!(file_name(given).as_deref(), kept, "{given:?}");
        }
    }
}
