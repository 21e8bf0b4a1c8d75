//! The API as it is served: through the gate, on PostgreSQL, with a session or a token.

mod attachments;
mod bucket;
mod field;
mod narrowed;
mod programs;
mod webhooks;

use std::path::Path;
use std::sync::Arc;

use axum::{Router, body::Body};
use fieldstone_model::{Clock, IdSource, RecordId, Role, SystemClock};
use fieldstone_server::attachments::ObjectStorage;
use fieldstone_server::{
    database::connect,
    identity::{
        PasswordHasher, PasswordPolicy,
        workspace::{self, NewUser, NewWorkspace},
    },
    platform::{Accounts, ContextKeys, Databases, Platform, routes},
};
use fieldstone_testkit::TestDatabase;
use fieldstone_vault::{MemoryKeys, Vault};
use http::{HeaderMap, Method, Request, StatusCode};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

const PASSWORD: &str = "correct horse battery";

/// The platform in this process, with two workspaces.
struct Site {
    router: Router,
    database: TestDatabase,
    tenant: RecordId,
    folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Json,
}

impl Site {
    async fn new() -> Self {
        Self::keeping(|folder, vault| {
            let objects = folder.join("objects");
            std::fs::create_dir(&objects).unwrap();
            ObjectStorage::folder(&objects, vault).unwrap()
        })
        .await
    }

