//! Idempotency keys: a POST that is sent again with the same key has one effect, and gets the first answer again.
//!
//! The key is kept in the same transaction as the effect. The answer's body is added to it afterwards: if that is missed, a repeated
//! call is told where the result is instead.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use fieldstone_model::Change;
use fieldstone_store::{
    Applied, StoreError,
    once::{Answer, Once, OnceStore, Outcome},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ETAG, LOCATION},
};

use super::{
    ApiStore, BATCH_BYTES_MAX,
    call::Call,
    error::{ApiError, ApiResult, Place},
    written,
};

/// Headers that are part of an answer; the others are added to every answer anew.
const KEPT_HEADERS: [HeaderName; 2] = [LOCATION, ETAG];

/// What a call with an idempotency key may do.
pub(super) struct Attempt {
    key: Option<(String, [u8; 32])>,
}

/// What applying came to.
pub(super) enum Effect {
    /// It was done now.
    Applied(Vec<Applied>),
    /// It was done before; this was answered then.
    Before(Response),
}

/// Runs `handler` unless the call's key has been answered already, and keeps its answer under the key.
pub(super) async fn answer<S: ApiStore>(
    call: &Call<S>,
    body: &[u8],
    handler: impl AsyncFnOnce(&Attempt) -> ApiResult,
) -> ApiResult {
    let attempt = Attempt {
        key: key(call, body)?,
    };
    let Some((key, request)) = &attempt.key else {
        return handler(&attempt).await;
    };
    let store = call.store()?;
    if let Some(outcome) = store.kept(key, *request).await? {
        return repeated(outcome);
    }
    let response = handler(&attempt).await?;
    let (parts, body) = response.into_parts();
    // Our own answer, in memory already.
    let bytes = to_bytes(body, BATCH_BYTES_MAX).await.map_err(StoreError::internal)?;
    let kept = Answer {
        status: parts.status.as_u16(),
        headers: kept_headers(&parts.headers),
        body: bytes.to_vec(),
    };
    if let Err(error) = store.keep(key, &kept).await {
        // The effect stands, and so does the answer.
        tracing::warn!(%error, "an answer wasn't kept under its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    KEPT_HEADERS.iter().filter_map(text).collect()
}

impl Attempt {
    /// Applies changes, once. `status` and `location` are what a repeated call is told if the whole answer isn't kept.
    pub(super) async fn apply<S: OnceStore>(
        &self,
        store: &S,
        changes: &[Change],
        status: StatusCode,
        location: &str,
        refuse: impl FnOnce(StoreError) -> ApiError,
    ) -> Result<Effect, ApiError> {
        let Some((key, request)) = &self.key else {
            return store.apply(changes).await.map(Effect::Applied).map_err(refuse);
        };
        let headers = if location.is_empty() {
            Vec::new()
        } else {
            vec![("location".to_owned(), location.to_owned())]
        };
        let once = Once {
            key: key.clone(),
            request: *request,
            answer: Answer {
                status: status.as_u16(),
                headers,
                body: Vec::new(),
            },
        };
        match store.apply_once(&once, changes).await.map_err(refuse)? {
            Outcome::Applied(applied) => Ok(Effect::Applied(applied)),
            outcome => repeated(outcome).map(Effect::Before),
        }
    }
}

/// The key, and a hash of what it is used for.
fn key<S: ApiStore>(call: &Call<S>, body: &[u8]) -> Result<Option<(String, [u8; 32])>, ApiError> {
    let Some(key) = call.header("idempotency-key")? else {
        return Ok(None);
    };
    if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        let detail = "Send 1 to 255 visible ASCII characters, such as a UUID.";
        let error = ApiError::bad_request("bad-idempotency-key", "This idempotency key can't be used.");
        return Err(error.with(Place::header("Idempotency-Key"), "bad_key", detail));
    }
    let mut request = format!("{} {}\n", call.parts.method, call.parts.uri.path()).into_bytes();
    request.extend_from_slice(body);
    let hash = digest(&SHA256, &request);
    let mut fixed = [0; 32];
    fixed.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    Ok(Some((key.to_owned(), fixed)))
}

fn repeated(outcome: Outcome) -> ApiResult {
    match outcome {
        Outcome::Before(answer) => Ok(replayed(&answer)),
        _ => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "This idempotency key was used for another request. Make a new one.",
        )
        .with(
            Place::header("Idempotency-Key"),
            "reused",
            "Use each key for one request only.",
        )),
    }
}

fn replayed(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = if answer.body.is_empty() {
        written::nothing(status)
    } else {
        written::json(status, answer.body.clone())
    };
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
