//! A database to attack: two workspaces with an account each, and an attacker inside workspace `a`.

use fieldstone_model::Role;
use fieldstone_server::database::Actor;
use tokio_postgres::{Client, types::Type};

use super::{Defence, Removal};
use crate::tenancy::workspaces::{Connection, Workspaces, actor, tenant};

/// The account of workspace `b`, known to the attacker by its id.
pub(crate) const THEIR_ACCOUNT: &str = "001000000accoub";
/// The account of workspace `a`.
pub(crate) const OWN_ACCOUNT: &str = "001000000accoua";

/// What a defence is tried on.
pub(crate) struct Scratch {
    pub(crate) workspaces: Workspaces,
    admin: Client,
}

impl Scratch {
    pub(crate) async fn new() -> Self {
        Self::with(Workspaces::new().await).await
    }

    pub(crate) async fn with(workspaces: Workspaces) -> Self {
        let admin = workspaces.admin().await;
        for letter in ["a", "b"] {
            admin
                .execute(
                    "INSERT INTO app.account (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, owner_id, name, name_key)
                     VALUES ($1, $2, 1, now(), $3, now(), $3, $3, 'Quiet', 'quiet')",
                    &[&tenant(letter).as_str(), &format!("001000000accou{letter}"), &actor(letter, Role::Member).user.as_str()],
                )
                .await
                .unwrap();
        }
        // A view as a migration would add it.
        admin
            .batch_execute(
                "SET ROLE fieldstone_owner;
                 CREATE VIEW app.account_sketch WITH (security_invoker = true) AS SELECT id, name FROM app.account;
                 GRANT SELECT ON app.account_sketch TO fieldstone_app;
                 RESET ROLE",
            )
            .await
            .unwrap();
        Self { workspaces, admin }
    }

    /// Takes a defence away.
    pub(crate) async fn remove(&self, defence: &Defence) {
        match defence.remove {
            Removal::Sql(sql) => self
                .admin
                .batch_execute(sql)
                .await
                .unwrap_or_else(|error| panic!("{}: {error:?}", defence.name)),
            Removal::Body {
                functions,
                from,
                to,
            } => {
                let changed = self
                    .admin
                    .execute(
                        "UPDATE pg_catalog.pg_proc SET prosrc = replace(prosrc, $2, $3)
                         WHERE pronamespace = 'app'::regnamespace AND proname = ANY ($1) AND strpos(prosrc, $2) > 0",
                        &[&functions, &from, &to],
                    )
                    .await
                    .unwrap();
                assert_eq!(
                    usize::try_from(changed).unwrap(),
                    functions.len(),
                    "{}: the text is not in the functions",
                    defence.name
                );
            }
            Removal::Refusal { functions, message } => {
                let changed = self
                    .admin
                    .execute(
                        "UPDATE pg_catalog.pg_proc SET prosrc = regexp_replace(prosrc, 'RAISE EXCEPTION ''' || $2 || '''[^;]*;', 'NULL;')
                         WHERE pronamespace = 'app'::regnamespace AND proname = ANY ($1) AND prosrc ~ ('RAISE EXCEPTION ''' || $2 || '''[^;]*;')",
                        &[&functions, &message],
                    )
                    .await
                    .unwrap();
                assert_eq!(
                    usize::try_from(changed).unwrap(),
                    functions.len(),
                    "{}: the refusal is not in the functions",
                    defence.name
                );
            }
        }
    }

    /// What the product itself would have set up; not a defence.
    pub(crate) async fn arrange(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap();
    }

    pub(crate) fn admin(&self) -> &Client {
        &self.admin
    }

    pub(crate) async fn app(&self) -> Connection {
        self.workspaces.app().await
    }

    /// A connection whose transaction has entered the attacker's context: a member of workspace `a`.
    pub(crate) async fn inside(&self) -> Connection {
        let connection = self.app().await;
        connection.begin(&attacker()).await.unwrap();
        connection
    }

    /// Commits, and gives the connection back as the pool does: one that is not clean is replaced.
    pub(crate) async fn recycle(&self, connection: Connection) -> Connection {
        connection.client.batch_execute("COMMIT").await.unwrap();
        let clean = connection
            .client
            .query_typed(
                "CALL app.leave()",
                &[] as &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)],
            )
            .await;
        if clean.is_ok() {
            connection
        } else {
            self.app().await
        }
    }
}

/// A member of workspace `a`.
pub(crate) fn attacker() -> Actor {
    actor("a", Role::Member)
}

/// The owner of workspace `b`.
pub(crate) fn victim() -> Actor {
    actor("b", Role::Owner)
}

impl Connection {
    /// Whether the connection's transaction sees the account of workspace `b`.
    pub(crate) async fn sees_their_account(&self) -> bool {
        let sql = format!("SELECT count(*) FROM app.account WHERE id = '{THEIR_ACCOUNT}'");
        self.count(&sql).await.is_ok_and(|count| count > 0)
    }

    /// Runs injected statements; true when none was refused.
    pub(crate) async fn inject(&self, sql: &str) -> bool {
        self.client.batch_execute(sql).await.is_ok()
    }
}
