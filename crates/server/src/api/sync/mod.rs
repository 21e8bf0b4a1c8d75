//! Synchronisation with devices. What devices say and are told are compressed JSON lines (`fieldstone_protocol`); the list of devices, which
//! people and their programs read, is JSON.

use axum::{body::Body, response::Response};
use fieldstone_model::{Capability, ObjectClass, RecordId};
use fieldstone_protocol::{
    MEDIA_TYPE,
    device::{Erasure, Registration},
    frame::{FrameError, Limits, encode, one_line},
    hello::Hello,
    pull::PullRequest,
    push::{Kind, Mutation, PushRequest},
    sealed::DeliveryRequest,
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
    error::{ApiError, ApiResult, Place},
    written,
};
use crate::sync::{Counts, Device, DeviceRules, Standings, SyncError};

/// Most bytes of what a workspace asks of its devices.
const RULES_MAX: usize = 4 << 10;
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
            SyncError::Unsignable => Self::new(StatusCode::CONFLICT, "unsignable", detail),
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
    list(&call, false).await
}

/// `GET /devices`: 200 with everybody's devices.
pub(super) async fn all_devices<S: ApiStore>(call: Call<S>) -> ApiResult {
    list(&call, true).await
}

async fn list<S: ApiStore>(call: &Call<S>, everybodys: bool) -> ApiResult {
    call.parameters(&[])?;
    let devices = call.store()?.devices(everybodys).await?;
    let devices: Vec<Shown> = devices.into_iter().map(Shown::from).collect();
    written::value(StatusCode::OK, &json!({ "devices": devices }))
}

/// `DELETE /sync/devices/{id}`: 204; it gets nothing from now on.
pub(super) async fn revoke<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = device(&mut call).await?;
    if call.store()?.revoke(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(no_such_device())
    }
}

/// `POST /sync/devices/{id}/wipe`: 202; it is told at its next contact.
pub(super) async fn wipe<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = device(&mut call).await?;
    if call.store()?.wipe(id).await? {
        Ok(written::nothing(StatusCode::ACCEPTED))
    } else {
        Err(no_such_device())
    }
}

/// `GET /sync/devices/{id}/standing`, with the device's secret as a bearer token: 200 with what it may still do.
pub(super) async fn standing<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = device(&mut call).await?;
    let secret = call
        .header("authorization")?
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|secret| secret.len() <= 100)
        .ok_or_else(ApiError::not_signed_in)?;
    match standings(&call)?.of(id, secret).await {
        Ok(standing) => line(StatusCode::OK, &standing),
        Err(SyncError::UnknownDevice) => Err(ApiError::not_signed_in()),
        Err(error) => Err(error.into()),
    }
}

/// `POST /sync/devices/{id}/erasure`: 204; what the order with this receipt asked for is done.
pub(super) async fn erasure<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = device(&mut call).await?;
    let erasure: Erasure = read(&call)?;
    if erasure.receipt.is_empty() || erasure.receipt.len() > 100 {
        return Err(SyncError::UnknownDevice.into());
    }
    standings(&call)?.erased(id, &erasure.receipt).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

fn standings<S: ApiStore>(call: &Call<S>) -> Result<&Standings, ApiError> {
    let standings = call.parts.extensions.get::<Standings>();
    standings.ok_or_else(|| SyncError::UnknownDevice.into())
}

async fn device<S: ApiStore>(call: &mut Call<S>) -> Result<RecordId, ApiError> {
    let id = call.path("id").await?.parse::<RecordId>();
    call.parameters(&[])?;
    id.map_err(|_| no_such_device())
}

fn no_such_device() -> ApiError {
    ApiError::not_found("You have no such device.")
}

/// `POST /sync/sealed`: 200 with what became of each sealed change.
pub(super) async fn deliver<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let request = DeliveryRequest::from_bytes(&call.bytes())?;
    let answer = call.store()?.deliver(&request).await?;
    Ok(lines(answer.to_bytes()?))
}

/// `GET /workspace/device-policy`: 200 with what the workspace asks of its devices.
pub(super) async fn rules<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    written::value(StatusCode::OK, &json!(call.store()?.rules().await?))
}

/// `PUT /workspace/device-policy`: 200 with what it asks of them from now on.
pub(super) async fn set_rules<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let rules: DeviceRules = serde_json::from_slice(&call.json(RULES_MAX)?)
        .map_err(|error| ApiError::bad_request("bad-json", error.to_string()))?;
    if let Some(field) = rules.problem() {
        let detail = "This value is out of bounds.";
        let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
        return Err(error.with(Place::member("", field), "out_of_bounds", detail));
    }
    let store = call.store()?;
    store.set_rules(&rules).await?;
    written::value(StatusCode::OK, &json!(store.rules().await?))
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
    let store = call.store()?;
    // What a role doesn't allow is answered change by change; what a token leaves out, it never does.
    let left_out = |capability| store.user().role.can(capability) && !call.rights().can(capability);
    let deletes = |mutation: &Mutation| mutation.kind == Kind::Delete;
    let is_managed = |mutation: &Mutation| {
        let object = store.registry().object(&mutation.object);
        object.is_some_and(|object| object.class == ObjectClass::Managed)
    };
    if left_out(Capability::RecordsWrite)
        || left_out(Capability::SchemaManage) && request.mutations.iter().any(is_managed)
        || left_out(Capability::RecordsDelete) && request.mutations.iter().any(deletes)
    {
        return Err(ApiError::denied());
    }
    let answer = store.push(&request).await?;
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
    user: RecordId,
    person: String,
    name: String,
    platform: String,
    app: String,
    created_at: jiff::Timestamp,
    last_seen_at: jiff::Timestamp,
    proven: Option<bool>,
    proven_at: Option<jiff::Timestamp>,
    revoked: bool,
    revoked_at: Option<jiff::Timestamp>,
    wipe_ordered_at: Option<jiff::Timestamp>,
    erased_at: Option<jiff::Timestamp>,
    counts: Counts,
}

impl From<Device> for Shown {
    fn from(device: Device) -> Self {
        Self {
            id: device.id,
            user: device.user,
            person: device.person,
            name: device.name,
            platform: device.platform,
            app: device.app,
            created_at: device.created_at,
            last_seen_at: device.last_seen_at,
            proven: device.proven,
            proven_at: device.proven_at,
            revoked: device.revoked_at.is_some(),
            revoked_at: device.revoked_at,
            wipe_ordered_at: device.wipe_ordered_at,
            erased_at: device.erased_at,
            counts: device.counts,
        }
    }
}
