//! `verify` against a server that lies: each claim that is broken on the way is noticed, and the others are not.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use fieldstone_model::Clock;
use fieldstone_server::database::connect;
use fieldstone_server::identity::PasswordPolicy;
use fieldstone_server::platform::{Platform, routes};
use fieldstone_server::serve::{Limits, serve};
use fieldstone_server::verify::{Status, Subject, run};
use fieldstone_testkit::TestAuthority;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use rustls::SupportedProtocolVersion;
use tokio::net::TcpListener;

use crate::gate::House;

/// What is broken on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tamper {
    Nothing,
    /// Cookies travel in the clear, too.
    Cookie,
    /// Nobody is asked for a code.
    SecondFactor,
    /// One route answers what is forbidden.
    Roles,
    /// Exports are for everybody.
    Exports,
    /// The address for reports is out of date.
    Contact,
}

async fn tampered(tamper: Tamper, request: Request, next: Next) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let mut answer = next.run(request).await;
    let is_forbidden = answer.status() == StatusCode::FORBIDDEN;
    match tamper {
        Tamper::Cookie => {
            if let Some(cookie) = answer.headers().get(SET_COOKIE) {
                let open = cookie.to_str().unwrap().replace("; Secure", "");
                answer
                    .headers_mut()
                    .insert(SET_COOKIE, HeaderValue::from_str(&open).unwrap());
            }
            answer
        }
        Tamper::SecondFactor if path == "/api/v1/session" && method == http::Method::POST => {
            let (parts, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            if String::from_utf8_lossy(&body).contains("totp-required") {
                return (StatusCode::CREATED, "{}").into_response();
            }
            Response::from_parts(parts, Body::from(body))
        }
        Tamper::Roles if is_forbidden && path == "/api/v1/objects" => {
            (StatusCode::OK, "{}").into_response()
        }
        Tamper::Exports if path.starts_with("/exports/") => {
            (StatusCode::OK, "id,name\n").into_response()
        }
        Tamper::Contact if path == "/.well-known/security.txt" => {
            "Contact: mailto:security@crm.example\nExpires: 2020-01-01T00:00:00Z\n".into_response()
        }
        _ => answer,
    }
}

