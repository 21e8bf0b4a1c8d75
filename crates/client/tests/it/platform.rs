//! A small platform behind TLS: signs in, tells a schema, serves pulls, takes pushes, and fails on demand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Response, StatusCode, Uri, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    MEDIA_TYPE,
    device::{Registered, Registration, SealingKey, Standing},
    digest::Digest,
    frame::{Limits, encode, one_line},
    hello::{Policy, Schema, Welcome},
    pull::{Cursor, Epoch, Next, Page, PullAnswer, PullRequest, Row, Want},
    push::{MutationResult, Outcome, PushAnswer, PushRequest},
    tag::{BlindKey, Tag},
};
use hpke::{Kem as _, Serializable as _};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::TlsAcceptor;

/// How the platform fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A web page, as a captive network answers.
    Html,
    /// Half of an answer.
    Truncated,
    /// An answer that ends before its announced length.
    CutOff,
    /// A refusal of something in between, such as a gateway.
    Between(u16),
    /// Somewhere else.
    Redirect,
    /// A fault.
    Broken,
    /// The session has ended.
    SignedOut,
    /// The schema can't be had, and everything else can.
    NoSchema,
    /// It speaks no version of the protocol that the device speaks.
    Incompatible,
}

pub(crate) struct World {
    pub(crate) rows: BTreeMap<RecordId, Row>,
    pub(crate) pushed: Vec<fieldstone_protocol::push::Mutation>,
    pub(crate) fault: Fault,
    pub(crate) login_key: Option<String>,
    pub(crate) requests: Vec<String>,
    /// What the workspace has for a schema, and the user for a role.
    pub(crate) schema: Schema,
    /// What besides the records decides what is in scope.
    pub(crate) epoch: String,
    version: i64,
}

#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) url: String,
    pub(crate) ca: String,
}

pub(crate) const USER: &str = "0050000000000Aa";
const DEVICE: &str = "fD00000000000Aa";

/// The workspace's private sealing key.
pub(crate) fn sealing_key() -> (Vec<u8>, Vec<u8>) {
    let (private, public) = hpke::kem::X25519HkdfSha256::derive_keypair(&[9; 32]);
    (private.to_bytes().to_vec(), public.to_bytes().to_vec())
}

pub(crate) fn row(object: &str, id: &str, version: i64, columns: &serde_json::Value) -> Row {
    Row {
        object: object.to_owned(),
        id: id.parse().unwrap(),
        tag: Tag(u64::try_from(version)
            .unwrap()
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ u64::from(id.as_bytes()[14])),
        version,
        columns: columns.as_object().unwrap().clone(),
    }
}

