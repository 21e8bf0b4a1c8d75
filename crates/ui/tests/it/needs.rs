//! What a row of the table of pages needs is checked before its handler runs.

use axum::{Router, body::Body, extract::Request};
use fieldstone_model::{Capability, Needs, Role, clock::FixedClock};
use fieldstone_store::{MemoryStore, Store as _, Workspace};
use fieldstone_ui::{
    Viewer,
    locale::Locale,
    page::{get, mount, post},
    router,
};
use http::{Method, StatusCode, header};
use jiff::tz::TimeZone;
use tower::ServiceExt as _;

use crate::app::now;

/// Rows of every need; a page that is reached says so.
fn site() -> Router {
    let reached = || async { "reached" };
    let users = Capability::UsersManage;
    let rows = vec![
        get("/t/anyone", Needs::SignedIn, reached),
        get("/t/person", Needs::Session, reached),
        get("/t/people", Needs::Capability(users), reached),
        get("/t/proven", Needs::ProvenCapability(users), reached),
        post("/t/proven", Needs::ProvenCapability(users), reached),
        post("/t/proof", Needs::Proof, reached),
        get("/t/nothing", Needs::Nothing, reached),
    ];
    let mounted = mount::<MemoryStore, ()>(rows);
    router::<MemoryStore>(mounted.gated).merge(mounted.open)
}

async fn ask(
    caller: Option<(Role, bool)>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let workspace = Workspace::new(fieldstone_model::Registry::standard(), FixedClock(now()));
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some((role, is_proven)) = caller {
        let store = workspace.add_user("Renate", "renate@example.com", role);
        request.extensions_mut().insert(Viewer {
            user_id: store.user().id,
            name: "Renate".into(),
            role,
            workspace: "Northwind".into(),
            locale: Locale::new("en", TimeZone::UTC, "EUR"),
            now: now(),
            can_sign_out: true,
            is_proven,
        });
        request.extensions_mut().insert(store);
    }
    let answer = site().oneshot(request).await.unwrap();
    let to = [header::LOCATION.as_str(), "hx-redirect"]
        .iter()
        .find_map(|name| answer.headers().get(*name))
        .map(|to| to.to_str().unwrap().to_owned());
    (answer.status(), to.unwrap_or_default())
}

#[tokio::test]
async fn what_a_row_needs_is_asked_before_its_page() {
    let ok = (StatusCode::OK, String::new());
    let member = Some((Role::Member, true));
    let admin = Some((Role::Admin, true));
    assert_eq!(ask(None, Method::GET, "/t/nothing", &[]).await, ok);
    for path in ["/t/anyone", "/t/person"] {
        assert_eq!(ask(member, Method::GET, path, &[]).await, ok);
        let (status, to) = ask(None, Method::GET, path, &[]).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        assert!(to.starts_with("/sign-in?to="), "{to}");
    }
    for path in ["/t/people", "/t/proven"] {
        assert_eq!(ask(admin, Method::GET, path, &[]).await, ok);
        let (status, _) = ask(member, Method::GET, path, &[]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn an_old_proof_sends_to_a_new_one_and_back() {
    let stale = Some((Role::Admin, false));
    let to = |path: &str| {
        let path = path.replace('/', "%2F");
        (StatusCode::SEE_OTHER, format!("/confirm?return_to={path}"))
    };
    assert_eq!(
        ask(stale, Method::GET, "/t/proven", &[]).await,
        to("/t/proven")
    );
    // A form isn't sent twice: they come back to the page it stands on, and never to another site.
    let form = [("referer", "https://evil.example/t/people")];
    assert_eq!(
        ask(stale, Method::POST, "/t/proof", &form).await,
        to("/t/people")
    );
    assert_eq!(ask(stale, Method::POST, "/t/proof", &[]).await, to("/"));
    let htmx = [
        ("hx-request", "true"),
        ("hx-current-url", "https://crm.example/t/anyone"),
    ];
    assert_eq!(
        ask(stale, Method::POST, "/t/proven", &htmx).await,
        (StatusCode::FORBIDDEN, to("/t/anyone").1)
    );
    // Whoever lacks the right isn't asked for a proof.
    let member = Some((Role::Member, false));
    assert_eq!(
        ask(member, Method::GET, "/t/proven", &[]).await.0,
        StatusCode::FORBIDDEN
    );
}
