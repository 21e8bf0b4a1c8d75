//! The accept loop by itself: what it waits for, and what it doesn't.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use fieldstone_server::serve::{Limits, serve};
use fieldstone_server::tls::{CertificateSource, LocalAuthority, Names, Tls};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// A server in this process: `/slow` answers when released, `/peer` says who asks.
struct Serving {
    address: SocketAddr,
    client: reqwest::Client,
    arrived: Arc<Notify>,
    release: Arc<Notify>,
    stop: Arc<Notify>,
    done: JoinHandle<()>,
    _folder: TempDir,
}

impl Serving {
    async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = LocalAuthority::new(folder.path().to_owned(), Names::new(None, None));
        let ca = authority.ca_file();
        let tls = Tls::load(
            CertificateSource::Local(authority),
            "2026-05-01T00:00:00Z".parse().unwrap(),
        )
        .unwrap();
        let [arrived, release, stop] = [(); 3].map(|()| Arc::new(Notify::new()));
        let (here, go) = (Arc::clone(&arrived), Arc::clone(&release));
        let slow = async move || {
            here.notify_one();
            go.notified().await;
            "slow"
        };
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        #[expect(clippy::disallowed_methods, reason = "routes of this test alone")]
        let router = Router::new()
            .route("/slow", get(slow))
            .route("/peer", get(peer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::clone(&stop);
        let done = tokio::spawn(async move {
            serve(listener, tls.config(), router, limits, told.notified()).await;
        });
        let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
        // The certificate was made for a day of its own, so that only its chain is checked here, not its age.
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        Self {
            address,
            client,
            arrived,
            release,
            stop,
            done,
            _folder: folder,
        }
    }

    fn get(&self, path: &str) -> JoinHandle<reqwest::Result<String>> {
        let request = self.client.get(format!("https://{}{path}", self.address));
        tokio::spawn(async move { request.send().await?.error_for_status()?.text().await })
    }
}

#[tokio::test]
async fn a_request_in_progress_is_finished_and_new_ones_are_not_taken() {
    let serving = Serving::start(Limits::default()).await;
    let slow = serving.get("/slow");
    serving.arrived.notified().await;
    serving.stop.notify_one();
    // The listener goes first: from here on a new connection is refused.
    while TcpStream::connect(serving.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!serving.done.is_finished());
    serving.release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap(), "slow");
    timeout(Duration::from_secs(5), serving.done)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut() {
    let mut limits = Limits::default();
    limits.drain = Duration::from_millis(200);
    let serving = Serving::start(limits).await;
    let slow = serving.get("/slow");
    serving.arrived.notified().await;
    serving.stop.notify_one();
    timeout(Duration::from_secs(5), serving.done)
        .await
        .unwrap()
        .unwrap();
    slow.abort();
}

#[tokio::test]
async fn an_idle_connection_holds_nothing_up() {
    let serving = Serving::start(Limits::default()).await;
    serving.get("/peer").await.unwrap().unwrap();
    let told = Instant::now();
    serving.stop.notify_one();
    timeout(Duration::from_secs(5), serving.done)
        .await
        .unwrap()
        .unwrap();
    assert!(
        told.elapsed() < Duration::from_secs(3),
        "{:?}",
        told.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_hung_up_on() {
    let mut limits = Limits::default();
    limits.handshake = Duration::from_millis(100);
    limits.connections = 1;
    let serving = Serving::start(limits).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();
    // It holds the only place; the next client gets it once the silent one has been hung up on.
    let peer = serving.get("/peer");
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    let peer = timeout(Duration::from_secs(5), peer)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
}
