//! Attacks through keys, references and secrets: what constraints and private tables could tell.

use fieldstone_model::Role;
use futures_util::future::FutureExt as _;

use super::scratch::{OWN_ACCOUNT, THEIR_ACCOUNT, victim};
use super::{Attack, Defence, Removal, attacks};
use crate::tenancy::workspaces::{actor, code};

attacks! { CROSS_TENANT_REFERENCE, UNIQUE_KEY_ORACLE, CONTEXT_KEYS, SEAL_KEYS, PASSWORD_HASHES, LOOK_UP, SLUG_ORACLE }

const CROSS_TENANT_REFERENCE: Attack = Attack {
    name: "a reference to another tenant's record",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            let sql = "UPDATE app.account SET parent_id = $1 WHERE id = $2";
            connection
                .client
                .execute(sql, &[&THEIR_ACCOUNT, &OWN_ACCOUNT])
                .await
                .is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the tenant in the foreign key",
        remove: Removal::Sql(
            "ALTER TABLE app.account ADD CONSTRAINT account_id UNIQUE (id);
             ALTER TABLE app.account DROP CONSTRAINT account_tenant_id_parent_id_fkey;
             ALTER TABLE app.account ADD FOREIGN KEY (parent_id) REFERENCES app.account (id)",
        ),
    }],
};

const UNIQUE_KEY_ORACLE: Attack = Attack {
    name: "asking a unique key whether another tenant has a value",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&actor("a", Role::Admin)).await.unwrap();
            let taken = connection
                .client
                .execute(
                    "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at)
                     VALUES ('00D00000000000a', '005000000000new', 'owner@b.example', 'owner@b.example', 'x', 'x', 'viewer', now(), now())",
                    &[],
                )
                .await;
            code(&taken) == "23505"
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "the tenant in the unique key",
            remove: Removal::Sql(
                "DROP INDEX app.user_email; CREATE UNIQUE INDEX user_email ON app.\"user\" (email_key) WHERE deleted_at IS NULL",
            ),
        },
        Defence {
            name: "people come by invitation",
            remove: Removal::Refusal {
                functions: &["user_keep"],
                message: "people come by invitation",
            },
        },
    ],
};

const SLUG_ORACLE: Attack = Attack {
    name: "asking by a workspace's address which others exist",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&actor("a", Role::Owner)).await.unwrap();
            code(
                &connection
                    .client
                    .execute("UPDATE app.workspace SET slug = 'b'", &[])
                    .await,
            ) == "23505"
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no UPDATE of an address",
            remove: Removal::Sql("GRANT UPDATE (slug) ON app.workspace TO fieldstone_app"),
        },
        Defence {
            name: "only an operator changes an address",
            remove: Removal::Refusal {
                functions: &["workspace_slug_keep"],
                message: "only an operator changes a workspace''s address",
            },
        },
        Defence {
            name: "the directory of addresses is private",
            remove: Removal::Sql(
                "GRANT ALL ON app.workspace_slug TO fieldstone_app; ALTER TABLE app.workspace_slug DISABLE ROW LEVEL SECURITY",
            ),
        },
    ],
};

const CONTEXT_KEYS: Attack = Attack {
    name: "reading the keys that verify signatures",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .count("SELECT count(*) FROM app.context_key")
                .await
                .is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no SELECT",
            remove: Removal::Sql("GRANT SELECT ON app.context_key TO fieldstone_app"),
        },
        Defence {
            name: "row-level security",
            remove: Removal::Sql("ALTER TABLE app.context_key DISABLE ROW LEVEL SECURITY"),
        },
    ],
};

const SEAL_KEYS: Attack = Attack {
    name: "reading the keys of the seal",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .count("SELECT count(*) FROM app.seal_key")
                .await
                .is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no SELECT",
            remove: Removal::Sql("GRANT SELECT ON app.seal_key TO fieldstone_app"),
        },
        Defence {
            name: "row-level security",
            remove: Removal::Sql("ALTER TABLE app.seal_key DISABLE ROW LEVEL SECURITY"),
        },
    ],
};

const PASSWORD_HASHES: Attack = Attack {
    name: "reading password hashes",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .count("SELECT count(*) FROM app.user_secret")
                .await
                .is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no SELECT",
            remove: Removal::Sql("GRANT SELECT ON app.user_secret TO fieldstone_app"),
        },
        Defence {
            name: "row-level security",
            remove: Removal::Sql("ALTER TABLE app.user_secret DISABLE ROW LEVEL SECURITY"),
        },
    ],
};

const LOOK_UP: Attack = Attack {
    name: "calling a look-up of the sign-in pool",
    run: |scratch| {
        async move {
            let sql = format!("SELECT count(*) FROM app.find_login('owner@b.example', NULL) f WHERE f.tenant_id = '{}'", victim().tenant);
            scratch.inside().await.count(&sql).await.is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on look-ups",
        remove: Removal::Sql("GRANT EXECUTE ON FUNCTION app.find_login(text, text) TO PUBLIC"),
    }],
};
