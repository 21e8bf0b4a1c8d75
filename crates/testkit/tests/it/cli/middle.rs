//! Somebody between a device and the platform, with a certificate of their own: notes what is asked, and spoils what is answered.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use fieldstone_testkit::{TestCertificate, pass_on, serve_tls};
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
        let router = axum::Router::new().fallback(spoil).with_state(seen.clone());
        let asked = seen.clone();
        let acceptor = move || asked.acceptor.lock().unwrap().clone();
        runtime.spawn(serve_tls(listener, acceptor, router));
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

async fn spoil(State(seen): State<Arc<Seen>>, request: Request) -> Response {
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
    let (status, headers, bytes) = pass_on(&seen.client, &seen.platform, request).await;
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
