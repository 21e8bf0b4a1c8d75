//! Attacks on the context itself: forged, borrowed, replayed, outdated.

use fieldstone_model::Role;
use fieldstone_server::database::{Backend, ContextSigner};
use futures_util::future::FutureExt as _;
use jiff::SignedDuration;

use super::scratch::{Scratch, attacker, victim};
use super::{Attack, Defence, Removal, attacks};
use crate::tenancy::workspaces::{Connection, actor, now, signer};

attacks! {
    NO_CONTEXT, SELF_SIGNED, FORGED_TENANT_BY_SET_CONFIG, FORGED_ROLE_BY_SET_CONFIG, ANOTHER_CONNECTIONS_CONTEXT, FORMER_BACKENDS_CONTEXT,
    EXPIRED, POSTDATED, REPLAYED_SEAL, ANOTHER_CONNECTIONS_SEAL, WITHOUT_ENTERING, WIDER_SIGHT_BY_SET_CONFIG, REVOKED_ROLE, ENDED_SESSION, WRITE_INTO_ANOTHER_TENANT,
    MOVE_INTO_ANOTHER_TENANT, VIEWER_WRITES,
}

/// What the functions of the context refuse to open.
const SEALED: &[&str] = &[
    "tenant_id",
    "user_id",
    "role",
    "can_write",
    "can_manage",
    "visible_owners",
];
const SEAL: Defence = Defence {
    name: "the seal",
    remove: Removal::Refusal {
        functions: SEALED,
        message: "the tenant context is not valid here",
    },
};
const ROW_LEVEL_SECURITY: Defence = Defence {
    name: "row-level security",
    remove: Removal::Sql("ALTER TABLE app.account DISABLE ROW LEVEL SECURITY"),
};

/// Enters a context given as text and looks at what it opens.
async fn opens(connection: &Connection, signed: &str) -> bool {
    connection.inject("BEGIN").await
        && connection.enter(signed, &victim()).await.is_ok()
        && connection.sees_their_account().await
}

const NO_CONTEXT: Attack = Attack {
    name: "reading without any context",
    run: |scratch| async move { scratch.app().await.sees_their_account().await }.boxed(),
    defences: &[ROW_LEVEL_SECURITY],
};

const SELF_SIGNED: Attack = Attack {
    name: "a context signed with a key of one's own",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let signed =
                ContextSigner::generate(now())
                    .unwrap()
                    .sign(&victim(), &connection.backend, now());
            opens(&connection, &signed).await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the signature",
        remove: Removal::Refusal {
            functions: &["enter"],
            message: "the tenant context is not genuine",
        },
    }],
};

/// The context of a transaction as the attacker reads and rewrites it.
async fn rewritten(
    scratch: &Scratch,
    actor: &fieldstone_server::database::Actor,
    rewrite: impl Fn(&str) -> String,
) -> Connection {
    let connection = scratch.app().await;
    connection.begin(actor).await.unwrap();
    let sealed: String = connection
        .client
        .query_one("SELECT current_setting('app.context')", &[])
        .await
        .unwrap()
        .get(0);
    connection
        .client
        .execute(
            "SELECT set_config('app.context', $1, true)",
            &[&rewrite(&sealed)],
        )
        .await
        .unwrap();
    connection
}

