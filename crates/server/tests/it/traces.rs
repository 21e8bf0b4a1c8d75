//! Traces: what a collector gets when one is named, what it never gets, and that without one nothing leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use fieldstone_testkit::{Server, ServerOptions};
use http::StatusCode;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a collector was sent: each request's head and body.
type Sent = Arc<Mutex<Vec<(String, String)>>>;

/// A collector on this machine.
async fn collector() -> (String, Sent) {
    async fn take(State(sent): State<Sent>, request: Request) -> StatusCode {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 8 << 20).await.unwrap();
        let head = format!("{} {} {:?}", parts.method, parts.uri, parts.headers);
        let body = String::from_utf8(body.to_vec()).unwrap();
        sent.lock().unwrap().push((head, body));
        StatusCode::OK
    }
    let sent = Sent::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let router = Router::new().fallback(take).with_state(Arc::clone(&sent));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (endpoint, sent)
}

/// Every span that was sent, by its name.
fn spans(sent: &Sent) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (head, body) in sent.lock().unwrap().iter() {
        assert!(head.starts_with("POST /v1/traces"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({ "key": "service.name", "value": { "stringValue": "fieldstone" } })
        );
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            all.insert(span["name"].as_str().unwrap().to_owned(), span.clone());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_spans_without_anything_of_anybodys() {
    let (endpoint, sent) = collector().await;
    let (other, unnamed) = collector().await;
    // What a variable of the environment says of collectors doesn't matter, nor what it says of proxies.
    let proxy = other.replace("/v1/traces", "");
    let options = ServerOptions::empty()
        .with(&["--traces", &endpoint])
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", &proxy)
        .with_variable("HTTP_PROXY", &proxy)
        .with_variable("http_proxy", &proxy);
    let server = Server::start(&options);
    let ask = |path: &str| server.client().get(format!("{}{path}", server.url()));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = ask("/api/v1/records/account/planted-id?filter=planted-filter")
        .header("traceparent", parent)
        .bearer_auth("planted-bearer")
        .header("x-request-id", "planted-request")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let wrong = server
        .client()
        .post(format!("{}/api/v1/session", server.url()))
        .header("origin", server.url())
        .json(&json!({ "email": "planted@owner.example", "password": "planted-password" }))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    ask("/planted-path/planted").send().await.unwrap();
    // What was asked last is sent before the end.
    assert!(server.end(Signal::SIGTERM).success());

    let spans = spans(&sent);
    let span = spans
        .get("GET /api/v1/records/{object}/{id}")
        .unwrap_or_else(|| panic!("{:?}", spans.keys()));
    // Nobody but a trusted proxy says which trace a request belongs to, and none is configured here.
    assert_ne!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
    assert_eq!(span["parentSpanId"], "");
    assert_eq!(span["kind"], 2);
    let nanos = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos("endTimeUnixNano") >= nanos("startTimeUnixNano"));
    let fact = |key: &str| {
        let facts = span["attributes"].as_array().unwrap();
        let found = facts.iter().find(|fact| fact["key"] == key);
        found.unwrap()["value"].clone()
    };
    assert_eq!(
        fact("http.response.status_code"),
        json!({ "intValue": "401" })
    );
    assert_eq!(fact("fieldstone.request_id"), json!({ "stringValue": id }));
    assert!(spans.contains_key("POST /api/v1/session"));
    assert!(spans.keys().any(|name| name.starts_with("job ")));
    for (head, body) in sent.lock().unwrap().iter() {
        assert!(
            !head.contains("planted") && !body.contains("planted"),
            "{head} {body}"
        );
    }
    assert!(unnamed.lock().unwrap().is_empty(), "nobody else gets any");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_gone_holds_nothing_up() {
    let (endpoint, _) = collector().await;
    let nobody = format!(
        "http://127.0.0.1:{}/v1/traces",
        fieldstone_testkit::free_port()
    );
    assert_ne!(endpoint, nobody);
    let server = Server::start(&ServerOptions::empty().with(&["--traces", &nobody]));
    for _ in 0..20 {
        let answer = server
            .client()
            .get(format!("{}/sign-in", server.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert!(server.end(Signal::SIGTERM).success());
}
