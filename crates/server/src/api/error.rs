//! Refusals as `application/problem+json` (RFC 9457), and what becomes which: the only `IntoResponse` for errors of the API.
//!
//! A refusal says what to do. It never shows a cause, a constraint or a statement.

use std::borrow::Cow;

use axum::response::{IntoResponse as _, Response};
use fieldstone_model::{FieldError, query::QueryError};
use fieldstone_store::{ChangeError, StoreError};
use http::{
    Extensions, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use super::etag;
use crate::{http::RequestId, schema::SchemaError};

/// What a handler answers.
pub(super) type ApiResult = Result<Response, ApiError>;

/// A refusal.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// Stable; the last part of the problem's type.
    code: &'static str,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    current_version: Option<i64>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    #[serde(flatten)]
    place: Place,
    code: Cow<'static, str>,
    detail: String,
}

/// Where something is wrong.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// In the body, as a JSON pointer (RFC 6901).
    Pointer(String),
    /// In a query parameter.
    Parameter(String),
    /// In a header.
    Header(String),
}

impl Place {
    /// A member of the body, below `base`.
    pub(super) fn member(base: &str, name: &str) -> Self {
        Self::Pointer(format!(
            "{base}/{}",
            name.replace('~', "~0").replace('/', "~1")
        ))
    }

    pub(super) fn parameter(name: &str) -> Self {
        Self::Parameter(name.to_owned())
    }

    pub(super) fn header(name: &str) -> Self {
        Self::Header(name.to_owned())
    }
}

