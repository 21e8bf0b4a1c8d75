//! Pages as rows of a table: method, path, what each needs, handler. Routers are made of rows and of nothing else.
//!
//! What a row needs is checked here, once, before its handler; a handler may ask for more, never for less.

use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use fieldstone_model::{Caller, Needs, Refusal, Rights};
use fieldstone_store::Store;
use http::Method;

use crate::{error::PageError, viewer::Viewer};

/// One row: an address of pages, over a state of type `T`.
#[derive(Debug, Clone)]
pub struct Page<T = ()> {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub needs: Needs,
    handler: MethodRouter<T>,
}

/// A page that is read.
pub fn get<H, A, T>(path: &'static str, needs: Needs, handler: H) -> Page<T>
where
    H: Handler<A, T>,
    A: 'static,
    T: Clone + Send + Sync + 'static,
{
    Page {
        method: Method::GET,
        path,
        needs,
        handler: on(MethodFilter::GET, handler),
    }
}

/// A form that is sent, or a change asked for.
pub fn post<H, A, T>(path: &'static str, needs: Needs, handler: H) -> Page<T>
where
    H: Handler<A, T>,
    A: 'static,
    T: Clone + Send + Sync + 'static,
{
    Page {
        method: Method::POST,
        path,
        needs,
        handler: on(MethodFilter::POST, handler),
    }
}

/// Rows as routers: what needs nothing, and what needs somebody.
#[derive(Debug)]
pub struct Mounted<T> {
    /// Pages that need nothing: no store and no [`Viewer`] has to be there.
    pub open: Router<T>,
    /// All others. Each request needs an `S` and a [`Viewer`] in its extensions; without them nobody is signed in.
    pub gated: Router<T>,
}

/// Makes the routers of these rows, over stores of type `S`. Refusals get their pages from [`router`](crate::router), which takes them in.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where rows become routes"
)]
pub fn mount<S, T>(pages: Vec<Page<T>>) -> Mounted<T>
where
    S: Store + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    let (mut open, mut gated) = (Router::new(), Router::new());
    for page in pages {
        if page.needs == Needs::Nothing {
            open = open.route(page.path, page.handler);
        } else {
            let check = middleware::from_fn_with_state(page.needs, admit::<S>);
            gated = gated.route(page.path, page.handler.route_layer(check));
        }
    }
    Mounted { open, gated }
}

/// Lets a request through to its page if whoever sends it may see it.
async fn admit<S>(State(needs): State<Needs>, request: Request, next: Next) -> Response
where
    S: Store + Clone + Send + Sync + 'static,
{
    let viewer = request.extensions().get::<Viewer>();
    let has_store = request.extensions().get::<S>().is_some();
    let rights = viewer.map(|viewer| Rights::new(viewer.role, &[]));
    let caller = viewer
        .zip(rights.as_ref())
        .filter(|_| has_store)
        .map(|(viewer, rights)| Caller {
            rights,
            has_session: viewer.can_sign_out,
            is_proven: viewer.is_proven,
        });
    match needs.admit(caller.as_ref()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => PageError::from(refusal).into_response(),
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SignedOut => Self::SignedOut,
            Refusal::Denied | Refusal::SessionNeeded => Self::Forbidden,
            Refusal::ProofNeeded => Self::Unproven,
        }
    }
}
