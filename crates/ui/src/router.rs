//! Every address the pages have, with what each needs.

use axum::{
    Router,
    extract::{FromRequestParts, RawPathParams, Request},
    middleware,
    response::{IntoResponse as _, Response},
};
use fieldstone_model::{
    Capability::{self, RecordsDelete, RecordsRead, RecordsWrite},
    Needs,
};
use fieldstone_store::conflict::ConflictStore;

use crate::{
    board, calendar, conflict, dashboard, error,
    error::PageError,
    forecast, form, home, lead, list,
    page::{Page, get, mount, post},
    palette, record, report, search,
};

/// The policy the pages are written for: nothing inline, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The table of the pages over stores of type `S`. Handlers and store ask again, by the object: some need more than records do.
#[rustfmt::skip]
pub fn pages<S>() -> Vec<Page>
where
    S: ConflictStore + Clone + Send + Sync + 'static,
{
    vec![
        get("/assets/{name}",                    Needs::Nothing,       asset),
        get("/",                                 needs(RecordsRead),   home::show::<S>),
        get("/calendar",                         needs(RecordsRead),   calendar::show::<S>),
        post("/calendar",                        needs(RecordsWrite),  calendar::submit::<S>),
        get("/forecast",                         needs(RecordsRead),   forecast::show::<S>),
        get("/palette",                          needs(RecordsRead),   palette::show::<S>),
        get("/reports",                          needs(RecordsRead),   report::show::<S>),
        post("/reports",                         needs(RecordsRead),   report::keep::<S>),
        get("/dashboards",                       needs(RecordsRead),   dashboard::show::<S>),
        post("/dashboards",                      needs(RecordsRead),   dashboard::change::<S>),
        get("/search",                           needs(RecordsRead),   search::show::<S>),
        get("/conflicts",                        needs(RecordsRead),   conflict::list::<S>),
        get("/conflicts/count",                  needs(RecordsRead),   conflict::count::<S>),
        get("/conflicts/{id}",                   needs(RecordsRead),   conflict::show::<S>),
        post("/conflicts/{id}",                  needs(RecordsRead),   conflict::submit::<S>),
        post("/conflicts/{id}/dismissal",        needs(RecordsRead),   conflict::dismiss::<S>),
        get("/{objects}",                        needs(RecordsRead),   list::show::<S>),
        post("/{objects}",                       needs(RecordsWrite),  form::create::<S>),
        get("/{objects}/new",                    needs(RecordsWrite),  form::new::<S>),
        get("/{objects}/board",                  needs(RecordsRead),   board::show::<S>),
        get("/{objects}/deleted",                needs(RecordsRead),   list::deleted::<S>),
        get("/{objects}/count",                  needs(RecordsRead),   list::count::<S>),
        get("/{objects}/tests",                  needs(RecordsRead),   list::tests::<S>),
        post("/{objects}/bulk",                  needs(RecordsWrite),  list::bulk_submit::<S>),
        get("/{objects}/bulk/field",             needs(RecordsWrite),  list::bulk_field::<S>),
        post("/{objects}/bulk/reversal",         needs(RecordsWrite),  list::bulk_reverse::<S>),
        post("/{objects}/views",                 needs(RecordsRead),   list::keep_view::<S>),
        post("/{objects}/widths",                needs(RecordsRead),   list::submit_widths::<S>),
        post("/{objects}/views/change",          needs(RecordsRead),   list::change_view::<S>),
        get("/{objects}/options/{field}",        needs(RecordsRead),   form::suggest::<S>),
        get("/{objects}/{id}",                   needs(RecordsRead),   record::show::<S>),
        post("/{objects}/{id}",                  needs(RecordsWrite),  form::update::<S>),
        get("/{objects}/quick",                  needs(RecordsWrite),  form::quick::<S>),
        get("/{objects}/alike",                  needs(RecordsRead),   form::alike::<S>),
        get("/{objects}/{id}/field",             needs(RecordsWrite),  record::field::<S>),
        get("/{objects}/{id}/merge",             needs(RecordsDelete), record::show_merge::<S>),
        post("/{objects}/{id}/merge",            needs(RecordsDelete), record::merge::<S>),
        get("/{objects}/{id}/edit",              needs(RecordsWrite),  form::edit::<S>),
        get("/{objects}/{id}/history",           needs(RecordsRead),   record::show_history::<S>),
        post("/{objects}/{id}/deletion",         needs(RecordsDelete), record::delete::<S>),
        post("/{objects}/{id}/restoration",      needs(RecordsDelete), record::restore::<S>),
        post("/{objects}/{id}/move",             needs(RecordsWrite),  board::submit::<S>),
        post("/{objects}/{id}/follow",           needs(RecordsRead),   record::follow::<S>),
        post("/{objects}/{id}/reversal",         needs(RecordsWrite),  record::reverse::<S>),
        get("/{objects}/{id}/conversion",        needs(RecordsWrite),  lead::form::<S>),
        post("/{objects}/{id}/conversion",       needs(RecordsWrite),  lead::convert::<S>),
    ]
}

const fn needs(capability: Capability) -> Needs {
    Needs::Capability(capability)
}

/// The pages over stores of type `S`, and `more`: gated pages of whoever serves them.
///
/// Each request needs a `S` and a [`Viewer`](crate::Viewer) in its extensions; without them it is sent to `/sign-in`.
/// Anything else under `/` answers 404 in the frame. The pages expect [`assets`] beside them.
pub fn router<S>(more: Router) -> Router
where
    S: ConflictStore + Clone + Send + Sync + 'static,
{
    mount::<S, ()>(pages::<S>())
        .gated
        .merge(more)
        .fallback(|| async { PageError::NotFound })
        .layer(middleware::from_fn(error::render::<S>))
}

/// The pages of [`pages`] that belong to nobody: script, style and icons under `/assets/`.
pub fn assets<S>() -> Router
where
    S: ConflictStore + Clone + Send + Sync + 'static,
{
    mount::<S, ()>(pages::<S>()).open
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
