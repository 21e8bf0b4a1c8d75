//! Attacks through what one request leaves behind on a pooled connection for the next tenant's.

use futures_util::future::FutureExt as _;

use super::scratch::{attacker, victim};
use super::{Attack, Defence, Removal, attacks};

attacks! { TEMP_TABLE, HIJACKED_STATEMENT, HELD_CURSOR, LISTENING, LEFT_SETTING, LEFT_CONTEXT }

const TEMP_TABLE: Attack = Attack {
    name: "a temporary table that shadows a real one",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            if !connection.inject("CREATE TEMPORARY TABLE search_token (LIKE app.search_token)").await {
                return false;
            }
            let connection = scratch.recycle(connection).await;
            connection.begin(&victim()).await.unwrap();
            // A statement that forgot the schema: it has to fail, not to land elsewhere.
            let landed = connection.inject("INSERT INTO search_token VALUES ('00D00000000000b', '001000000accoub', 'secret', 'account')").await;
            if !landed {
                return false;
            }
            let connection = scratch.recycle(connection).await;
            connection.begin(&attacker()).await.unwrap();
            connection.count("SELECT count(*) FROM search_token WHERE token = 'secret'").await.is_ok_and(|count| count > 0)
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no TEMP on the database",
            remove: Removal::Sql(
                "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO fieldstone_app', current_database()); END $$",
            ),
        },
        Defence {
            name: "the connection's check for a temporary schema",
            remove: Removal::Body {
                functions: &["leave"],
                from: "pg_my_temp_schema() <> 0",
                to: "false",
            },
        },
    ],
};

const HIJACKED_STATEMENT: Attack = Attack {
    name: "a prepared statement replaced by another of the same name",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            let statement = connection.client.prepare("SELECT name FROM app.account WHERE id = $1").await.unwrap();
            connection.begin(&attacker()).await.unwrap();
            let name: String = connection
                .client
                .query_one("SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT name FROM app.account WHERE id = $1'", &[])
                .await
                .unwrap()
                .get(0);
            let trap = format!("DEALLOCATE \"{name}\"; PREPARE \"{name}\" (text) AS UPDATE app.account SET name = 'taken' WHERE $1 <> '' RETURNING name");
            if !connection.inject(&trap).await {
                return false;
            }
            let backend = connection.backend;
            let connection = scratch.recycle(connection).await;
            connection.begin(&victim()).await.unwrap();
            // A fresh connection has a statement of its own.
            let statement =
                if connection.backend == backend { statement } else { connection.client.prepare("SELECT name FROM app.account WHERE id = $1").await.unwrap() };
            let read = connection.client.query(&statement, &[&super::scratch::THEIR_ACCOUNT]).await;
            read.is_ok_and(|rows| rows.iter().any(|row| row.get::<_, &str>(0) == "taken"))
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the connection's check for statements prepared from SQL",
        remove: Removal::Body {
            functions: &["leave"],
            from: "EXISTS (SELECT FROM pg_prepared_statement() s WHERE s.from_sql)",
            to: "false",
        },
    }],
};

const HELD_CURSOR: Attack = Attack {
    name: "a cursor WITH HOLD that shows one tenant's rows to the next",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&victim()).await.unwrap();
            assert!(
                connection
                    .inject("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM app.account")
                    .await
            );
            let connection = scratch.recycle(connection).await;
            connection.begin(&attacker()).await.unwrap();
            connection
                .client
                .query("FETCH ALL FROM held", &[])
                .await
                .is_ok_and(|rows| !rows.is_empty())
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the connection's check for held cursors",
        remove: Removal::Body {
            functions: &["leave"],
            from: "EXISTS (SELECT FROM pg_cursor() c WHERE c.is_holdable)",
            to: "false",
        },
    }],
};

const LISTENING: Attack = Attack {
    name: "a channel left open for what later tenants notify",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            assert!(connection.inject("LISTEN leak").await);
            let connection = scratch.recycle(connection).await;
            connection.begin(&victim()).await.unwrap();
            connection
                .count("SELECT count(*) FROM pg_listening_channels()")
                .await
                .unwrap()
                > 0
        }
        .boxed()
    },
    defences: &[Defence {
        name: "the connection's check for channels",
        remove: Removal::Body {
            functions: &["leave"],
            from: "EXISTS (SELECT FROM pg_listening_channels())",
            to: "false",
        },
    }],
};

const LEFT_SETTING: Attack = Attack {
    name: "a session setting that changes what later statements mean or may cost",
    run: |scratch| {
        async move {
            let connection = scratch.inside().await;
            assert!(connection.inject("SET statement_timeout = 0; SET search_path = public; SET enable_indexscan = off").await);
            let connection = scratch.recycle(connection).await;
            connection.begin(&victim()).await.unwrap();
            let row = connection
                .client
                .query_one(
                    "SELECT current_setting('statement_timeout') = '0', current_setting('search_path') = 'public',
                            current_setting('enable_indexscan') = 'off'",
                    &[],
                )
                .await
                .unwrap();
            (0..3).any(|at| row.get(at))
        }
        .boxed()
    },
    defences: &[Defence {
        name: "RESET ALL at the end of each transaction",
        remove: Removal::Body {
            functions: &["leave"],
            from: "RESET ALL;",
            to: "",
        },
    }],
};

const LEFT_CONTEXT: Attack = Attack {
    name: "a context that outlives its transaction",
    run: |scratch| {
        async move {
            let connection = scratch.app().await;
            connection.begin(&victim()).await.unwrap();
            assert!(connection.inject("SELECT set_config('app.context', current_setting('app.context'), false)").await);
            let connection = scratch.recycle(connection).await;
            // A request that forgot to enter.
            connection.sees_their_account().await
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "the transaction's time in the seal",
            remove: Removal::Sql(
                "UPDATE pg_catalog.pg_proc SET prosrc = regexp_replace(prosrc, '\\|\\| timestamptz_send\\(transaction_timestamp\\(\\)\\)', '')
                 WHERE pronamespace = 'app'::regnamespace AND proname IN ('enter', 'tenant_id', 'visible_owners')",
            ),
        },
        Defence {
            name: "the connection's check for a context, and RESET ALL",
            remove: Removal::Sql("CREATE OR REPLACE PROCEDURE app.leave() LANGUAGE sql AS ''"),
        },
    ],
};
