//! `verify` against a server that lies: each claim that is broken on the way is noticed, and the others are not.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use fieldstone_model::{Clock, SystemClock};
use fieldstone_server::database::connect;
use fieldstone_server::identity::PasswordPolicy;
use fieldstone_server::platform::{Platform, routes};
use fieldstone_server::serve::{Limits, serve};
use fieldstone_server::verify::{Status, Subject, run};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};
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
    /// What is forbidden is answered.
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
        Tamper::Roles if is_forbidden && path.starts_with("/api/") => {
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
) -> Vec<(String, String)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let ca = house.folder.path().join("verify-ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
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
        configuration: None,
        passwords: PasswordPolicy::default(),
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
    };
    // What was tried before counts against whoever tries again.
    let owner = connect(&house.database.owner()).await.unwrap();
    owner
        .batch_execute("DELETE FROM app.attempt")
        .await
        .unwrap();
    let report = run(&subject).await;
    serving.abort();
    let failed = report
        .checks
        .into_iter()
        .filter(|check| check.status == Status::Fail);
    failed.map(|check| (check.id, check.seen)).collect()
}

/// Claims that an installation in a test's process can't keep: nothing is encrypted at rest here, and no backups are made.
const NOT_HERE: [&str; 5] = ["P2", "P3", "P10", "P11", "P14"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_claim_that_is_broken_on_the_way_is_noticed() {
    let house = House::new().await;
    let thirteen: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    let ids = |failed: &[(String, String)]| -> Vec<String> {
        let ids = failed.iter().map(|(id, _)| id.clone());
        ids.filter(|id| !NOT_HERE.contains(&id.as_str())).collect()
    };
    let as_it_is = failing(&house, &house.platform, Tamper::Nothing, thirteen).await;
    assert!(ids(&as_it_is).is_empty(), "{as_it_is:?}");

    let both: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];
    let failed = failing(&house, &house.platform, Tamper::Nothing, both).await;
    // What is said to devices travels the same way.
    assert_eq!(ids(&failed), ["P1", "F4"], "{failed:?}");
    for (tamper, claim) in [
        (Tamper::Cookie, "P6"),
        (Tamper::SecondFactor, "P7"),
        (Tamper::Roles, "P8"),
        (Tamper::Exports, "P9"),
        (Tamper::Contact, "P15"),
    ] {
        let failed = failing(&house, &house.platform, tamper, thirteen).await;
        assert!(
            ids(&failed).contains(&claim.to_owned()),
            "{tamper:?}: {failed:?}"
        );
    }

    // Not ready, and a deployment that lost requests.
    let mut full = house.platform.clone();
    full.folders.push(house.folder.path().join("gone"));
    let failed = failing(&house, &full, Tamper::Nothing, thirteen).await;
    assert_eq!(ids(&failed), ["P12"], "{failed:?}");
    let owner = connect(&house.database.owner()).await.unwrap();
    let lost = "INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ('deploy-drill', now(), now(), false, '{\"lost\": 3}')";
    owner.batch_execute(lost).await.unwrap();
    let failed = failing(&house, &house.platform, Tamper::Nothing, thirteen).await;
    assert_eq!(ids(&failed), ["P13"], "{failed:?}");
}
