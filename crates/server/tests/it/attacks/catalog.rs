//! Attacks through what the database offers to everybody: sessions, locks, objects, files, languages.

use futures_util::future::FutureExt as _;

use super::scratch::Scratch;
use super::{Attack, Defence, Removal, attacks, prove_in};
use crate::tenancy::workspaces::{Workspaces, now, signer};

attacks! { OTHER_SESSIONS, TERMINATE, CANCEL, ADVISORY_LOCK, FAKED_START, LARGE_OBJECT, SLEEP, NOTIFY_FUNCTION, ANONYMOUS_BLOCK, SHADOWED_FUNCTION, PLAIN_VIEW }

const OTHER_SESSIONS: Attack = Attack {
    name: "another session's statement in pg_stat_activity",
    run: |scratch| {
        async move {
            let other = scratch.app().await;
            other.client.batch_execute("SELECT 'a literal secret'").await.unwrap();
            let connection = scratch.inside().await;
            for sql in [
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%literal secret%' AND pid <> pg_backend_pid()",
                "SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE query LIKE '%literal secret%' AND pid <> pg_backend_pid()",
                "SELECT count(*) FROM pg_stat_get_backend_idset() b WHERE pg_stat_get_backend_activity(b) LIKE '%literal secret%'
                     AND pg_stat_get_backend_pid(b) <> pg_backend_pid()",
            ] {
                assert!(connection.inject("SAVEPOINT before").await);
                if connection.count(sql).await.is_ok_and(|count| count > 0) {
                    return true;
                }
                assert!(connection.inject("ROLLBACK TO before").await);
            }
            false
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on the functions of activity",
        remove: Removal::Sql(
            "GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO PUBLIC; GRANT SELECT ON pg_stat_activity TO PUBLIC",
        ),
    }],
};

/// Whether a signal by `function` reaches another tenant's connection.
async fn signals(scratch: &Scratch, function: &str) -> bool {
    let other = scratch.app().await;
    let connection = scratch.inside().await;
    let sql = format!(
        "SELECT count(*) FROM (SELECT {function}({})) s(sent) WHERE sent",
        other.backend.pid
    );
    connection.count(&sql).await.is_ok_and(|count| count > 0)
}

const TERMINATE: Attack = Attack {
    name: "ending another tenant's connection",
    run: |scratch| async move { signals(scratch, "pg_terminate_backend").await }.boxed(),
    defences: &[Defence {
        name: "no EXECUTE on pg_terminate_backend",
        remove: Removal::Sql(
            "GRANT EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint) TO PUBLIC",
        ),
    }],
};

const CANCEL: Attack = Attack {
    name: "cancelling another tenant's statement",
    run: |scratch| async move { signals(scratch, "pg_cancel_backend").await }.boxed(),
    defences: &[Defence {
        name: "no EXECUTE on pg_cancel_backend",
        remove: Removal::Sql("GRANT EXECUTE ON FUNCTION pg_cancel_backend(integer) TO PUBLIC"),
    }],
};

const ADVISORY_LOCK: Attack = Attack {
    name: "holding the lock that migrations wait for",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .inject("SELECT pg_advisory_lock(1179603027, 2)")
                .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on the advisory locks",
        remove: Removal::Sql(
            "GRANT EXECUTE ON FUNCTION pg_advisory_lock(integer, integer) TO PUBLIC",
        ),
    }],
};

const FAKED_START: Attack = Attack {
    name: "claiming another backend's start by taking its lock",
    run: |scratch| {
        async move {
            let (connection, other) = (scratch.app().await, scratch.app().await);
            // A signature for a former backend with this process id.
            let former = fieldstone_server::database::Backend {
                start_us: other.backend.start_us,
                ..connection.backend
            };
            let victim = super::scratch::victim();
            let signed = signer().sign(&victim, &former, now());
            connection
                .inject(&format!(
                    "SELECT pg_advisory_lock_shared({})",
                    former.start_us
                ))
                .await
                && connection.inject("BEGIN").await
                && connection.enter(&signed, &victim).await.is_ok()
                && connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on the advisory locks",
        remove: Removal::Sql("GRANT EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) TO PUBLIC"),
    }],
};

const LARGE_OBJECT: Attack = Attack {
    name: "passing data to another tenant in a large object",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&super::scratch::victim()).await.unwrap();
            if !connection
                .inject("SELECT lo_from_bytea(4711, 'secret')")
                .await
            {
                return false;
            }
            let connection = scratch.recycle(connection).await;
            connection.begin(&super::scratch::attacker()).await.unwrap();
            connection
                .count("SELECT count(*) FROM (SELECT lo_get(4711)) o(data) WHERE data = 'secret'")
                .await
                .is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no EXECUTE on writing large objects",
            remove: Removal::Sql("GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO PUBLIC"),
        },
        Defence {
            name: "no EXECUTE on reading large objects",
            remove: Removal::Sql("GRANT EXECUTE ON FUNCTION lo_get(oid) TO PUBLIC"),
        },
    ],
};

