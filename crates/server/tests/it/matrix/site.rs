//! The platform as it is served, over TLS, with the people who ask.

use std::{net::SocketAddr, sync::Arc};

use fieldstone_model::{Clock as _, IdSource, RecordId, Role, SystemClock};
use fieldstone_server::attachments::ObjectStorage;
use fieldstone_server::{
    database::connect,
    identity::{
        PasswordHasher, PasswordPolicy,
        workspace::{self, NewUser, NewWorkspace},
    },
    platform::{Accounts, ContextKeys, Databases, Platform, routes},
    serve::{Limits, serve},
    tls::{CertificateSource, LocalAuthority, Names, Tls},
};
use fieldstone_testkit::TestDatabase;
use fieldstone_vault::{MemoryKeys, Vault};
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub(super) const PASSWORD: &str = "correct horse battery";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Persona {
    Anonymous,
    Viewer,
    Member,
    Admin,
    Owner,
    /// The owner of another workspace.
    Stranger,
    /// Somebody whose session began before they were deactivated.
    Deactivated,
    /// A program with a token of the owner's that lacks the scope.
    Token,
    /// An admin when the session began, a viewer now, and signed out by that.
    Lowered,
    /// A viewer when the session began, a member now.
    Raised,
    /// An owner who proved who they are eleven minutes ago.
    Stale,
}

impl Persona {
    pub(super) const ALL: [Self; 11] = [
        Self::Anonymous,
        Self::Viewer,
        Self::Member,
        Self::Admin,
        Self::Owner,
        Self::Stranger,
        Self::Deactivated,
        Self::Token,
        Self::Lowered,
        Self::Raised,
        Self::Stale,
    ];

    /// The role they signed in with.
    fn first_role(self) -> Option<Role> {
        match self {
            Self::Anonymous | Self::Token => None,
            Self::Viewer | Self::Raised => Some(Role::Viewer),
            Self::Member | Self::Deactivated => Some(Role::Member),
            Self::Admin | Self::Lowered => Some(Role::Admin),
            Self::Owner | Self::Stranger | Self::Stale => Some(Role::Owner),
        }
    }

    /// The role that counts; none for whoever isn't let in at all.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Anonymous | Self::Deactivated | Self::Lowered => None,
            Self::Token => Some(Role::Owner),
            Self::Raised => Some(Role::Member),
            persona => persona.first_role(),
        }
    }

    fn email(self) -> String {
        format!("{self:?}@x.example").to_lowercase()
    }

    /// Somebody of the same place who signs in with a password, so that nobody's attempts run out.
    pub(super) fn door(self) -> String {
        format!("door-{self:?}@x.example").to_lowercase()
    }
}

/// What a request proves itself with.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Nothing,
    Cookie(String),
    Token(String),
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) content_type: String,
    pub(super) body: String,
}

