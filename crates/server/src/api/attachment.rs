//! The content of attachments: uploaded in parts, downloaded whole or in ranges.

use fieldstone_model::{Object, RecordId};
use fieldstone_store::StoreError;
use http::StatusCode;
use serde::Deserialize;

use super::{
    ApiStore, body,
    call::Call,
    error::{ApiError, ApiResult, Place},
    written,
};
use crate::attachments::{Announcement, AttachmentError, StorageError};

/// Most bytes of an announcement.
const ANNOUNCEMENT_BYTES_MAX: usize = 4 * 1024;

impl From<AttachmentError> for ApiError {
    fn from(error: AttachmentError) -> Self {
        let detail = error.to_string();
        match error {
            AttachmentError::Store(error) => error.into(),
            AttachmentError::Storage(error) => error.into(),
            AttachmentError::NotThere => Self::new(StatusCode::NOT_FOUND, "no-content", detail),
            AttachmentError::Complete => Self::new(StatusCode::CONFLICT, "complete", detail),
            AttachmentError::BadAnnouncement(detail) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
            }
            AttachmentError::BadPart { .. } => Self::bad_request("bad-part", detail),
            AttachmentError::Missing(parts) => {
                let refusal = Self::new(StatusCode::CONFLICT, "parts-missing", detail);
                parts.iter().take(100).fold(refusal, |refusal, part| {
                    let place = Place::Pointer(format!("/parts/{part}"));
                    refusal.with(place, "missing", format!("Part {part} hasn't arrived."))
                })
            }
            AttachmentError::Different => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "different", detail)
            }
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        let detail = error.to_string();
        match &error {
            StorageError::None => Self::new(StatusCode::NOT_IMPLEMENTED, "no-object-store", detail),
            StorageError::Sealed(_) => {
                tracing::error!(
                    cause = format!("{error:?}"),
                    "an object could not be opened"
                );
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
            }
            _ => {
                tracing::error!(cause = format!("{error:?}"), "the object store failed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "object-store", detail)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announced {
    content_type: String,
    size: u64,
    sha256: Option<String>,
}

/// `POST /records/attachment/{id}/upload`: 200 with how the upload stands; an equal announcement goes on with it.
pub(super) async fn announce<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = attachment(&mut call).await?;
    call.parameters(&[])?;
    let members = body::object(&call.json(ANNOUNCEMENT_BYTES_MAX)?)?;
    let announced: Announced = serde_json::from_value(members.into()).map_err(|error| {
        ApiError::bad_request(
            "bad-announcement",
            format!("Send content_type, size and, if you know it, sha256: {error}."),
        )
    })?;
    let announcement = Announcement::new(
        &announced.content_type,
        announced.size,
        announced.sha256.as_deref(),
    )?;
    let upload = call.store()?.announce(id, &announcement).await?;
    written::value(StatusCode::OK, &upload)
}

/// `GET /records/attachment/{id}/upload`: 200 with the parts that have arrived.
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = attachment(&mut call).await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &call.store()?.upload_state(id).await?)
}

/// `PUT /records/attachment/{id}/upload/parts/{number}`: 204 once the part is kept.
pub(super) async fn put<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = attachment(&mut call).await?;
    let number = call.path("number").await?;
    call.parameters(&[])?;
    let number = number
        .parse()
        .map_err(|_| ApiError::not_found("There is no such part."))?;
    call.store()?.put_part(id, number, call.bytes()).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

/// `POST /records/attachment/{id}/upload/completion`: 200 with how the upload stands, once all of it was checked.
pub(super) async fn complete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = attachment(&mut call).await?;
    call.parameters(&[])?;
    written::value(StatusCode::OK, &call.store()?.complete(id).await?)
}

/// `GET /records/attachment/{id}/content`: the content, or a range of it (`Range`). `If-None-Match` saves the body.
pub(super) async fn content<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = attachment(&mut call).await?;
    call.parameters(&[])?;
    let store = call.store()?;
    let record = store.get("attachment", id, &[]).await?;
    let download = store.download(id).await?;
    let name = record.get("name").as_text().unwrap_or("file");
    Ok(download.answer(&call.parts.headers, name).await?)
}

/// The attachment that the path names.
async fn attachment<S: ApiStore>(call: &mut Call<S>) -> Result<RecordId, ApiError> {
    let id = call.path("id").await?.parse::<RecordId>().ok();
    let unknown = || StoreError::UnknownObject("attachment".to_owned());
    let object = call.store()?.registry().object("attachment");
    let prefix = object.map(|object: &std::sync::Arc<Object>| object.prefix_str().to_owned());
    let prefix = prefix.ok_or_else(unknown)?;
    id.filter(|id| id.prefix() == prefix)
        .ok_or_else(ApiError::no_such_record)
}
