//! The gate in front of the pages: whoever has lost access learns nothing more, whatever they ask for.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use fieldstone_model::{Clock, IdSource, Role, SystemClock};
use fieldstone_server::database::connect;
use fieldstone_server::identity::workspace::{self, NewUser, NewWorkspace};
use fieldstone_server::identity::{PasswordHasher, PasswordPolicy};
use fieldstone_server::platform::{Accounts, ContextKeys, Databases, Platform, routes};
use fieldstone_testkit::TestDatabase;
use fieldstone_vault::{MemoryKeys, Vault};
use http::{Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A platform in this process, with one workspace.
pub(crate) struct House {
    pub(crate) database: Arc<TestDatabase>,
    pub(crate) clock: Arc<Standing>,
    pub(crate) platform: Platform,
    phc: String,
    router: Router,
    /// Kept until the last of them is gone.
    pub(crate) folder: Arc<TempDir>,
}

/// A clock that stands still until it is told the time, so that nothing runs out between two requests.
pub(crate) struct Standing(Mutex<Timestamp>);

impl Standing {
    /// Lets time pass.
    pub(crate) fn add(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now += time;
    }

    /// Sets the clock to what the time really is, and says it.
    pub(crate) fn set(&self) -> Timestamp {
        let now = SystemClock.now();
        *self.0.lock().unwrap() = now;
        now
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let clock = Arc::new(Standing(Mutex::new(now)));
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
            accounts: Accounts::new(Vault::new(Arc::new(MemoryKeys::default()))),
            objects: None,
            databases: Databases {
                owner: None,
                app: database.app(),
                auth: database.auth(),
                worker: database.worker(),
            },
            context_keys: Arc::new(keys),
            clock: Arc::<Standing>::clone(&clock),
            folders: Vec::new(),
            backup_days: None,
            url: "https://crm.example".to_owned(),
            security_contact: "mailto:security@north.example".to_owned(),
            webhook_networks: fieldstone_server::webhooks::Networks::default(),
            secrets: None,
        };
        Self {
            router: routes(&platform).unwrap(),
            database: Arc::new(database),
            clock,
            platform,
            phc,
            folder: Arc::new(folder),
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
        self.clock.set();
        let request = Request::post("/sign-in")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, form).await
    }

    /// The same after a while in which nobody tried to sign in.
    pub(crate) async fn rested(&self) -> Self {
        let owner = connect(&self.database.owner()).await.unwrap();
        owner
            .batch_execute("DELETE FROM app.attempt")
            .await
            .unwrap();
        self.restarted()
    }

    /// The same, served by another process: it remembers nobody.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            database: Arc::clone(&self.database),
            clock: Arc::clone(&self.clock),
            platform: self.platform.clone(),
            phc: self.phc.clone(),
            router: routes(&self.platform).unwrap(),
            folder: Arc::clone(&self.folder),
        }
    }

    /// One more person with the same password; answers their cookie.
    pub(crate) async fn join(&self, email: &str, role: &str) -> String {
        let mut owner = connect(&self.database.owner()).await.unwrap();
        let new = NewUser {
            email,
            name: "Somebody",
            role: role.parse().unwrap(),
            password_phc: Some(&self.phc),
            locale: "en",
            time_zone: "UTC",
        };
        let tenant = workspace::find(&owner, "north").await.unwrap().id;
        let now = self.clock.set();
        workspace::add_user(&mut owner, &IdSource::default(), tenant, &new, now)
            .await
            .unwrap();
        self.cookie_as(email).await
    }

    /// What signing in as somebody answers.
    pub(crate) async fn sign_in_as(&self, email: &str) -> Response {
        let email = email.replace('@', "%40");
        self.sign_in(format!("email={email}&password=correct+horse+battery"))
            .await
    }

    pub(crate) async fn cookie_as(&self, email: &str) -> String {
        cookie_of(&self.sign_in_as(email).await)
    }

    pub(crate) async fn id_of(&self, email: &str) -> String {
        let owner = connect(&self.database.owner()).await.unwrap();
        let sql = "SELECT id FROM app.\"user\" WHERE email = $1";
        owner.query_one(sql, &[&email]).await.unwrap().get(0)
    }

    /// The secret of a link with which somebody sets a password.
    pub(crate) async fn setup_link(&self, email: &str) -> String {
        let mut owner = connect(&self.database.owner()).await.unwrap();
        let tenant = workspace::find(&owner, "north").await.unwrap().id;
        let who = (tenant, self.id_of(email).await.parse().unwrap());
        let valid = SignedDuration::from_hours(1);
        let now = self.clock.set();
        let ids = IdSource::default();
        let link = workspace::make_setup_link(&mut owner, &ids, who, valid, now);
        link.await.unwrap().to_string()
    }

    /// An API token of whoever has this cookie.
    pub(crate) async fn token(&self, cookie: &str) -> String {
        let request = Request::post("/api/v1/tokens")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/json");
        let body = r#"{"name":"a program","scopes":["records.read"]}"#;
        let answer = text_of(self.ask(request, body).await).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// What a program with this token is answered.
    pub(crate) async fn call(&self, path: &str, token: &str) -> StatusCode {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.ask(request, Body::empty()).await.status()
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
    forgets(&response);
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
}

/// Checks that an answer takes from the browser what it keeps of whoever has left, and nothing of other sites of its domain.
#[track_caller]
fn forgets(response: &Response) {
    let headers = response.headers();
    assert_eq!(headers["clear-site-data"], "\"cache\", \"storage\"");
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-fieldstone=;") && cookie.ends_with("; Max-Age=0"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a_browser_that_signs_out_or_leaves_keeps_nothing() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let response = house.post("/sign-out", &cookie, "").await;
    assert_eq!(response.headers()[header::LOCATION], "/sign-in?after=out");
    forgets(&response);
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
    let leaving = house.join("bob@north.example", "viewer").await;
    let response = house
        .post("/settings/membership/departure", &leaving, "leave=yes")
        .await;
    assert_eq!(response.headers()[header::LOCATION], "/sign-in?after=left");
    forgets(&response);
    let leaving = house.join("eve@north.example", "viewer").await;
    let request = Request::delete("/api/v1/membership")
        .header(header::COOKIE, &leaving)
        .header("sec-fetch-site", "same-origin");
    forgets(&house.ask(request, Body::empty()).await);
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
