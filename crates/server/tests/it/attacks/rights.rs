//! Attacks through rights that the serving role should not have, and roles that people should not give.

use fieldstone_model::Role;
use futures_util::future::FutureExt as _;

use super::scratch::Scratch;
use super::{Attack, Defence, Removal, attacks};
use crate::tenancy::workspaces::actor;

attacks! { TRUNCATE, COPY_OUT, OWNING_A_TABLE, PERSONAL_ROWS, REWRITTEN_AUDIT, READ_AUDIT, INVENTED_HISTORY, APPOINTED_OWNER, DEMOTED_OWNER, LAST_OWNER, FROZEN_MEMBERSHIP }

const TRUNCATE: Attack = Attack {
    name: "emptying a table, which row-level security does not stop",
    run: |scratch| {
        async move {
            scratch.arrange("INSERT INTO app.search_token VALUES ('00D00000000000b', '001000000accoub', 'theirs', 'account') ON CONFLICT DO NOTHING").await;
            let connection = scratch.inside().await;
            connection.inject("TRUNCATE app.search_token").await;
            connection.client.batch_execute("COMMIT").await.unwrap();
            let left: i64 = scratch.admin().query_one("SELECT count(*) FROM app.search_token", &[]).await.unwrap().get(0);
            left == 0
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no TRUNCATE",
        remove: Removal::Sql("GRANT TRUNCATE ON app.search_token TO fieldstone_app"),
    }],
};

const COPY_OUT: Attack = Attack {
    name: "copying a whole table out",
    run: |scratch| {
        async move {
            use futures_util::TryStreamExt as _;
            let connection = scratch.inside().await;
            let Ok(stream) = connection
                .client
                .copy_out("COPY app.account (id) TO STDOUT")
                .await
            else {
                return false;
            };
            let rows: Vec<_> = stream.try_collect().await.unwrap_or_default();
            rows.iter()
                .any(|row| row.starts_with(super::scratch::THEIR_ACCOUNT.as_bytes()))
        }
        .boxed()
    },
    defences: &[Defence {
        name: "row-level security",
        remove: Removal::Sql("ALTER TABLE app.account DISABLE ROW LEVEL SECURITY"),
    }],
};

const OWNING_A_TABLE: Attack = Attack {
    name: "switching a table's policies off",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            connection
                .inject("ALTER TABLE app.account DISABLE ROW LEVEL SECURITY")
                .await
                && connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the serving role owns nothing",
        remove: Removal::Sql(
            "GRANT CREATE ON SCHEMA app TO fieldstone_app; ALTER TABLE app.account OWNER TO fieldstone_app",
        ),
    }],
};

