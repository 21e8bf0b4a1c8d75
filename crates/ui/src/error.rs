//! What a page answers when it can't do what was asked: said kindly, in the person's language, with a next step.

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use fieldstone_store::{ChangeError, Store, StoreError};

use crate::{
    frame::{Ask, Frame, respond},
    locale::Locale,
    request::way_back,
    viewer::Viewer,
};

/// Why there is no page. `render` turns it into one, since only there the frame is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// Nobody is signed in, or not any more.
    SignedOut,
    /// No such page, object or record, or none that this person can see.
    NotFound,
    /// The role doesn't allow it.
    Forbidden,
    /// The person has to prove first who they are; they come back here afterwards.
    Unproven,
    /// The record has moved on.
    Conflict,
    /// The request can't be read.
    Invalid,
    /// The request is too large.
    TooLarge,
    /// The workspace has no room for more.
    Full,
    /// The address has no such method.
    Method,
    /// The installation's disk has no room for anything new.
    NoRoom,
    /// Out of reach for a moment.
    Busy,
    /// A mistake of ours, already logged.
    Failed,
}

impl PageError {
    fn status(self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::Unproven => StatusCode::FORBIDDEN,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Keys of title and advice.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::NotFound => ("error-not-found-title", "error-not-found"),
            Self::SignedOut | Self::Forbidden | Self::Unproven => {
                ("error-forbidden-title", "error-forbidden")
            }
            Self::Conflict => ("error-conflict-title", "error-conflict"),
            Self::Invalid => ("error-invalid-title", "error-invalid"),
            Self::TooLarge => ("error-invalid-title", "error-too-large"),
            Self::Full => ("error-full-title", "error-full"),
            Self::Method => ("error-title", "error-method"),
            Self::NoRoom => ("error-no-room-title", "error-no-room"),
            Self::Busy => ("error-busy-title", "error-busy"),
            Self::Failed => ("error-failed-title", "error-failed"),
        }
    }

    /// The error behind an answer that axum made without a page.
    fn of_bare(response: &Response) -> Option<Self> {
        let is_page = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Some(Self::Method),
            StatusCode::INTERNAL_SERVER_ERROR if !is_page => Some(Self::Failed),
            _ => None,
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownObject(_)
            | StoreError::NotFound(_)
            | StoreError::Change(_, ChangeError::NotFound) => Self::NotFound,
            StoreError::Change(
                _,
                ChangeError::Stale { .. }
                | ChangeError::Deleted
                | ChangeError::IdTaken
                | ChangeError::DeletionUnderway,
            ) => Self::Conflict,
            StoreError::Denied | StoreError::Change(_, ChangeError::ReadOnlyObject) => {
                Self::Forbidden
            }
            StoreError::Change(_, ChangeError::Full) => Self::Full,
            StoreError::NoRoom => Self::NoRoom,
            StoreError::SessionEnded => Self::SignedOut,
            StoreError::SchemaChanged | StoreError::Busy => Self::Busy,
            StoreError::Query(_) | StoreError::Change(..) => Self::Invalid,
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "page failed");
                Self::Failed
            }
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "page could not be rendered");
        Self::Failed
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "frame/error.html")]
struct Sorry<'a> {
    locale: &'a Locale,
    error: PageError,
    title: &'a str,
    advice: &'a str,
    list: Option<&'a str>,
}

/// Middleware: gives every [`PageError`] its page, in the frame when somebody is signed in.
pub(crate) async fn render<S>(request: Request, next: Next) -> Response
where
    S: Store + Clone + Send + Sync + 'static,
{
    let (method, uri, headers) = (
        request.method().clone(),
        request.uri().clone(),
        request.headers().clone(),
    );
    let (store, viewer) = (
        request.extensions().get::<S>().cloned(),
        request.extensions().get::<Viewer>().cloned(),
    );
    let response = next.run(request).await;
    let Some(error) = response
        .extensions()
        .get::<PageError>()
        .copied()
        .or_else(|| PageError::of_bare(&response))
    else {
        return response;
    };
    match error {
        PageError::SignedOut => return to_sign_in(&method, &uri, &headers),
        PageError::Unproven => return to_proof(&method, &uri, &headers),
        _ => {}
    }
    let locale = viewer
        .as_ref()
        .map_or_else(|| of_browser(&headers), |viewer| viewer.locale.clone());
    // The list that the record would stand in is the nearest place that exists.
    let segment = uri.path().split('/').nth(1).unwrap_or_default();
    let is_list = store.as_ref().is_some_and(|store| {
        store
            .registry()
            .by_plural(segment)
            .is_some_and(|object| crate::layout::has_pages(object))
    });
    let list = format!("/{segment}");
    let list = (is_list && uri.path() != list).then_some(list.as_str());
    told(error, &headers, &locale, list, |title| {
        match (&viewer, &store) {
            (Some(viewer), Some(store)) => {
                Frame::inside(viewer, store.registry(), uri.path(), title)
            }
            _ => Frame::alone(locale.clone(), title),
        }
    })
}

/// The page of an error for a browser of which no more is known.
pub(crate) fn alone(headers: &HeaderMap, error: PageError) -> Response {
    let locale = of_browser(headers);
    told(error, headers, &locale, None, |title| {
        Frame::alone(locale.clone(), title)
    })
}

fn told(
    error: PageError,
    headers: &HeaderMap,
    locale: &Locale,
    list: Option<&str>,
    frame: impl FnOnce(String) -> Frame,
) -> Response {
    let (title, advice) = error.texts();
    let (title, advice) = (locale.t(title), locale.t(advice));
    let sorry = Sorry {
        locale,
        error,
        title: &title,
        advice: &advice,
        list,
    };
    let frame = frame(title.to_string());
    respond(Ask::of(headers), error.status(), &frame, &sorry)
}

/// The locale a browser asks for.
pub(crate) fn of_browser(headers: &HeaderMap) -> Locale {
    Locale::negotiate(
        headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    )
}

fn to_sign_in(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let read = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key("hx-request") {
        let back = if read {
            way_back(uri)
        } else {
            shown(headers, "hx-current-url")
        };
        return elsewhere(StatusCode::UNAUTHORIZED, &format!("/sign-in?to={back}"));
    }
    match (read, uri.path()) {
        (true, "/") | (false, _) => Redirect::to("/sign-in").into_response(),
        _ => Redirect::to(&format!("/sign-in?to={}", way_back(uri))).into_response(),
    }
}

/// To the page where people prove who they are, and from there back to the page they were on: a form isn't sent twice.
fn to_proof(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let is_htmx = headers.contains_key("hx-request");
    let back = match (matches!(*method, Method::GET | Method::HEAD), is_htmx) {
        (true, _) => way_back(uri),
        (false, true) => shown(headers, "hx-current-url"),
        (false, false) => shown(headers, header::REFERER.as_str()),
    };
    let target = format!("/confirm?return_to={back}");
    if is_htmx {
        elsewhere(StatusCode::FORBIDDEN, &target)
    } else {
        Redirect::to(&target).into_response()
    }
}

/// The page that a header names as the one shown, as a way back: its path alone, whatever site the header names.
fn shown(headers: &HeaderMap, name: &str) -> String {
    let shown = headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<Uri>().ok());
    shown.as_ref().map_or_else(|| "%2F".to_owned(), way_back)
}

/// Sends htmx to another page.
fn elsewhere(status: StatusCode, target: &str) -> Response {
    let mut response = status.into_response();
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert("hx-redirect", target);
    }
    response
}
