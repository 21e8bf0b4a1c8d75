//! P4: workspaces are kept apart by the database engine. The rules are read from the catalog, and then tried.

use tokio_postgres::error::SqlState;

use super::{Seen, Subject, fail, pass};
use crate::database::connect;
use crate::database::lint::lint;

/// Tables of tenants that the serving role may read at all.
const TABLES: &str = "SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c JOIN app.table_class k ON k.table_name = c.relname
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND k.class NOT IN ('private', 'system') ORDER BY 1";
const POLICIES: &str = "SELECT count(*) FROM pg_catalog.pg_policies WHERE schemaname = 'app'";

/// Every table has its policies; without a context there is no row anywhere; a forged context is an error.
pub(super) async fn isolation(subject: &Subject) -> Seen {
    let owner = subject.owner().await?;
    let broken = lint(&owner).await?;
    if let Some(first) = broken.first() {
        return fail(format!(
            "{} rules are broken, the first: {} {}",
            broken.len(),
            first.object,
            first.problem
        ));
    }
    let tables: Vec<String> = owner
        .query(TABLES, &[])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    let policies: i64 = owner.query_one(POLICIES, &[]).await?.try_get(0)?;
    if tables.is_empty() {
        return fail("the database has no tables of workspaces");
    }
    let app = connect(&subject.app).await?;
    app.query_one("SELECT pid FROM app.hello()", &[]).await?;
    for table in &tables {
        match app
            .query_one(&format!("SELECT count(*) FROM app.{table}"), &[])
            .await
        {
            Ok(row) if row.try_get::<_, i64>(0)? == 0 => {}
            Ok(row) => {
                return fail(format!(
                    "app.{table} shows {} rows to whoever has no context",
                    row.try_get::<_, i64>(0)?
                ));
            }
            Err(error) if is_refusal(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let workspaces: i64 = owner
        .query_one("SELECT count(*) FROM app.workspace", &[])
        .await?
        .try_get(0)?;
    let tenant: Option<String> = owner
        .query_opt(
            "SELECT tenant_id FROM app.workspace ORDER BY created_at LIMIT 1",
            &[],
        )
        .await?
        .map(|row| row.try_get(0))
        .transpose()?;
    let tenant = tenant.unwrap_or_else(|| "00D000000000000".to_owned());
    // What somebody who can inject SQL would try: a context of their own making, and the setting behind it.
    let forged = format!(
        "1|1|{tenant}|005000000000000|owner|1|1|99999999999|{}",
        "0".repeat(64)
    );
    match app
        .query_one("SELECT app.enter($1, NULL, NULL, NULL)", &[&forged])
        .await
    {
        Err(error) if is_refusal(&error) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return fail("a forged context was accepted"),
    }
    let set = "SELECT pg_catalog.set_config(name, $1, false) FROM (VALUES ('app.context'), ('app.tenant'), ('app.tenant_id')) s(name)";
    // A role that may not even set them is as well.
    let _ = app.query(set, &[&forged]).await;
    for table in &tables {
        let seen = app
            .query_one(&format!("SELECT count(*) FROM app.{table}"), &[])
            .await;
        if let Ok(row) = seen
            && row.try_get::<_, i64>(0)? > 0
        {
            return fail(format!("app.{table} shows rows to whoever sets a setting"));
        }
    }
    pass(format!(
        "{} tables, {policies} policies, no rule broken; without a context 0 rows in all of them, with {workspaces} workspaces there; a forged context is refused (28000)",
        tables.len()
    ))
}

fn is_refusal(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION || *code == SqlState::INSUFFICIENT_PRIVILEGE)
}
