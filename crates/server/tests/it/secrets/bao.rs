//! A secrets manager for tests: what OpenBao and Vault answer to the requests that Fieldstone makes (`/v1/`, KV version 2, `AppRole`,
//! Kubernetes, tokens), over TLS, with tokens that end, a seal, and policies by path.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use fieldstone_server::serve::{Limits, serve};
use fieldstone_testkit::TestAuthority;
use http::{Method, StatusCode};
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// One version of a secret; nothing in it once it was destroyed.
type Version = Option<Map<String, Value>>;

struct Token {
    ends: Option<Instant>,
    /// The longest that a login lasts, whatever is renewed.
    last: Option<Instant>,
    lease: Duration,
    renewable: bool,
}

pub(super) struct Held {
    tokens: HashMap<String, Token>,
    secrets: HashMap<String, Vec<Version>>,
    pub(super) sealed: bool,
    /// What a login gives.
    pub(super) lease: Duration,
    pub(super) renewable: bool,
    pub(super) logins: u32,
    pub(super) renewals: u32,
    made: u32,
    /// How long each answer takes.
    pub(super) delay: Duration,
    /// Paths of requests, to see that nothing secret stands in them.
    pub(super) paths: Vec<String>,
}

/// A running one.
pub(super) struct Bao {
    pub(super) held: Arc<Mutex<Held>>,
    pub(super) folder: TempDir,
    pub(super) address: SocketAddr,
    tls: Arc<ServerConfig>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

pub(super) const ROLE: &str = "role-of-fieldstone";
pub(super) const SECRET_ID: &str = "planted-secret-id";
pub(super) const JWT: &str = "planted-service-account";

impl Bao {
    pub(super) async fn start() -> Self {
        Self::start_with(&[&rustls::version::TLS13]).await
    }

    pub(super) async fn start_with(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Authority of the manager");
        std::fs::write(folder.path().join("bao-ca.pem"), authority.pem()).unwrap();
        let tls = authority.certify(&["127.0.0.1"]).server(versions);
        let held = Held {
            tokens: HashMap::new(),
            secrets: HashMap::new(),
            sealed: false,
            lease: Duration::from_hours(1),
            renewable: true,
            logins: 0,
            renewals: 0,
            made: 0,
            delay: Duration::ZERO,
            paths: Vec::new(),
        };
        let mut bao = Self {
            held: Arc::new(Mutex::new(held)),
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            tls: Arc::new(tls),
            serving: None,
        };
        bao.serve().await;
        bao
    }

    /// Answers, at the same address as before.
    pub(super) async fn serve(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&self.held));
        let (stop, stopped) = oneshot::channel();
        let tls = Arc::clone(&self.tls);
        let serving = tokio::spawn(serve(
            listener,
            tls,
            router,
            Limits::default(),
            async move {
                let _ = stopped.await;
            },
        ));
        self.serving = Some((stop, serving));
    }

    /// Answers nobody any more.
    pub(super) async fn stop(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        let _ = stop.send(());
        serving.await.unwrap();
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// A private file beside its certificate.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// Puts a secret below `secret/data/fieldstone/`.
    pub(super) fn put(&self, path: &str, fields: &Value) {
        let fields = fields.as_object().unwrap().clone();
        let path = format!("fieldstone/{path}");
        let mut held = self.held();
        held.secrets.entry(path).or_default().push(Some(fields));
    }

    /// Every version of a secret.
    pub(super) fn versions(&self, path: &str) -> Vec<Version> {
        let held = self.held();
        let found = held.secrets.get(&format!("fieldstone/{path}"));
        found.cloned().unwrap_or_default()
    }

    /// The settings of somebody who logs in by `AppRole`.
    pub(super) fn settings(&self) -> String {
        let role = self.file("role-id", ROLE);
        let secret = self.file("secret-id", SECRET_ID);
        format!(
            "address = \"https://{}\"\nca_file = \"{}\"\nlogin = {{ approle = {{ role_id_file = \"{}\", secret_id_file = \"{}\" }} }}\n",
            self.address,
            self.folder.path().join("bao-ca.pem").display(),
            role.display(),
            secret.display()
        )
    }

    /// Takes every token back.
    pub(super) fn revoke(&self) {
        self.held().tokens.clear();
    }

    /// Forgets a secret with everything that was known of it.
    pub(super) fn forget(&self, path: &str) {
        self.held().secrets.remove(&format!("fieldstone/{path}"));
    }

    /// A token that somebody made by hand; without a lease it is a root token that doesn't end.
    pub(super) fn token(&self, text: &str, lease: Option<Duration>) {
        let ends = lease.map(|lease| Instant::now() + lease);
        let token = Token {
            ends,
            last: ends,
            lease: lease.unwrap_or_default(),
            renewable: false,
        };
        self.held().tokens.insert(text.to_owned(), token);
    }
}

fn errors(status: StatusCode, text: &str) -> Response {
    let errors: Vec<&str> = if text.is_empty() {
        Vec::new()
    } else {
        vec![text]
    };
    (status, Json(json!({ "errors": errors }))).into_response()
}

fn wrapped(data: &Value) -> Response {
    let answer = json!({
        "request_id": "0c1d2f3a", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data, "wrap_info": null, "warnings": null,
        "auth": null,
    });
    Json(answer).into_response()
}

