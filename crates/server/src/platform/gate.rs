//! The gate: from a request's credential to the store it may use. Every page and every call of the API passes here.
//!
//! A request without a credential goes on without a store; whatever needs one answers 401 or sends to the sign-in page. A handler never
//! sees another store than the one of the person who asks.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use fieldstone_model::{Capability, Registry};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::{OwnShelf, PageError};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{Method, StatusCode};

use super::full_disk::is_page;
use super::{Application, replaced_session};
use crate::http::Problem;
use crate::identity::{AccessEnded, Identity, IdentityError};

/// How much of a request is kept for a second try; the routes' own limits are the same or lower.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Middleware: identifies the caller and puts store, viewer, profile and identity into the request's extensions.
///
/// When the database says that the person's access has changed since it was looked up, they are looked up again and the request is run
/// once more, unless something of the first run was applied. An answer that nothing was read for waits until the database has said that
/// the access stands; a refusal out of memory would be as wrong as a page.
pub(super) async fn admit(
    State(application): State<Application>,
    request: Request,
    next: Next,
) -> Response {
    let now = application.clock.now();
    let (parts, body) = request.into_parts();
    let identity = match application
        .authenticator
        .authenticate(&parts.method, &parts.uri, &parts.headers, now)
        .await
    {
        Ok(identity) => identity,
        // Signing in and everything public need no credential; an outdated one is as good as none.
        Err(IdentityError::Unauthenticated) => {
            return next.run(Request::from_parts(parts, body)).await;
        }
        Err(error) => return refusal(&parts, &error),
    };
    // Pages know roles, not scopes: a token that may do less than its owner has no business there.
    if !identity.credential.is_session() && !parts.uri.path().starts_with("/api/") {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Send less at once.").into_response();
    };
    match run(
        &application,
        &identity,
        &parts,
        (&body, next.clone()),
        Turn::First,
    )
    .await
    {
        Ok(response) => settle(&application, &identity, &parts, response).await,
        Err(AccessChanged) => match application.authenticator.renew(&identity, now).await {
            Ok(renewed) => match run(
                &application,
                &renewed,
                &parts,
                (&body, next.clone()),
                Turn::Second,
            )
            .await
            {
                Ok(response) => settle(&application, &renewed, &parts, response).await,
                Err(AccessChanged) => next.run(Request::from_parts(parts, Body::from(body))).await,
            },
            Err(IdentityError::Unauthenticated) => {
                next.run(Request::from_parts(parts, Body::from(body))).await
            }
            Err(error) => refusal(&parts, &error),
        },
    }
}

/// An answer with what the person's session takes on the way.
async fn settle(
    application: &Application,
    identity: &Identity,
    parts: &Parts,
    response: Response,
) -> Response {
    if !replaced_session::renews(identity, parts, &response) {
        return response;
    }
    replaced_session::renew(application, identity, response).await
}

/// The person's access isn't what it was when it was looked up.
struct AccessChanged;

/// Whether a request is carried out for the first time, or again since its person's access had changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Second,
}

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a request counts among those that the workspace's programs may make. What ends or confines a session, a token, a device or somebody's
/// access doesn't, and neither does the proof that it takes: it has to work just when somebody asks too often. Whatever makes one counts.
fn is_counted(parts: &Parts) -> bool {
    const ENDED: [&str; 8] = [
        "/api/v1/session",
        "/api/v1/sessions",
        "/api/v1/tokens",
        "/api/v1/oauth",
        "/api/v1/service-accounts",
        "/api/v1/members",
        "/api/v1/membership",
        "/api/v1/sync/devices",
    ];
    const STEPS: [&str; 2] = ["/api/v1/session/proof", "/api/v1/session/password"];
    const ORDERS: [(&str, &str); 2] = [
        ("/api/v1/sync/devices", "/wipe"),
        ("/api/v1/oauth/applications", "/secret"),
    ];
    let path = parts.uri.path();
    if !path.starts_with("/api/") {
        return false;
    }
    let is_ending = match parts.method {
        Method::DELETE | Method::PATCH => ENDED.into_iter().any(|place| is_below(path, place)),
        Method::POST => {
            let is_order = |(place, order)| is_below(path, place) && path.ends_with(order);
            STEPS.contains(&path) || ORDERS.into_iter().any(is_order)
        }
        _ => false,
    };
    !is_ending
}

async fn run(
    application: &Application,
    identity: &Arc<Identity>,
    parts: &Parts,
    (body, next): (&Bytes, Next),
    turn: Turn,
) -> Result<Response, AccessChanged> {
    let opened = async {
        let store = application.stores.open(identity.actor.clone()).await?;
        let profile = application.profiles.of(&store).await?;
        store.set_zone(profile.locale.time_zone());
        Ok::<_, StoreError>((store, profile))
    };
    let (store, profile) = match opened.await {
        Ok(opened) => opened,
        Err(StoreError::SessionEnded) => return Err(AccessChanged),
        Err(error) => {
            tracing::warn!(%error, "a request found no database");
            return Ok(no_database(parts));
        }
    };
    if turn == Turn::First
        && is_counted(parts)
        && let Some(most) = profile.requests_per_minute
        && let Err(wait) =
            application
                .requests
                .take(identity.actor.tenant, most, application.clock.now())
    {
        return Ok(too_many(wait));
    }
    if profile.is_support && !is_open_to_support(identity, store.registry(), parts) {
        return Ok(closed_to_support(parts));
    }
    if identity.must_enrol && !profile.is_support && !may_enrol(identity, parts) {
        // Perhaps they have enrolled a moment ago.
        return match store.check_access().await {
            Err(StoreError::SessionEnded) => Err(AccessChanged),
            _ => Ok(enrolment_needed(parts)),
        };
    }
    let mut admitted = parts.clone();
    admitted
        .extensions
        .insert(profile.viewer(&store, identity, application.clock.now()));
    admitted.extensions.insert(profile);
    admitted.extensions.insert(Arc::clone(identity));
    admitted
        .extensions
        .insert(OwnShelf(Arc::new(store.clone())));
    admitted.extensions.insert(store.clone());
    let response = next
        .run(Request::from_parts(admitted, Body::from(body.clone())))
        .await;
    // What was changed isn't changed twice, and the answer that says so stands.
    if store.has_written() {
        return Ok(response);
    }
    if store.access_changed() {
        return Err(AccessChanged);
    }
    if response.extensions().get::<AccessEnded>().is_some() {
        return Ok(response);
    }
    match store.check_access().await {
        Ok(()) => Ok(response),
        Err(StoreError::SessionEnded) => Err(AccessChanged),
        Err(_) => Ok(no_database(parts)),
    }
}

