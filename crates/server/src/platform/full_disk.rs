//! Gives a full disk as the reason, in one place, whatever part of the server found that it can't go on.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use fieldstone_ui::PageError;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::http::Problem;
use crate::store::Stores;

const NO_ROOM: &str = "The disk of this installation is full, and its database waits for room. What was saved is safe. Ask whoever runs it to make room, then try again.";

/// Middleware: an answer that nothing works just now says that the disk is full, when it is.
pub(super) async fn tell(State(stores): State<Stores>, request: Request, next: Next) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let response = next.run(request).await;
    if response.status() != StatusCode::SERVICE_UNAVAILABLE
        || stores.has_room()
        || matches!(path.as_str(), "/healthz" | "/readyz")
    {
        return response;
    }
    (
        [(RETRY_AFTER, "60"), (CACHE_CONTROL, "no-store")],
        told(&path, &headers),
    )
        .into_response()
}

fn told(path: &str, headers: &HeaderMap) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match path {
        "/oauth/token" | "/oauth/revoke" => {
            let error = json!({ "error": "temporarily_unavailable", "error_description": NO_ROOM });
            (status, Json(error)).into_response()
        }
        path if is_page(path) => fieldstone_ui::sorry(headers, PageError::NoRoom),
        _ => Problem::of_kind(status, "urn:fieldstone:problem:no-room", NO_ROOM).into_response(),
    }
}

/// Whether a person looks at what this address answers.
pub(super) fn is_page(path: &str) -> bool {
    !path.starts_with("/api/")
}
