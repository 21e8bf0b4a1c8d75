//! Every address the pages have.

use axum::{
    Router,
    extract::{FromRequestParts, RawPathParams, Request},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use fieldstone_store::Store;

use crate::{error, error::PageError, form, home, lead, list, record, search};

/// The policy the pages are written for: nothing inline, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The pages over stores of type `S`.
///
/// Each request needs a `S` and a [`Viewer`](crate::Viewer) in its extensions; without them it is sent to `/sign-in`.
/// Anything else under `/` answers 404 in the frame. The pages expect [`assets`] beside them.
pub fn router<S>() -> Router
where
    S: Store + Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(home::show::<S>))
        .route("/search", get(search::show::<S>))
        .route("/{objects}", get(list::show::<S>).post(form::create::<S>))
        .route("/{objects}/new", get(form::new::<S>))
        .route("/{objects}/deleted", get(list::deleted::<S>))
        .route("/{objects}/count", get(list::count::<S>))
        .route("/{objects}/tests", get(list::tests::<S>))
        .route("/{objects}/options/{field}", get(form::suggest::<S>))
        .route(
            "/{objects}/{id}",
            get(record::show::<S>).post(form::update::<S>),
        )
        .route("/{objects}/{id}/edit", get(form::edit::<S>))
        .route("/{objects}/{id}/history", get(record::show_history::<S>))
        .route("/{objects}/{id}/deletion", post(record::delete::<S>))
        .route("/{objects}/{id}/restoration", post(record::restore::<S>))
        .route(
            "/{objects}/{id}/conversion",
            get(lead::form::<S>).post(lead::convert::<S>),
        )
        .fallback(|| async { PageError::NotFound })
        .layer(middleware::from_fn(error::render::<S>))
}

/// Pages that only the product around these has: what they can't answer is said in the frame too.
///
/// A handler answers a [`PageError`] for that; the request's extensions are those of [`router`].
pub fn in_frame<S>(routes: Router) -> Router
where
    S: Store + Clone + Send + Sync + 'static,
{
    routes.layer(middleware::from_fn(error::render::<S>))
}

/// Script, style and icons under `/assets/`. They belong to nobody, so they need neither store nor viewer.
pub fn assets() -> Router {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(parameters) => {
            let name = parameters
                .iter()
                .next()
                .map(|(_, name)| name.to_owned())
                .unwrap_or_default();
            crate::assets::serve(&name, &parts.headers)
        }
        Err(rejection) => rejection.into_response(),
    }
}
