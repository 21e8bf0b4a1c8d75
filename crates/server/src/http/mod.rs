//! What every answer has in common, whichever page or interface gives it: headers, a request id, limits, compression.

mod endless;
mod headers;
mod problem;
mod proxies;
mod request_id;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub(crate) use self::endless::Endless;
pub use self::problem::Problem;
pub use self::proxies::TrustedProxies;
pub(crate) use self::proxies::see_through;
pub use self::request_id::RequestId;

/// How much of a request's body a handler reads unless its route says otherwise.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Brotli at a level that costs a page well under a millisecond.
const COMPRESSION: CompressionLevel = CompressionLevel::Precise(4);

/// Limits that may differ between installations.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Until an answer has to begin.
    pub answer: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            answer: Duration::from_mins(1),
        }
    }
}

/// Wraps all routes, the fallback included. Outermost: a request that fails anywhere still gets its headers and its line in the log.
pub fn wrap(router: Router, limits: HttpLimits) -> Router {
    router
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(middleware::from_fn_with_state(limits, answer_in_time))
        .layer(CompressionLayer::new().quality(COMPRESSION))
        .layer(middleware::from_fn(headers::secure))
        .layer(middleware::from_fn(request_id::identify))
}

async fn answer_in_time(
    State(limits): State<HttpLimits>,
    request: Request,
    next: Next,
) -> Response {
    tokio::time::timeout(limits.answer, next.run(request))
        .await
        .unwrap_or_else(|_| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let problem = Problem::new(status, "The answer took too long. Try again in a moment.");
            ([("retry-after", "5")], problem).into_response()
        })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands over what was thrown"
)]
fn after_panic(thrown: Box<dyn Any + Send>) -> Response {
    let message = thrown
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| thrown.downcast_ref::<&str>().copied());
    tracing::error!(
        "A request handler panicked: {}",
        message.unwrap_or("(no message)")
    );
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here. It has been logged.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::body::Body;
    use axum::routing::{get, post};
    use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
    use tower::ServiceExt as _;

    use super::*;

    async fn explode() -> &'static str {
        panic!("at the disco")
    }

    #[expect(clippy::disallowed_methods, reason = "routes of this test alone")]
    fn router() -> Router {
        let routes = Router::new()
            .route("/", get(|| async { "a page ".repeat(1000) }))
            .route("/panic", get(explode))
            .route("/never", get(pending::<&'static str>))
            .route(
                "/asset",
                get(|| async { ([(CACHE_CONTROL, "immutable")], "asset") }),
            )
            .route(
                "/read",
                post(|body: String| async move { body.len().to_string() }),
            );
        wrap(
            routes,
            HttpLimits {
                answer: Duration::from_millis(20),
            },
        )
    }

    async fn answer(request: http::request::Builder, body: Body) -> Response {
        router().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_is_hardened_also_when_it_fails() {
        for (path, status) in [
            ("/", 200),
            ("/panic", 500),
            ("/never", 503),
            ("/nowhere", 404),
        ] {
            let response = answer(http::Request::get(path), Body::empty()).await;
            assert_eq!(response.status(), status, "{path}");
            let header = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
                    .unwrap_or_default()
            };
            assert!(
                header("strict-transport-security").starts_with("max-age=63072000"),
                "{path}"
            );
            assert!(
                header("content-security-policy").starts_with("default-src 'self'"),
                "{path}"
            );
            assert!(
                !header("content-security-policy").contains("unsafe"),
                "{path}"
            );
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            assert_eq!(header("x-request-id").len(), 32, "{path}");
        }
    }

    #[tokio::test]
    async fn a_panic_says_nothing_of_itself() {
        let response = answer(http::Request::get("/panic"), Body::empty()).await;
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("disco"));
    }

    #[tokio::test]
    async fn a_header_that_a_route_has_set_stays() {
        let response = answer(http::Request::get("/asset"), Body::empty()).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "immutable");
    }

    #[tokio::test]
    async fn a_request_can_not_choose_its_id() {
        let response = answer(
            http::Request::get("/").header("x-request-id", "mine"),
            Body::empty(),
        )
        .await;
        assert_ne!(response.headers()["x-request-id"], "mine");
    }

    #[tokio::test]
    async fn pages_are_compressed() {
        for encoding in ["br", "gzip"] {
            let response = answer(
                http::Request::get("/").header(ACCEPT_ENCODING, encoding),
                Body::empty(),
            )
            .await;
            assert_eq!(response.headers()[CONTENT_ENCODING], encoding);
        }
    }

    #[tokio::test]
    async fn an_oversized_body_is_refused() {
        let response = answer(
            http::Request::post("/read"),
            vec![b'x'; BODY_LIMIT + 1].into(),
        )
        .await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let response = answer(http::Request::post("/read"), vec![b'x'; 100_000].into()).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}
