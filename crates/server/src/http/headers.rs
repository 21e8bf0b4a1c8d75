//! The headers that tell a browser what pages of ours may never do.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Two years, subdomains included (ASVS 5.0, 3.4.1).
const TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Nothing from elsewhere, nothing inline, in nobody's frame (ASVS 5.0, 3.4.3 and 3.4.6).
const CONTENT_SECURITY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Set on every answer that does not say otherwise itself.
///
/// `same-origin` rather than `no-referrer`, under which browsers send `Origin: null` with our own forms.
const HEADERS: [(HeaderName, HeaderValue); 9] = [
    (STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY),
    (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // Records stay out of every cache unless a route knows better, as those of the assets do.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Adds the headers above.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}
