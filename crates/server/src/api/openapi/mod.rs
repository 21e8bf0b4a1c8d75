//! The OpenAPI 3.1 document: one operation for each row of `ROUTES`, one schema for each standard object.

mod access;
mod devices;
mod operations;
mod people;
mod programs;
mod schemas;
mod shapes;

use std::sync::OnceLock;

use axum::response::Response;
use fieldstone_model::Registry;
use http::StatusCode;
use serde_json::Value as Json;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, SecurityRequirement,
    path::{HttpMethod, PathItem},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    server::ServerBuilder,
};

use super::{ROOT, ROUTES, written};
use crate::identity::session::COOKIE;

/// The document of the standard objects. A workspace's own objects are described at `/api/v1/objects`.
pub fn openapi_document() -> Json {
    // Made of plain data: it always serialises.
    serde_json::to_value(document()).unwrap_or_default()
}

/// The same as text.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| openapi_document().to_string())
}

/// `GET /api/openapi.json`
pub(crate) async fn show() -> Response {
    written::json(StatusCode::OK, openapi_json())
}

fn document() -> OpenApi {
    let registry = Registry::standard();
    let mut paths = PathsBuilder::new();
    for route in ROUTES {
        let Some(method) = method(&route.method) else {
            continue;
        };
        let item = PathItem::new(method, operations::operation(route));
        paths = paths.path(route.path, item);
    }
    let info = InfoBuilder::new()
        .title("Fieldstone")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(
            utoipa::openapi::LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        COOKIE,
        "The cookie of a browser's session.",
    ));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API token, or an application's access token."))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas::all(&registry))
        .responses_from_iter(operations::problems())
        .security_scheme("session", SecurityScheme::ApiKey(cookie))
        .security_scheme("token", SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(ROOT).build()]))
        .paths(paths.build())
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("session", [] as [&str; 0]),
            SecurityRequirement::new("token", [] as [&str; 0]),
        ]))
        .build()
}

const ABOUT: &str = "Records of one workspace, as the caller may see and change them. Money, percentages and decimals are JSON numbers \
with all their decimals; dates are YYYY-MM-DD, instants are in UTC. Refusals are application/problem+json (RFC 9457) and name what is wrong \
in `errors`.";

fn method(method: &http::Method) -> Option<HttpMethod> {
    match method.as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "PATCH" => Some(HttpMethod::Patch),
        "PUT" => Some(HttpMethod::Put),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}
