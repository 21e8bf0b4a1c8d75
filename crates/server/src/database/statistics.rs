//! The planner's knowledge of tables that grow fast: after a bulk load the database would go on reading them as if they were empty, until
//! it happens to look at them again by itself.

use tokio_postgres::{Client, Error};

/// Tables that have four times the pages they had when they were last analysed.
const GROWN: &str = "SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r' AND c.relname = ANY ($1)
        AND pg_relation_size(c.oid) / current_setting('block_size')::bigint > greatest(c.relpages::bigint * 4, 16)";

/// Analyses those of `tables` that have grown much, with the owner's connection. Cheap when none has.
pub async fn refresh(owner: &Client, tables: &[&str]) -> Result<(), Error> {
    for row in owner.query(GROWN, &[&tables]).await? {
        // The name comes from the catalogue, quoted by it. Somebody else who analyses the table makes this needless.
        let table: &str = row.try_get(0)?;
        owner
            .execute(&format!("ANALYZE (SKIP_LOCKED) {table}"), &[])
            .await?;
    }
    Ok(())
}
