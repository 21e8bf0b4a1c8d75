//! A server while it runs: the port, the line `ready`, the chores in the background, the orderly end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;
use super::output::say;
use crate::attachments::Sweep;
use crate::automation::Automation;
use crate::database::pool::{Pool, Sign};
use crate::identity::workspace_end::{EndJob, Ending};
use crate::import::Imports;
use crate::jobs::{Job, Jobs, Purge, Telling, Tombstones, Totals};
use crate::mail::{Mailer, Post};
use crate::platform::{Platform, Readiness};
use crate::room::Room;
use crate::serve::{Limits, serve};
use crate::store::Stores;
use crate::telemetry::traces::{self, TraceSettings, Traces};
use crate::telemetry::{self, Exporter};
use crate::tls::Tls;
use crate::webhooks::Webhooks;

/// Connections of the jobs that work in people's names.
const JOB_CONNECTIONS: usize = 6;

/// Whether somebody has told the server to stop.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for the signals from here on: also a start that is interrupted has to stop what it has started.
    pub(super) fn listen() -> Result<Self, Failure> {
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot_start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_start)?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("Stopping: requests in progress may finish …");
            sender.send_replace(true);
            // Kept open, since a closed channel would read as told.
            sender.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Resolves once the server has been told to stop.
    pub(super) async fn told(mut self) {
        // The other end lives as long as this one.
        let _ = self.0.wait_for(|told| *told).await;
    }
}

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
pub(super) fn url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(cannot_start)?;
    let everywhere = address.ip().is_unspecified();
    Ok(if everywhere {
        format!("https://localhost:{}", address.port())
    } else {
        format!("https://{address}")
    })
}

/// Begins to answer those who collect numbers, where somebody has said where.
pub(super) async fn export(
    address: Option<SocketAddr>,
    platform: &Platform,
) -> Result<Option<Exporter>, Failure> {
    let Some(address) = address else {
        return Ok(None);
    };
    let readiness = Arc::new(Readiness::new(platform));
    let exporter = telemetry::start(listen(address).await?, readiness)
        .map_err(|error| Failure::new(format!("Metrics can't be served: {error}.")))?;
    tracing::info!("Metrics are at http://{}/metrics", exporter.address());
    Ok(Some(exporter))
}

/// Begins to send spans, where somebody has said where to.
pub(super) fn trace(
    settings: Option<&TraceSettings>,
    platform: &Platform,
) -> Result<Option<Traces>, Failure> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let traces = traces::start(settings, Arc::clone(&platform.clock))?;
    tracing::info!("Traces go to {}", settings.endpoint);
    Ok(Some(traces))
}

/// Sends what is left of them.
pub(super) async fn last_spans(traces: Option<Traces>) {
    if let Some(traces) = traces {
        traces.stop().await;
    }
}

/// Serves until told to stop, then lets the requests in progress finish.
///
/// `mail` is how letters leave, and the address that their links begin with; `more` is what else this server does in the background.
pub(super) async fn serve_until_told(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    platform: &Platform,
    mail: Option<(Post, String)>,
    more: Vec<Box<dyn Job>>,
    stop: Stop,
) -> Result<(), Failure> {
    let clock = Arc::clone(&platform.clock);
    let chores = [
        tokio::spawn(tls.clone().keep_fresh(move || clock.now())),
        tokio::spawn(Arc::clone(&platform.context_keys).keep_fresh(
            platform.databases.owner.clone(),
            Arc::clone(&platform.clock),
        )),
    ];
    let jobs = jobs(platform, mail)?.into_iter().chain(more).collect();
    let jobs = Jobs::start(&platform.databases.worker, jobs);
    // The one line on standard output, for scripts to wait for.
    say(&format!("ready {}", url(&listener)?))?;
    serve(
        listener,
        tls.config(),
        router,
        Limits::default(),
        stop.told(),
    )
    .await;
    jobs.stop().await;
    for chore in chores {
        chore.abort();
    }
    Ok(())
}

/// What a server does besides serving.
fn jobs(platform: &Platform, mail: Option<(Post, String)>) -> Result<Vec<Box<dyn Job>>, Failure> {
    let imports = Imports::new(stores(platform)?, Arc::clone(&platform.clock));
    let mut jobs: Vec<Box<dyn Job>> = vec![
        Box::new(Purge),
        Box::new(Totals),
        Box::new(Tombstones),
        Box::new(Telling),
        Box::new(imports),
        Box::new(Automation::new(
            stores(platform)?,
            Arc::clone(&platform.clock),
        )),
        Box::new(Webhooks::new(
            platform.accounts.vault.clone(),
            platform.webhook_networks.clone(),
            Arc::clone(&platform.clock),
        )),
    ];
    if let Some(objects) = &platform.objects {
        jobs.push(Box::new(Sweep::new(objects.clone())));
    }
    if let Some(owner) = &platform.databases.owner {
        let ending = Ending {
            owner: owner.clone(),
            vault: platform.accounts.vault.clone(),
            objects: platform.objects.clone(),
        };
        jobs.push(Box::new(EndJob::new(ending, Arc::clone(&platform.clock))));
    }
    if let Some((post, url)) = mail {
        jobs.push(Box::new(Mailer::new(
            post,
            url,
            Arc::clone(&platform.clock),
        )));
    }
    Ok(jobs)
}

/// Stores for work in people's names, over a few connections of its own: serving must not wait for it.
fn stores(platform: &Platform) -> Result<Stores, Failure> {
    let keys = Arc::clone(&platform.context_keys);
    let sign: Sign = Arc::new(move |actor, backend, now| keys.sign(actor, backend, now));
    let pool = Pool::new(
        platform.databases.app.clone(),
        JOB_CONNECTIONS,
        sign,
        Arc::clone(&platform.clock),
    )?
    .watched("jobs");
    Ok(
        Stores::new(pool, Arc::clone(&platform.clock), platform.objects.clone())
            .sealing(platform.accounts.vault.clone())
            .with_room(Room::of(&platform.folders)),
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn cannot_start(error: io::Error) -> Failure {
    Failure::new(format!("The server can't be started: {error}."))
}