fn auth(text: &str, lease: Duration, renewable: bool) -> Response {
    let answer = json!({
        "request_id": "0c1d2f3a", "lease_id": "", "renewable": false, "lease_duration": 0, "data": null, "wrap_info": null, "warnings": null,
        "auth": { "client_token": text, "accessor": "a", "policies": ["default", "fieldstone"], "token_policies": ["default", "fieldstone"],
            "metadata": {}, "lease_duration": lease.as_secs(), "renewable": renewable, "entity_id": "", "token_type": "service", "orphan": true },
    });
    Json(answer).into_response()
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let delay = held.lock().unwrap().delay;
    tokio::time::sleep(delay).await;
    let mut held = held.lock().unwrap();
    let path = parts.uri.path().trim_start_matches("/v1/").to_owned();
    held.paths.push(parts.uri.to_string());
    if held.sealed {
        return errors(StatusCode::SERVICE_UNAVAILABLE, "Vault is sealed");
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if parts.method == Method::POST && path.ends_with("/login") {
        let good = match path.as_str() {
            "auth/approle/login" => text("role_id") == ROLE && text("secret_id") == SECRET_ID,
            "auth/kubernetes/login" => text("role") == "fieldstone" && text("jwt") == JWT,
            _ => return errors(StatusCode::FORBIDDEN, "permission denied"),
        };
        if !good {
            return errors(StatusCode::BAD_REQUEST, "invalid role or secret ID");
        }
        held.made += 1;
        held.logins += 1;
        let token = format!("hvs.planted-token-{}", held.made);
        let (lease, renewable) = (held.lease, held.renewable);
        let now = Instant::now();
        let made = Token {
            ends: Some(now + lease),
            last: Some(now + lease * 100),
            lease,
            renewable,
        };
        held.tokens.insert(token.clone(), made);
        return auth(&token, lease, renewable);
    }
    let given = parts
        .headers
        .get("x-vault-token")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let denied = || errors(StatusCode::FORBIDDEN, "permission denied");
    let Some(token) = held.tokens.get_mut(&given) else {
        return denied();
    };
    if token.ends.is_some_and(|ends| ends <= Instant::now()) {
        return denied();
    }
    match (parts.method.clone(), path.as_str()) {
        (Method::GET, "auth/token/lookup-self") => {
            let rest = token
                .ends
                .map_or(0, |ends| (ends - Instant::now()).as_secs());
            let (policy, expires) = match token.ends {
                Some(_) => ("fieldstone", json!("2026-05-01T12:00:00Z")),
                None => ("root", Value::Null),
            };
            return wrapped(
                &json!({ "ttl": rest, "renewable": token.renewable, "policies": [policy], "expire_time": expires, "id": given }),
            );
        }
        (Method::POST, "auth/token/renew-self") => {
            if !token.renewable {
                return errors(StatusCode::BAD_REQUEST, "lease is not renewable");
            }
            let ends = (Instant::now() + token.lease).min(token.last.unwrap());
            token.ends = Some(ends);
            let lease = token.lease;
            held.renewals += 1;
            return auth(&given, lease, true);
        }
        _ => {}
    }
    // The policy of docs/secrets.md: this installation's secrets and nothing else.
    let mut words = path.splitn(3, '/');
    let (Some("secret"), Some(what), Some(place)) = (words.next(), words.next(), words.next())
    else {
        return denied();
    };
    if !place.starts_with("fieldstone/") {
        return denied();
    }
    let list = parts.uri.query() == Some("list=true");
    kv(&mut held.secrets, &parts.method, what, place, list, &body)
}

/// KV version 2.
fn kv(
    secrets: &mut HashMap<String, Vec<Version>>,
    method: &Method,
    what: &str,
    place: &str,
    list: bool,
    body: &Value,
) -> Response {
    let metadata = |version: usize, destroyed: bool| json!({ "created_time": "2026-05-01T12:00:00Z", "custom_metadata": null, "deletion_time": "", "destroyed": destroyed, "version": version });
    match (method.as_str(), what) {
        ("GET", "data") => match secrets.get(place).map(Vec::as_slice) {
            None | Some([]) => errors(StatusCode::NOT_FOUND, ""),
            Some(versions @ [.., None]) => {
                let gone =
                    json!({ "data": { "data": null, "metadata": metadata(versions.len(), true) } });
                (StatusCode::NOT_FOUND, Json(gone)).into_response()
            }
            Some(versions @ [.., Some(fields)]) => {
                wrapped(&json!({ "data": fields, "metadata": metadata(versions.len(), false) }))
            }
        },
        ("POST" | "PUT", "data") => {
            let versions = secrets.entry(place.to_owned()).or_default();
            if let Some(seen) = body["options"]["cas"].as_u64()
                && seen != versions.len() as u64
            {
                return errors(
                    StatusCode::BAD_REQUEST,
                    "check-and-set parameter did not match the current version",
                );
            }
            let Some(fields) = body["data"].as_object() else {
                return errors(StatusCode::BAD_REQUEST, "no data provided");
            };
            versions.push(Some(fields.clone()));
            wrapped(&metadata(versions.len(), false))
        }
        ("POST" | "PUT", "destroy") => {
            for number in body["versions"].as_array().into_iter().flatten() {
                let at = usize::try_from(number.as_u64().unwrap()).unwrap() - 1;
                if let Some(version) = secrets.get_mut(place).and_then(|all| all.get_mut(at)) {
                    *version = None;
                }
            }
            StatusCode::NO_CONTENT.into_response()
        }
        ("DELETE", "metadata") => {
            secrets.remove(place);
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET", "metadata") if list => {
            let start = format!("{place}/");
            let keys: Vec<&str> = secrets
                .keys()
                .filter_map(|key| key.strip_prefix(&start))
                .collect();
            if keys.is_empty() {
                return errors(StatusCode::NOT_FOUND, "");
            }
            wrapped(&json!({ "keys": keys }))
        }
        _ => errors(StatusCode::METHOD_NOT_ALLOWED, "unsupported operation"),
    }
}