    /// The same with files kept in an object store that is made here.
    async fn keeping(objects: impl FnOnce(&Path, Vault) -> ObjectStorage) -> Self {
        let database = TestDatabase::new().await;
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys =
            Arc::new(ContextKeys::own(folder.path().join("context.key"), clock.now()).unwrap());
        keys.install(&database.owner()).await.unwrap();
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let objects = objects(folder.path(), vault.clone());
        let platform = Platform {
            accounts: Accounts::new(vault),
            objects: Some(objects),
            databases: Databases {
                owner: Some(database.owner()),
                app: database.app(),
                auth: database.auth(),
                worker: database.worker(),
            },
            context_keys: keys,
            clock,
            folders: Vec::new(),
            backup_days: None,
            url: "https://crm.example".to_owned(),
            security_contact: "mailto:security@crm.example".to_owned(),
            webhook_networks: fieldstone_server::webhooks::Networks::default(),
            secrets: None,
        };
        let tenant = people(&database).await;
        Self {
            router: routes(&platform).unwrap(),
            database,
            tenant,
            folder,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Json>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", "crm.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Signs in; gives the cookie.
    async fn sign_in(&self, email: &str) -> String {
        let credentials = json!({ "email": email, "password": PASSWORD });
        let answer = self
            .send(Method::POST, "/session", &[], Some(credentials))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        for attribute in ["__Host-", "HttpOnly", "Secure", "SameSite"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn with(&self, cookie: &str, method: Method, path: &str, body: Option<Json>) -> Answer {
        self.send(
            method,
            path,
            &[("cookie", cookie), ("sec-fetch-site", "same-origin")],
            body,
        )
        .await
    }
}

/// A workspace with a person of each role, and another one; gives the first one's id.
async fn people(database: &TestDatabase) -> RecordId {
    let phc = PasswordHasher::new(&PasswordPolicy::default())
        .unwrap()
        .hash(&SecretString::from(PASSWORD))
        .await
        .unwrap();
    let mut owner = connect(&database.owner()).await.unwrap();
    let ids = IdSource::default();
    let user = |email, role| NewUser {
        email,
        name: "Somebody",
        role,
        password_phc: Some(&phc),
        locale: "en",
        time_zone: "UTC",
    };
    let new = |slug, email| NewWorkspace {
        name: slug,
        slug,
        owner: user(email, Role::Owner),
    };
    let now = SystemClock.now();
    let (tenant, _) =
        workspace::create(&mut owner, &ids, &new("north", "owner@north.example"), now)
            .await
            .unwrap();
    for (email, role) in [
        ("member@north.example", Role::Member),
        ("viewer@north.example", Role::Viewer),
    ] {
        workspace::add_user(&mut owner, &ids, tenant, &user(email, role), now)
            .await
            .unwrap();
    }
    workspace::create(&mut owner, &ids, &new("south", "owner@south.example"), now)
        .await
        .unwrap();
    tenant
}

#[tokio::test]
async fn a_session_opens_the_callers_own_workspace() {
    let site = Site::new().await;
    let wrong = json!({ "email": "owner@north.example", "password": "wrong horse battery" });
    assert_eq!(
        site.send(Method::POST, "/session", &[], Some(wrong))
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let member = site.sign_in("member@north.example").await;
    let made = site
        .with(
            &member,
            Method::POST,
            "/records/account",
            Some(json!({ "name": "Acme" })),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let path = format!("/records/account/{}", made.body["id"].as_str().unwrap());
    let viewer = site.sign_in("viewer@north.example").await;
    let seen = site.with(&viewer, Method::GET, &path, None).await;
    assert_eq!(
        (&seen.body["name"], &seen.headers["cache-control"]),
        (&json!("Acme"), &"no-store".parse().unwrap())
    );
    assert_eq!(
        site.with(
            &viewer,
            Method::PATCH,
            &path,
            Some(json!({ "name": "Mine" }))
        )
        .await
        .status,
        StatusCode::FORBIDDEN
    );
    let stranger = site.sign_in("owner@south.example").await;
    assert_eq!(
        site.with(&stranger, Method::GET, &path, None).await.status,
        StatusCode::NOT_FOUND
    );
    let list = site
        .with(&stranger, Method::GET, "/records/account", None)
        .await;
    assert_eq!(list.body["records"], json!([]));
    // A cookie that another site's page makes a browser send changes nothing.
    let forged = [
        ("cookie", member.as_str()),
        ("sec-fetch-site", "cross-site"),
    ];
    let answer = site
        .send(
            Method::PATCH,
            &path,
            &forged,
            Some(json!({ "name": "Forged" })),
        )
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    let session = site.with(&member, Method::GET, "/session", None).await.body;
    assert_eq!(
        (&session["user"]["role"], &session["workspace"]["name"]),
        (&json!("member"), &json!("north"))
    );
    assert_eq!(
        site.with(&member, Method::DELETE, "/session", None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    let late = site.with(&member, Method::GET, &path, None).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert_eq!(late.headers["content-type"], "application/problem+json");
    assert_eq!(
        late.body["request_id"].as_str().unwrap(),
        late.headers["x-request-id"].to_str().unwrap()
    );
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_until_it_ends() {
    let site = Site::new().await;
    let cookie = site.sign_in("member@north.example").await;
    let wanted = json!({ "name": "nightly", "scopes": ["records.read"] });
    let made = site
        .with(&cookie, Method::POST, "/tokens", Some(wanted))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let bearer = format!("Bearer {}", made.body["token"].as_str().unwrap());
    let by_token = |method, path: &'static str, body| {
        let (site, bearer) = (&site, bearer.as_str());
        async move {
            site.send(method, path, &[("authorization", bearer)], body)
                .await
        }
    };
    assert_eq!(
        by_token(Method::GET, "/records/account", None).await.status,
        StatusCode::OK
    );
    for (method, path) in [
        (Method::POST, "/records/account"),
        (Method::POST, "/records/account/batch"),
        (Method::POST, "/tokens"),
        (Method::GET, "/tokens"),
        (Method::DELETE, "/session"),
    ] {
        let body = (method == Method::POST).then(|| json!({ "name": "x" }));
        assert_eq!(
            by_token(method.clone(), path, body).await.status,
            StatusCode::FORBIDDEN,
            "{method} {path}"
        );
    }
    let session = by_token(Method::GET, "/session", None).await.body;
    assert_eq!(session["capabilities"], json!(["records.read"]));
    let listed = site.with(&cookie, Method::GET, "/tokens", None).await.body;
    assert_eq!(listed["tokens"][0]["name"], "nightly");
    assert!(
        listed
            .to_string()
            .find(made.body["token"].as_str().unwrap())
            .is_none(),
        "a secret is shown once"
    );
    let path = format!("/tokens/{}", made.body["id"].as_str().unwrap());
    assert_eq!(
        site.with(&cookie, Method::DELETE, &path, None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        by_token(Method::GET, "/records/account", None).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        site.with(&cookie, Method::DELETE, &path, None).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_changed_role_counts_from_the_next_request() {
    let site = Site::new().await;
    let cookie = site.sign_in("member@north.example").await;
    let create = || {
        site.with(
            &cookie,
            Method::POST,
            "/records/account",
            Some(json!({ "name": "Acme" })),
        )
    };
    assert_eq!(create().await.status, StatusCode::CREATED);
    let owner = connect(&site.database.owner()).await.unwrap();
    let sql = "UPDATE app.\"user\" SET role = 'viewer' WHERE tenant_id = $1 AND email = 'member@north.example'";
    assert_eq!(
        owner.execute(sql, &[&site.tenant.as_str()]).await.unwrap(),
        1
    );
    assert_eq!(
        create().await.status,
        StatusCode::UNAUTHORIZED,
        "a lower role signs out"
    );
    let again = site.sign_in("member@north.example").await;
    let refused = site
        .with(
            &again,
            Method::POST,
            "/records/account",
            Some(json!({ "name": "Acme" })),
        )
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let count = site
        .with(&again, Method::GET, "/records/account/count", None)
        .await
        .body;
    assert_eq!(count, json!({ "count": 1 }));
    // Whoever gets a higher one goes on with it.
    let sql = sql.replace("'viewer'", "'member'");
    let raised = owner.execute(&sql, &[&site.tenant.as_str()]).await;
    assert_eq!(raised.unwrap(), 1);
    let made = site
        .with(
            &again,
            Method::POST,
            "/records/account",
            Some(json!({ "name": "Acme" })),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
}

#[tokio::test]
async fn custom_objects_and_fields_are_used_at_once() {
    let site = Site::new().await;
    let cookie = site.sign_in("owner@north.example").await;
    let boats =
        json!({ "name": "boat", "plural": "boats", "label": "Boat", "plural_label": "Boats" });
    let made = site
        .with(&cookie, Method::POST, "/objects", Some(boats.clone()))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let taken = site
        .with(&cookie, Method::POST, "/objects", Some(boats))
        .await;
    assert_eq!(taken.body["errors"][0]["code"], "name_taken");
    let length = json!({ "name": "length", "type": "decimal", "scale": 1, "label": "Length", "indexed": true });
    let field = site
        .with(&cookie, Method::POST, "/objects/boat/fields", Some(length))
        .await;
    assert_eq!(field.status, StatusCode::CREATED, "{}", field.body);
    for (name, length) in [("Ada", 9.5), ("Bea", 12.0)] {
        let boat = site
            .with(
                &cookie,
                Method::POST,
                "/records/boat",
                Some(json!({ "name": name, "length": length })),
            )
            .await;
        assert_eq!(boat.status, StatusCode::CREATED, "{}", boat.body);
    }
    let long = site
        .with(
            &cookie,
            Method::GET,
            "/records/boat?filter=length+%3E+10&columns=name,length",
            None,
        )
        .await
        .body;
    assert_eq!(long["records"][0]["name"], "Bea");
    assert_eq!(long["records"].as_array().unwrap().len(), 1);
    let member = site.sign_in("member@north.example").await;
    let refused = site
        .with(&member, Method::DELETE, "/objects/boat", None)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        site.with(&cookie, Method::DELETE, "/objects/boat", None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        site.with(&cookie, Method::GET, "/records/boat", None)
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_repeated_request_is_answered_from_the_database() {
    let site = Site::new().await;
    let cookie = site.sign_in("member@north.example").await;
    let headers = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("idempotency-key", "k"),
    ];
    let create = |name| {
        site.send(
            Method::POST,
            "/records/account",
            &headers,
            Some(json!({ "name": name })),
        )
    };
    let (first, again) = (create("Acme").await, create("Acme").await);
    assert_eq!(
        (again.status, &again.body, &again.headers["location"]),
        (first.status, &first.body, &first.headers["location"])
    );
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(
        create("Apex").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}