pub(super) struct Site {
    pub(super) database: TestDatabase,
    pub(super) north: RecordId,
    address: SocketAddr,
    client: reqwest::Client,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Site {
    pub(super) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let keys = ContextKeys::own(folder.path().join("context.key"), now).unwrap();
        keys.install(&database.owner()).await.unwrap();
        let north = people(&database).await;
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        let platform = Platform {
            accounts: Accounts::new(vault.clone()),
            objects: Some(ObjectStorage::folder(&objects, vault).unwrap()),
            databases: Databases {
                owner: None,
                app: database.app(),
                auth: database.auth(),
                worker: database.worker(),
            },
            context_keys: Arc::new(keys),
            clock: Arc::new(SystemClock),
            folders: Vec::new(),
            backup_days: None,
            url: "https://crm.example".to_owned(),
            security_contact: "mailto:security@x.example".to_owned(),
            webhook_networks: fieldstone_server::webhooks::Networks::default(),
            secrets: None,
        };
        let router = routes(&platform).unwrap();
        let authority = LocalAuthority::new(folder.path().join("tls"), Names::new(None, None));
        let ca = authority.ca_file();
        let tls = Tls::load(CertificateSource::Local(authority), now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let never = std::future::pending::<()>();
            serve(listener, tls.config(), router, Limits::default(), never).await;
        });
        let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            database,
            north,
            address,
            client,
            serving,
            _folder: folder,
        }
    }

    pub(super) async fn send(
        &self,
        proof: &Proof,
        method: &str,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("https://{}{path}", self.address))
            .header("sec-fetch-site", "same-origin");
        match proof {
            Proof::Nothing => {}
            Proof::Cookie(cookie) => request = request.header("cookie", cookie),
            Proof::Token(token) => request = request.bearer_auth(token),
        }
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map_or_else(String::new, |it| it.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status(),
            location: header("location"),
            content_type: header("content-type"),
            body: response.text().await.unwrap(),
        }
    }

    pub(super) async fn json(&self, proof: &Proof, method: &str, path: &str, body: Json) -> Json {
        let body = Some(("application/json", body.to_string()));
        let answer = self.send(proof, method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Signs a person in by the API.
    pub(super) async fn sign_in(&self, persona: Persona) -> Proof {
        let credentials = json!({ "email": persona.email(), "password": PASSWORD });
        let request = self
            .client
            .post(format!("https://{}/api/v1/session", self.address))
            .header("content-type", "application/json")
            .body(credentials.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED, "{persona:?}");
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        Proof::Cookie(cookie.split(';').next().unwrap().to_owned())
    }

    /// Lets the proof of somebody be of eleven minutes ago.
    pub(super) async fn age_proof(&self, persona: Persona) {
        let owner = connect(&self.database.owner()).await.unwrap();
        let sql = "UPDATE app.session s SET proved_at = now() - interval '11 minutes' FROM app.\"user\" u \
            WHERE u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.email = $1";
        assert_eq!(owner.execute(sql, &[&persona.email()]).await.unwrap(), 1);
    }

    /// Copies of a person's session, so that a request that ends its session ends no other's.
    pub(super) async fn copies(&self, persona: Persona, count: usize) -> Vec<Proof> {
        // A row whose secret is known: "aaaa…" and a number, 43 characters like a real one.
        const COPY: &str = "INSERT INTO app.session SELECT r.* FROM app.session s \
            JOIN app.\"user\" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id, \
            generate_series(1, $3::bigint) AS n, \
            LATERAL jsonb_populate_record(s, jsonb_build_object( \
                'id', '0SS' || lpad((hashtext($1) & 65535)::text || lpad(n::text, 5, '0'), 12, '0'), \
                'token_hash', '\\x' || encode(sha256(convert_to($2 || lpad(n::text, 5, '0'), 'UTF8')), 'hex'))) r \
            WHERE u.email = $1 AND s.ended_at IS NULL";
        let owner = connect(&self.database.owner()).await.unwrap();
        let stem = format!("{:a<38}", format!("{persona:?}"));
        let many = i64::try_from(count).unwrap();
        let made = owner
            .execute(COPY, &[&persona.email(), &stem, &many])
            .await
            .unwrap();
        assert_eq!(made, count as u64, "{persona:?}");
        (1..=count)
            .map(|n| Proof::Cookie(format!("__Host-fieldstone={stem}{n:05}")))
            .collect()
    }

    /// Changes people while their sessions go on.
    pub(super) async fn change_people(&self) {
        let owner = connect(&self.database.owner()).await.unwrap();
        for (persona, sql) in [
            (Persona::Deactivated, "active = false"),
            (Persona::Lowered, "role = 'viewer'"),
            (Persona::Raised, "role = 'member'"),
        ] {
            let sql = format!("UPDATE app.\"user\" SET {sql} WHERE email = $1");
            assert_eq!(owner.execute(&sql, &[&persona.email()]).await.unwrap(), 1);
        }
    }

    /// Everything that the workspace north has, as one text: any change changes it.
    ///
    /// Left out is only when a session was last used.
    pub(super) async fn digest(&self) -> String {
        const TABLES: &str = "SELECT format('SELECT %L || md5(coalesce(string_agg(r, '''' ORDER BY r), '''')) \
                FROM (SELECT (to_jsonb(t) - ''last_seen_at'' - ''idle_expires_at'')::text FROM %s t WHERE t.tenant_id = $1) AS x(r)', \
                c.relname || ' ', c.oid::regclass) \
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' \
            WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname";
        let owner = connect(&self.database.owner()).await.unwrap();
        let mut digest = String::new();
        for table in owner.query(TABLES, &[]).await.unwrap() {
            let row = owner
                .query_one(table.get::<_, &str>(0), &[&self.north.as_str()])
                .await
                .unwrap();
            digest.push_str(row.get(0));
            digest.push('\n');
        }
        assert!(digest.lines().count() > 20, "{digest}");
        digest
    }
}

/// Two workspaces with a person for each persona, each with a door; gives the first one's id.
async fn people(database: &TestDatabase) -> RecordId {
    let phc = PasswordHasher::new(&PasswordPolicy::default())
        .unwrap()
        .hash(&SecretString::from(PASSWORD))
        .await
        .unwrap();
    let mut owner = connect(&database.owner()).await.unwrap();
    let (ids, now) = (IdSource::default(), SystemClock.now());
    let emails: Vec<(String, String)> = Persona::ALL
        .iter()
        .map(|persona| (persona.email(), persona.door()))
        .collect();
    let mut tenants = Vec::new();
    for (slug, persona) in [("north", Persona::Owner), ("south", Persona::Stranger)] {
        let email = persona.email();
        let new = NewWorkspace {
            name: slug,
            slug,
            owner: user(&email, Role::Owner, &phc),
        };
        let (tenant, _) = workspace::create(&mut owner, &ids, &new, now)
            .await
            .unwrap();
        tenants.push(tenant);
    }
    for (persona, (email, door)) in Persona::ALL.into_iter().zip(&emails) {
        let place = tenants[usize::from(persona == Persona::Stranger)];
        let has_account = matches!(persona, Persona::Owner | Persona::Stranger);
        if let Some(role) = persona.first_role().filter(|_| !has_account) {
            workspace::add_user(&mut owner, &ids, place, &user(email, role, &phc), now)
                .await
                .unwrap();
        }
        workspace::add_user(
            &mut owner,
            &ids,
            place,
            &user(door, Role::Viewer, &phc),
            now,
        )
        .await
        .unwrap();
    }
    tenants[0]
}

fn user<'a>(email: &'a str, role: Role, phc: &'a str) -> NewUser<'a> {
    NewUser {
        email,
        name: "Somebody",
        role,
        password_phc: Some(phc),
        locale: "en",
        time_zone: "UTC",
    }
}
