//! Synchronisation with devices. What devices say and are told are compressed JSON lines (`fieldstone_protocol`); the list of devices, which
//! people and their programs read, is JSON.

use axum::{body::Body, response::Response};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    MEDIA_TYPE,
    device::Registration,
    frame::{FrameError, Limits, encode, one_line},
    hello::Hello,
    pull::PullRequest,
    push::PushRequest,
    sighting::Sightings,
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};
use crate::sync::{Device, SyncError};

/// What a body of one line may be.
const LINE: Limits = Limits {
    lines: 1,
    bytes: 64 << 10,
};

impl From<SyncError> for ApiError {
    fn from(error: SyncError) -> Self {
        let detail = error.to_string();
        match error {
            SyncError::Store(error) => error.into(),
            SyncError::UnknownDevice => Self::new(StatusCode::FORBIDDEN, "unknown-device", detail),
            SyncError::Incompatible => {
                Self::new(StatusCode::UPGRADE_REQUIRED, "incompatible", detail)
            }
            SyncError::BadRequest(detail) => Self::bad_request("bad-sync", detail),
        }
    }
}

impl From<FrameError> for ApiError {
    fn from(error: FrameError) -> Self {
        let status = match error {
            FrameError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(
            status,
            "bad-message",
            format!("Send the message as the protocol has it: {error}."),
        )
    }
}

/// `POST /sync/hello`: 200 with the version of the protocol that both speak.
pub(super) async fn hello<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let hello: Hello = read(&call)?;
    line(StatusCode::OK, &call.store()?.hello(&hello).await?)
}

/// `GET /sync/schema`: 200 with the workspace's objects as a device needs them.
pub(super) async fn schema<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    line(StatusCode::OK, &call.store()?.describe().await?)
}

/// `POST /sync/devices`: 201 with what only this device will know.
pub(super) async fn register<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let registration: Registration = read(&call)?;
    line(
        StatusCode::CREATED,
        &call.store()?.register(&registration).await?,
    )
}

/// `GET /sync/devices`: 200 with the caller's devices.
pub(super) async fn devices<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let devices: Vec<Shown> = call
        .store()?
        .devices()
        .await?
        .into_iter()
        .map(Shown::from)
        .collect();
    written::value(StatusCode::OK, &json!({ "devices": devices }))
}

/// `DELETE /sync/devices/{id}`: 204; it gets nothing from now on.
pub(super) async fn revoke<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    let missing = || ApiError::not_found("You have no such device.");
    if call.store()?.revoke(id.map_err(|_| missing())?).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}

/// `POST /sync/pull`: 200 with a page.
pub(super) async fn pull<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let request = PullRequest::from_bytes(&call.bytes())?;
    let answer = call.store()?.pull(&request, call.environment()?).await?;
    Ok(lines(answer.to_bytes()?))
}

/// `POST /sync/push`: 200 with the results.
pub(super) async fn push<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let request = PushRequest::from_bytes(&call.bytes())?;
    let answer = call.store()?.push(&request).await?;
    Ok(lines(answer.to_bytes()?))
}

/// `POST /sync/sightings`: 204; what the device's guard has seen is in the audit log.
pub(super) async fn sightings<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let sightings: Sightings = read(&call)?;
    call.store()?.note_sightings(&sightings).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

/// The one line that the body is.
fn read<S: ApiStore, T: DeserializeOwned>(call: &Call<S>) -> Result<T, ApiError> {
    Ok(one_line(&call.bytes(), LINE)?)
}

fn line(status: StatusCode, value: &impl Serialize) -> ApiResult {
    let mut response = lines(encode([value])?);
    *response.status_mut() = status;
    Ok(response)
}

fn lines(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A device as the API shows it.
#[derive(Serialize)]
struct Shown {
    id: RecordId,
    name: String,
    platform: String,
    app: String,
    created_at: jiff::Timestamp,
    last_seen_at: jiff::Timestamp,
    revoked: bool,
}

impl From<Device> for Shown {
    fn from(device: Device) -> Self {
        let Device {
            id,
            name,
            platform,
            app,
            created_at,
            last_seen_at,
            revoked,
        } = device;
        Self {
            id,
            name,
            platform,
            app,
            created_at,
            last_seen_at,
            revoked,
        }
    }
}
