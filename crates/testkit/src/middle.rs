//! What stands between somebody and a real server: speaks TLS with a certificate of its own, and passes on what it is asked.

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Most bytes of a request that is passed on.
const REQUEST_MAX: usize = 64 << 20;

/// Serves `router` to whoever comes; how TLS is spoken is asked for each connection.
pub async fn serve_tls(
    listener: TcpListener,
    acceptor: impl Fn() -> TlsAcceptor + Send + 'static,
    router: Router,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor(), router.clone());
        tokio::spawn(async move {
            // Whoever doesn't trust the certificate goes away.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = hyper_util::service::TowerToHyperService::new(router);
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Asks the server at `url` what somebody asked here, as if they had asked there; answers what came back.
pub async fn pass_on(
    client: &reqwest::Client,
    url: &str,
    request: Request,
) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    if headers.contains_key(header::ORIGIN) {
        headers.insert(header::ORIGIN, url.parse().expect("an origin"));
    }
    let body = to_bytes(body, REQUEST_MAX).await.expect("a whole request");
    let sent = client
        .request(parts.method, format!("{url}{path}"))
        .headers(headers)
        .body(body)
        .send();
    let answered = sent.await.expect("an answer");
    let (status, headers) = (answered.status(), answered.headers().clone());
    (
        status,
        headers,
        answered.bytes().await.expect("a whole answer"),
    )
}
