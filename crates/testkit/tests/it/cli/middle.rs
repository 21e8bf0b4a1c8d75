//! Somebody between a device and the platform, with a certificate of their own: notes what is asked, and spoils what is answered.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use fieldstone_testkit::TestCertificate;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::SupportedProtocolVersion;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::Platform;

/// What is done to answers to pulls and pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The page of a network that wants to be signed in to.
    Html,
    /// A redirect to the listener elsewhere.
    Redirect,
    /// A fault of the platform, from this one on: 0 is the next.
    Broken(usize),
    /// The first half, as if it were all.
    Truncated,
    /// The connection breaks off in the middle.
    CutOff,
}

/// Whoever is in the middle.
pub(crate) struct Middle {
    pub(crate) url: String,
    /// The authority of the first certificate.
    pub(crate) ca: PathBuf,
    /// Where redirects lead; nobody should ever come.
    pub(crate) elsewhere: TcpListener,
    seen: Arc<Seen>,
    _folder: TempDir,
    _runtime: Runtime,
}

struct Seen {
    acceptor: Mutex<TlsAcceptor>,
    fault: Mutex<Fault>,
    requests: Mutex<Vec<String>>,
    client: reqwest::Client,
    platform: String,
    elsewhere: String,
}

/// A way to speak TLS with a new certificate, and the certificate.
fn acceptor(versions: &[&'static SupportedProtocolVersion]) -> (TlsAcceptor, String) {
    let certificate = TestCertificate::alone(&["127.0.0.1"]);
    let config = certificate.server(versions);
    (TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

impl Middle {
    pub(crate) fn before(platform: &Platform) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (accepting, pem) = acceptor(&[&rustls::version::TLS13]);
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, pem).unwrap();
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen {
            acceptor: Mutex::new(accepting),
            fault: Mutex::new(Fault::None),
            requests: Mutex::default(),
            client: platform.server.gateway(),
            platform: platform.server.url().to_owned(),
            elsewhere: format!(
                "https://{}/api/v1/sync/pull",
                elsewhere.local_addr().unwrap()
            ),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, seen.clone()));
        Self {
            url,
            ca,
            elsewhere,
            seen,
            _folder: folder,
            _runtime: runtime,
        }
    }

    pub(crate) fn fail(&self, fault: Fault) {
        *self.seen.fault.lock().unwrap() = fault;
    }

    /// Speaks with a certificate that nobody knows from now on, or goes back to these versions of TLS.
    pub(crate) fn become_another(&self, versions: &[&'static SupportedProtocolVersion]) {
        let (accepting, pem) = acceptor(versions);
        std::fs::write(self.ca.with_extension("another"), pem).unwrap();
        *self.seen.acceptor.lock().unwrap() = accepting;
    }

    /// The authority of the certificate in use since [`Middle::become_another`].
    pub(crate) fn another_ca(&self) -> PathBuf {
        self.ca.with_extension("another")
    }

    /// What was asked since the last time.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.requests.lock().unwrap())
    }

    /// How many of those were pulls.
    pub(crate) fn pulls(&self) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|request| request.ends_with("/sync/pull"))
            .count()
    }
}

async fn serve(listener: tokio::net::TcpListener, seen: Arc<Seen>) {
    let router = axum::Router::new()
        .fallback(pass_on)
        .with_state(seen.clone());
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (seen.acceptor.lock().unwrap().clone(), router.clone());
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

async fn pass_on(State(seen): State<Arc<Seen>>, request: Request) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    seen.requests
        .lock()
        .unwrap()
        .push(format!("{} {path}", request.method()));
    let is_sync = path.ends_with("/sync/pull") || path.ends_with("/sync/push");
    let fault = if is_sync { turn(&seen) } else { Fault::None };
    let answer = |status: u16| Response::builder().status(status);
    match fault {
        Fault::Html => {
            let page = "<!doctype html><title>Sign in to the network</title>";
            return answer(200)
                .header(header::CONTENT_TYPE, "text/html")
                .body(page.into())
                .unwrap();
        }
        Fault::Redirect => {
            return answer(307)
                .header(header::LOCATION, &seen.elsewhere)
                .body(Body::empty())
                .unwrap();
        }
        Fault::Broken(0) => return answer(500).body("Oops".into()).unwrap(),
        _ => {}
    }
    let (status, headers, bytes) = forward(&seen, request, &path).await;
    let mut response = answer(status.as_u16());
    for name in [
        header::CONTENT_TYPE,
        header::SET_COOKIE,
        header::RETRY_AFTER,
    ] {
        if let Some(value) = headers.get(&name) {
            response = response.header(name, value);
        }
    }
    let half = bytes.slice(..bytes.len() / 2);
    match fault {
        Fault::Truncated => response.body(half.into()),
        Fault::CutOff => response
            .header(header::CONTENT_LENGTH, bytes.len())
            .body(half.into()),
        _ => response.body(bytes.into()),
    }
    .unwrap()
}

/// The fault of this request. One that comes later comes nearer.
fn turn(seen: &Seen) -> Fault {
    let mut fault = seen.fault.lock().unwrap();
    let now = *fault;
    if let Fault::Broken(more @ 1..) = now {
        *fault = Fault::Broken(more - 1);
    }
    now
}

async fn forward(
    seen: &Seen,
    request: Request,
    path: &str,
) -> (StatusCode, header::HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    if headers.contains_key(header::ORIGIN) {
        headers.insert(header::ORIGIN, seen.platform.parse().unwrap());
    }
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let sent = seen
        .client
        .request(parts.method, format!("{}{path}", seen.platform))
        .headers(headers)
        .body(body)
        .send();
    let answered = sent.await.unwrap();
    let (status, headers) = (answered.status(), answered.headers().clone());
    (status, headers, answered.bytes().await.unwrap())
}
