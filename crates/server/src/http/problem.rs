//! A refusal in the form of RFC 9457, for the layers around the routes. Routes have error types of their own.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

/// `application/problem+json` with a sentence for a person.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    status: u16,
    title: &'static str,
    detail: &'static str,
}

impl Problem {
    /// A problem with this status; `detail` says what to do.
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            kind: None,
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            detail,
        }
    }
}

impl Problem {
    /// A problem that programs tell from others by its `kind`, a URN.
    pub fn of_kind(status: StatusCode, kind: &'static str, detail: &'static str) -> Self {
        Self {
            kind: Some(kind),
            ..Self::new(status, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
