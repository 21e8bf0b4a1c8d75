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

/// One try of a call, under its idempotency key if it has one.
pub(super) struct Attempt {
    key: Option<(String, [u8; 32])>,
}

/// Whether a call has yet to be answered.
pub(super) enum Begun {
    /// It has.
    Fresh(Attempt),
    /// It was answered before, like this.
    Answered(Response),
}

/// What applying came to.
pub(super) enum Effect {
    /// It was done now.
    Applied(Vec<Applied>),
    /// It was done before; this was answered then.
    Before(Response),
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    KEPT_HEADERS.iter().filter_map(text).collect()
}

impl Attempt {
    /// Looks whether a call with this key and body has been answered.
    pub(super) async fn begin<S: ApiStore>(call: &Call<S>, body: &[u8]) -> Result<Begun, ApiError> {
        let attempt = Self {
            key: key(call, body)?,
        };
        let Some((key, request)) = &attempt.key else {
            return Ok(Begun::Fresh(attempt));
        };
        match call.store()?.kept(key, *request).await? {
            Some(outcome) => repeated(outcome).map(Begun::Answered),
            None => Ok(Begun::Fresh(attempt)),
        }
    }

    /// Keeps the whole answer under the key.
    pub(super) async fn finish<S: OnceStore>(self, store: &S, response: Response) -> ApiResult {
        let Some((key, _)) = &self.key else {
            return Ok(response);
        };
        let (parts, body) = response.into_parts();
        // Our own answer, in memory already.
        let bytes = to_bytes(body, BATCH_BYTES_MAX)
            .await
            .map_err(StoreError::internal)?;
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

    /// Applies changes, once. `status` and `location` are what a repeated call is told if the whole answer isn't kept.
    pub(super) async fn apply<S: OnceStore>(
        &self,
        store: &S,
        changes: &[Change],
        status: StatusCode,
        location: &str,
        refuse: impl FnOnce(StoreError) -> ApiError + Send,
    ) -> Result<Effect, ApiError> {
        let Some((key, request)) = &self.key else {
            return store
                .apply(changes)
                .await
                .map(Effect::Applied)
                .map_err(refuse);
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
    if !(1..=255).contains(&key.len())
        || !key
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    {
        let detail = "Send 1 to 255 visible ASCII characters, such as a UUID.";
        let error =
            ApiError::bad_request("bad-idempotency-key", "This idempotency key can't be used.");
        return Err(error.with(Place::header("Idempotency-Key"), "bad_key", detail));
    }
    let mut request = format!("{} {}\n", call.parts.method, call.parts.uri.path()).into_bytes();
    request.extend_from_slice(body);
    let hash = digest(&SHA256, &request);
    let mut fixed = [0; 32];
    fixed
        .iter_mut()
        .zip(hash.as_ref())
        .for_each(|(to, from)| *to = *from);
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