const FORGED_TENANT_BY_SET_CONFIG: Attack = Attack {
    name: "another tenant's id by set_config",
    run: |scratch| {
        async move {
            let connection = rewritten(scratch, &attacker(), |sealed| {
                sealed.replace(attacker().tenant.as_str(), victim().tenant.as_str())
            })
            .await;
            connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[SEAL],
};

const FORGED_ROLE_BY_SET_CONFIG: Attack = Attack {
    name: "a higher role by set_config",
    run: |scratch| {
        async move {
            let connection = rewritten(scratch, &actor("a", Role::Viewer), |sealed| {
                sealed.replace("|viewer|", "|owner|")
            })
            .await;
            connection
                .client
                .execute("UPDATE app.workspace SET name = 'mine'", &[])
                .await
                .is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[SEAL],
};

const PID: Defence = Defence {
    name: "the process id in the signature",
    remove: Removal::Body {
        functions: &["enter"],
        from: "part[6] <> pg_backend_pid()::text",
        to: "false",
    },
};
const BACKEND_START: Defence = Defence {
    name: "the backend's start in the signature",
    remove: Removal::Body {
        functions: &["enter"],
        from: "WHEN pg_advisory_unlock_shared(part[7]::bigint) THEN pg_try_advisory_lock_shared(part[7]::bigint) ELSE false",
        to: "WHEN true THEN true",
    },
};

const ANOTHER_CONNECTIONS_CONTEXT: Attack = Attack {
    name: "a context captured from another connection",
    run: |scratch| {
        async move {
            let (connection, other) = (scratch.app().await, scratch.app().await);
            opens(&connection, &other.sign(&victim())).await
        }
        .boxed()
    },
    defences: &[PID, BACKEND_START],
};

const FORMER_BACKENDS_CONTEXT: Attack = Attack {
    name: "a context of a former backend with the same process id",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let former = Backend {
                start_us: connection.backend.start_us - 1_000_000,
                ..connection.backend
            };
            opens(&connection, &signer().sign(&victim(), &former, now())).await
        }
        .boxed()
    },
    defences: &[BACKEND_START],
};

const EXPIRED: Attack = Attack {
    name: "a context that has expired",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let past = now() - SignedDuration::from_mins(5);
            opens(
                &connection,
                &signer().sign(&victim(), &connection.backend, past),
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the expiry in the signature",
        remove: Removal::Refusal {
            functions: &["enter"],
            message: "the tenant context has expired",
        },
    }],
};

const POSTDATED: Attack = Attack {
    name: "a context that a fast clock has signed",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let future = now() + SignedDuration::from_mins(5);
            opens(
                &connection,
                &signer().sign(&victim(), &connection.backend, future),
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the longest life of a context",
        remove: Removal::Refusal {
            functions: &["enter"],
            message: "the tenant context lives too long",
        },
    }],
};

/// The sealed context of the victim's transaction on `connection`, captured by whatever means.
async fn captured_seal(connection: &Connection) -> String {
    connection.begin(&victim()).await.unwrap();
    let sealed = connection
        .client
        .query_one("SELECT current_setting('app.context')", &[])
        .await
        .unwrap()
        .get(0);
    connection.client.batch_execute("COMMIT").await.unwrap();
    sealed
}

const SEAL_TIME: Defence = Defence {
    name: "the transaction's time in the seal",
    // The two functions write the expression over different line breaks.
    remove: Removal::Sql(
        "UPDATE pg_catalog.pg_proc SET prosrc = regexp_replace(prosrc, '\\|\\| timestamptz_send\\(transaction_timestamp\\(\\)\\)', '')
         WHERE pronamespace = 'app'::regnamespace AND proname IN ('enter', 'tenant_id', 'user_id', 'role', 'can_write', 'can_manage', 'visible_owners')",
    ),
};
const SEAL_PID: Defence = Defence {
    name: "the process id in the seal",
    remove: Removal::Sql(
        "UPDATE pg_catalog.pg_proc SET prosrc = regexp_replace(prosrc, 'int4send\\(pg_backend_pid\\(\\)\\)', '''''::bytea')
         WHERE pronamespace = 'app'::regnamespace AND proname IN ('enter', 'tenant_id', 'user_id', 'role', 'can_write', 'can_manage', 'visible_owners')",
    ),
};

const REPLAYED_SEAL: Attack = Attack {
    name: "a sealed context replayed in a later transaction of the same connection",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let sealed = captured_seal(&connection).await;
            connection.begin(&attacker()).await.unwrap();
            connection
                .client
                .execute("SELECT set_config('app.context', $1, true)", &[&sealed])
                .await
                .unwrap();
            connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[SEAL_TIME],
};