impl Platform {
    /// Starts one with TLS of these versions.
    pub(crate) async fn start(versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let user = row(
            "user",
            USER,
            1,
            &serde_json::json!({"name": "Ada", "email": "ada@example.com", "role": "member", "active": true}),
        );
        let world = World {
            rows: BTreeMap::from([(user.id, user)]),
            pushed: Vec::new(),
            fault: Fault::None,
            login_key: None,
            requests: Vec::new(),
            schema: Schema {
                version: 1,
                user: USER.parse().unwrap(),
                role: "member".to_owned(),
                workspace: None,
                locale: None,
                time_zone: None,
                currency: None,
                objects: Vec::new(),
            },
            epoch: "e".to_owned(),
            version: 100,
        };
        let platform = Self {
            world: Arc::new(Mutex::new(world)),
            url: format!("https://localhost:{port}"),
            ca: certificate.pem(),
        };
        let router = Router::new()
            .fallback(answer)
            .with_state(platform.world.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        platform
    }

    pub(crate) fn put(&self, row: Row) {
        self.world.lock().unwrap().rows.insert(row.id, row);
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.world.lock().unwrap().fault = fault;
    }
}

/// A refusal of the platform's own.
fn problem(status: u16) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/problem+json")
        .body(r#"{"detail":"It can't be done."}"#.into())
        .unwrap()
}

fn frame(status: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .body(bytes.into())
        .unwrap()
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let mut world = world.lock().unwrap();
    world.requests.push(format!("{method} {}", uri.path()));
    let is_sync = uri.path().ends_with("/pull") || uri.path().ends_with("/push");
    if is_sync {
        match world.fault {
            Fault::None | Fault::Truncated | Fault::CutOff | Fault::NoSchema => {}
            Fault::Html => {
                return Response::builder()
                    .header(header::CONTENT_TYPE, "text/html")
                    .body("<!doctype html><title>Sign in to the Wi-Fi</title>".into())
                    .unwrap();
            }
            Fault::Between(status) => {
                return Response::builder()
                    .status(status)
                    .header(header::CONTENT_TYPE, "text/html")
                    .body("<h1>Request blocked</h1>".into())
                    .unwrap();
            }
            Fault::Redirect => {
                return Response::builder()
                    .status(StatusCode::TEMPORARY_REDIRECT)
                    .header(header::LOCATION, "https://elsewhere.example.com/")
                    .body(Body::empty())
                    .unwrap();
            }
            Fault::Broken => return Response::builder().status(500).body("Oops".into()).unwrap(),
            Fault::Incompatible => {
                return problem(426);
            }
            Fault::SignedOut => {
                return problem(401);
            }
        }
    }
    let fault = world.fault;
    if fault == Fault::NoSchema && uri.path().ends_with("/schema") {
        return Response::builder().status(503).body(Body::empty()).unwrap();
    }
    let response = serve(&mut world, &method, uri.path(), &body);
    match fault {
        Fault::Truncated if is_sync => {
            let cut = response.len() / 2;
            frame(StatusCode::OK, response[..cut].to_vec())
        }
        Fault::CutOff if is_sync => {
            let length = response.len() + 100;
            let mut sent = frame(StatusCode::OK, response);
            sent.headers_mut()
                .insert(header::CONTENT_LENGTH, length.into());
            sent
        }
        _ if uri.path() == "/api/v1/session" && method == Method::POST => Response::builder()
            .status(StatusCode::CREATED)
            .header(
                header::SET_COOKIE,
                "__Host-session=AAAA; Path=/; Secure; HttpOnly; SameSite=Lax",
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(response.into())
            .unwrap(),
        _ => frame(StatusCode::OK, response),
    }
}

fn serve(world: &mut World, method: &Method, path: &str, body: &[u8]) -> Vec<u8> {
    const LIMITS: Limits = Limits {
        lines: 1,
        bytes: 1 << 20,
    };
    match path {
        "/api/v1/session" if method == Method::POST => {
            format!(r#"{{"user":{{"id":"{USER}"}}}}"#).into_bytes()
        }
        "/api/v1/sync/hello" => encode([Welcome {
            protocol: 1,
            schema: world.schema.version,
            policy: Policy::default(),
            guard: None,
            sealing_key: None,
        }])
        .unwrap(),
        "/api/v1/sync/devices" => {
            let registration: Registration = one_line(body, LIMITS).unwrap();
            world.login_key = registration.login_key;
            encode([Registered {
                device: DEVICE.parse().unwrap(),
                blind_key: BlindKey([1; 16]),
                secret: "s".repeat(43),
                wipe_key: STANDARD.encode([3; 32]),
                sealing_key: Some(SealingKey {
                    kid: 1,
                    key: STANDARD.encode(sealing_key().1),
                }),
            }])
            .unwrap()
        }
        "/api/v1/sync/schema" => encode([&world.schema]).unwrap(),
        "/api/v1/sync/pull" => pull(world, &PullRequest::from_bytes(body).unwrap()),
        "/api/v1/sync/push" => push(world, PushRequest::from_bytes(body).unwrap()),
        path if path.ends_with("/standing") => encode([Standing::Welcome]).unwrap(),
        _ => Vec::new(),
    }
}

fn pull(world: &World, request: &PullRequest) -> Vec<u8> {
    let mut digest = Digest::default();
    for row in world.rows.values() {
        digest.add(&row.object, row.tag);
    }
    let had = match &request.want {
        Want::Walk(inventory) => inventory.entries.clone(),
        Want::Delta { .. } => Vec::new(),
    };
    let rows = world
        .rows
        .values()
        .filter(|row| !had.contains(&(row.id, row.tag)))
        .cloned()
        .collect();
    PullAnswer::Page(Page {
        epoch: Epoch(world.epoch.clone()),
        schema: world.schema.version,
        totals: Some(BTreeMap::from([("account".to_owned(), 1)])),
        rows,
        gone: Vec::new(),
        next: Next::Done {
            cursor: Cursor(world.version.to_string()),
            digest: Some(digest),
        },
    })
    .to_bytes()
    .unwrap()
}

fn push(world: &mut World, request: PushRequest) -> Vec<u8> {
    let mut results = Vec::new();
    for mutation in request.mutations {
        world.version += 1;
        let version = world.version;
        let before = world.rows.get(&mutation.record).cloned();
        let mut columns = before.map(|row| row.columns).unwrap_or_default();
        for (field, edit) in &mutation.fields {
            columns.insert(field.clone(), edit.wanted.clone());
        }
        let after = row(
            &mutation.object,
            mutation.record.as_str(),
            version,
            &serde_json::Value::Object(columns),
        );
        world.rows.insert(after.id, after);
        results.push(MutationResult {
            uuid: mutation.uuid.clone(),
            duplicate: world
                .pushed
                .iter()
                .any(|pushed| pushed.uuid == mutation.uuid),
            outcome: Outcome::Applied { version },
        });
        world.pushed.push(mutation);
    }
    PushAnswer { results }.to_bytes().unwrap()
}