/// What `verify` says of a server on this platform: the claims that fail.
async fn failing(
    house: &House,
    platform: &Platform,
    tamper: Tamper,
    versions: &[&'static SupportedProtocolVersion],
    configuration: Option<PathBuf>,
) -> Vec<(String, String)> {
    let authority = TestAuthority::new("Authority of a check");
    let ca = house.folder.path().join("verify-ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let mut tls = authority.certify(&["127.0.0.1"]).server(versions);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let router: Router = routes(platform)
        .unwrap()
        .layer(from_fn(move |request, next| {
            tampered(tamper, request, next)
        }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(
        listener,
        Arc::new(tls),
        router,
        Limits::default(),
        std::future::pending(),
    ));
    let subject = Subject {
        url: format!("https://{address}"),
        connect: None,
        ca: Some(ca),
        owner: house.database.owner(),
        app: house.database.app(),
        data_dir: None,
        configuration,
        passwords: PasswordPolicy::default(),
        // Time stands still, so that no code of a second factor runs out on the way.
        clock: Arc::clone(&house.clock) as Arc<dyn Clock>,
    };
    // What was tried before counts against whoever tries again.
    told(house, "DELETE FROM app.attempt").await;
    house.clock.set();
    let report = run(&subject).await;
    serving.abort();
    let failed = report
        .checks
        .into_iter()
        .filter(|check| check.status == Status::Fail && !NOT_HERE.contains(&check.id.as_str()));
    failed.map(|check| (check.id, check.seen)).collect()
}

/// Claims that an installation in a test's process can't keep: nothing is encrypted at rest here, and no backups are made.
const NOT_HERE: [&str; 4] = ["P2", "P3", "P10", "P11"];
const THIRTEEN: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

async fn told(house: &House, sql: &str) {
    let owner = connect(&house.database.owner()).await.unwrap();
    owner.batch_execute(sql).await.unwrap();
}

/// Everything holds as it is; broken this way, exactly these claims don't.
async fn breaks(tamper: Tamper, claims: &[&str], evidence: &str) {
    let house = House::new().await;
    let whole = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    assert!(whole.is_empty(), "{whole:?}");
    let failed = failing(&house, &house.platform, tamper, THIRTEEN, None).await;
    are(&failed, claims, evidence);
}

fn are(failed: &[(String, String)], claims: &[&str], evidence: &str) {
    let ids: Vec<&str> = failed.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, claims, "{failed:?}");
    assert!(
        failed.iter().any(|(_, seen)| seen.contains(evidence)),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_fails_when_an_older_tls_is_spoken_too() {
    let house = House::new().await;
    let platform = &house.platform;
    let whole = failing(&house, platform, Tamper::Nothing, THIRTEEN, None).await;
    assert!(whole.is_empty(), "{whole:?}");
    let both = &[&rustls::version::TLS12, &rustls::version::TLS13];
    let failed = failing(&house, platform, Tamper::Nothing, both, None).await;
    // What is said to devices travels the same way.
    are(&failed, &["P1", "F4"], "TLS 1.2 was accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_fails_when_a_cookie_lacks_a_flag() {
    breaks(Tamper::Cookie, &["P6"], "lacks Secure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_fails_when_nobody_is_asked_for_the_second_factor() {
    breaks(Tamper::SecondFactor, &["P7"], "by the password alone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_fails_when_one_route_lets_a_role_through() {
    breaks(Tamper::Roles, &["P8"], "/objects answers 200").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_fails_when_everybody_may_export() {
    breaks(Tamper::Exports, &["P9"], "/exports/accounts answers 200").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_fails_when_the_contact_is_out_of_date() {
    breaks(Tamper::Contact, &["P15"], "expired").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_fails_when_a_disk_is_full() {
    let house = House::new().await;
    let whole = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    assert!(whole.is_empty(), "{whole:?}");
    let mut full = house.platform.clone();
    full.folders.push(house.folder.path().join("gone"));
    let failed = failing(&house, &full, Tamper::Nothing, THIRTEEN, None).await;
    are(&failed, &["P12"], "/readyz answers 503");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p13_fails_when_the_last_deployment_lost_requests() {
    let house = House::new().await;
    let drill = |ok: bool, lost: u32| {
        format!(
            "INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ('deploy-drill', now(), now(), {ok}, '{{\"lost\": {lost}}}')"
        )
    };
    told(&house, &drill(true, 0)).await;
    let whole = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    assert!(whole.is_empty(), "{whole:?}");
    told(&house, &drill(false, 3)).await;
    let failed = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    are(&failed, &["P13"], "lost requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p14_fails_when_a_secret_stands_in_the_configuration() {
    let house = House::new().await;
    let file = house.folder.path().join("fieldstone.toml");
    let mounted = house.folder.path().join("app-url");
    let open = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&mounted, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::write(
        &mounted,
        "postgres://fieldstone_app:one@db.example/fieldstone",
    )
    .unwrap();
    open(0o600);
    let with = async |text: &str| {
        std::fs::write(&file, format!("[database]\n{text}\n")).unwrap();
        let file = Some(file.clone());
        failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, file).await
    };
    let named = format!("app_url_file = {mounted:?}");
    let whole = with(&named).await;
    assert!(whole.is_empty(), "{whole:?}");
    let inline = "app_url = \"postgres://fieldstone_app:one@db.example/fieldstone\"";
    are(&with(inline).await, &["P14"], "app_url");
    open(0o644);
    are(&with(&named).await, &["P14"], "can be read by other users");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_fails_when_two_logins_share_a_key() {
    let house = House::new().await;
    let login = |id: &str, key: &str| {
        format!(
            "INSERT INTO app.sync_device (tenant_id, user_id, id, installation, name, platform, app, blind_key, secret_hash, login_key, created_at, last_seen_at)
             SELECT u.tenant_id, u.id, '{id}', 'one', 'Van', 'linux', 'test', decode(repeat('00', 16), 'hex'), decode(repeat('00', 32), 'hex'), '{key}', now(), now()
             FROM app.\"user\" u ORDER BY u.id LIMIT 1"
        )
    };
    told(&house, &login("fD0000000000001", "first")).await;
    told(&house, &login("fD0000000000002", "second")).await;
    let whole = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    assert!(whole.is_empty(), "{whole:?}");
    told(&house, &login("fD0000000000003", "second")).await;
    let failed = failing(&house, &house.platform, Tamper::Nothing, THIRTEEN, None).await;
    are(&failed, &["F8"], "1 logins share a key");
}
