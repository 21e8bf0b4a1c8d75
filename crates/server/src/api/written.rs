//! Answers as JSON. Records are written straight into one text: lists and single records are what programs ask for most.

use axum::{body::Body, response::Response};
use fieldstone_model::Record;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION},
};
use serde::Serialize;

use super::{
    error::{ApiError, ApiResult},
    etag,
};

/// A JSON answer from a text that is JSON already.
pub(super) fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Data is never kept by caches on the way.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer from a value.
pub(super) fn value(status: StatusCode, value: &impl Serialize) -> ApiResult {
    match serde_json::to_vec(value) {
        Ok(text) => Ok(json(status, text)),
        Err(error) => Err(ApiError::from(fieldstone_store::StoreError::internal(
            error,
        ))),
    }
}

/// The answer to a request that made something: what it is, and its address.
pub(super) fn created(address: &str, made: &impl Serialize) -> ApiResult {
    let mut response = value(StatusCode::CREATED, made)?;
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    Ok(response)
}

/// An answer without a body.
pub(super) fn nothing(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A record with its entity tag.
pub(super) fn record(status: StatusCode, record: &Record) -> Response {
    let mut text = String::with_capacity(128 + 32 * record.values.len());
    record.write_json(&mut text);
    let mut response = json(status, text);
    tag(response.headers_mut(), record.version);
    response
}

/// Says which version an answer is of.
pub(super) fn tag(headers: &mut HeaderMap, version: i64) {
    headers.insert(ETAG, etag::of(version));
}
