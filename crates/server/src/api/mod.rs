//! The JSON API under `/api/v1/`: what the pages do, for programs.
//!
//! `route.rs` is the one list of routes with the capability that each needs; the router is built from it, so that a route without a
//! row can't exist. Handlers are thin: read the call, ask the store, write the answer. None of them names a tenant or a database.

mod account;
mod application;
mod attachment;
mod audit;
mod body;
mod call;
mod conflict;
mod describe;
mod error;
mod etag;
mod field;
mod grant;
mod history;
mod invitation;
mod member;
mod membership;
mod object;
mod once;
mod openapi;
mod parameters;
mod programs;
mod record;
mod record_set;
mod route;
mod schema;
mod search;
mod service_account;
mod session;
mod sync;
mod team;
#[cfg(test)]
mod tests;
mod token;
mod token_policy;
mod visibility;
mod written;

use axum::{Router, extract::Request, response::Response};
use fieldstone_store::{conflict::ConflictStore, once::OnceStore};

use crate::{attachments::AttachmentStore, sync::SyncStore, teams::TeamStore};

pub use account::AccountStore;
pub use audit::AuditStore;
pub use grant::GrantStore;
pub use member::PeopleStore;
pub(crate) use openapi::show as show_openapi;
pub use openapi::{openapi_document, openapi_json};
pub use programs::ProgramStore;
pub use record_set::RecordSetStore;
pub use route::{ROUTES, Route};
pub use schema::SchemaStore;
pub use token::TokenStore;

/// What the API asks of a store.
pub trait ApiStore:
    OnceStore
    + SchemaStore
    + TokenStore
    + GrantStore
    + AuditStore
    + PeopleStore
    + TeamStore
    + SyncStore
    + AccountStore
    + ProgramStore
    + AttachmentStore
    + ConflictStore
    + RecordSetStore
    + Clone
    + 'static
{
}

impl<S> ApiStore for S where
    S: OnceStore
        + SchemaStore
        + TokenStore
        + GrantStore
        + AuditStore
        + AccountStore
        + AttachmentStore
        + PeopleStore
        + TeamStore
        + SyncStore
        + ProgramStore
        + ConflictStore
        + RecordSetStore
        + Clone
        + 'static
{
}

/// Where all paths of [`ROUTES`] begin.
pub const ROOT: &str = "/api/v1";

/// Most bytes of a body that holds one record.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of a body that holds many.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The API over stores of the type `S`.
///
/// Whoever lets a request in puts an `S` and a `fieldstone_ui::Viewer` into its extensions; without them the caller is nobody.
pub fn router<S: ApiStore>() -> Router {
    let routes = route::attach::<S>(Router::new())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_route);
    #[expect(
        clippy::disallowed_methods,
        reason = "the place of the table of the API's routes"
    )]
    Router::new().nest(ROOT, routes)
}

async fn no_such_route(request: Request) -> Response {
    error::ApiError::not_found("There is nothing at this address.").respond(request.extensions())
}

async fn method_not_allowed(request: Request) -> Response {
    error::ApiError::method_not_allowed().respond(request.extensions())
}
