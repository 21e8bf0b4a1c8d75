//! Traces for OpenTelemetry (OTLP over HTTP, JSON encoding, version 1): one span per request and per run of a job. Off unless an address is
//! given, and sent to that address alone.
//!
//! A span says the method, the pattern of the route, the status, how long it took, and the id that stands in the log. Never a path, a query, a
//! header, a name or a value. While nobody collects, spans are dropped and nothing waits for it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::rand;
use fieldstone_model::clock::Clock;
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::names;
use crate::outgoing::{self, holds_a_secret, is_on_this_machine};

/// Spans that wait to be sent; those beyond it are dropped.
const WAITING: usize = 4_096;
/// Spans in one request to the collector.
const AT_ONCE: usize = 512;
/// How often they are sent.
const EVERY: Duration = Duration::from_secs(2);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is said that the collector doesn't take them.
const COMPLAINT: Duration = Duration::from_mins(5);

/// Where spans of this process go; there can be only one place.
static SPANS: OnceLock<Spans> = OnceLock::new();
/// Spans that nobody got.
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct Spans {
    sender: Sender<Span>,
    clock: Arc<dyn Clock>,
}

/// The part `[traces]` of a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSettings {
    /// The collector's address for traces: `https://…/v1/traces`, or `http://` on this machine.
    pub endpoint: String,
    /// The authority that its certificate comes from, PEM; then no other is trusted.
    pub ca_file: Option<PathBuf>,
}

/// Why spans can't be sent. Each message is a whole sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The settings.
    #[error("The settings for traces can't be used: {0}.")]
    Settings(&'static str),
    /// The file of the authority.
    #[error("The file {0} can't be read, or holds no certificate.")]
    Authority(PathBuf),
    /// There is one already.
    #[error("Traces are sent somewhere already.")]
    Started,
}

/// Where a request comes from in a trace that somebody else has begun (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    trace: u128,
    span: u64,
}

/// What took some time.
#[derive(Debug)]
struct Span {
    parent: Option<Parent>,
    name: String,
    is_request: bool,
    ended: Timestamp,
    took: Duration,
    failed: bool,
    facts: Vec<(&'static str, Value)>,
}

/// Sends spans for as long as it lives.
#[derive(Debug)]
pub struct Traces {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

impl Traces {
    /// Sends what is left, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(PATIENCE, self.sending).await;
    }
}

impl TraceSettings {
    /// Spans go to this address.
    pub fn to(endpoint: String) -> Self {
        Self {
            endpoint,
            ca_file: None,
        }
    }

    fn client(&self) -> Result<reqwest::Client, TraceError> {
        let address = url::Url::parse(&self.endpoint).map_err(|_| {
            TraceError::Settings("the address is not of the form https://host/path")
        })?;
        let is_near = address.scheme() == "http" && is_on_this_machine(&address);
        if address.scheme() != "https" && !is_near {
            return Err(TraceError::Settings(
                "the address has to begin with https://, or lead to this machine",
            ));
        }
        if holds_a_secret(&address) {
            return Err(TraceError::Settings(
                "the address must not hold a user or a password",
            ));
        }
        let authority = || TraceError::Authority(self.ca_file.clone().unwrap_or_default());
        outgoing::client(self.ca_file.as_deref())
            .map_err(|_| authority())?
            .timeout(PATIENCE)
            .build()
            .map_err(|_| TraceError::Settings("TLS can't be set up"))
    }
}

/// Begins to send spans.
pub fn start(settings: &TraceSettings, clock: Arc<dyn Clock>) -> Result<Traces, TraceError> {
    let client = settings.client()?;
    let (sender, receiver) = channel(WAITING);
    let spans = Spans { sender, clock };
    if SPANS.set(spans).is_err() {
        return Err(TraceError::Started);
    }
    let stop = CancellationToken::new();
    let sending = tokio::spawn(send_all(
        client,
        settings.endpoint.clone(),
        receiver,
        stop.clone(),
    ));
    Ok(Traces { stop, sending })
}

/// The trace that a request belongs to, if a trusted proxy before this server has begun one; anybody else's word was taken away before
/// (`http/proxies.rs`).
pub(crate) fn parent(headers: &HeaderMap) -> Option<Parent> {
    SPANS.get()?;
    read_parent(headers.get("traceparent")?.to_str().ok()?)
}

fn read_parent(text: &str) -> Option<Parent> {
    let mut parts = text.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits
            && text
                .bytes()
                .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    };
    if !is_hex(version, 2) || version == "ff" || !is_hex(trace, 32) || !is_hex(span, 16) {
        return None;
    }
    let found = Parent {
        trace: u128::from_str_radix(trace, 16).ok()?,
        span: u64::from_str_radix(span, 16).ok()?,
    };
    (found.trace != 0 && found.span != 0).then_some(found)
}

