//! The rules that every migration has to keep, checked on a database as it is.
//!
//! Reads the catalog only. What it checks is what the attacks need broken: a table without a policy, a key that another
//! tenant's row can collide with, a view or function that reads with its owner's rights, a right too many.

use tokio_postgres::Client;

use super::DatabaseError;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static str,
    /// The table, index, function or role.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A rule: a query that answers (object, problem) for whatever breaks it.
struct Rule {
    name: &'static str,
    query: &'static str,
}

/// Indexes by which a person is found before their tenant is known. Only on private tables, which no serving role touches.
const LOOKUP_INDEXES: &[&str] = &[
    "workspace_slug_lookup",
    "user_secret_email_lookup",
    "session_token_lookup",
    "api_token_lookup",
    "setup_link_lookup",
    "second_step_lookup",
    "oauth_client_lookup",
    "oauth_code_lookup",
    "oauth_token_lookup",
    "mail_link_lookup",
    "letter_due_lookup",
    "sync_standing_lookup",
    "automation_event_due_lookup",
    "calendar_feed_lookup",
];

const RULES: [Rule; 13] = [
    Rule {
        name: "class",
        query: "SELECT t.oid::regclass::text, 'has no class: call app.protect()' FROM tables t WHERE t.class IS NULL",
    },
    Rule {
        name: "row-level security",
        query: "SELECT t.oid::regclass::text, 'row-level security is not enabled and forced' FROM tables t
            WHERE NOT (t.relrowsecurity AND t.relforcerowsecurity)",
    },
    Rule {
        name: "policy",
        query: "SELECT t.oid::regclass::text, format('has no policy for %s by %s', needed.command, needed.role)
            FROM tables t
            JOIN (VALUES ('record', 'rawd'), ('managed', 'rawd'), ('administered', 'rawd'), ('personal', 'rawd'), ('append_only', 'ra'), ('audit', 'ra'), ('derived', 'r')) c(class, commands) USING (class)
            CROSS JOIN LATERAL (SELECT role, command FROM unnest(ARRAY['fieldstone_app', 'fieldstone_worker']) role,
                regexp_split_to_table(c.commands, '') command) needed
            WHERE NOT EXISTS (SELECT FROM policies p WHERE p.table_oid = t.oid AND p.role = needed.role AND p.command IN ('*', needed.command))
            UNION ALL
            SELECT t.oid::regclass::text, 'has no policy for the owner, so that migrations change 0 rows' FROM tables t
            WHERE NOT EXISTS (SELECT FROM policies p WHERE p.table_oid = t.oid AND p.role = 'fieldstone_owner' AND p.command = '*'
                AND p.reads = 'true' AND p.writes = 'true')
            UNION ALL
            SELECT t.oid::regclass::text, format('policy %s lets %s in without the tenant', p.name, p.role)
            FROM tables t JOIN policies p ON p.table_oid = t.oid
            WHERE p.role NOT IN ('fieldstone_owner', 'fieldstone_lookup')
            AND (p.command IN ('*', 'r', 'w', 'd') AND NOT starts_with(ltrim(p.reads, '('), 'tenant_id = ( SELECT app.tenant_id() AS tenant_id)')
                OR p.command IN ('*', 'a', 'w') AND NOT starts_with(ltrim(coalesce(p.writes, p.reads), '('), 'tenant_id = ( SELECT app.tenant_id() AS tenant_id)')
                OR coalesce(p.reads, '') ~* '\\yor\\y' OR coalesce(p.writes, '') ~* '\\yor\\y')
            UNION ALL
            SELECT t.oid::regclass::text, format('policy %s does not ask whether the user may write', p.name)
            FROM tables t JOIN policies p ON p.table_oid = t.oid
            WHERE p.role IN ('fieldstone_app', 'fieldstone_worker') AND p.command <> 'r'
            AND strpos(coalesce(p.writes, p.reads), CASE WHEN t.class IN ('record', 'append_only') THEN '( SELECT app.can_write() '
                WHEN t.class IN ('managed', 'administered') THEN '( SELECT app.can_manage() '
                WHEN t.class = 'personal' THEN 'user_id = ( SELECT app.user_id() ' ELSE 'tenant_id' END) = 0
            UNION ALL
            SELECT t.oid::regclass::text, format('policy %s does not ask whether the user may read', p.name)
            FROM tables t JOIN policies p ON p.table_oid = t.oid
            WHERE p.role IN ('fieldstone_app', 'fieldstone_worker') AND p.command IN ('*', 'r', 'w', 'd')
            AND strpos(p.reads, CASE WHEN t.class IN ('administered', 'audit') THEN '( SELECT app.can_manage() '
                WHEN t.class = 'personal' THEN 'user_id = ( SELECT app.user_id() ' ELSE 'tenant_id' END) = 0
            UNION ALL
            SELECT t.oid::regclass::text, format('policy %s lets %s into a %s table', p.name, p.role, t.class)
            FROM tables t JOIN policies p ON p.table_oid = t.oid
            WHERE t.class IN ('private', 'system') AND p.role NOT IN ('fieldstone_owner', 'fieldstone_lookup')",
    },
    Rule {
        name: "tenant column",
        query: "SELECT t.oid::regclass::text, 'has no column tenant_id text COLLATE \"C\" NOT NULL' FROM tables t
            WHERE t.class <> 'system' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'tenant_id'
                AND a.attnotnull AND a.atttypid = 'text'::regtype AND a.attcollation = '\"C\"'::regcollation)",
    },
    Rule {
        name: "key",
        query: "SELECT i.indexrelid::regclass::text, 'does not lead with tenant_id' FROM tables t
            JOIN pg_index i ON i.indrelid = t.oid
            JOIN pg_class n ON n.oid = i.indexrelid
            LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] AND a.attname = 'tenant_id'
            WHERE t.class <> 'system' AND a.attnum IS NULL AND NOT (t.class = 'private' AND n.relname = ANY ($1))
            UNION ALL
            SELECT t.oid::regclass::text, 'has no primary key' FROM tables t
            WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)",
    },
    Rule {
        name: "foreign key",
        query: "SELECT t.oid::regclass::text, format('%s does not lead with tenant_id on both sides', c.conname) FROM tables t
            JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f'
            WHERE t.class <> 'system' AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_attribute r ON r.attrelid = c.confrelid AND r.attnum = c.confkey[1]
                WHERE a.attrelid = t.oid AND a.attnum = c.conkey[1] AND a.attname = 'tenant_id' AND r.attname = 'tenant_id')",
    },
    Rule {
        name: "view",
        query: "SELECT c.oid::regclass::text, CASE c.relkind WHEN 'v' THEN 'has no security_invoker = true' ELSE 'is materialized: row-level security does not reach it' END
            FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
            WHERE c.relkind IN ('v', 'm') AND NOT (c.relkind = 'v' AND coalesce(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on'])",
    },
    Rule {
        name: "function",
        query: "SELECT p.oid::regprocedure::text, 'runs with its owner''s rights and an open search_path' FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
            WHERE p.prosecdef AND NOT coalesce(p.proconfig, '{}') && ARRAY['search_path=\"\"', 'search_path=pg_catalog']
            UNION ALL
            SELECT p.oid::regprocedure::text, 'runs with its owner''s rights for everybody' FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
            WHERE p.prosecdef AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
            UNION ALL
            SELECT p.oid::regprocedure::text, 'runs with the rights of a role that is not the look-up role' FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
            WHERE p.prosecdef AND p.proowner <> 'fieldstone_lookup'::regrole
            UNION ALL
            SELECT p.oid::regprocedure::text, 'claims to be leakproof' FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace WHERE p.proleakproof",
    },
    Rule {
        name: "table grant",
        query: "SELECT t.oid::regclass::text, format('%s has %s', a.role, a.privilege_type) FROM tables t
            CROSS JOIN LATERAL (SELECT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END AS role, e.privilege_type
                FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) e WHERE c.oid = t.oid) a
            WHERE a.role = 'PUBLIC' OR a.role = ANY ($2) AND (a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                OR t.class IN ('private', 'system') OR t.relname IN ('user', 'workspace') AND a.privilege_type <> 'SELECT' OR t.class IN ('append_only', 'audit') AND a.privilege_type IN ('UPDATE', 'DELETE') OR t.class = 'derived' AND a.privilege_type <> 'SELECT' OR a.role = 'fieldstone_auth')",
    },
    Rule {
        name: "schema or database grant",
        query: "SELECT format('database %s', d.datname), format('%s has %s', r.role, p.privilege) FROM pg_database d, unnest($2::text[]) r(role), unnest(ARRAY['TEMP', 'CREATE']) p(privilege)
            WHERE d.datname = current_database() AND has_database_privilege(r.role, d.oid, p.privilege)
            UNION ALL
            SELECT format('schema %s', n.nspname), format('%s has CREATE', r.role) FROM pg_namespace n, unnest($2::text[]) r(role) WHERE has_schema_privilege(r.role, n.oid, 'CREATE')
            UNION ALL
            SELECT format('language %s', l.lanname), format('%s has USAGE', r.role) FROM pg_language l, unnest($2::text[]) r(role)
            WHERE l.lanpltrusted AND has_language_privilege(r.role, l.oid, 'USAGE')",
    },
    Rule {
        name: "ownership",
        query: "SELECT pg_describe_object(d.classid, d.objid, d.objsubid), format('belongs to %s', d.refobjid::regrole) FROM pg_shdepend d
            WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND d.refobjid::regrole::text = ANY ($2)
            AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
    },
    Rule {
        name: "role",
        query: "SELECT r.rolname::text, 'may more than serve: superuser, BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION' FROM pg_roles r
            WHERE (r.rolname::text = ANY ($2) OR r.rolname IN ('fieldstone_owner', 'fieldstone_lookup'))
            AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
            UNION ALL
            SELECT m.member::regrole::text, format('is a member of %s', m.roleid::regrole) FROM pg_auth_members m WHERE m.member::regrole::text = ANY ($2)
            UNION ALL
            SELECT 'fieldstone_lookup', 'can log in' FROM pg_roles r WHERE r.rolname = 'fieldstone_lookup' AND r.rolcanlogin",
    },
    Rule {
        name: "system function",
        query: "SELECT p.oid::regprocedure::text, format('%s may call it', r.role) FROM pg_proc p, unnest($2::text[]) r(role)
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege(r.role, p.oid, 'EXECUTE')
            AND p.proname ~ '^(pg_terminate_backend|pg_cancel_backend|pg_sleep.*|pg_notify|pg_(try_)?advisory_.*|lo_.*|loread|lowrite|pg_read_(binary_)?file|pg_ls_dir|pg_stat_file|pg_stat_get_activity|pg_stat_get_backend_activity|query_to_xml.*|ts_stat|ts_rewrite)$'",
    },
];

