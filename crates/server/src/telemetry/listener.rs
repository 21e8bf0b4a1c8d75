//! The private listener: `GET /metrics` and nothing else, over plain HTTP. Off unless an address is given; keep it off public networks.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{SECONDS, look_at_pools, names};
use crate::platform::Readiness;

/// The recorder of this process; there can be only one.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Answers those who collect numbers, as long as it lives.
#[derive(Debug)]
pub struct Exporter {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Exporter {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Begins to count, and answers on `listener`.
pub fn start(listener: TcpListener, readiness: Arc<Readiness>) -> anyhow::Result<Exporter> {
    let handle = recorder()?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(show).with_state((handle, readiness));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(Exporter { address, serving })
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .install_recorder()?;
    names::describe();
    gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(RECORDER.get_or_init(|| handle).clone())
}

async fn show(
    State((handle, readiness)): State<(PrometheusHandle, Arc<Readiness>)>,
    request: Request,
) -> Response {
    if request.uri().path() != "/metrics" {
        return StatusCode::NOT_FOUND.into_response();
    }
    if request.method() != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    readiness.observe().await;
    look_at_pools();
    handle.run_upkeep();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], handle.render()).into_response()
}