const ANOTHER_CONNECTIONS_SEAL: Attack = Attack {
    name: "a sealed context replayed on another connection",
    run: |scratch| {
        async move {
            let sealed = captured_seal(&scratch.app().await).await;
            let connection = scratch.inside().await;
            connection
                .client
                .execute("SELECT set_config('app.context', $1, true)", &[&sealed])
                .await
                .unwrap();
            connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[SEAL_TIME, SEAL_PID],
};

const WITHOUT_ENTERING: Attack = Attack {
    name: "a genuine signature set directly, without the checks of app.enter()",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.client.batch_execute("BEGIN").await.unwrap();
            connection
                .client
                .execute(
                    "SELECT set_config('app.context', $1, true)",
                    // Whose account it is: without a word about sight, a context is for one's own records.
                    &[&connection.sign(&actor("b", Role::Member))],
                )
                .await
                .unwrap();
            connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[SEAL],
};

const WIDER_SIGHT_BY_SET_CONFIG: Attack = Attack {
    name: "everybody's records by set_config, for somebody who sees their own",
    run: |scratch| {
        async move {
            // The account belongs to a member of theirs.
            let mut member = actor("a", Role::Viewer);
            member.member_version = 2;
            let narrow = format!(
                "UPDATE app.\"user\" SET visibility = 'own' WHERE id = '{}'",
                member.user
            );
            scratch.arrange(&narrow).await;
            let connection =
                rewritten(scratch, &member, |sealed| sealed.replace("|own|", "|all|")).await;
            let others = format!(
                "SELECT count(*) FROM app.account WHERE owner_id <> '{}'",
                member.user
            );
            connection.count(&others).await.is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[SEAL],
};

const MEMBERSHIP: Defence = Defence {
    name: "the membership check",
    remove: Removal::Refusal {
        functions: &["enter"],
        message: "access has ended or changed",
    },
};

const REVOKED_ROLE: Attack = Attack {
    name: "a role that was taken away while the server remembered it",
    run: |scratch| {
        async move {
            let admin = actor("a", Role::Admin);
            scratch
                .arrange(&format!(
                    "UPDATE app.\"user\" SET role = 'viewer' WHERE id = '{}'",
                    admin.user
                ))
                .await;
            let connection = scratch.app().await;
            connection.begin(&admin).await.is_ok()
                && connection
                    .client
                    .execute("UPDATE app.workspace SET name = 'still mine'", &[])
                    .await
                    .is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[MEMBERSHIP],
};

const ENDED_SESSION: Attack = Attack {
    name: "a session that was ended while the server remembered it",
    run: |scratch| {
        async move {
            let mut actor = attacker();
            actor.credential = Some("0SS000000000001".parse().unwrap());
            scratch
                .arrange(&format!(
                    "INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, ended_at)
                     VALUES ('{}', '0SS000000000001', '{}', sha256(''), now(), now(), now() + '1 h', now() + '1 h', now(), now()) ON CONFLICT DO NOTHING",
                    actor.tenant, actor.user
                ))
                .await;
            scratch.app().await.begin(&actor).await.is_ok()
        }
        .boxed()
    },
    defences: &[MEMBERSHIP],
};

const WRITE_INTO_ANOTHER_TENANT: Attack = Attack {
    name: "a row inserted into another tenant",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            let sql = "INSERT INTO app.search_token (tenant_id, record_id, token, object) VALUES ($1, '001000000accoub', 'planted', 'account')";
            connection.client.execute(sql, &[&victim().tenant.as_str()]).await.is_ok()
        }
        .boxed()
    },
    defences: &[Defence {
        name: "WITH CHECK of the insert policy",
        remove: Removal::Sql("ALTER POLICY tenant_insert ON app.search_token WITH CHECK (true)"),
    }],
};

const MOVE_INTO_ANOTHER_TENANT: Attack = Attack {
    name: "a row moved into another tenant",
    run: |scratch| {
        async move {
            scratch.arrange("INSERT INTO app.search_token VALUES ('00D00000000000a', '001000000accoua', 'mine', 'account') ON CONFLICT DO NOTHING").await;
            let connection = scratch.inside().await;
            let sql = "UPDATE app.search_token SET tenant_id = $1 WHERE token = 'mine'";
            connection.client.execute(sql, &[&victim().tenant.as_str()]).await.is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "WITH CHECK of the update policy",
            remove: Removal::Sql(
                "ALTER POLICY tenant_update ON app.search_token WITH CHECK (true)",
            ),
        },
        Defence {
            name: "the select policy, which the new row has to pass too",
            remove: Removal::Sql("ALTER POLICY tenant_select ON app.search_token USING (true)"),
        },
    ],
};

const VIEWER_WRITES: Attack = Attack {
    name: "a viewer who writes",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&actor("a", Role::Viewer)).await.unwrap();
            connection
                .client
                .execute("UPDATE app.account SET name = 'x'", &[])
                .await
                .is_ok_and(|changed| changed > 0)
        }
        .boxed()
    },
    defences: &[Defence {
        name: "can_write() in the update policy",
        remove: Removal::Sql(
            "ALTER POLICY tenant_update ON app.account USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))",
        ),
    }],
};