const PERSONAL_ROWS: Attack = Attack {
    name: "a colleague's personal rows",
    run: |scratch| {
        async move {
            let colleague = actor("a", Role::Owner);
            scratch
                .arrange(&format!(
                    "INSERT INTO app.idempotency_key (tenant_id, user_id, key, request_hash, status, created_at) VALUES ('{}', '{}', 'k', '', 201, now()) ON CONFLICT DO NOTHING",
                    colleague.tenant, colleague.user
                ))
                .await;
            scratch.inside().await.count("SELECT count(*) FROM app.idempotency_key").await.is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[Defence {
        name: "user_id() in the policy",
        remove: Removal::Sql(
            "ALTER POLICY own_rows ON app.idempotency_key USING (tenant_id = (SELECT app.tenant_id()))",
        ),
    }],
};

const REWRITTEN_AUDIT: Attack = Attack {
    name: "rewriting the audit log",
    run: |scratch| {
        async move {
            scratch
                .arrange(
                    "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, prev_hash, hash) VALUES ('00D00000000000a', 0, now(), '', 'test', '', '')",
                )
                .await;
            let connection = scratch.app().await;
            connection.begin(&actor("a", Role::Owner)).await.unwrap();
            connection.client.execute("UPDATE app.audit_event SET action = 'nothing'", &[]).await.is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no UPDATE",
            remove: Removal::Sql("GRANT UPDATE ON app.audit_event TO fieldstone_app"),
        },
        Defence {
            name: "no policy for UPDATE",
            remove: Removal::Sql(
                "CREATE POLICY rewrite ON app.audit_event FOR UPDATE TO fieldstone_app USING (true)",
            ),
        },
    ],
};

const READ_AUDIT: Attack = Attack {
    name: "a member who reads the audit log",
    run: |scratch| {
        async move {
            scratch
                .arrange(
                    "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, prev_hash, hash) VALUES ('00D00000000000a', 0, now(), '', 'test', '', '')",
                )
                .await;
            may(scratch, Role::Member, "SELECT FROM app.audit_event").await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "can_manage() in the policy",
        remove: Removal::Sql(
            "ALTER POLICY tenant_select ON app.audit_event USING (tenant_id = (SELECT app.tenant_id()))",
        ),
    }],
};

const INVENTED_HISTORY: Attack = Attack {
    name: "a viewer who adds to a record's history",
    run: |scratch| {
        async move {
            may(
                scratch,
                Role::Viewer,
                "INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action)
                 VALUES ('00D00000000000a', '001000000000000', 99, now(), (SELECT app.user_id()), 'updated')",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "can_write() in the policy",
        remove: Removal::Sql(
            "ALTER POLICY tenant_insert ON app.history WITH CHECK (tenant_id = (SELECT app.tenant_id()))",
        ),
    }],
};

/// Whether `role` of workspace `a` can run `sql`, and it changes something.
async fn may(scratch: &Scratch, role: Role, sql: &str) -> bool {
    let connection = scratch.app().await;
    connection.begin(&actor("a", role)).await.unwrap();
    connection
        .client
        .execute(sql, &[])
        .await
        .is_ok_and(|changed| changed > 0)
}

const GUARD: Defence = Defence {
    name: "the guard on roles",
    remove: Removal::Refusal {
        functions: &["user_guard"],
        message: "nobody grants or takes a role above their own",
    },
};

const APPOINTED_OWNER: Attack = Attack {
    name: "an admin who makes an owner of themselves",
    run: |scratch| {
        async move {
            may(
                scratch,
                Role::Admin,
                "UPDATE app.\"user\" SET role = 'owner' WHERE id = (SELECT app.user_id())",
            )
            .await
        }
        .boxed()
    },
    defences: &[GUARD],
};

const DEMOTED_OWNER: Attack = Attack {
    name: "an admin who locks an owner out",
    run: |scratch| {
        async move {
            // A second owner, so that it is not the rule of the last one that refuses.
            scratch.arrange("UPDATE app.\"user\" SET role = 'owner' WHERE tenant_id = '00D00000000000a' AND role = 'member'").await;
            may(scratch, Role::Admin, "UPDATE app.\"user\" SET active = false WHERE name = 'owner'").await
        }
        .boxed()
    },
    defences: &[GUARD],
};

const LAST_OWNER: Attack = Attack {
    name: "a workspace left without an owner",
    run: |scratch| {
        async move {
            may(
                scratch,
                Role::Owner,
                "UPDATE app.\"user\" SET role = 'admin' WHERE role = 'owner'",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the last owner stays",
        remove: Removal::Refusal {
            functions: &["user_last_owner"],
            message: "a workspace keeps at least one active owner",
        },
    }],
};

const FROZEN_MEMBERSHIP: Attack = Attack {
    name: "keeping a remembered right by holding member_version still",
    run: |scratch| {
        async move {
            let member = actor("a", Role::Member);
            let connection = scratch.app().await;
            connection.begin(&actor("a", Role::Admin)).await.unwrap();
            let demote = format!("UPDATE app.\"user\" SET active = false, member_version = 1 WHERE id = '{}'; COMMIT", member.user);
            connection.inject(&demote).await;
            let frozen = "SELECT NOT active AND member_version = 1 FROM app.\"user\" WHERE id = $1";
            scratch.admin().query_one(frozen, &[&member.user.as_str()]).await.unwrap().get(0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "the guard on member_version",
            remove: Removal::Sql("ALTER TABLE app.\"user\" DISABLE TRIGGER guard"),
        },
        Defence {
            name: "no UPDATE of member_version",
            remove: Removal::Sql("GRANT UPDATE (member_version) ON app.\"user\" TO fieldstone_app"),
        },
    ],
};