/// The wire form.
#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl ApiError {
    /// A refusal with this status, stable code and sentence for a person.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            faults: Vec::new(),
            current_version: None,
            headers: Vec::new(),
        }
    }

    /// Adds what is wrong and where.
    pub(super) fn with(
        mut self,
        place: Place,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        self.faults.push(Fault {
            place,
            code: code.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds problems of fields, as members below `base`.
    pub(super) fn with_fields(mut self, base: &str, errors: &[FieldError]) -> Self {
        for error in errors {
            self = self.with(
                Place::member(base, &error.field),
                error.problem.code(),
                error.problem.to_string(),
            );
        }
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A query parameter that can't be used.
    pub(super) fn bad_parameter(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::bad_request("bad-parameter", detail.clone()).with(
            Place::parameter(name),
            code,
            detail,
        )
    }

    pub(super) fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-signed-in",
            "Sign in, or send an API token as a bearer token.",
        )
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(super) fn denied() -> Self {
        Self::from(StoreError::Denied)
    }

    pub(super) fn session_needed() -> Self {
        let detail = "A program with a token can't do this. Sign in as a person.";
        Self::new(StatusCode::FORBIDDEN, "session-needed", detail)
    }

    pub(super) fn proof_needed() -> Self {
        let detail = "Prove first who you are, with your password or a code, and try again.";
        Self::new(StatusCode::FORBIDDEN, "proof-required", detail)
    }

    pub(super) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn no_such_record() -> Self {
        Self::from_change(&ChangeError::NotFound, "")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This address doesn't take this method. The header Allow lists those it takes.",
        )
    }

    /// Values that can't be stored.
    pub(super) fn invalid(base: &str, errors: &[FieldError]) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Some values can't be stored.",
        )
        .with_fields(base, errors)
    }

    /// A record that has moved on since the caller saw it.
    pub(super) fn stale(status: StatusCode, current: i64) -> Self {
        let mut error = Self::new(status, "stale", ChangeError::Stale { current }.to_string());
        error.current_version = Some(current);
        error.with_header(ETAG, etag::of(current))
    }

    /// A refused change whose values stand below `base` in the body.
    pub(super) fn from_change(error: &ChangeError, base: &str) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Invalid(errors) => Self::invalid(base, errors),
            ChangeError::Stale { current } => {
                Self::stale(StatusCode::PRECONDITION_FAILED, *current)
            }
            ChangeError::NotFound => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            ChangeError::Deleted => Self::new(StatusCode::CONFLICT, "deleted", detail),
            ChangeError::IdTaken => Self::new(StatusCode::CONFLICT, "id-taken", detail),
            ChangeError::WrongObject => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-object", detail)
            }
            // A device that is told so keeps what it has: 401 and 403 would sign it out, 404 and 409 say that a file needn't be sent.
            ChangeError::Full => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "workspace-full", detail)
            }
            _ => Self::new(StatusCode::FORBIDDEN, "read-only", detail),
        }
    }

    /// The answer to a request with these extensions.
    pub(super) fn respond(&self, extensions: &Extensions) -> Response {
        self.respond_to(extensions.get::<RequestId>())
    }

    /// The answer to the request of this name.
    pub(super) fn respond_to(&self, request: Option<&RequestId>) -> Response {
        let wire = Wire {
            kind: format!("urn:fieldstone:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.faults,
            current_version: self.current_version,
            request_id: request.map(RequestId::as_str),
        };
        // Texts and numbers always serialise.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        let busy = |seconds: &'static str| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Self::new(status, "busy", detail.clone())
                .with_header(RETRY_AFTER, HeaderValue::from_static(seconds))
        };
        match error {
            StoreError::Query(error) => error.into(),
            StoreError::UnknownObject(_) => {
                Self::new(StatusCode::NOT_FOUND, "unknown-object", detail)
            }
            StoreError::NotFound(_) => Self::no_such_record(),
            StoreError::Change(_, error) => Self::from_change(&error, ""),
            StoreError::Denied => Self::new(StatusCode::FORBIDDEN, "denied", detail),
            StoreError::SessionEnded => Self::not_signed_in(),
            StoreError::SchemaChanged => busy("0"),
            StoreError::Busy => busy("1"),
            StoreError::NoRoom => Self::new(StatusCode::INSUFFICIENT_STORAGE, "no-room", detail)
                .with_header(RETRY_AFTER, HeaderValue::from_static("60")),
            StoreError::Internal(cause) => {
                tracing::error!(cause = format!("{cause:?}"), "a store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
            _ => {
                tracing::error!(%error, "a store failed in a way that is not known here");
                let detail = "Something went wrong on our side. Nothing was changed.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::from_query(&error, None)
    }
}

impl ApiError {
    /// A query comes from parameters: whatever is wrong with it is wrong with one of them, the one `named` unless the error says it.
    pub(super) fn from_query(error: &QueryError, named: Option<&str>) -> Self {
        let detail = error.to_string();
        let (parameter, code) = match error {
            QueryError::UnknownObject(_) => {
                return Self::new(StatusCode::NOT_FOUND, "unknown-object", detail);
            }
            QueryError::UnknownField(_) => (named, "unknown_field"),
            QueryError::BadComparison(_) => (named, "bad_comparison"),
            QueryError::NotFilterable(_) => (Some("filter"), "not_filterable"),
            QueryError::NotSortable(_) => (Some("order"), "not_sortable"),
            QueryError::BadValue { problem, .. } => (Some("filter"), problem.code()),
            QueryError::Syntax { .. } => (Some("filter"), "syntax"),
            QueryError::BadLimit => (Some("limit"), "bad_limit"),
            QueryError::BadCursor => (Some("cursor"), "bad_cursor"),
            _ => (named, "too_large"),
        };
        match parameter {
            Some(parameter) => Self::bad_parameter(parameter, code, detail),
            None => Self::bad_request("bad-query", detail),
        }
    }
}

impl From<SchemaError> for ApiError {
    fn from(error: SchemaError) -> Self {
        let detail = error.to_string();
        match error {
            SchemaError::Invalid(errors) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
                    .with_fields("", &errors)
            }
            SchemaError::Missing => Self::not_found(detail),
            SchemaError::Full => Self::new(StatusCode::CONFLICT, "full", detail),
            SchemaError::Store(error) => error.into(),
        }
    }
}
