//! First contact with a database: roles, rights and migrations. Safe to run at every start; cheap when nothing is to do.

use aws_lc_rs::digest;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::{Client, Config};

use super::{DEFAULT_DATABASE, DatabaseError, connect, migration, scram};

const ROLES_SQL: &str = include_str!("roles.sql");
const BOOTSTRAP_SQL: &str = include_str!("bootstrap.sql");

/// Where a superuser connects to create another database; never the product's own.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Held while one node prepares, so that two starting at once wait for each other.
const PREPARE_LOCK: &str = "SELECT pg_advisory_lock(1179603027, 1)";

/// The mark that the last preparation left.
const FOUND_MARK: &str = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";

/// Everything about the roles that somebody could have changed since: attributes, memberships, settings.
const ROLES_NOW: &str = "SELECT coalesce(string_agg(fact, E'\\n' ORDER BY fact), '') FROM (
        SELECT to_jsonb(r) - ARRAY['oid', 'rolpassword', 'rolconfig'] #>> '{}' FROM pg_roles r WHERE r.rolname ~ '^fieldstone_'
        UNION ALL SELECT format('%s in %s', m.member::regrole, m.roleid::regrole) FROM pg_auth_members m WHERE m.member::regrole::text ~ '^fieldstone_'
        UNION ALL SELECT format('%s has %s', s.setrole::regrole, s.setconfig) FROM pg_db_role_setting s
            WHERE s.setrole::regrole::text ~ '^fieldstone_' AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ) f(fact)";

/// Passwords of the four roles that connect.
#[derive(Debug, Clone)]
pub struct RolePasswords {
    /// Owns the schema; migrations and operator commands.
    pub owner: SecretString,
    /// Serves requests.
    pub app: SecretString,
    /// Signs people in.
    pub auth: SecretString,
    /// Runs jobs.
    pub worker: SecretString,
}

impl RolePasswords {
    fn by_role(&self) -> [(&'static str, &SecretString); 4] {
        [
            ("fieldstone_owner", &self.owner),
            ("fieldstone_app", &self.app),
            ("fieldstone_auth", &self.auth),
            ("fieldstone_worker", &self.worker),
        ]
    }
}

/// What [`prepare`] found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Whether roles or rights were set.
    pub secured: bool,
    /// Names of the migrations applied now.
    pub migrated: Vec<String>,
    /// The number of the database's last migration.
    pub schema: i32,
}

/// Makes a cluster and its database ready to serve, with a superuser's credentials.
///
/// The database is the one `admin` names, or [`DEFAULT_DATABASE`] when that is none or the cluster's own `postgres`. It is
/// created when it is missing. Nothing is changed in a database that is newer than this program.
pub async fn prepare(admin: &Config, passwords: &RolePasswords) -> Result<Prepared, DatabaseError> {
    let name = admin
        .get_dbname()
        .filter(|name| *name != MAINTENANCE_DATABASE)
        .unwrap_or(DEFAULT_DATABASE)
        .to_owned();
    let mut admin = admin.clone();
    admin.dbname(&name);
    let client = match connect(&admin).await {
        Err(error) if error.is_missing_database() => {
            create_database(&admin, &name, passwords).await?;
            connect(&admin).await?
        }
        other => other?,
    };

    let known = migration::latest();
    if let Some(found) = migration::current(&client).await? {
        migration::refuse_newer(found, known)?;
    }
    let secured = secure(&client, &name, passwords).await?;
    let migrated = if migration::is_current(&client).await? {
        Vec::new()
    } else {
        let mut owner = admin.clone();
        owner
            .user("fieldstone_owner")
            .password(passwords.owner.expose_secret());
        migration::migrate(&owner).await?
    };
    Ok(Prepared {
        secured,
        migrated,
        schema: known,
    })
}

async fn create_database(
    admin: &Config,
    name: &str,
    passwords: &RolePasswords,
) -> Result<(), DatabaseError> {
    let mut maintenance = admin.clone();
    maintenance.dbname(MAINTENANCE_DATABASE);
    let client = connect(&maintenance).await?;
    client.batch_execute(PREPARE_LOCK).await?;
    set_roles(&client, passwords).await?;
    let create = format!(
        "CREATE DATABASE {} OWNER fieldstone_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        quoted(name)
    );
    match client.batch_execute(&create).await {
        // Another node was faster.
        Err(error)
            if error.code() == Some(&tokio_postgres::error::SqlState::DUPLICATE_DATABASE) => {}
        other => other?,
    }
    // The cluster's own databases are no place for serving roles to meet.
    client
        .batch_execute("REVOKE CONNECT, TEMP ON DATABASE postgres, template1 FROM PUBLIC")
        .await?;
    Ok(())
}

/// Sets roles and rights unless the database says that exactly these were set before.
async fn secure(
    client: &Client,
    name: &str,
    passwords: &RolePasswords,
) -> Result<bool, DatabaseError> {
    let found = client.query_one(FOUND_MARK, &[]).await?;
    if found.try_get::<_, Option<&str>>(0)? == Some(&mark(client).await?)
        && passwords_hold(client, passwords).await?
    {
        return Ok(false);
    }
    client.batch_execute(PREPARE_LOCK).await?;
    set_roles(client, passwords).await?;
    client
        .batch_execute(&format!("BEGIN; {BOOTSTRAP_SQL}; COMMIT"))
        .await?;
    let mark = mark(client).await?;
    client
        .batch_execute(&format!("COMMENT ON DATABASE {} IS '{mark}'", quoted(name)))
        .await?;
    client
        .batch_execute("SELECT pg_advisory_unlock_all()")
        .await?;
    Ok(true)
}

/// Says which text of the bootstrap a database has been through, and how the roles look. It is no secret and no proof:
/// `verify` looks at the rights themselves.
async fn mark(client: &Client) -> Result<String, DatabaseError> {
    let roles: String = client.query_one(ROLES_NOW, &[]).await?.try_get(0)?;
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [ROLES_SQL, BOOTSTRAP_SQL, &roles] {
        hash.update(part.as_bytes());
    }
    let digest = hash.finish();
    let number = digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(format!("Fieldstone, secured by {number:016x}"))
}

async fn set_roles(client: &Client, passwords: &RolePasswords) -> Result<(), DatabaseError> {
    client
        .batch_execute(&format!("BEGIN; {ROLES_SQL}; COMMIT"))
        .await?;
    if passwords_hold(client, passwords).await? {
        return Ok(());
    }
    for (role, password) in passwords.by_role() {
        // A verifier has no quote in it.
        client
            .batch_execute(&format!(
                "ALTER ROLE {role} PASSWORD '{}'",
                scram::verifier(password)?
            ))
            .await?;
    }
    Ok(())
}

async fn passwords_hold(client: &Client, passwords: &RolePasswords) -> Result<bool, DatabaseError> {
    for (role, password) in passwords.by_role() {
        let stored = client
            .query_opt(
                "SELECT rolpassword FROM pg_authid WHERE rolname = $1",
                &[&role],
            )
            .await?;
        let stored = stored
            .as_ref()
            .and_then(|row| row.try_get::<_, Option<&str>>(0).ok().flatten());
        if !stored.is_some_and(|stored| scram::verifies(stored, password)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
