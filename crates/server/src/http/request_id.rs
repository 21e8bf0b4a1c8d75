//! A name for each request, in the answer and on every line of the log that belongs to it.
//!
//! The log gets the path, never the query: search terms and tokens are in it.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::telemetry::{self, traces};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// 128 random bits in hexadecimal. Always ours: an id that a client sends is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    fn new() -> Option<Self> {
        let mut bytes = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names the request (handlers find a [`RequestId`] among its extensions), logs how it ended and counts it.
pub(super) async fn identify(mut request: Request, next: Next) -> Response {
    let Some(id) = RequestId::new() else {
        return next.run(request).await;
    };
    request.headers_mut().remove(X_REQUEST_ID);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = request.uri().path());
    let method = request.method().clone();
    let parent = traces::parent(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    let pattern = route.as_ref().map(MatchedPath::as_str);
    telemetry::request(&method, pattern, status, elapsed);
    traces::request(parent, id.as_str(), &method, pattern, status, elapsed);
    span.in_scope(|| {
        if response.status().is_server_error() {
            tracing::warn!(status, ?elapsed, "answered");
        } else {
            tracing::debug!(status, ?elapsed, "answered");
        }
    });
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
