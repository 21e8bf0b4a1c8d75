//! Work that nobody waits for: runs again and again while the server runs, on one server at a time.
//!
//! Each job has a connection of the role `fieldstone_worker` and leads by an advisory lock for as long as that connection lives; the other
//! servers stand by. A job calls look-up functions that say what they do for all tenants, or claims work and enters the context of whoever
//! asked for it; it never reads a table without one. Being run twice or after a pause must do no harm.

mod purge;
mod telling;
mod tombstones;
mod totals;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::{Client, Config};
use tokio_util::sync::CancellationToken;

use crate::database::{connect, serving};
use crate::telemetry;

pub use purge::Purge;
pub use telling::Telling;
pub use tombstones::Tombstones;
pub use totals::Totals;

/// How long a job may take to come to an end when the server stops.
const GRACE: Duration = Duration::from_secs(20);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Something to be done again and again.
pub trait Job: Send + Sync + 'static {
    /// Its name; servers agree by it on who runs it.
    fn name(&self) -> &'static str;

    /// How long to wait after each run.
    fn every(&self) -> Duration;

    /// Does what there is to do now.
    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// What a job works with.
#[derive(Debug)]
pub struct Work<'a> {
    /// A connection of `fieldstone_worker`, which this job has to itself.
    pub client: &'a Client,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Whether the server is stopping: then a job ends after what it has at hand.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// Jobs that are running.
#[derive(Debug)]
pub struct Jobs {
    running: JoinSet<()>,
    stop: CancellationToken,
}

impl Jobs {
    /// Starts `jobs` with connections made by `worker`.
    pub fn start(worker: &Config, jobs: Vec<Box<dyn Job>>) -> Self {
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        for job in jobs {
            running.spawn(keep_running(serving(worker.clone()), job, stop.clone()));
        }
        Self { running, stop }
    }

    /// Lets every job finish what it has at hand, for a while.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(GRACE, async {
            while self.running.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("a job did not come to an end in time and was stopped");
        }
    }
}

/// Connects, leads and runs, and starts over when something fails.
async fn keep_running(worker: Config, job: Box<dyn Job>, stop: CancellationToken) {
    let mut pause = job.every();
    while !stop.is_cancelled() {
        match lead(&worker, job.as_ref(), &stop).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(
                    job = job.name(),
                    error = format!("{error:#}"),
                    "a job failed and will be tried again"
                );
                pause = (pause * 2).clamp(Duration::from_secs(1), PAUSE_MAX);
            }
        }
        wait(pause, &stop).await;
    }
}

/// Runs a job over one connection until told to stop.
async fn lead(worker: &Config, job: &dyn Job, stop: &CancellationToken) -> anyhow::Result<()> {
    let client = connect(worker).await?;
    while !client
        .query_one("SELECT app.lead_job($1)", &[&job.name()])
        .await?
        .try_get::<_, bool>(0)?
    {
        wait(job.every().max(Duration::from_secs(2)), stop).await;
        if stop.is_cancelled() {
            return Ok(());
        }
    }
    let work = Work {
        client: &client,
        stop,
    };
    while !stop.is_cancelled() {
        let began = Instant::now();
        let ran = job.run(&work).await;
        telemetry::job(job.name(), ran.is_ok(), began.elapsed());
        ran?;
        wait(job.every(), stop).await;
    }
    Ok(())
}

async fn wait(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