/// What somebody may do whom an owner has let in to help: look, and change records where that was allowed. Nothing of their own that would
/// last or leave: no tokens, no devices, no settings.
fn is_open_to_support(identity: &Identity, registry: &Registry, parts: &Parts) -> bool {
    const CLOSED: [&str; 9] = [
        "/api/v1/sync",
        "/api/v1/tokens",
        "/api/v1/oauth",
        "/api/v1/grants",
        "/oauth",
        "/confirm",
        "/settings/tokens",
        "/settings/devices",
        "/settings/calendar",
    ];
    const RECORDS: [&str; 4] = [
        "/api/v1/records",
        "/api/v1/conflicts",
        "/conflicts",
        "/calendar",
    ];
    let path = parts.uri.path();
    if CLOSED.into_iter().any(|place| is_below(path, place)) {
        return false;
    }
    let is_end = path == "/sign-out" || path == "/api/v1/session" && parts.method == Method::DELETE;
    if is_end || parts.method.is_safe() {
        return true;
    }
    // The pages of an object, but not what is kept of them for the person.
    let mut places = path.split('/').skip(1);
    let is_of_object = places
        .next()
        .is_some_and(|place| registry.objects().any(|object| object.plural == place))
        && !matches!(places.next(), Some("views" | "widths"))
        && places.next() != Some("follow");
    let is_of_records = is_of_object || RECORDS.into_iter().any(|place| is_below(path, place));
    is_of_records && identity.actor.role.can(Capability::RecordsWrite)
}

fn closed_to_support(parts: &Parts) -> Response {
    let detail = "Access for support doesn't reach this. Ask the workspace's owner to do it, or to give access that may change records.";
    if parts.uri.path().starts_with("/api/") {
        let kind = "urn:fieldstone:problem:support-access";
        return Problem::of_kind(StatusCode::FORBIDDEN, kind, detail).into_response();
    }
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

/// The workspace's programs ask more often than it may.
fn too_many(wait: u64) -> Response {
    let problem = Problem::of_kind(
        StatusCode::TOO_MANY_REQUESTS,
        "urn:fieldstone:problem:too-many-requests",
        "The programs and devices of this workspace ask more often than it may. Try again after the seconds in Retry-After.",
    );
    ([(RETRY_AFTER, wait.to_string())], problem).into_response()
}

/// The database doesn't answer.
fn no_database(parts: &Parts) -> Response {
    const BUSY: &str = "The database is busy. Try again in a moment.";
    if !is_page(parts.uri.path()) {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY).into_response();
    }
    fieldstone_ui::sorry(&parts.headers, PageError::Busy)
}

/// What somebody may do who lacks the second factor that the workspace asks for: set one up, say who they are, leave.
fn may_enrol(identity: &Identity, parts: &Parts) -> bool {
    /// Where pages are that set one up, and what such pages ask for.
    const PAGES: [&str; 2] = ["/settings/two-step", "/confirm"];
    let path = parts.uri.path();
    identity.credential.is_session()
        && (PAGES.into_iter().any(|place| is_below(path, place))
            || is_below(path, "/api/v1/session"))
}

/// Sends such a person to where they set it up; a program is told.
fn enrolment_needed(parts: &Parts) -> Response {
    const WHERE: &str = "/settings/two-step";
    if parts.uri.path().starts_with("/api/") {
        let detail = "This workspace asks for a second factor. Set one up first: POST /api/v1/session/totp, or on the page /settings/two-step.";
        return Problem::of_kind(
            StatusCode::FORBIDDEN,
            "urn:fieldstone:problem:enrolment-required",
            detail,
        )
        .into_response();
    }
    if parts.headers.contains_key("hx-request") {
        return (StatusCode::FORBIDDEN, [("hx-redirect", WHERE)]).into_response();
    }
    Redirect::to(WHERE).into_response()
}

fn refusal(parts: &Parts, error: &IdentityError) -> Response {
    let (status, detail) = match error {
        IdentityError::CrossSite => (
            StatusCode::FORBIDDEN,
            "This request came from another site. Open Fieldstone itself and try there.",
        ),
        IdentityError::Throttled { .. } | IdentityError::Busy => (
            StatusCode::TOO_MANY_REQUESTS,
            "There are too many attempts. Try again in a minute.",
        ),
        _ => {
            tracing::warn!(%error, "a caller could not be identified");
            return no_database(parts);
        }
    };
    Problem::new(status, detail).into_response()
}