const SLEEP: Attack = Attack {
    name: "holding a connection by sleeping",
    run: |scratch| {
        async move { scratch.inside().await.inject("SELECT pg_sleep(0.01)").await }.boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on pg_sleep",
        remove: Removal::Sql("GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO PUBLIC"),
    }],
};

const NOTIFY_FUNCTION: Attack = Attack {
    name: "sending data out of a query by pg_notify",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .inject("SELECT pg_notify('leak', name) FROM app.account")
                .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on pg_notify",
        remove: Removal::Sql("GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC"),
    }],
};

const ANONYMOUS_BLOCK: Attack = Attack {
    name: "a program of one's own in a DO block",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .inject("DO $$ BEGIN PERFORM 1; END $$")
                .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no USAGE on languages",
        remove: Removal::Sql("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC"),
    }],
};

const SHADOWED_FUNCTION: Attack = Attack {
    name: "a function of one's own in the search path of the context's check",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            let forged = format!("1|1|00D00000000000b|005000000owneb|owner|all|{}", "0".repeat(64));
            connection.inject("CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT ''::bytea $$").await
                && connection.inject("SET LOCAL search_path = public, pg_catalog").await
                && connection.client.execute("SELECT set_config('app.context', $1, true)", &[&forged]).await.is_ok()
                && connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "the pinned search_path of app.tenant_id()",
            remove: Removal::Sql("ALTER FUNCTION app.tenant_id() RESET search_path"),
        },
        Defence {
            name: "the pinned search_path of app.visible_owners()",
            remove: Removal::Sql("ALTER FUNCTION app.visible_owners() RESET search_path"),
        },
        Defence {
            name: "no CREATE on any schema",
            remove: Removal::Sql(
                "GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC; GRANT USAGE ON LANGUAGE sql TO PUBLIC",
            ),
        },
    ],
};

const PLAIN_VIEW: Attack = Attack {
    name: "a view that reads with its owner's rights",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            let sql = format!(
                "SELECT count(*) FROM app.account_sketch WHERE id = '{}'",
                super::scratch::THEIR_ACCOUNT
            );
            connection.count(&sql).await.is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[Defence {
        name: "security_invoker",
        remove: Removal::Sql("ALTER VIEW app.account_sketch RESET (security_invoker)"),
    }],
};

/// Attacks whose defences belong to the whole cluster run in one of their own.
async fn of_its_own() -> Scratch {
    Scratch::with(Workspaces::in_own_cluster().await).await
}

const SET_ROLE: Attack = Attack {
    name: "taking the owner's role",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            connection.inject("SET LOCAL ROLE fieldstone_owner").await
                && connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no membership",
        remove: Removal::Sql("GRANT fieldstone_owner TO fieldstone_app"),
    }],
};

const KEPT_ROLE: Attack = Attack {
    name: "a role that stays set for the next tenant",
    run: |scratch| {
        async move {
            // The membership is what this attack presupposes.
            scratch
                .arrange("DO $$ BEGIN CREATE ROLE some_member_role; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                     GRANT some_member_role TO fieldstone_app")
                .await;
            let connection = scratch.inside().await;
            assert!(connection.inject("SET ROLE some_member_role").await);
            let connection = scratch.recycle(connection).await;
            connection
                .count("SELECT count(*) WHERE current_setting('role') = 'some_member_role'")
                .await
                .unwrap()
                > 0
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "the connection's check for a role",
            remove: Removal::Body {
                functions: &["leave"],
                from: "current_setting('role') <> 'none'",
                to: "false",
            },
        },
        Defence {
            name: "the check answers to serving roles only",
            remove: Removal::Sql(
                "GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT EXECUTE ON PROCEDURE app.leave() TO PUBLIC",
            ),
        },
    ],
};

const BYPASS: Attack = Attack {
    name: "switching row-level security off",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            connection.inject("SET LOCAL row_security = off").await
                && connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no BYPASSRLS",
        remove: Removal::Sql("ALTER ROLE fieldstone_app BYPASSRLS"),
    }],
};

const COPY_PROGRAM: Attack = Attack {
    name: "running a program with COPY",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .inject("COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'")
                .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no membership in pg_execute_server_program",
        remove: Removal::Sql("GRANT pg_execute_server_program TO fieldstone_app"),
    }],
};

const SERVER_FILE: Attack = Attack {
    name: "reading a file of the server",
    run: |scratch| {
        async move {
            scratch
                .inside()
                .await
                .inject("SELECT pg_read_file('PG_VERSION')")
                .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no EXECUTE on pg_read_file",
        remove: Removal::Sql(
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC; GRANT pg_read_server_files TO fieldstone_app",
        ),
    }],
};

#[tokio::test]
async fn attacks_on_the_clusters_roles() {
    for attack in [&SET_ROLE, &KEPT_ROLE, &BYPASS, &COPY_PROGRAM, &SERVER_FILE] {
        prove_in(attack, of_its_own).await;
    }
}
