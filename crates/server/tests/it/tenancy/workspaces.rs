//! A database with two workspaces, and connections of every role.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::LazyLock};

use fieldstone_model::{Clock as _, RecordId, Role, SystemClock};
use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::{
    Actor, Backend, ContextSigner, RolePasswords, connect, prepare, serving,
};
use fieldstone_testkit::TestDatabase;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_postgres::{Client, Config};

/// One passphrase for all roles: the cluster lives for one test run, on a socket of its own.
pub(crate) const PASSWORD: &str = "only-for-this-test-run";

static SIGNER: LazyLock<ContextSigner> = LazyLock::new(|| ContextSigner::generate(now()).unwrap());

/// The passwords under which the tests' cluster is prepared.
pub(crate) fn passwords() -> RolePasswords {
    let password = || PASSWORD.into();
    RolePasswords {
        owner: password(),
        app: password(),
        auth: password(),
        worker: password(),
    }
}

/// Two workspaces, `a` and `b`, with a user of each role.
pub(crate) struct Workspaces {
    admin: Config,
    _database: Database,
}

/// What lives as long as the workspaces.
#[allow(
    dead_code,
    reason = "held for their ends: a database is dropped, a cluster stopped, a folder removed"
)]
enum Database {
    Shared(TestDatabase),
    Own(Box<Cluster>, TempDir),
}

/// A connection and the backend behind it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) backend: Backend,
}

impl Workspaces {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::cloned_from(async |admin: &Config| {
            prepare(admin, &passwords()).await.map(drop)
        })
        .await;
        Self::filled(database.admin(), Database::Shared(database)).await
    }

    /// The same in a cluster of its own, for what concerns roles.
    pub(crate) async fn in_own_cluster() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-attack-")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let cluster = Cluster::start_with(
            &DataDir::open(&folder.path().join("data")).unwrap(),
            &ClusterOptions::DISPOSABLE,
        )
        .await
        .unwrap();
        prepare(&cluster.admin_config(), &passwords())
            .await
            .unwrap();
        let mut admin = cluster.admin_config();
        admin.dbname("fieldstone");
        Self::filled(admin, Database::Own(Box::new(cluster), folder)).await
    }

    async fn filled(admin: Config, database: Database) -> Self {
        let workspaces = Self {
            admin,
            _database: database,
        };
        let mut owner = workspaces.connect("fieldstone_owner").await;
        SIGNER.install(&mut owner).await.unwrap();
        for tenant in ["a", "b"] {
            add_workspace(&owner, tenant).await;
        }
        workspaces
    }

    /// How `role` reaches the database.
    pub(crate) fn config(&self, role: &str) -> Config {
        let mut config = self.admin.clone();
        config.user(role).password(PASSWORD);
        config
    }

    pub(crate) async fn connect(&self, role: &str) -> Client {
        connect(&self.config(role)).await.unwrap()
    }

    pub(crate) async fn admin(&self) -> Client {
        connect(&self.admin).await.unwrap()
    }

    /// A serving connection that has said hello.
    pub(crate) async fn app(&self) -> Connection {
        let client = connect(&serving(self.config("fieldstone_app")))
            .await
            .unwrap();
        let backend = Backend::of(&client).await.unwrap();
        Connection { client, backend }
    }
}

impl Connection {
    /// The signed context of `actor` for this connection, good now.
    pub(crate) fn sign(&self, actor: &Actor) -> String {
        SIGNER.sign(actor, &self.backend, now())
    }

    /// Begins a transaction as `actor`.
    pub(crate) async fn begin(&self, actor: &Actor) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute("BEGIN").await?;
        self.enter(&self.sign(actor), actor).await
    }

    /// Enters a context given as text.
    pub(crate) async fn enter(
        &self,
        signed: &str,
        actor: &Actor,
    ) -> Result<(), tokio_postgres::Error> {
        let credential = actor.credential.map(|id| id.to_string());
        self.client
            .execute(
                "SELECT app.enter($1, $2, $3, $4)",
                &[&signed, &credential, &actor.member_version, &1_i64],
            )
            .await
            .map(drop)
    }

    pub(crate) async fn rollback(&self) {
        self.client.batch_execute("ROLLBACK").await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &str) -> Result<i64, tokio_postgres::Error> {
        self.client.query_one(sql, &[]).await.map(|row| row.get(0))
    }
}

/// What signs for all workspaces of the tests.
pub(crate) fn signer() -> &'static ContextSigner {
    &SIGNER
}

/// The workspace `a` or `b`.
pub(crate) fn tenant(letter: &str) -> RecordId {
    format!("00D00000000000{letter}").parse().unwrap()
}

/// The one user of workspace `letter` with `role`.
pub(crate) fn actor(letter: &str, role: Role) -> Actor {
    Actor {
        tenant: tenant(letter),
        user: format!("005000000{}{letter}", &role.name()[..5])
            .parse()
            .unwrap(),
        role,
        member_version: 1,
        credential: None,
    }
}

async fn add_workspace(owner: &Client, letter: &str) {
    let created = now();
    let tenant = tenant(letter).to_string();
    owner
        .execute("INSERT INTO app.workspace (tenant_id, name, slug, created_at, updated_at) VALUES ($1, $2, $2, $3, $3)", &[&tenant, &letter, &created])
        .await
        .unwrap();
    for role in Role::ALL {
        let email = format!("{role}@{letter}.example");
        owner
            .execute(
                "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at)
                 VALUES ($1, $2, $3, $3, $4, $4, $4, $5, $5)",
                &[&tenant, &actor(letter, role).user.to_string(), &email, &role.name(), &created],
            )
            .await
            .unwrap();
    }
}

/// The SQLSTATE of a refusal; empty when there was none.
pub(crate) fn code<T>(result: &Result<T, tokio_postgres::Error>) -> String {
    result
        .as_ref()
        .err()
        .and_then(tokio_postgres::Error::code)
        .map(|code| code.code().to_owned())
        .unwrap_or_default()
}

/// The real time: signatures are checked against the database's clock.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
