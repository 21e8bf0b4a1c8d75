//! The accept loop: TLS connections in, requests to the router, an orderly end.

mod in_flight;
mod plain;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use self::in_flight::InFlight;
use crate::http::Endless;

/// The first byte of a TLS connection: a record of the type *handshake* (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the last bytes of an answer need to leave, and a polite client to hang up, once no request is in progress.
const GOODBYE: Duration = Duration::from_millis(500);

/// What one client may take of the server before it has proved anything.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// For the TLS handshake, and for saying anything at all.
    pub handshake: Duration,
    /// For the head of a request, and for an idle HTTP/1 connection's next one.
    pub request_head: Duration,
    /// Connections at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// Requests in progress on one HTTP/2 connection.
    pub streams: u32,
    /// For requests in progress once the server has been told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(30),
            connections: 4096,
            streams: 128,
            drain: Duration::from_secs(20),
        }
    }
}

/// Serves `router` over TLS on `listener` until `shutdown` resolves, then lets the requests in progress finish.
///
/// The router finds the client's address as [`ConnectInfo<SocketAddr>`]. Plain HTTP gets an answer that says what to do instead.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let connections = Arc::new(Connections {
        acceptor: TlsAcceptor::from(tls),
        router,
        http: protocol(&limits),
        limits,
        in_flight: InFlight::new(),
    });
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let (connections, watcher) = (Arc::clone(&connections), graceful.watcher());
        tokio::spawn(async move {
            connections.drive(stream, peer, watcher).await;
            drop(permit);
        });
    }
    // Nobody new gets in while the others finish.
    drop(listener);
    let finished = async {
        connections.in_flight.done().await;
        tokio::time::sleep(GOODBYE).await;
    };
    let drain = connections.limits.drain;
    tokio::select! {
        () = graceful.shutdown() => {}
        // Connections without a request may belong to somebody who fell asleep: they are not waited for.
        () = finished => {}
        () = tokio::time::sleep(drain) => tracing::warn!("Requests that did not finish in {drain:?} are cut off."),
    }
}

/// What all connections share.
struct Connections {
    acceptor: TlsAcceptor,
    router: Router,
    http: Builder<TokioExecutor>,
    limits: Limits,
    in_flight: InFlight,
}

impl Connections {
    /// One connection, from its first byte to its last.
    async fn drive(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Small answers go out at once; when this fails the connection is gone, and the next line notices.
        let _ = stream.set_nodelay(true);
        let handshake = async {
            let mut first = [0_u8];
            if stream.peek(&mut first).await? == 0 {
                return Ok(None);
            }
            if first == [TLS_HANDSHAKE] {
                return Ok(Some(self.acceptor.accept(stream).await?));
            }
            plain::answer(stream).await?;
            io::Result::Ok(None)
        };
        let stream = match timeout(self.limits.handshake, handshake).await {
            Ok(Ok(Some(stream))) => stream,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "no handshake"),
        };
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let in_progress = self.in_flight.begin();
            // A router is always ready, and cheap to clone.
            let answer = self.router.clone().call(request);
            async move {
                answer.await.map(|answer: Response| {
                    if answer.extensions().get::<Endless>().is_some() {
                        return answer;
                    }
                    answer.map(|body| in_progress.until_sent(body))
                })
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, error, "connection ended");
        }
    }
}

/// HTTP/1.1 and HTTP/2, whichever the handshake agreed on.
fn protocol(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_head)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(32 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// A client that hung up early costs nothing; a system out of file handles needs a moment for some to come back.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        tracing::error!("New connections can't be accepted just now: {error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
