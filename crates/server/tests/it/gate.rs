//! The gate in front of the pages: whoever has lost access learns nothing more, whatever they ask for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use fieldstone_model::{Clock as _, IdSource, Role, SystemClock};
use fieldstone_server::database::connect;
use fieldstone_server::identity::workspace::{self, NewUser, NewWorkspace};
use fieldstone_server::identity::{PasswordHasher, PasswordPolicy};
use fieldstone_server::platform::{ContextKeys, Databases, Platform, routes};
use fieldstone_testkit::TestDatabase;
use http::{Request, StatusCode, header};
use secrecy::SecretString;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A platform in this process, with one workspace.
pub(crate) struct House {
    pub(crate) database: TestDatabase,
    router: Router,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let keys = ContextKeys::own(folder.path().join("context.key"), now).unwrap();
        keys.install(&database.owner()).await.unwrap();
        let hasher = PasswordHasher::new(&PasswordPolicy::default()).unwrap();
        let phc = hasher.hash(&SecretString::from(PASSWORD)).await.unwrap();
        let new = NewWorkspace {
            name: "North",
            slug: "north",
            owner: NewUser {
                email: "ann@north.example",
                name: "Ann",
                role: Role::Owner,
                password_phc: Some(&phc),
                locale: "en",
                time_zone: "UTC",
            },
        };
        let mut owner = connect(&database.owner()).await.unwrap();
        workspace::create(&mut owner, &IdSource::default(), &new, now)
            .await
            .unwrap();
        let platform = Platform {
            databases: Databases {
                owner: None,
                app: database.app(),
                auth: database.auth(),
                worker: database.worker(),
            },
            context_keys: Arc::new(keys),
            clock: Arc::new(SystemClock),
            url: "https://crm.example".to_owned(),
            security_contact: "mailto:security@north.example".to_owned(),
        };
        Self {
            router: routes(&platform).unwrap(),
            database,
            _folder: folder,
        }
    }

    pub(crate) async fn ask(
        &self,
        request: http::request::Builder,
        body: impl Into<Body>,
    ) -> Response {
        let request: Request<Body> = request.body(body.into()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn sign_in(&self, form: impl Into<Body>) -> Response {
        let request = Request::post("/sign-in")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, form).await
    }

    /// A browser's cookie after signing in.
    pub(crate) async fn cookie(&self) -> String {
        cookie_of(&self.sign_in(form("")).await)
    }

    /// A form sent from a page of this site.
    pub(crate) async fn post(&self, path: &str, cookie: &str, form: impl Into<Body>) -> Response {
        let request = Request::post(path)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, form).await
    }

    /// The text of a page.
    pub(crate) async fn page(&self, path: &str, cookie: &str) -> String {
        let request = Request::get(path).header(header::COOKIE, cookie);
        text_of(self.ask(request, Body::empty()).await).await
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> StatusCode {
        let request = Request::get(path).header(header::COOKIE, cookie);
        self.ask(request, Body::empty()).await.status()
    }
}

/// The cookie that an answer sets, as a request sends it.
pub(crate) fn cookie_of(response: &Response) -> String {
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) async fn text_of(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn form(to: &str) -> String {
    format!("email=ann%40north.example&password=correct+horse+battery&to={to}")
}

#[tokio::test]
async fn an_ended_session_gets_no_page_at_all() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    // Neither page needs the database for what it shows.
    let pages = ["/deals/tests?field=name", "/nothing/here"];
    for (page, status) in pages
        .into_iter()
        .zip([StatusCode::OK, StatusCode::NOT_FOUND])
    {
        assert_eq!(house.get(page, &cookie).await, status, "{page}");
    }
    let owner = connect(&house.database.owner()).await.unwrap();
    owner
        .execute("UPDATE app.session SET ended_at = now()", &[])
        .await
        .unwrap();
    assert_eq!(
        house.get(pages[0], &cookie).await,
        StatusCode::SEE_OTHER,
        "to the sign-in page"
    );
}

#[tokio::test]
async fn a_program_signs_out_once() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::OK);
    let request = Request::delete("/api/v1/session")
        .header(header::COOKIE, &cookie)
        .header("sec-fetch-site", "same-origin");
    let response = house.ask(request, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_leads_nowhere_else_and_takes_little() {
    let house = House::new().await;
    for elsewhere in [
        "/%09/evil.example",
        "//evil.example",
        "/%01",
        "/%7F",
        "/%00",
    ] {
        let response = house.sign_in(form(elsewhere)).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{elsewhere}");
        assert_eq!(response.headers()[header::LOCATION], "/", "{elsewhere}");
    }
    let response = house.sign_in(vec![b'a'; 100_000]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    let long = format!("email={}%40north.example&password=x", "a".repeat(10_000));
    assert_eq!(house.sign_in(long).await.status(), StatusCode::UNAUTHORIZED);
}