/// A request was answered.
pub(crate) fn request(
    parent: Option<Parent>,
    id: &str,
    method: &Method,
    route: Option<&str>,
    status: u16,
    took: Duration,
) {
    let Some(spans) = SPANS.get() else { return };
    let route = route.unwrap_or("none");
    let method = super::known_method(method);
    spans.add(Span {
        parent,
        name: format!("{method} {route}"),
        is_request: true,
        ended: spans.clock.now(),
        took,
        failed: status >= 500,
        facts: vec![
            ("http.request.method", json!({ "stringValue": method })),
            ("http.route", json!({ "stringValue": route })),
            (
                "http.response.status_code",
                json!({ "intValue": status.to_string() }),
            ),
            ("fieldstone.request_id", json!({ "stringValue": id })),
        ],
    });
}

/// A job came to an end.
pub(crate) fn job(name: &'static str, ok: bool, took: Duration) {
    let Some(spans) = SPANS.get() else { return };
    spans.add(Span {
        parent: None,
        name: format!("job {name}"),
        is_request: false,
        ended: spans.clock.now(),
        took,
        failed: !ok,
        facts: Vec::new(),
    });
}

impl Spans {
    fn add(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            dropped(1);
        }
    }
}

/// Counts spans that nobody got, for the log and for whoever collects numbers.
fn dropped(count: u64) {
    DROPPED.fetch_add(count, Ordering::Relaxed);
    counter!(names::SPANS_DROPPED).increment(count);
}

impl Span {
    /// In the collector's form.
    fn to_json(&self) -> Option<Value> {
        let mut random = [0; 24];
        rand::fill(&mut random).ok()?;
        let (trace, span) = random.split_first_chunk::<16>()?;
        let trace = self
            .parent
            .map_or(u128::from_be_bytes(*trace), |parent| parent.trace);
        let span = u64::from_be_bytes(*span.first_chunk::<8>()?);
        let began = self.ended - SignedDuration::try_from(self.took).ok()?;
        let facts: Vec<Value> = self
            .facts
            .iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        Some(json!({
            "traceId": format!("{trace:032x}"),
            "spanId": format!("{span:016x}"),
            "parentSpanId": self.parent.map_or_else(String::new, |parent| format!("{:016x}", parent.span)),
            "name": self.name,
            "kind": if self.is_request { 2 } else { 1 },
            "startTimeUnixNano": began.as_nanosecond().to_string(),
            "endTimeUnixNano": self.ended.as_nanosecond().to_string(),
            "attributes": facts,
            "status": if self.failed { json!({ "code": 2 }) } else { json!({}) },
        }))
    }
}

fn batch(spans: &[Span]) -> Value {
    let fact = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let spans: Vec<Value> = spans.iter().filter_map(Span::to_json).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [fact("service.name", "fieldstone"), fact("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeSpans": [{ "scope": { "name": "fieldstone" }, "spans": spans }],
    }] })
}

async fn send_all(
    client: reqwest::Client,
    endpoint: String,
    mut receiver: Receiver<Span>,
    stop: CancellationToken,
) {
    let mut told: Option<tokio::time::Instant> = None;
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            () = stop.cancelled() => true,
        };
        loop {
            let mut spans = Vec::new();
            while spans.len() < AT_ONCE
                && let Ok(span) = receiver.try_recv()
            {
                spans.push(span);
            }
            if spans.is_empty() {
                break;
            }
            let sent = client.post(&endpoint).json(&batch(&spans)).send().await;
            let taken = sent.is_ok_and(|answer| answer.status().is_success());
            if !taken {
                let count = u64::try_from(spans.len()).unwrap_or(0);
                dropped(count);
                if told.is_none_or(|told| told.elapsed() > COMPLAINT) {
                    told = Some(tokio::time::Instant::now());
                    let dropped = DROPPED.load(Ordering::Relaxed);
                    tracing::warn!(dropped, "the collector of traces doesn't take them");
                }
                break;
            }
        }
        if stopping {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_begun_elsewhere_goes_on() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = read_parent(good).unwrap();
        assert_eq!(parent.span, 0xb7ad_6b71_6920_3331);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-planted-b7ad6b7169203331-01",
        ] {
            assert_eq!(read_parent(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_leave_encrypted_or_not_at_all() {
        let client = |endpoint: &str| TraceSettings::to(endpoint.to_owned()).client();
        assert!(client("https://otel.example:4318/v1/traces").is_ok());
        assert!(client("http://127.0.0.1:4318/v1/traces").is_ok());
        for bad in [
            "http://otel.example:4318/v1/traces",
            "https://user:secret@otel.example/v1/traces",
            "otel.example",
        ] {
            let said = client(bad).unwrap_err().to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_span_has_the_published_form() {
        let span = Span {
            parent: read_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            name: "GET /deals/{id}".to_owned(),
            is_request: true,
            ended: "2026-05-01T12:00:00Z".parse().unwrap(),
            took: Duration::from_millis(1_500),
            failed: true,
            facts: vec![("http.route", json!({ "stringValue": "/deals/{id}" }))],
        };
        let span = span.to_json().unwrap();
        assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
        assert_eq!(span["startTimeUnixNano"], "1777636798500000000");
        assert_eq!(span["endTimeUnixNano"], "1777636800000000000");
        assert_eq!(span["kind"], 2);
        assert_eq!(span["status"]["code"], 2);
    }
}
