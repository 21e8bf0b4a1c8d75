//! A server while it runs: the port, the line `ready`, the chores in the background, the orderly end.

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use crate::platform::Platform;
use crate::serve::{Limits, serve};
use crate::tls::Tls;

/// Takes the port, before anything else is started that would have to be stopped again.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(match error.kind() {
            ErrorKind::AddrInUse => format!("The address {address} is in use by another program; choose another one with --listen."),
            ErrorKind::PermissionDenied => format!("The address {address} may not be listened on by this user; choose a port above 1023."),
            ErrorKind::AddrNotAvailable => format!("The address {address} is not one of this machine's."),
            _ => format!("The address {address} can't be listened on: {error}."),
        })
    })
}

/// The address that a person on this machine, or a client of it, would use.
pub(super) fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("https://localhost:{}", address.port()) } else { format!("https://{address}") }
}

/// Serves until a signal says to stop, then lets the requests in progress finish.
pub(super) async fn serve_until_told(listener: TcpListener, tls: Tls, router: Router, platform: &Platform) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("The server can't be started: {error}."));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("Stopping: requests in progress may finish …");
    };

    let clock = Arc::clone(&platform.clock);
    let chores = [
        tokio::spawn(tls.clone().keep_fresh(move || clock.now())),
        tokio::spawn(Arc::clone(&platform.context_keys).keep_fresh(platform.databases.owner.clone(), Arc::clone(&platform.clock))),
    ];
    say_ready(&url(listener.local_addr().map_err(failed)?)).map_err(failed)?;
    serve(listener, tls.config(), router, Limits::default(), shutdown).await;
    for chore in chores {
        chore.abort();
    }
    Ok(())
}

/// The one line on standard output, for scripts to wait for. Somebody who closed that end has other means.
fn say_ready(url: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "ready {url}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
