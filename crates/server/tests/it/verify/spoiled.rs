//! A server that has got worse in one way, as somebody sees it who asks from outside: the claim about just that fails.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use fieldstone_model::SystemClock;
use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::identity::PasswordPolicy;
use fieldstone_server::verify::{Report, Status, Subject, run};
use fieldstone_testkit::{Server, ServerOptions, TestCertificate, pass_on, serve_tls};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::database;

/// What has got worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worse {
    /// Nothing.
    Nothing,
    /// An older TLS is spoken besides.
    OlderTls,
    /// The session's cookie has lost this attribute.
    Cookie(&'static str),
    /// The password alone lets in who has a second factor.
    NoSecondFactor,
    /// What a role may not have is answered all the same, below this path.
    NoRoles(&'static str),
    /// It isn't ready.
    NotReady,
    /// Where to report a weakness was vouched for until last year.
    OldContact,
}

struct Front {
    client: reqwest::Client,
    url: String,
    worse: Worse,
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (mut status, headers, mut bytes) = pass_on(&front.client, &front.url, request).await;
    match front.worse {
        Worse::NoSecondFactor
            if method == Method::POST
                && path == "/api/v1/session"
                && status == StatusCode::UNAUTHORIZED =>
        {
            status = StatusCode::CREATED;
        }
        Worse::NoRoles(below) if status == StatusCode::FORBIDDEN && path.starts_with(below) => {
            status = StatusCode::OK;
        }
        Worse::NotReady if path == "/readyz" => status = StatusCode::SERVICE_UNAVAILABLE,
        Worse::OldContact if path == "/.well-known/security.txt" => {
            bytes =
                "Contact: mailto:security@north.example\nExpires: 2025-01-01T00:00:00Z\n".into();
        }
        _ => {}
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = passed(&headers, front.worse);
    response
}

/// The headers that come along.
fn passed(headers: &HeaderMap, worse: Worse) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::SET_COOKIE, header::LOCATION] {
        for value in headers.get_all(&name) {
            let mut text = value.to_str().unwrap().to_owned();
            if let (Worse::Cookie(attribute), true) = (worse, name == header::SET_COOKIE) {
                text = text.replace(&format!("; {attribute}"), "");
            }
            passed.append(&name, text.parse().unwrap());
        }
    }
    passed
}

/// What is seen of the server when it is worse in this way.
async fn seen(server: &Server, worse: Worse) -> Report {
    let certificate = TestCertificate::alone(&["127.0.0.1"]);
    let both = [&rustls::version::TLS13, &rustls::version::TLS12];
    let versions = if worse == Worse::OlderTls {
        &both[..]
    } else {
        &both[..1]
    };
    let acceptor = TlsAcceptor::from(Arc::new(certificate.server(versions)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let front = Arc::new(Front {
        client: server.gateway(),
        url: server.url().to_owned(),
        worse,
    });
    let router = Router::new().fallback(answer).with_state(front);
    let serving = tokio::spawn(serve_tls(listener, move || acceptor.clone(), router));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
    let report = run(&subject(server, url, &folder)).await;
    serving.abort();
    report
}

fn subject(server: &Server, url: String, folder: &TempDir) -> Subject {
    let data_dir = DataDir::open(server.data()).unwrap();
    let passwords = data_dir.role_passwords().unwrap();
    let role = |name: &str, password: &SecretString| {
        let mut config = admin_config(&data_dir).unwrap();
        config
            .dbname("fieldstone")
            .user(name)
            .password(password.expose_secret());
        config
    };
    Subject {
        url,
        connect: None,
        ca: Some(folder.path().join("ca.pem")),
        owner: role("fieldstone_owner", &passwords.owner),
        app: role("fieldstone_app", &passwords.app),
        data_dir: Some(data_dir.clone()),
        configuration: None,
        passwords: PasswordPolicy::default(),
        clock: Arc::new(SystemClock),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_got_worse_is_noticed_and_nothing_else() {
    const OUTSIDE: [&str; 7] = ["P1", "P6", "P7", "P8", "P9", "P12", "P15"];
    const CASES: [(Worse, &[&str], &str); 10] = [
        (Worse::Nothing, &[], ""),
        (Worse::OlderTls, &["P1"], "TLS 1.2 was accepted"),
        (Worse::Cookie("HttpOnly"), &["P6"], "lacks HttpOnly"),
        (Worse::Cookie("Secure"), &["P6"], "lacks Secure"),
        (Worse::Cookie("SameSite=Lax"), &["P6"], "lacks SameSite"),
        (Worse::NoSecondFactor, &["P7"], "by the password alone"),
        (Worse::NoRoles("/api/v1/objects"), &["P8"], "/objects"),
        (Worse::NoRoles("/api/v1/members"), &["P8", "P9"], "/members"),
        (Worse::NotReady, &["P12"], "/readyz answers 503"),
        (Worse::OldContact, &["P15"], "expired"),
    ];
    // Each look signs in several people, and one address may not do so for ever.
    for few in CASES.chunks(3) {
        let server = Server::start(&ServerOptions::empty());
        for (worse, ids, told) in few {
            let report = seen(&server, *worse).await;
            for id in OUTSIDE {
                let check = report.checks.iter().find(|check| check.id == id).unwrap();
                let evidence = format!("{worse:?}: {id}: {}", check.seen);
                let is_broken = ids.contains(&id);
                let wanted = if is_broken {
                    Status::Fail
                } else {
                    Status::Pass
                };
                assert_eq!(check.status, wanted, "{evidence}");
                assert!(!is_broken || check.seen.contains(told), "{evidence}");
            }
        }
    }
}

#[tokio::test]
async fn a_deployment_that_lost_requests_is_noticed() {
    let server = Server::start(&ServerOptions::empty());
    let client = database(server.data()).await;
    let drill = async |ok: bool| {
        let sql = "INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ('deploy-drill', now(), now(), $1, '{\"lost\": 3}')";
        client.execute(sql, &[&ok]).await.unwrap();
        let report = super::verify(server.data()).1;
        super::claim(&report, "P13").0.to_owned()
    };
    assert_eq!(drill(true).await, "pass");
    assert_eq!(drill(false).await, "fail");
}
