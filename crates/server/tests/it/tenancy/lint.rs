//! The migration lint: silent on the product's own schema, and not silent on anything it is there for.

use fieldstone_server::database::lint::lint;

use super::workspaces::Workspaces;

/// The rule, what breaks it, and what the finding names.
const CASES: &[(&str, &str, &str)] = &[
    (
        "class",
        "CREATE TABLE app.loose (tenant_id text PRIMARY KEY)",
        "app.loose",
    ),
    (
        "class",
        "CREATE TABLE public.account (tenant_id text PRIMARY KEY)",
        "account",
    ),
    (
        "row-level security",
        "ALTER TABLE app.account DISABLE ROW LEVEL SECURITY",
        "app.account",
    ),
    (
        "row-level security",
        "ALTER TABLE app.account NO FORCE ROW LEVEL SECURITY",
        "app.account",
    ),
    (
        "policy",
        "DROP POLICY tenant_select ON app.account",
        "app.account",
    ),
    (
        "policy",
        "DROP POLICY migrate ON app.account",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_select ON app.account USING (true)",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_select ON app.account USING (tenant_id = (SELECT app.tenant_id()) OR name = 'x')",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_select ON app.account USING (tenant_id = current_setting('app.tenant'))",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_update ON app.account WITH CHECK (true)",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_insert ON app.account WITH CHECK (tenant_id = (SELECT app.tenant_id()))",
        "app.account",
    ),
    (
        "policy",
        "ALTER POLICY tenant_insert ON app.history WITH CHECK (tenant_id = (SELECT app.tenant_id()))",
        "app.history",
    ),
    (
        "policy",
        "ALTER POLICY tenant_select ON app.audit_event USING (tenant_id = (SELECT app.tenant_id()))",
        "app.audit_event",
    ),
    (
        "policy",
        "SELECT app.protect('app.product', 'administered'); ALTER POLICY tenant_delete ON app.product USING (tenant_id = (SELECT app.tenant_id()))",
        "app.product",
    ),
    (
        "policy",
        "DROP POLICY tenant_select ON app.deal_total",
        "app.deal_total",
    ),
    (
        "table grant",
        "GRANT INSERT ON app.deal_total TO fieldstone_app",
        "app.deal_total",
    ),
    (
        "policy",
        "CREATE POLICY everybody ON app.account USING (true)",
        "app.account",
    ),
    (
        "policy",
        "CREATE POLICY peek ON app.session FOR SELECT TO fieldstone_app USING (tenant_id = (SELECT app.tenant_id()))",
        "app.session",
    ),
    (
        "tenant column",
        "CREATE TABLE app.loose (id text PRIMARY KEY); SELECT app.protect('app.loose', 'private')",
        "app.loose",
    ),
    (
        "key",
        "CREATE INDEX loose ON app.account (name_key)",
        "app.loose",
    ),
    (
        "key",
        "CREATE UNIQUE INDEX loose ON app.account (name_key, tenant_id)",
        "app.loose",
    ),
    (
        "key",
        "CREATE INDEX loose ON app.account ((lower(tenant_id)))",
        "app.loose",
    ),
    (
        "key",
        "CREATE INDEX session_token_lookup_2 ON app.session (token_hash)",
        "app.session_token_lookup_2",
    ),
    (
        "key",
        "ALTER TABLE app.search_token DROP CONSTRAINT search_token_pkey",
        "app.search_token",
    ),
    (
        "foreign key",
        "ALTER TABLE app.account ADD CONSTRAINT by_id UNIQUE (id); ALTER TABLE app.contact ADD FOREIGN KEY (account_id) REFERENCES app.account (id)",
        "app.contact",
    ),
    (
        "view",
        "CREATE VIEW app.loose AS SELECT * FROM app.account",
        "app.loose",
    ),
    (
        "view",
        "CREATE VIEW app.loose WITH (security_invoker = false) AS SELECT * FROM app.account",
        "app.loose",
    ),
    (
        "view",
        "CREATE MATERIALIZED VIEW app.loose AS SELECT * FROM app.account",
        "app.loose",
    ),
    (
        "function",
        "ALTER FUNCTION app.enter(text, text, bigint, bigint) RESET search_path",
        "app.enter(text,text,bigint,bigint)",
    ),
    (
        "function",
        "ALTER FUNCTION app.tenant_id() SET search_path = app, public",
        "app.tenant_id()",
    ),
    (
        "function",
        "GRANT EXECUTE ON FUNCTION app.find_login(text, text) TO PUBLIC",
        "app.find_login(text,text)",
    ),
    (
        "function",
        "ALTER FUNCTION app.tenant_id() OWNER TO fieldstone_owner",
        "app.tenant_id()",
    ),
    (
        "function",
        "ALTER FUNCTION app.tenant_id() LEAKPROOF",
        "app.tenant_id()",
    ),
    (
        "table grant",
        "GRANT TRUNCATE ON app.account TO fieldstone_app",
        "app.account",
    ),
    (
        "table grant",
        "GRANT SELECT ON app.account TO PUBLIC",
        "app.account",
    ),
    (
        "table grant",
        "GRANT SELECT ON app.context_key TO fieldstone_app",
        "app.context_key",
    ),
    (
        "table grant",
        "GRANT UPDATE ON app.audit_event TO fieldstone_worker",
        "app.audit_event",
    ),
    (
        "table grant",
        "GRANT UPDATE ON app.\"user\" TO fieldstone_app",
        "app.\"user\"",
    ),
    (
        "table grant",
        "SELECT app.protect('app.workspace', 'managed')",
        "app.workspace",
    ),
    (
        "table grant",
        "GRANT SELECT ON app.account TO fieldstone_auth",
        "app.account",
    ),
    (
        "schema or database grant",
        "GRANT CREATE ON SCHEMA app TO fieldstone_app",
        "schema app",
    ),
    (
        "schema or database grant",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "schema public",
    ),
    (
        "schema or database grant",
        "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC",
        "language plpgsql",
    ),
    (
        "schema or database grant",
        "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO fieldstone_app', current_database()); END $$",
        "database test_",
    ),
    (
        "ownership",
        "ALTER TABLE app.account OWNER TO fieldstone_app",
        "table app.account",
    ),
    (
        "ownership",
        "ALTER FUNCTION app.role_rank(text) OWNER TO fieldstone_worker",
        "function app.role_rank(text)",
    ),
    (
        "role",
        "ALTER ROLE fieldstone_app BYPASSRLS",
        "fieldstone_app",
    ),
    (
        "role",
        "GRANT fieldstone_owner TO fieldstone_worker",
        "fieldstone_worker",
    ),
    (
        "role",
        "ALTER ROLE fieldstone_lookup LOGIN",
        "fieldstone_lookup",
    ),
    (
        "system function",
        "GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO PUBLIC",
        "pg_sleep(double precision)",
    ),
    (
        "system function",
        "GRANT EXECUTE ON FUNCTION lo_get(oid) TO fieldstone_app",
        "lo_get(oid)",
    ),
];

#[tokio::test]
async fn the_products_schema_keeps_every_rule() {
    let workspaces = Workspaces::new().await;
    assert_eq!(
        lint(&workspaces.connect("fieldstone_owner").await)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn each_rule_finds_what_breaks_it() {
    let workspaces = Workspaces::new().await;
    let admin = workspaces.admin().await;
    // Each is tried in a transaction that is rolled back.
    for (rule, breaks, object) in CASES {
        admin
            .batch_execute(&format!("BEGIN; {breaks}"))
            .await
            .unwrap_or_else(|error| panic!("{breaks}: {error:?}"));
        let findings = lint(&admin).await.unwrap();
        assert!(
            findings
                .iter()
                .any(|finding| finding.rule == *rule && finding.object.starts_with(object)),
            "\"{breaks}\" was not found by \"{rule}\": {findings:?}"
        );
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(lint(&admin).await.unwrap(), [], "each trial was undone");
}