/// What the rules speak of: the product's schemas, its tables with their classes, and who is let in by which policy.
const TERMS: &str = "WITH schemas AS (
        SELECT n.oid FROM pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    ), tables AS (
        SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, k.class
        FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
        LEFT JOIN app.table_class k ON k.table_name = c.relname AND c.relnamespace = 'app'::regnamespace
        WHERE c.relkind IN ('r', 'p', 'f')
    ), policies AS (
        SELECT p.polrelid AS table_oid, p.polname AS name, p.polcmd::text AS command,
            CASE r.oid WHEN 0 THEN 'PUBLIC' ELSE r.oid::regrole::text END AS role,
            pg_get_expr(p.polqual, p.polrelid) AS reads, pg_get_expr(p.polwithcheck, p.polrelid) AS writes
        FROM pg_policy p, unnest(p.polroles) r(oid)
    ), parameters AS (SELECT $1::text[], $2::text[]) ";

/// Roles that serve people.
const SERVING: [&str; 3] = ["fieldstone_app", "fieldstone_auth", "fieldstone_worker"];

/// Checks every rule. `client` is the schema's owner or a superuser; nothing found means that all rules hold.
pub async fn lint(client: &Client) -> Result<Vec<Finding>, DatabaseError> {
    let mut findings = Vec::new();
    for rule in &RULES {
        let query = format!(
            "{TERMS} SELECT * FROM ({}) f(object, problem) ORDER BY 1, 2",
            rule.query
        );
        for row in client
            .query(&query, &[&LOOKUP_INDEXES, &SERVING.as_slice()])
            .await?
        {
            findings.push(Finding {
                rule: rule.name,
                object: row.try_get(0)?,
                problem: row.try_get(1)?,
            });
        }
    }
    Ok(findings)
}
