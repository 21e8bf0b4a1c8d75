//! A database of one test's own, cloned from a template that was migrated once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::{process, thread};

use fieldstone_server::database::{RolePasswords, prepare};
use secrecy::SecretString;
use tokio_postgres::{Client, Config, NoTls};

use crate::TestCluster;

/// What the server calls its database; here it only serves as the template.
const TEMPLATE: &str = "fieldstone";

/// The password of every role: the cluster lives for one run of the tests, on a socket of its own.
const PASSWORD: &str = "only-for-this-test-run";

/// Whoever holds this advisory lock (in the cluster's `postgres` database) may make the template.
const TEMPLATE_LOCK: i64 = 0x6669_656c_6473;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A migrated, empty database; dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    cluster: &'static TestCluster,
}

impl TestDatabase {
    /// A clone of the template that the server's own migrations make.
    pub async fn new() -> Self {
        let password = || SecretString::from(PASSWORD);
        let passwords = RolePasswords {
            owner: password(),
            app: password(),
            auth: password(),
            worker: password(),
        };
        Self::cloned_from(async |admin: &Config| prepare(admin, &passwords).await.map(drop)).await
    }

    /// How to reach it as the schema's owner.
    pub fn owner(&self) -> Config {
        self.role("fieldstone_owner", PASSWORD)
    }

    /// How to reach it as the role that serves requests.
    pub fn app(&self) -> Config {
        self.role("fieldstone_app", PASSWORD)
    }

    /// How to reach it as the role that signs people in.
    pub fn auth(&self) -> Config {
        self.role("fieldstone_auth", PASSWORD)
    }

    /// How to reach it as the role that runs jobs.
    pub fn worker(&self) -> Config {
        self.role("fieldstone_worker", PASSWORD)
    }

    /// A clone of the template, which `prepare` makes (as the database `fieldstone` and its roles) when this run has none yet.
    pub async fn cloned_from<E>(prepare: impl AsyncFnOnce(&Config) -> Result<(), E>) -> Self
    where
        E: std::fmt::Display,
    {
        let cluster = TestCluster::shared().await;
        let admin = connect(&cluster.admin_config()).await;
        make_template(&admin, cluster, prepare).await;
        let name = format!(
            "test_{}_{}",
            process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        clone_template(&admin, &name).await;
        Self { name, cluster }
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it lives in.
    pub fn cluster(&self) -> &'static TestCluster {
        self.cluster
    }

    /// How to reach it as superuser.
    pub fn admin(&self) -> Config {
        let mut config = self.cluster.admin_config();
        config.dbname(&self.name);
        config
    }

    /// How to reach it as any role.
    pub fn role(&self, role: &str, password: &str) -> Config {
        let mut config = self.admin();
        config.user(role).password(password);
        config
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (admin, name) = (self.cluster.admin_config(), self.name.clone());
        // The runtime of the test may be ending: a thread with a runtime of its own does it.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let admin = connect(&admin).await;
                admin
                    .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                    .await
                    .expect("the database to be dropped");
            });
        });
        if dropped.join().is_err() {
            eprintln!("the test database {} was left behind", self.name);
        }
    }
}

/// Connects, and drives the connection until the client is dropped.
pub(crate) async fn connect(config: &Config) -> Client {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .expect("a connection to the test cluster");
    tokio::spawn(connection);
    client
}

async fn make_template<E>(
    admin: &Client,
    cluster: &TestCluster,
    prepare: impl AsyncFnOnce(&Config) -> Result<(), E>,
) where
    E: std::fmt::Display,
{
    const IS_MADE: &str =
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)";
    if admin
        .query_one(IS_MADE, &[&TEMPLATE])
        .await
        .expect("the catalog")
        .get(0)
    {
        return;
    }
    admin
        .execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK])
        .await
        .expect("the template's lock");
    if !admin
        .query_one(IS_MADE, &[&TEMPLATE])
        .await
        .expect("the catalog")
        .get::<_, bool>(0)
    {
        let mut template = cluster.admin_config();
        template.dbname(TEMPLATE);
        if let Err(error) = prepare(&template).await {
            panic!("the database can't be prepared: {error}");
        }
        // A template takes no connections, so that any number of clones can be made at once.
        admin
            .batch_execute(&format!(
                "ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
            ))
            .await
            .expect("the template to be closed");
        admin
            .execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1",
                &[&TEMPLATE],
            )
            .await
            .expect("the template's connections to be closed");
    }
    admin
        .execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK])
        .await
        .expect("the template's lock");
}

/// Clones the template with what `CREATE DATABASE` leaves behind: its owner, its grants and its settings.
async fn clone_template(admin: &Client, name: &str) {
    // Each row is one statement. (The settings of a role in a database and of the database alike.)
    const AFTER: &str = "
        SELECT format('REVOKE ALL ON DATABASE %1$I FROM PUBLIC', $2::text)
        UNION ALL
        SELECT format('GRANT %s ON DATABASE %I TO %s', acl.privilege_type, $2::text,
                      CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END)
          FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS acl
         WHERE d.datname = $1
        UNION ALL
        SELECT format('ALTER %s %I SET %s = %L', CASE s.setrole WHEN 0 THEN 'DATABASE' ELSE format('ROLE %s IN DATABASE', s.setrole::regrole) END,
                      $2::text, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
          FROM pg_database AS d
          JOIN pg_db_role_setting AS s ON s.setdatabase = d.oid, unnest(s.setconfig) AS setting
         WHERE d.datname = $1";
    let owner: String = admin
        .query_one(
            "SELECT format('%I', pg_get_userbyid(datdba)) FROM pg_database WHERE datname = $1",
            &[&TEMPLATE],
        )
        .await
        .expect("the template's owner")
        .get(0);
    admin
        .batch_execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {owner}"
        ))
        .await
        .expect("a clone of the template");
    let statements = admin
        .query(AFTER, &[&TEMPLATE, &name])
        .await
        .expect("the template's grants and settings");
    let statements = statements
        .iter()
        .map(|row| row.get::<_, String>(0))
        .collect::<Vec<_>>()
        .join(";\n");
    admin
        .batch_execute(&statements)
        .await
        .expect("the template's grants and settings on the clone");
}
