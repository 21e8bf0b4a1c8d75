//! The pages of `ui` over the records of this device, in process: no port, no cookie, one user.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, Uri, header, request},
    middleware::{self, Next},
    response::Response,
};
use fieldstone_model::Role;
use fieldstone_store::Store as _;
use fieldstone_ui::{Viewer, locale::Locale};
use tower::ServiceExt as _;

use crate::{
    device::{Device, DeviceError},
    store::DeviceStore,
};

/// Most bytes of a page.
const BYTES_MAX: usize = 16 << 20;
/// Most redirects from one page to the next.
const REDIRECTS_MAX: usize = 5;

/// A page as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where it is, after redirects.
    pub path: String,
    /// Its HTTP status.
    pub status: u16,
    /// The document.
    pub html: String,
}

/// Whom the device's pages are made for.
pub async fn viewer(device: &Device) -> Result<Viewer, DeviceError> {
    let profile = device.profile();
    let names = device.store().names(&[profile.user]).await;
    let name = names.ok().and_then(|mut names| names.remove(&profile.user));
    let address = &profile.address;
    Ok(Viewer {
        user_id: profile.user,
        name: name.unwrap_or_else(|| profile.email.clone()),
        role: profile.role.parse().unwrap_or(Role::Viewer),
        workspace: address.workspace.clone().unwrap_or_default(),
        locale: Locale::new(
            address.locale.as_deref().unwrap_or("en"),
            address.time_zone(),
            address.currency.as_deref().unwrap_or("EUR"),
        ),
        now: device.now(),
        can_sign_out: false,
        is_proven: true,
    })
}

/// The pages over `store`, each request on behalf of `viewer`.
pub fn router(store: DeviceStore, viewer: Viewer) -> Router {
    let gate = middleware::from_fn(move |mut request: Request, next: Next| {
        request.extensions_mut().insert(viewer.clone());
        request.extensions_mut().insert(store.clone());
        next.run(request)
    });
    fieldstone_ui::router::<DeviceStore>(Router::new())
        .layer(gate)
        .merge(fieldstone_ui::assets::<DeviceStore>())
}

/// Shows the page at `path`, following redirects within the device.
pub async fn show(device: &Device, path: &str) -> Result<Shown, DeviceError> {
    let router = router(device.store(), viewer(device).await?);
    let mut path = path.to_owned();
    for _ in 0..REDIRECTS_MAX {
        let response = ask(&router, &path).await;
        match onward(&response) {
            Some(next) => path = next,
            None => return Ok(read(path, response).await),
        }
    }
    Ok(Shown {
        path,
        status: StatusCode::LOOP_DETECTED.as_u16(),
        html: String::new(),
    })
}

async fn ask(router: &Router, path: &str) -> Response {
    let is_local = path.starts_with('/') && !path.starts_with("//");
    let request = path
        .parse::<Uri>()
        .ok()
        .filter(|_| is_local)
        .and_then(|uri| request::Builder::new().uri(uri).body(Body::empty()).ok());
    match request {
        Some(request) => match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => refusal(),
    }
}

fn refusal() -> Response {
    let mut response = Response::new(Body::from(
        "This is no address of a page. It looks like /accounts.\n",
    ));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Where a redirect leads.
fn onward(response: &Response) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    location.to_str().ok().map(str::to_owned)
}

async fn read(path: String, response: Response) -> Shown {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), BYTES_MAX).await;
    Shown {
        path,
        status,
        html: String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
    }
}
